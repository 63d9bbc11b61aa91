//! Who may do what, as pages and JSON tell it, over a real registry: roles under roles, ends, thefts; v1 logs; names that
//! nobody has.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test ends where something fails, and waits for real"
)]

#[allow(unreachable_pub, reason = "it is written for the registry's own tests")]
#[path = "../../../registry/tests/support/mod.rs"]
mod support;

mod packages;
mod site;

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use site::{ACME, ALICE, DAY, PUBLISHING, Site, fields, grant, id, publics, released, says};
use support::{Author, WAIT, key, module};
use wargate_core::act::{AnnotationKind, Grant, Identity, OnBehalfOf, Revoke, Step};
use wargate_core::digest::Digest;
use wargate_core::record::{PackageEntry, PackagePermission};
use wargate_registry::CustodialRelease;
use wargate_registry::limits::KEY_CHANGES_PER_PAGE;

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_of_roles_is_told_with_its_guards_and_its_history() {
    let mut site = Site::new().await;
    site.story().await;
    let keys = site.json("/api/packages/acme/hello/keys").await;
    assert_eq!(
        (&keys["log"], &keys["layer"], &keys["logKind"]),
        (&json!("acme:hello"), &json!("package"), &json!("delegated"))
    );
    let roles =
        fields(&keys["roles"], &["name", "parent", "level", "threshold", "endsSoon", "over", "depth"]);
    let every = "every version";
    assert_eq!(
        roles,
        json!([
            ["owner", null, 0, 1, false, every, 8],
            ["ci", "owner", 1, 1, true, "versions >=1.0.0 <2.0.0", 0],
            ["lead", "owner", 1, 2, false, every, 2],
            ["night-shift", "lead", 2, 1, false, every, 0],
        ])
    );
    assert_eq!(
        keys["roles"][1]["keys"],
        json!([{"id": id(61), "key": key(61).public().to_string(), "ofRegistry": false}])
    );
    assert_eq!(
        keys["roles"][3]["notAfter"], keys["roles"][2]["notAfter"],
        "it ends with what it hangs under"
    );
    let given = &keys["roles"][1]["given"];
    assert_eq!((&given["logIndex"], given), (&json!(2), &keys["roles"][3]["given"]));
    assert_eq!(
        fields(&keys["guards"], &["action", "keys", "roles"]),
        json!([
            ["annotate", 1, ["owner"]],
            ["release", 1, ["owner", "ci", "lead", "night-shift"]],
            ["yank", 1, ["owner", "lead"]],
            ["owner", 1, ["owner"]],
        ])
    );
    assert_eq!(fields(&keys["deadRoles"], &["name", "expired"]), json!([["helper", null]]));
    assert!(keys["deadRoles"][0]["was"].as_str().unwrap().starts_with("grants the role `helper`"));

    // The latest first; releases are none of it.
    let history = keys["history"].as_array().unwrap();
    assert_eq!((history.len(), &keys["next"]), (2, &Value::Null));
    assert_eq!(
        (&history[0]["keyIds"], history[0]["did"].as_array().unwrap().len()),
        (&json!([id(ALICE)]), 1)
    );
    assert!(history[0]["did"][0].as_str().unwrap().starts_with("ends the role `helper` and all"));
    assert_eq!(history[1]["did"].as_array().unwrap().len(), 5);
    assert_eq!(history[1]["at"]["recordId"], given["recordId"]);

    for twin in ["/acme/hello/keys.json", "/api/packages/acme/hello/keys?before=99"] {
        assert_eq!(site.json(twin).await, keys, "{twin}");
    }
    let (status, page) = site.get("/acme/hello/keys").await;
    assert_eq!(status, StatusCode::OK);
    for words in [
        "night-shift",
        "ends soon",
        "&#62;=1.0.0 &#60;2.0.0",
        "ends the role `helper`",
        "href=\"/acme/-/keys\"",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_end_has_come_is_dead_before_any_record_says_so() {
    let mut site = Site::new().await;
    site.story().await;
    site.clock.advance(Duration::from_secs(21 * DAY as u64));
    // A checkpoint as of now.
    site.run("acme:hello", vec![says(AnnotationKind::Note, "", "still here")], &[ALICE]).await;
    let keys = site.json("/api/packages/acme/hello/keys").await;
    assert_eq!(
        fields(&keys["roles"], &["name", "endsSoon"]),
        json!([["owner", false], ["lead", false], ["night-shift", false]])
    );
    assert_eq!(fields(&keys["deadRoles"], &["name"]), json!([["ci"], ["helper"]]));
    let release = site.json("/api/packages/acme/hello/1.0.0").await;
    assert_eq!(release["guardedBy"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_v1_log_tells_its_keys_and_what_each_may() {
    let site = Site::new().await;
    let mut author = Author::new(10, "tools:cut", &site.clock);
    author.release(&site.registry, "1.0.0", &module(b"cut")).await;
    let all = PackagePermission::ALL.to_vec();
    let friend = key(11).public().clone();
    let (yank, friends) = (vec![PackagePermission::Yank], friend.id());
    author.publish(&site.registry, vec![PackageEntry::GrantFlat { key: friend, permissions: all }]).await;
    author
        .publish(&site.registry, vec![PackageEntry::RevokeFlat { key_id: friends, permissions: yank }])
        .await;
    let keys = site.json("/api/packages/tools/cut/keys").await;
    assert_eq!((&keys["logKind"], &keys["roles"], &keys["guards"]), (&json!("v1"), &json!([]), &json!([])));
    let mut may = vec![json!([id(10), ["release", "yank"]]), json!([id(11), ["release"]])];
    may.sort_by_key(|one| one[0].to_string());
    assert_eq!(fields(&keys["v1Keys"], &["id", "permissions"]), Value::Array(may));
    let did: Vec<&str> =
        keys["history"].as_array().unwrap().iter().map(|one| one["did"][0].as_str().unwrap()).collect();
    assert_eq!(
        did,
        [
            format!("lets key {friends} no longer yank"),
            format!("lets key {friends} release and yank"),
            format!("begins the log with key {}", id(10)),
        ]
    );
    let (status, page) = site.get("/tools/cut/keys").await;
    assert!(status.is_success() && page.contains("has no roles"), "{page}");
    assert_eq!(site.json("/api/packages/tools/cut/1.0.0").await["guardedBy"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_told_a_page_at_a_time() {
    let mut site = Site::new().await;
    site.story().await;
    let total = KEY_CHANGES_PER_PAGE + 5;
    for at in 2..total {
        let seed = 100 + u8::try_from(at % 2).unwrap();
        let steps = match at % 2 {
            0 => vec![Step::Grant(Grant { threshold: 0, ..grant("ci", &[seed], &[]) })],
            _ => {
                let key_ids = vec![key(seed - 1).public().id()];
                vec![Step::Revoke(Revoke { role: "ci".to_owned(), key_ids, since: None })]
            }
        };
        site.run("acme:hello", steps, &[ALICE]).await;
    }
    let first = site.json("/acme/hello/keys.json").await;
    let next = first["next"].as_u64().unwrap();
    let second = site.json(&format!("/acme/hello/keys.json?before={next}")).await;
    let indexes = |page: &Value| -> Vec<u64> {
        page["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["at"]["logIndex"].as_u64().unwrap())
            .collect()
    };
    let all = [indexes(&first), indexes(&second)].concat();
    assert_eq!((all.len(), indexes(&first).len()), (total, KEY_CHANGES_PER_PAGE));
    assert!(all.is_sorted_by(|a, b| a > b) && second["next"].is_null(), "{all:?}");
    let (_, page) = site.get("/acme/hello/keys").await;
    assert!(page.contains(&format!("href=\"/acme/hello/keys?before={next}\"")));
    assert_eq!(site.get("/acme/hello/keys?before=x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespaces_keys_and_a_package_of_that_name_do_not_hide_each_other() {
    let mut site = Site::new().await;
    site.story().await;
    let keys = site.json("/api/namespaces/acme/keys").await;
    assert_eq!(
        fields(&keys["roles"], &["name", "threshold", "over"]),
        json!([["owner", 2, "every name"], ["starters", 1, "names hello or http-*"]])
    );
    assert_eq!(
        fields(&keys["guards"], &["action", "keys"]),
        json!([["recover", 1], ["init", 1], ["annotate", 1], ["owner", 2]]),
        "starters got all that its parent may"
    );
    for path in ["/acme/-/keys.json", "/acme/keys.json"] {
        assert_eq!(site.json(path).await, keys, "{path}");
    }
    assert!(site.get("/acme/keys").await.1.contains("<h1 class=\"name\">acme <"));
    let init = Step::Init { keys: publics(&[80]), threshold: 1 };
    site.run("acme:keys", vec![init, released("1.0.0")], &[ACME[0], ACME[1], 80]).await;
    assert_eq!(site.json("/acme/keys.json").await["name"], "acme:keys");
    assert_eq!(site.json("/acme/keys/keys.json").await["log"], "acme:keys");
    assert_eq!(site.json("/acme/-/keys.json").await["log"], "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_own_keys_are_told_and_marked_where_they_have_a_say() {
    let site = Site::new().await;
    let release = CustodialRelease {
        name: "tools:cut".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        content: Digest::of(b"content"),
        manifest: Digest::of(b"manifest"),
        on_behalf_of: OnBehalfOf {
            identity: Identity::Account,
            issuer: "registry.test".to_owned(),
            subject: "alice".to_owned(),
        },
    };
    site.registry.release(&release, WAIT).await.unwrap();
    let operator = site.json("/-/keys.json").await;
    assert_eq!(operator, site.json("/api/operator/keys").await);
    assert_eq!((&operator["log"], &operator["layer"]), (&json!(""), &json!("operator")));
    let over = operator["roles"].as_array().unwrap().iter().map(|role| (&role["name"], &role["over"]));
    let all = json!("every namespace");
    let expected = [(&json!("owner"), &all), (&json!("commit"), &json!("")), (&json!("registry"), &all)];
    assert_eq!(over.collect::<Vec<_>>(), expected);
    assert_eq!(site.get("/-/keys").await.0, StatusCode::OK);
    let namespace = site.json("/api/namespaces/tools/keys").await;
    assert_eq!(
        fields(&namespace["roles"][0]["keys"], &["id", "ofRegistry"]),
        json!([[id(PUBLISHING), true]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_has_are_not_found() {
    let mut site = Site::new().await;
    site.story().await;
    for (path, code) in [
        ("/api/packages/acme/nothing/keys", "package-unknown"),
        ("/api/packages/acme/Hello/keys", "not-found"),
        ("/api/namespaces/nobody/keys", "namespace-unknown"),
        ("/api/namespaces/-/keys", "not-found"),
        ("/acme/nothing/keys.json", "package-unknown"),
        ("/nobody/-/keys.json", "namespace-unknown"),
        ("/nobody/keys.json", "namespace-unknown"),
    ] {
        let (status, body) = site.get(path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!(code)), "{path}");
    }
    for path in [
        "/acme/nothing/keys",
        "/nobody/-/keys",
        "/nobody/keys",
        "/acme/-/other",
        "/api/-/keys",
        "/log/x/keys",
    ] {
        assert_eq!(site.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
