//! Who is let in: challenges, and what is refused without the right token.

use crate::http::{Auth, Request};
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{MANIFEST, Repo, Site, same};
use crate::tokens::{Challenge, Credentials, basic, token_of};

rules! {
    "Auth" {
        Must "auth.base.challenge" "`/v2/` without credentials is 401 with a Bearer challenge, whatever may be read: `oci-client` sends nothing otherwise." base_challenge;
        Must "auth.base.no-scope" "The challenge of `/v2/` has no scope." base_no_scope;
        Must "auth.challenge.quoted" "Every value of a challenge is quoted." challenge_quoted;
        Must "auth.challenge.realm" "The realm is absolute and on the same host." challenge_realm;
        Must "auth.challenge.service" "The challenge names the service." challenge_service;
        Must "auth.challenge.one" "There is never a second challenge." challenge_one;
        Must "auth.challenge.pull" "The challenge of a read has the scope `repository:N:pull`." challenge_pull;
        Must "auth.challenge.push" "The challenge of an upload has the scope `repository:N:pull,push`." challenge_push;
        Must "auth.challenge.delete" "The challenge of a deletion names `delete`." challenge_delete;
        Ours "auth.challenge.catalog" "The challenge of `_catalog` has the scope `registry:catalog:*`." challenge_catalog;
        Must "auth.refusal.code" "A 401 is `UNAUTHORIZED` in the shape of errors." refusal_code;
        Must "auth.refusal.version" "A 401 has the API version header." refusal_version;
        Must "auth.refusal.head" "A 401 to `HEAD` has the challenge and no body." refusal_head;
        Must "auth.garbage-token" "A token that nobody gave is 401." garbage_token;
        Must "auth.wrong-basic" "Wrong credentials as Basic are 401." wrong_basic;
        Must "auth.same-absent-and-private" "To nobody, a private repository is as one that is not there, but for its name." same_absent;
        Must "auth.token.lets-in" "A token for a scope lets in for it." token_lets_in;
        Must "auth.narrow.pull" "A token for pull only reads, and does not push." narrow_pull;
        Must "auth.narrow.delete" "A token for pull and push does not delete." narrow_delete;
        Must "auth.narrow.repository" "A token for one repository is none for another." narrow_repository;
        Must "auth.narrow.challenge" "A token that is too narrow is 401 with `insufficient_scope` and the scope needed." narrow_challenge;
        Must "auth.narrow.mount" "A mount without the right to pull `from` begins a session, and mounts nothing." narrow_mount;
        Ours "auth.basic" "The credentials work as Basic, too." works_as_basic;
        Ours "auth.api-token" "An API token works as Bearer and as a Basic password." api_token;
    }
    "Known failures of registries" {
        Must "auth.every-endpoint" "No endpoint answers nobody with anything but 401." every_endpoint;
        Must "auth.forged-jwt" "A JWT without signature, or with a key of its own, is 401." forged_jwt;
    }
}

/// The challenge of a reply that must be 401.
pub(super) fn challenge(reply: &Reply) -> Result<Challenge, Failure> {
    let text = reply.status(401)?.must("www-authenticate")?;
    let challenge = Challenge::parse(text).filter(|challenge| challenge.scheme == "Bearer");
    challenge.ok_or_else(|| reply.unlike("`WWW-Authenticate: Bearer realm=\"…\",…`", text))
}

/// A repository with a blob and the tag `a`.
pub(super) async fn private(site: &Site) -> Result<Repo<'_>, Failure> {
    let repo = site.repo();
    repo.tagged("a").await?;
    Ok(repo)
}

/// A token with these scopes, separated by spaces.
pub(super) async fn token(site: &Site, scopes: &str) -> Result<Auth, Failure> {
    let basic = site.tokens.credentials.as_ref().map(Credentials::basic).unwrap_or_default();
    let reply = site.tokens.token(&site.host, scopes, Auth::Exactly(basic)).await?;
    Ok(Auth::Exactly(format!("Bearer {}", token_of(&reply)?)))
}

pub(super) async fn with(site: &Site, auth: &Auth, request: Request) -> Result<Reply, Failure> {
    site.send(request.auth(auth.clone())).await
}

async fn base(site: &Site) -> Result<Reply, Failure> {
    site.nobody(Request::get("/v2/")).await
}

async fn base_challenge(site: &Site) -> Result<(), Failure> {
    challenge(&base(site).await?)?;
    site.nobody(Request::get("/v2")).await?.status(401)?;
    Ok(())
}

async fn base_no_scope(site: &Site) -> Result<(), Failure> {
    let reply = base(site).await?;
    same(&reply.named, challenge(&reply)?.values.get("scope"), None)
}

async fn challenge_quoted(site: &Site) -> Result<(), Failure> {
    for request in [Request::get("/v2/"), Request::get(private(site).await?.tags())] {
        let reply = site.nobody(request).await?;
        same(&reply.named, challenge(&reply)?.quoted, true)?;
    }
    Ok(())
}

async fn challenge_realm(site: &Site) -> Result<(), Failure> {
    let reply = base(site).await?;
    let challenge = challenge(&reply)?;
    let realm = challenge.value("realm");
    let host = realm.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    same(&reply.named, host, Some(site.host.as_str()))
}

async fn challenge_service(site: &Site) -> Result<(), Failure> {
    let reply = base(site).await?;
    match challenge(&reply)?.value("service") {
        "" => Err(reply.unlike("a service", "none")),
        _ => Ok(()),
    }
}

async fn challenge_one(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    for request in [Request::get("/v2/"), Request::get(repo.tags()), Request::post(repo.uploads())] {
        let reply = site.nobody(request).await?;
        let lines: Vec<&str> = reply.status(401)?.lines("www-authenticate").collect();
        let schemes = lines.iter().map(|line| line.matches("realm=").count()).sum::<usize>();
        same(&reply.named, (lines.len(), schemes), (1, 1))?;
    }
    Ok(())
}

async fn scope_of(site: &Site, request: Request) -> Result<(String, Reply), Failure> {
    let reply = site.nobody(request).await?;
    Ok((challenge(&reply)?.value("scope").to_owned(), reply))
}

async fn challenge_pull(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    for path in [repo.manifest("a"), repo.blob(&site.absent()), repo.tags(), repo.referrers(&site.absent())] {
        let (scope, reply) = scope_of(site, Request::get(path)).await?;
        same(&reply.named, scope, format!("repository:{}:pull", repo.name))?;
    }
    Ok(())
}

async fn challenge_push(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let put = Request::put(repo.manifest("b"), b"{}").header("Content-Type", MANIFEST);
    for request in [Request::post(repo.uploads()), put] {
        let (scope, reply) = scope_of(site, request).await?;
        same(&reply.named, scope, format!("repository:{}:pull,push", repo.name))?;
    }
    Ok(())
}

async fn challenge_delete(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let (scope, reply) = scope_of(site, Request::delete(repo.manifest("a"))).await?;
    let actions = scope.strip_prefix(&format!("repository:{}:", repo.name)).unwrap_or_default();
    same(&reply.named, actions.split(',').any(|action| action == "delete"), true)
}

async fn challenge_catalog(site: &Site) -> Result<(), Failure> {
    let (scope, reply) = scope_of(site, Request::get("/v2/_catalog")).await?;
    same(&reply.named, scope, "registry:catalog:*".to_owned())
}

async fn refusal_code(site: &Site) -> Result<(), Failure> {
    base(site).await?.refused(401, "UNAUTHORIZED")?;
    let repo = private(site).await?;
    site.nobody(Request::get(repo.manifest("a")).accepting()).await?.refused(401, "UNAUTHORIZED")?;
    site.nobody(Request::post(repo.uploads())).await?.refused(401, "UNAUTHORIZED")?;
    Ok(())
}

async fn refusal_version(site: &Site) -> Result<(), Failure> {
    base(site).await?.status(401)?.has("docker-distribution-api-version", "registry/2.0")?;
    Ok(())
}

async fn refusal_head(site: &Site) -> Result<(), Failure> {
    let reply = site.nobody(Request::head(private(site).await?.manifest("a"))).await?;
    challenge(reply.no_body()?)?;
    Ok(())
}

async fn garbage_token(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    for token in ["Bearer nothing", "Bearer ", "Bearer a.b.c", "Nothing x"] {
        let auth = Auth::Exactly(token.to_owned());
        with(site, &auth, Request::get("/v2/")).await?.status(401)?;
        with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(401)?;
    }
    Ok(())
}

async fn wrong_basic(site: &Site) -> Result<(), Failure> {
    let auth = Auth::Exactly(basic("nobody-of-this-name", "wrong"));
    with(site, &auth, Request::get("/v2/")).await?.status(401)?;
    Ok(())
}

async fn same_absent(site: &Site) -> Result<(), Failure> {
    let (there, absent) = (private(site).await?, site.repo());
    let text = |reply: &Reply, repo: &Repo<'_>| {
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        format!("{challenge} {}", String::from_utf8_lossy(&reply.bytes)).replace(&repo.name, "NAME")
    };
    for end in ["manifests/a", "tags/list", "manifests/b"] {
        let of = |repo: &Repo<'_>| Request::get(format!("/v2/{}/{end}", repo.name));
        let (one, other) = (site.nobody(of(&there)).await?, site.nobody(of(&absent)).await?);
        same(&one.named, one.status, other.status)?;
        same(&one.named, text(&one, &there), text(&other, &absent))?;
    }
    Ok(())
}

async fn token_lets_in(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = token(site, &format!("repository:{}:pull,push", repo.name)).await?;
    with(site, &auth, Request::get("/v2/")).await?.status(200)?;
    with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(200)?;
    with(site, &auth, Request::post(repo.uploads())).await?.status(202)?;
    Ok(())
}

async fn narrow_pull(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = token(site, &format!("repository:{}:pull", repo.name)).await?;
    with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(200)?;
    with(site, &auth, Request::get(repo.tags())).await?.status(200)?;
    with(site, &auth, Request::post(repo.uploads())).await?.status(401)?;
    let put = Request::put(repo.manifest("b"), b"{}").header("Content-Type", MANIFEST);
    with(site, &auth, put).await?.status(401)?;
    Ok(())
}

async fn narrow_delete(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = token(site, &format!("repository:{}:pull,push", repo.name)).await?;
    with(site, &auth, Request::delete(repo.manifest("a"))).await?.status(401)?;
    site.head(repo.manifest("a")).await?.status(200)?;
    Ok(())
}

async fn narrow_repository(site: &Site) -> Result<(), Failure> {
    let (one, other) = (private(site).await?, private(site).await?);
    let auth = token(site, &format!("repository:{}:pull,push,delete", one.name)).await?;
    with(site, &auth, Request::get(one.manifest("a")).accepting()).await?.status(200)?;
    with(site, &auth, Request::get(other.manifest("a")).accepting()).await?.status(401)?;
    with(site, &auth, Request::post(other.uploads())).await?.status(401)?;
    Ok(())
}

async fn narrow_challenge(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = token(site, &format!("repository:{}:pull", repo.name)).await?;
    let reply = with(site, &auth, Request::post(repo.uploads())).await?;
    let challenge = challenge(&reply)?;
    same(&reply.named, challenge.value("error"), "insufficient_scope")?;
    let needed = format!("repository:{}:pull,push", repo.name);
    same(&reply.named, challenge.value("scope"), needed.as_str())
}

async fn narrow_mount(site: &Site) -> Result<(), Failure> {
    let (from, to) = (site.repo(), site.repo());
    let (digest, _) = from.some_blob().await?;
    let auth = token(site, &format!("repository:{}:pull,push", to.name)).await?;
    let target = format!("{}?mount={digest}&from={}", to.uploads(), from.name);
    with(site, &auth, Request::post(target)).await?.status(202)?;
    site.head(to.blob(&digest)).await?.status(404)?;
    let target = format!("{}?mount={digest}", to.uploads());
    with(site, &auth, Request::post(target)).await?.status(202)?;
    site.head(to.blob(&digest)).await?.status(404)?;
    Ok(())
}

async fn works_as_basic(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = Auth::Exactly(site.tokens.credentials.as_ref().map(Credentials::basic).unwrap_or_default());
    with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(200)?;
    with(site, &auth, Request::post(repo.uploads())).await?.status(202)?;
    Ok(())
}

/// Where the run has a password instead, that is what the same promise says of it: Basic.
async fn api_token(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    if let Some(Credentials::Token(token)) = &site.tokens.credentials {
        let auth = Auth::Exactly(format!("Bearer {token}"));
        with(site, &auth, Request::get("/v2/")).await?.status(200)?;
        with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(200)?;
        with(site, &auth, Request::post(repo.uploads())).await?.status(202)?;
    }
    works_as_basic(site).await
}

async fn every_endpoint(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let (blob, _) = repo.some_blob().await?;
    let session = repo.session().await?.place;
    for request in [
        Request::get("/v2/"),
        Request::head("/v2/"),
        Request::get("/v2/_catalog"),
        Request::get(repo.blob(&blob)),
        Request::head(repo.blob(&blob)),
        Request::delete(repo.blob(&blob)),
        Request::get(repo.manifest("a")).accepting(),
        Request::head(repo.manifest("a")).accepting(),
        Request::put(repo.manifest("a"), b"{}"),
        Request::delete(repo.manifest("a")),
        Request::post(repo.uploads()),
        Request::post(format!("{}?digest={blob}", repo.uploads())).body(b"abc"),
        Request::post(format!("{}?mount={blob}", repo.uploads())),
        Request::get(&session),
        Request::patch(&session, b"abc"),
        Request::put(format!("{session}?digest={blob}"), b""),
        Request::delete(&session),
        Request::get(repo.tags()),
        Request::get(repo.referrers(&blob)),
    ] {
        site.nobody(request).await?.status(401)?;
    }
    site.get(repo.manifest("a")).await?.status(200)?;
    Ok(())
}

async fn forged_jwt(site: &Site) -> Result<(), Failure> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let repo = private(site).await?;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let access = format!(
        "{{\"iss\":\"x\",\"sub\":\"admin\",\"aud\":\"{host}\",\"exp\":9999999999,\"access\":[{{\"type\":\"repository\",\
         \"name\":\"{name}\",\"actions\":[\"pull\",\"push\"]}}]}}",
        host = site.host,
        name = repo.name
    );
    let jwk = r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}"#;
    for (header, signature) in
        [(r#"{"alg":"none","typ":"JWT"}"#, ""), (jwk, "AAAA"), (r#"{"alg":"HS256"}"#, "")]
    {
        let token = format!("Bearer {}.{}.{signature}", part(header), part(&access));
        let auth = Auth::Exactly(token);
        with(site, &auth, Request::get(repo.manifest("a")).accepting()).await?.status(401)?;
        with(site, &auth, Request::post(repo.uploads())).await?.status(401)?;
    }
    Ok(())
}
