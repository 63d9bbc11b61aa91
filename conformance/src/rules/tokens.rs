//! The token endpoint.

use jiff::Timestamp;
use serde_json::Value;

use super::auth::{private, token};
use crate::http::{self, Auth, Request};
use crate::outcome::Failure;
use crate::reply::Reply;
use crate::rule::rules;
use crate::site::{Site, same, strings};
use crate::tokens::{Credentials, basic, token_of};

rules! {
    "Auth" {
        Must "auth.token.reply" "A token is in `token` and, equal, in `access_token`." reply_fields;
        Must "auth.token.media-type" "The reply is JSON." reply_media_type;
        Must "auth.token.expires" "`expires_in` is at least 60 seconds." reply_expires;
        Must "auth.token.issued" "`issued_at` is a time of RFC 3339, and now." reply_issued;
        Must "auth.token.no-scope" "Without a scope there is a token all the same: `docker login`." no_scope;
        Must "auth.token.no-rights" "A token without scope opens no repository." no_rights;
        Must "auth.token.wrong-password" "Wrong credentials are 401." wrong_password;
        Must "auth.token.empty-user" "Basic with an empty user is anonymous." empty_user;
        Must "auth.token.anonymous" "Nobody gets a token, too, without rights to what is private." anonymous;
        Must "auth.catalog.only-readable" "`_catalog` shows nobody what is private." catalog_only_readable;
        Must "auth.scope.repeated" "`scope` may repeat: all count." scope_repeated;
        Must "auth.scope.list" "A `scope` may be a list separated by spaces: all count." scope_list;
        Must "auth.scope.union" "Scopes for the same repository add up." scope_union;
        Client "auth.scope.star" "The action `*` is all that the caller may." scope_star;
        Must "auth.scope.unknown-type" "A type that nobody knows is granted nothing, silently." scope_unknown_type;
        Must "auth.scope.unknown-action" "An action that nobody knows is granted nothing, silently." scope_unknown_action;
        Client "auth.scope.colons" "A scope is split at its first and its last colon." scope_colons;
        Client "auth.scope.encoded" "A scope may be percent-encoded, a space also as `+`." scope_encoded;
        Client "auth.token.other-parameters" "`account`, `client_id` and unknown parameters do no harm." other_parameters;
        Client "auth.post.password" "`POST` with `grant_type=password` gives a token." post_password;
        Client "auth.post.offline" "`access_type=offline` gives a `refresh_token`." post_offline;
        Client "auth.post.refresh" "`grant_type=refresh_token` gives a token." post_refresh;
        Client "auth.post.wrong-password" "`POST` with a wrong password is 400 or 401." post_wrong;
        Client "auth.get.offline" "`offline_token=true` gives a `refresh_token`." get_offline;
    }
}

/// How far clocks may differ, in seconds.
const CLOCK_SECONDS_MAX: i64 = 300;

fn own(site: &Site) -> Auth {
    Auth::Exactly(site.tokens.credentials.as_ref().map(Credentials::basic).unwrap_or_default())
}

/// The reply to a `GET` of the realm with more parameters.
async fn got(site: &Site, more: &str, auth: Auth) -> Result<Reply, Failure> {
    let none = || Failure::new("GET /v2/", "a challenge with a realm", "none");
    let realm = site.tokens.realm().ok_or_else(none)?;
    http::exchange(&site.host, &Request::get(format!("{realm}{more}")).auth(auth)).await
}

/// The reply to a form that is posted to the realm.
async fn posted(site: &Site, form: &str) -> Result<Reply, Failure> {
    let none = || Failure::new("GET /v2/", "a challenge with a realm", "none");
    let realm = site.tokens.realm().ok_or_else(none)?;
    let (path, service) = realm.split_once("service=").unwrap_or((&realm, ""));
    let path = path.trim_end_matches(['?', '&']);
    let body = format!("service={service}&client_id=conformance&{form}");
    let request = Request::post(path).body(body).header("Content-Type", "application/x-www-form-urlencoded");
    http::exchange(&site.host, &request.auth(Auth::Nobody)).await
}

/// Whether a token reads and pushes in a repository.
async fn may(site: &Site, auth: &Auth, name: &str) -> Result<(bool, bool), Failure> {
    let repo = site.named(name);
    let read = site.send(Request::get(repo.manifest("a")).accepting().auth(auth.clone())).await?;
    let push = site.send(Request::post(repo.uploads()).auth(auth.clone())).await?;
    let (read, push) = (read.status_in(&[200, 401])?, push.status_in(&[202, 401])?);
    Ok((read.status == 200, push.status == 202))
}

async fn bearer(site: &Site, more: &str) -> Result<Auth, Failure> {
    let reply = got(site, more, own(site)).await?;
    Ok(Auth::Exactly(format!("Bearer {}", token_of(&reply)?)))
}

async fn reply_of(site: &Site) -> Result<(Reply, Value), Failure> {
    let repo = private(site).await?;
    let reply = got(site, &format!("&scope=repository:{}:pull", repo.name), own(site)).await?;
    let body = reply.status(200)?.json()?;
    Ok((reply, body))
}

async fn reply_fields(site: &Site) -> Result<(), Failure> {
    let (reply, body) = reply_of(site).await?;
    if body["token"].as_str().is_none_or(str::is_empty) {
        return Err(reply.unlike("a `token`", "none"));
    }
    same(&reply.named, body["token"] == body["access_token"], true)
}

async fn reply_media_type(site: &Site) -> Result<(), Failure> {
    reply_of(site).await?.0.media_type("application/json")?;
    Ok(())
}

async fn reply_expires(site: &Site) -> Result<(), Failure> {
    let (reply, body) = reply_of(site).await?;
    match body["expires_in"].as_u64() {
        Some(60..) => Ok(()),
        _ => Err(reply.unlike("`expires_in` of 60 or more", body["expires_in"].to_string())),
    }
}

async fn reply_issued(site: &Site) -> Result<(), Failure> {
    let (reply, body) = reply_of(site).await?;
    let issued = body["issued_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let is_now =
        |issued: Timestamp| (Timestamp::now().as_second() - issued.as_second()).abs() < CLOCK_SECONDS_MAX;
    match issued {
        Some(issued) if is_now(issued) => Ok(()),
        _ => Err(reply.unlike("`issued_at` of now", body["issued_at"].to_string())),
    }
}

async fn no_scope(site: &Site) -> Result<(), Failure> {
    token_of(&got(site, "", own(site)).await?).map(drop)
}

async fn no_rights(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let auth = token(site, "").await?;
    same("a token without scope", may(site, &auth, &repo.name).await?, (false, false))
}

async fn wrong_password(site: &Site) -> Result<(), Failure> {
    for wrong in [basic("nobody-of-this-name", "wrong"), basic("token", "wrong"), "Basic %%%".to_owned()] {
        got(site, "", Auth::Exactly(wrong)).await?.status(401)?;
    }
    Ok(())
}

/// A token that anybody gets, and that opens nothing private.
async fn opens_nothing(site: &Site, auth: Auth) -> Result<(), Failure> {
    let repo = private(site).await?;
    let scope = format!("&scope=repository:{}:pull,push", repo.name);
    let token = token_of(&got(site, &scope, auth).await?)?;
    let auth = Auth::Exactly(format!("Bearer {token}"));
    same("a token of nobody", may(site, &auth, &repo.name).await?, (false, false))
}

async fn empty_user(site: &Site) -> Result<(), Failure> {
    opens_nothing(site, Auth::Exactly("Basic Og==".to_owned())).await
}

async fn anonymous(site: &Site) -> Result<(), Failure> {
    opens_nothing(site, Auth::Nobody).await
}

async fn catalog_only_readable(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    site.get("/v2/_catalog").await?.status(200)?;
    let token = token_of(&got(site, "&scope=registry:catalog:*", Auth::Nobody).await?)?;
    let request = Request::get("/v2/_catalog").auth(Auth::Exactly(format!("Bearer {token}")));
    let reply = site.send(request).await?;
    if reply.status_in(&[200, 401])?.status == 200 {
        let listed = strings(&reply, "repositories")?;
        same(&reply.named, listed.contains(&repo.name), false)?;
    }
    Ok(())
}

async fn two(site: &Site) -> Result<(String, String), Failure> {
    Ok((private(site).await?.name, private(site).await?.name))
}

/// Both repositories are open to a token of this query.
async fn opens_both(site: &Site, one: &str, other: &str, query: &str) -> Result<(), Failure> {
    let auth = bearer(site, query).await?;
    same(query, may(site, &auth, one).await?, (true, false))?;
    same(query, may(site, &auth, other).await?, (true, true))
}

async fn scope_repeated(site: &Site) -> Result<(), Failure> {
    let (one, other) = two(site).await?;
    let query = format!("&scope=repository:{one}:pull&scope=repository:{other}:pull,push");
    opens_both(site, &one, &other, &query).await
}

async fn scope_list(site: &Site) -> Result<(), Failure> {
    let (one, other) = two(site).await?;
    let query = format!("&scope=repository:{one}:pull%20repository:{other}:pull,push");
    opens_both(site, &one, &other, &query).await
}

async fn scope_union(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let query = format!("&scope=repository:{0}:pull&scope=repository:{0}:push", repo.name);
    let auth = bearer(site, &query).await?;
    same(&query, may(site, &auth, &repo.name).await?, (true, true))
}

async fn scope_star(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let query = format!("&scope=repository:{}:*", repo.name);
    let auth = bearer(site, &query).await?;
    same(&query, may(site, &auth, &repo.name).await?, (true, true))
}

/// A token of a scope that means nothing is given, and opens nothing.
async fn granted_nothing(site: &Site, scope: &str) -> Result<(), Failure> {
    let repo = private(site).await?;
    let query = format!("&scope={}", scope.replace("NAME", &repo.name));
    let auth = bearer(site, &query).await?;
    same(&query, may(site, &auth, &repo.name).await?, (false, false))
}

async fn scope_unknown_type(site: &Site) -> Result<(), Failure> {
    granted_nothing(site, "plugin:NAME:pull,push").await
}

async fn scope_unknown_action(site: &Site) -> Result<(), Failure> {
    granted_nothing(site, "repository:NAME:fly").await
}

async fn scope_colons(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    // A host with its port before the name is another name.
    granted_nothing(site, "repository:host:5000/NAME:pull,push").await?;
    let auth = bearer(site, &format!("&scope=repository:{}:pull,push", repo.name)).await?;
    same("a plain scope", may(site, &auth, &repo.name).await?, (true, true))
}

async fn scope_encoded(site: &Site) -> Result<(), Failure> {
    let (one, other) = two(site).await?;
    let encoded = |name: &str| name.replace('/', "%2F");
    let (a, b) = (encoded(&one), encoded(&other));
    let query = format!("&scope=repository%3A{a}%3Apull+repository%3A{b}%3Apull%2Cpush");
    opens_both(site, &one, &other, &query).await
}

async fn other_parameters(site: &Site) -> Result<(), Failure> {
    token_of(&got(site, "&account=me&client_id=docker&nothing=x&scope=", own(site)).await?).map(drop)
}

/// User and password as a form has them.
fn password_form(site: &Site) -> String {
    let (username, password) = match &site.tokens.credentials {
        Some(Credentials::Password { username, password }) => (username.as_str(), password.as_str()),
        Some(Credentials::Token(token)) => ("token", token.as_str()),
        None => ("", ""),
    };
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    format!("grant_type=password&username={}&password={}", encoded(username), encoded(password))
}

async fn post_password(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let form = format!("{}&scope=repository:{}:pull,push", password_form(site), repo.name);
    let auth = Auth::Exactly(format!("Bearer {}", token_of(&posted(site, &form).await?)?));
    same("a posted token", may(site, &auth, &repo.name).await?, (true, true))
}

fn refresh_token(reply: &Reply) -> Result<String, Failure> {
    let body = reply.status(200)?.json()?;
    let token = body["refresh_token"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
    token.ok_or_else(|| reply.unlike("a `refresh_token`", "none"))
}

async fn post_offline(site: &Site) -> Result<(), Failure> {
    let form = format!("{}&access_type=offline", password_form(site));
    refresh_token(&posted(site, &form).await?).map(drop)
}

async fn post_refresh(site: &Site) -> Result<(), Failure> {
    let repo = private(site).await?;
    let form = format!("{}&access_type=offline", password_form(site));
    let refresh = refresh_token(&posted(site, &form).await?)?;
    let scope = format!("scope=repository:{}:pull,push", repo.name);
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&{scope}");
    let auth = Auth::Exactly(format!("Bearer {}", token_of(&posted(site, &form).await?)?));
    same("a refreshed token", may(site, &auth, &repo.name).await?, (true, true))?;
    let form = format!("grant_type=refresh_token&refresh_token=nothing&{scope}");
    posted(site, &form).await?.status_in(&[400, 401])?;
    Ok(())
}

async fn post_wrong(site: &Site) -> Result<(), Failure> {
    let form = "grant_type=password&username=nobody-of-this-name&password=wrong";
    posted(site, form).await?.status_in(&[400, 401])?;
    Ok(())
}

async fn get_offline(site: &Site) -> Result<(), Failure> {
    refresh_token(&got(site, "&offline_token=true", own(site)).await?).map(drop)
}
