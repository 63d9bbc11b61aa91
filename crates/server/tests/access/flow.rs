//! Logging in, tokens for a moment, and what they are good for.

use axum::http::{StatusCode, header};
use serde_json::Value;
use wargate_core::digest::Digest;
use wargate_registry::access::tokens;
use wargate_registry::clock::Clock as _;
use wargate_registry::limits::SESSION_LIFE;

use crate::Kind::{Public, Read, Write};
use crate::site::{Reply, Site, ask};
use crate::{support, world};

fn challenge(reply: &Reply) -> &str {
    reply.headers.get(header::WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_asks_who_one_is_unless_everybody_may_do_everything() {
    let site = Site::new().await;
    for path in ["/v2", "/v2/"] {
        let base = ask(path, Public, "GET", path);
        for caller in ["none", "wrong", "expired", "revoked"] {
            let reply = site.send_as(&base, caller).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{caller}");
            let expected = "Bearer realm=\"http://localhost/v2/token\",service=\"localhost\"";
            assert_eq!(challenge(&reply), expected, "no scope, one challenge");
        }
        for caller in ["neighbour", "session", "reader", "operator"] {
            assert_eq!(site.send_as(&base, caller).await.status, StatusCode::OK, "{caller}");
        }
        // As nobody, but by the way that clients go.
        let nobody = site.session("none", "repository:acme/app:pull").await;
        assert_eq!(site.send(&base, Some(&nobody)).await.status, StatusCode::OK);
    }
}

/// Word for word: nothing but the name that was asked for may differ.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_not_told_from_what_is_not_there() {
    let site = Site::new().await;
    let world = world(&site).await;
    for asked in crate::read(&world).iter().filter(|asked| asked.path.contains("secret/app")) {
        for caller in ["none", "neighbour", "session"] {
            let hidden = site.send_as(asked, caller).await;
            for missing in ["secret/nop", "nobody/app"] {
                // That a whole namespace is private is no secret: who may ask for more is asked to.
                if missing == "nobody/app" && caller != "neighbour" {
                    continue;
                }
                let path = asked.path.replace("secret/app", missing);
                let other = site.send_as(&ask(asked.route, Read, asked.method, path), caller).await;
                let (theirs, named) =
                    (missing.replace('/', ":"), other.text().replace(missing, "secret/app"));
                let named = named.replace(&theirs, "secret:app");
                assert_eq!((hidden.status, hidden.text()), (other.status, named), "{caller}: {}", asked.path);
                let names = |reply: &Reply| reply.headers.keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(&hidden), names(&other), "{caller}: {}", asked.path);
            }
        }
    }
}

/// The same of a namespace by its own name, to whom there is nothing more to ask for.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_namespace_is_not_told_from_one_that_is_not_there() {
    let site = Site::new().await;
    world(&site).await;
    for path in ["/api/namespaces/secret/keys", "/secret/-/keys", "/secret/-/keys.json", "/secret/keys"] {
        let hidden = site.send_as(&ask("", Read, "GET", path), "neighbour").await;
        let other = site.send_as(&ask("", Read, "GET", path.replace("secret", "nobody")), "neighbour").await;
        let named = other.text().replace("nobody", "secret");
        assert_eq!((hidden.status, hidden.text()), (other.status, named), "{path}");
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_what_was_asked_for_and_held_and_ends() {
    let site = Site::new().await;
    world(&site).await;
    let tags = |name: &str| ask("", Read, "GET", format!("/v2/{name}/tags/list"));
    // Scopes in one value or in several, as clients have it.
    for path in [
        "/v2/token?scope=repository:secret/app:pull%20repository:secret/none:pull",
        "/v2/token?scope=repository:secret/none:pull&scope=repository%3Asecret/app%3Apull",
        "/v2/token?account=x&service=y&client_id=z&scope=repository:secret/app:pull,push,delete",
        "/v2/token?scope=repository:secret/app:*&scope=nonsense&scope=registry:catalog:*",
    ] {
        let reply = site.send_as(&ask("", Public, "GET", path), "reader").await;
        let body: Value = serde_json::from_slice(&reply.bytes).unwrap();
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
        assert!(body.get("refresh_token").is_none(), "it was not asked for");
        let token = body["token"].as_str().unwrap();
        assert_eq!(site.send(&tags("secret/app"), Some(token)).await.status, StatusCode::OK, "{path}");
        let upload = ask("", Write, "POST", "/v2/secret/app/blobs/uploads/");
        assert_eq!(
            site.send(&upload, Some(token)).await.status,
            StatusCode::FORBIDDEN,
            "a reader cannot push"
        );
        // It could have asked for this one too.
        let narrow = site.send(&tags("acme/app"), Some(token)).await;
        assert_eq!(narrow.status, StatusCode::UNAUTHORIZED);
        assert!(challenge(&narrow).contains("scope=\"repository:acme/app:pull\""), "{}", challenge(&narrow));
        assert!(challenge(&narrow).ends_with("error=\"insufficient_scope\""), "{}", challenge(&narrow));
    }
    let session = site.session("reader", "repository:secret/app:pull").await;
    site.clock.advance(SESSION_LIFE);
    assert_eq!(
        site.send(&tags("secret/app"), Some(&session)).await.status,
        StatusCode::UNAUTHORIZED,
        "it is over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_and_cannot_be_made_up() {
    let site = Site::new().await;
    world(&site).await;
    let tags = ask("", Read, "GET", "/v2/secret/app/tags/list");
    let session = site.session("reader", "repository:secret/app:pull").await;
    assert_eq!(site.send(&tags, Some(&session)).await.status, StatusCode::OK);
    for at in 0..session.len() {
        let mut forged = session.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        // The last digit of the text may hold bits that stand for nothing; strict decoding refuses those.
        assert_eq!(site.send(&tags, Some(&forged)).await.status, StatusCode::UNAUTHORIZED, "{at}");
    }
    let all = tokens::list(&*site.db).await.unwrap();
    let reader = all.iter().find(|token| token.account == "reader").unwrap();
    assert_eq!(reader.used_ms, Some(site.clock.now_ms()), "its use is remembered");
    assert!(tokens::revoke(&*site.db, &reader.id, site.clock.now_ms()).await.unwrap());
    assert_eq!(site.send(&tags, Some(&session)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.send_as(&tags, "reader").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_ask_for_tokens_too_and_identity_tokens_go_on() {
    let site = Site::new().await;
    world(&site).await;
    let secret = site.tokens["reader"].clone();
    let submit = async |form: String| {
        let asked =
            ask("", Public, "POST", "/v2/token").bytes("application/x-www-form-urlencoded", form.as_bytes());
        let reply = site.send(&asked, None).await;
        (reply.status, serde_json::from_slice::<Value>(&reply.bytes).unwrap())
    };
    let scope = "service=s&client_id=c&scope=repository%3Asecret%2Fapp%3Apull";
    let (status, body) =
        submit(format!("grant_type=password&username=me&password={secret}&access_type=offline&{scope}"))
            .await;
    assert_eq!((status, body["refresh_token"].as_str()), (StatusCode::OK, Some(secret.as_str())));
    let (status, body) = submit(format!("grant_type=refresh_token&refresh_token={secret}&{scope}")).await;
    assert_eq!(status, StatusCode::OK);
    let tags = ask("", Read, "GET", "/v2/secret/app/tags/list");
    assert_eq!(site.send(&tags, body["access_token"].as_str()).await.status, StatusCode::OK);
    for (form, expected) in [
        (format!("grant_type=password&username=me&password=wrong&{scope}"), StatusCode::UNAUTHORIZED),
        (format!("grant_type=refresh_token&{scope}"), StatusCode::UNAUTHORIZED),
        (format!("grant_type=magic&{scope}"), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::BAD_REQUEST),
        ("grant_type=password&scope=%zz".to_owned(), StatusCode::UNAUTHORIZED),
        (
            format!("grant_type=refresh_token&refresh_token={secret}{}", "&scope=a:b:c".repeat(65)),
            StatusCode::BAD_REQUEST,
        ),
        ("x".repeat(20_000), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(submit(form.clone()).await.0, expected, "{}", &form[..form.len().min(80)]);
    }
    // As the conformance suite has it: an empty name and password are nobody's.
    let mut base = ask("", Public, "GET", "/v2/token");
    base.headers.push(("authorization", "Basic Og==".to_owned()));
    assert_eq!(site.send(&base, None).await.status, StatusCode::OK);
}

/// CVE-2026-32589: an upload is its repository's and its opener's.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_session_is_nobody_elses() {
    let site = Site::new().await;
    let begun = site.send_as(&ask("", Write, "POST", "/v2/acme/app/blobs/uploads/"), "neighbour").await;
    let place = begun.headers[header::LOCATION].to_str().unwrap().to_owned();
    for (caller, path, expected) in [
        ("operator", place.clone(), StatusCode::NOT_FOUND),
        ("holder", place.clone(), StatusCode::FORBIDDEN),
        ("none", place.clone(), StatusCode::UNAUTHORIZED),
        ("neighbour", place.replace("acme/app", "acme/other"), StatusCode::NOT_FOUND),
        ("neighbour", place.replace("acme/app", "secret/app"), StatusCode::FORBIDDEN),
        ("neighbour", place.clone(), StatusCode::NO_CONTENT),
        ("session", place, StatusCode::NO_CONTENT),
    ] {
        let reply = site.send_as(&ask("", Write, "GET", path.clone()), caller).await;
        assert_eq!(reply.status, expected, "{caller} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_cannot_be_mounted() {
    let site = Site::new().await;
    world(&site).await;
    let private = Digest::of(&support::module(b"secret/app"));
    for (from, caller, expected) in [
        ("secret/app", "neighbour", StatusCode::ACCEPTED),
        ("secret/nop", "neighbour", StatusCode::ACCEPTED),
        ("secret/app", "operator", StatusCode::CREATED),
    ] {
        let path = format!("/v2/acme/app/blobs/uploads/?mount={private}&from={from}");
        let reply = site.send_as(&ask("", Write, "POST", path), caller).await;
        assert_eq!(reply.status, expected, "{caller} from {from}");
        let blob = ask("", Read, "GET", format!("/v2/acme/app/blobs/{private}"));
        let found = site.send_as(&blob, "neighbour").await.status;
        let linked = expected == StatusCode::CREATED;
        assert_eq!(found, if linked { StatusCode::OK } else { StatusCode::NOT_FOUND });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_on_behalf_of_the_token_s_account() {
    let site = Site::new().await;
    let manifest = site.artifact("acme/mine", &support::module(b"mine")).await;
    let put = ask("", Write, "PUT", "/v2/acme/mine/manifests/1.0.0").bytes(crate::MANIFEST, &manifest);
    let elsewhere = site.send_as(&put, "session").await.status;
    assert_eq!(elsewhere, StatusCode::UNAUTHORIZED, "it is for another repository");
    assert_eq!(site.send_as(&put, "neighbour").await.status, StatusCode::CREATED);
    let api = site.send_as(&ask("", Read, "GET", "/api/packages/acme/mine/1.0.0"), "none").await;
    assert!(api.text().contains("neighbour"), "{}", api.text());
}
