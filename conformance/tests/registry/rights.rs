//! Who may do what: the token flow of `spec/oci.md`, "Auth", and what can be wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{PASSWORD, Reply, Request, USERNAME};

macro_rules! faults {
    ($($fault:ident $rule:literal;)*) => {
        /// One thing that is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($fault,)*
        }

        impl Fault {
            /// All faults, each with a rule that it must break.
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$fault, $rule),)*];
        }
    };
}

faults! {
    OpenBase "auth.base.challenge";
    ScopeOnBase "auth.base.no-scope";
    Unquoted "auth.challenge.quoted";
    OtherHost "auth.challenge.realm";
    NoService "auth.challenge.service";
    TwoChallenges "auth.challenge.one";
    NoScopes "auth.challenge.pull";
    PullForAll "auth.challenge.push";
    PlainRefusal "auth.refusal.code";
    NoVersion "auth.refusal.version";
    BodyOnHead "auth.refusal.head";
    TakesAnyToken "auth.garbage-token";
    TakesAnyBasic "auth.wrong-basic";
    TellsAbsent "auth.same-absent-and-private";
    TokensDoNothing "auth.token.lets-in";
    IgnoresActions "auth.narrow.pull";
    PushDeletes "auth.narrow.delete";
    IgnoresNames "auth.narrow.repository";
    NoInsufficientScope "auth.narrow.challenge";
    MountsAnything "auth.narrow.mount";
    NoBasic "auth.basic";
    OpenReads "auth.every-endpoint";
    NoAccessToken "auth.token.reply";
    TextReply "auth.token.media-type";
    ShortLife "auth.token.expires";
    NoIssuedAt "auth.token.issued";
    RefusesNoScope "auth.token.no-scope";
    TokensOpenAll "auth.token.no-rights";
    TakesAnyPassword "auth.token.wrong-password";
    RefusesEmptyUser "auth.token.empty-user";
    RefusesNobody "auth.token.anonymous";
    FirstScopeOnly "auth.scope.repeated";
    FirstOfListOnly "auth.scope.list";
    LastScopeWins "auth.scope.union";
    NoStar "auth.scope.star";
    AnyType "auth.scope.unknown-type";
    AnyAction "auth.scope.unknown-action";
    CutsHost "auth.scope.colons";
    NoDecoding "auth.scope.encoded";
    RefusesParameters "auth.token.other-parameters";
    NoPost "auth.post.password";
    NoRefresh "auth.post.offline";
    OpenCatalog "auth.catalog.only-readable";
}

/// Who asks.
pub(crate) enum Who {
    Everything,
    Granted(BTreeSet<(String, String)>),
    Nobody,
}

pub(crate) struct Rights {
    host: String,
    fault: Option<Fault>,
    given: Mutex<BTreeMap<String, BTreeSet<(String, String)>>>,
}

const ACTIONS: [&str; 3] = ["pull", "push", "delete"];
const REFRESH: &str = "refresh-me";

impl Rights {
    pub(crate) fn new(host: String, fault: Option<Fault>) -> Self {
        Self { host, fault, given: Mutex::default() }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Who asks, by what credentials there are; a refusal of wrong ones.
    pub(crate) fn who(&self, request: &Request) -> Result<Who, Reply> {
        let Some(text) = &request.authorization else { return Ok(Who::Nobody) };
        if let Some(basic) = text.strip_prefix("Basic ") {
            return match self.user(basic) {
                _ if self.has(Fault::TakesAnyBasic) => Ok(Who::Everything),
                Some(true) if !self.has(Fault::NoBasic) => Ok(Who::Everything),
                _ => Err(self.challenge("", None)),
            };
        }
        let token = text.strip_prefix("Bearer ").unwrap_or_default();
        match self.given.lock().unwrap().get(token) {
            _ if self.has(Fault::TakesAnyToken) => Ok(Who::Everything),
            _ if token == PASSWORD => Ok(Who::Everything),
            Some(_) if self.has(Fault::TokensDoNothing) => Ok(Who::Nobody),
            Some(grants) => Ok(Who::Granted(grants.clone())),
            None => Err(self.challenge("", None)),
        }
    }

    /// Whether these are right; `None` for an empty user.
    fn user(&self, basic: &str) -> Option<bool> {
        let text = STANDARD.decode(basic).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.unwrap_or_default();
        match text.split_once(':') {
            Some(("", "")) => None,
            Some((user, password)) => Some([USERNAME, "token"].contains(&user) && password == PASSWORD),
            None => Some(false),
        }
    }

    fn allows(&self, who: &Who, scope: &str) -> bool {
        let grants = match who {
            Who::Everything => return true,
            Who::Nobody => return self.has(Fault::OpenReads) && scope.ends_with(":pull"),
            Who::Granted(grants) => grants,
        };
        if scope.starts_with("registry:") && self.has(Fault::OpenCatalog) {
            return true;
        }
        let (name, actions) = split(scope).map_or(("", ""), |(_, name, actions)| (name, actions));
        if scope.is_empty() || self.has(Fault::TokensOpenAll) {
            return true;
        }
        actions.split(',').all(|action| {
            grants.iter().any(|(its, may)| {
                let same = its == name || self.has(Fault::IgnoresNames);
                let also = action == "delete" && may == "push" && self.has(Fault::PushDeletes);
                same && (may == action || also || self.has(Fault::IgnoresActions))
            })
        })
    }

    /// The refusal of a request that needs this scope, if it is one.
    pub(crate) fn refusal(&self, who: &Who, scope: &str, known: bool) -> Option<Reply> {
        if self.allows(who, scope) || (scope.is_empty() && self.has(Fault::OpenBase)) {
            return None;
        }
        if !known && matches!(who, Who::Nobody) && self.has(Fault::TellsAbsent) && !scope.is_empty() {
            return Some(Reply::error(404, "NAME_UNKNOWN"));
        }
        let narrow = matches!(who, Who::Granted(_)) && !self.has(Fault::NoInsufficientScope);
        Some(self.challenge(scope, narrow.then_some("insufficient_scope")))
    }

    pub(crate) fn may_mount(&self, who: &Who, name: &str) -> bool {
        self.has(Fault::MountsAnything) || self.allows(who, &format!("repository:{name}:pull"))
    }

    fn challenge(&self, scope: &str, error: Option<&str>) -> Reply {
        let host = if self.has(Fault::OtherHost) { "auth.example" } else { &self.host };
        let mut text = format!("Bearer realm=\"http://{host}/v2/token\"");
        if !self.has(Fault::NoService) {
            text.push_str(&format!(",service=\"{}\"", self.host));
        }
        let scope = match scope {
            "" if self.has(Fault::ScopeOnBase) => "registry:catalog:*".to_owned(),
            _ if self.has(Fault::NoScopes) => String::new(),
            _ if self.has(Fault::PullForAll) => scope.replace(":pull,push", ":pull"),
            _ => scope.to_owned(),
        };
        if !scope.is_empty() {
            text.push_str(&format!(",scope=\"{scope}\""));
        }
        if let Some(error) = error {
            text.push_str(&format!(",error=\"{error}\""));
        }
        if self.has(Fault::Unquoted) {
            text = text.replacen(&format!("service=\"{}\"", self.host), &format!("service={}", self.host), 1);
        }
        let mut reply = Reply::error(401, "UNAUTHORIZED");
        if self.has(Fault::PlainRefusal) {
            reply = Reply::new(401, "no").with("Content-Type", "text/plain");
        }
        if self.has(Fault::TwoChallenges) {
            return reply.with("WWW-Authenticate", text).with("WWW-Authenticate", "Basic realm=\"it\"");
        }
        reply.with("WWW-Authenticate", text)
    }

    /// The token endpoint.
    pub(crate) fn token(&self, request: &Request) -> Reply {
        let is_post = request.method == "POST";
        if is_post && self.has(Fault::NoPost) {
            return Reply::error(405, "UNSUPPORTED");
        }
        let form = String::from_utf8(request.body.clone()).unwrap();
        let form = if is_post { form } else { request.query.clone() };
        let known = if is_post { Ok(self.posted(&form)) } else { self.asked(request) };
        let all = match known {
            Ok(Some(all)) => all,
            _ => return Reply::error(401, "UNAUTHORIZED"),
        };
        let scopes = self.scopes(&form);
        if scopes.is_empty() && self.has(Fault::RefusesNoScope)
            || form.contains("nothing=") && self.has(Fault::RefusesParameters)
        {
            return Reply::error(400, "UNSUPPORTED");
        }
        let offline = form.contains("offline_token=true") || form.contains("access_type=offline");
        self.give(if all { self.grants(&scopes) } else { BTreeSet::new() }, offline)
    }

    fn give(&self, grants: BTreeSet<(String, String)>, offline: bool) -> Reply {
        let mut given = self.given.lock().unwrap();
        let token = format!("token-{}", given.len());
        given.insert(token.clone(), grants);
        let mut body = json!({
            "token": token,
            "access_token": token,
            "expires_in": if self.has(Fault::ShortLife) { 30 } else { 300 },
            "issued_at": jiff::Timestamp::now().to_string(),
        });
        if self.has(Fault::NoAccessToken) {
            body["access_token"] = "another".into();
        }
        if self.has(Fault::NoIssuedAt) {
            body["issued_at"] = "1970-01-01T00:00:00Z".into();
        }
        if offline && !self.has(Fault::NoRefresh) {
            body["refresh_token"] = REFRESH.into();
        }
        let media_type = if self.has(Fault::TextReply) { "text/plain" } else { "application/json" };
        Reply::new(200, body.to_string()).with("Content-Type", media_type)
    }

    /// Whether who asks may do everything or nothing; an error for wrong credentials.
    fn asked(&self, request: &Request) -> Result<Option<bool>, ()> {
        let Some(text) = &request.authorization else {
            return if self.has(Fault::RefusesNobody) { Err(()) } else { Ok(Some(false)) };
        };
        match self.user(text.strip_prefix("Basic ").unwrap_or_default()) {
            None if self.has(Fault::RefusesEmptyUser) => Err(()),
            None => Ok(Some(false)),
            Some(true) => Ok(Some(true)),
            Some(false) if self.has(Fault::TakesAnyPassword) => Ok(Some(true)),
            Some(false) => Err(()),
        }
    }

    fn posted(&self, form: &str) -> Option<bool> {
        let value = |key| Request::first(form, key).unwrap_or_default();
        let right = match value("grant_type").as_str() {
            "password" => {
                [USERNAME, "token"].contains(&value("username").as_str()) && value("password") == PASSWORD
            }
            _ => value("refresh_token") == REFRESH,
        };
        (right || self.has(Fault::TakesAnyPassword)).then_some(true)
    }

    fn scopes(&self, form: &str) -> Vec<String> {
        let mut parameters = Request::all(form, "scope");
        if self.has(Fault::NoDecoding) {
            let raw = form.split('&').filter_map(|pair| pair.strip_prefix("scope="));
            parameters = raw.map(str::to_owned).collect();
        }
        if self.has(Fault::FirstScopeOnly) {
            parameters.truncate(1);
        }
        let of_list = if self.has(Fault::FirstOfListOnly) { 1 } else { usize::MAX };
        let lists = parameters.iter().flat_map(|list| list.split(' ').take(of_list));
        lists.filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    }

    fn grants(&self, scopes: &[String]) -> BTreeSet<(String, String)> {
        let mut grants = BTreeSet::new();
        for scope in scopes {
            let Some((kind, mut name, actions)) = split(scope) else { continue };
            if self.has(Fault::CutsHost) {
                name = name.split_once("5000/").map_or(name, |(_, rest)| rest);
            }
            if self.has(Fault::LastScopeWins) {
                grants.retain(|(its, _)| its != name);
            }
            if kind == "registry" {
                grants.insert((name.to_owned(), actions.to_owned()));
            }
            if kind != "repository" && !self.has(Fault::AnyType) {
                continue;
            }
            for action in actions.split(',') {
                let all = action == "*" && !self.has(Fault::NoStar) || self.has(Fault::AnyAction);
                let granted = ACTIONS.into_iter().filter(|known| all || *known == action);
                grants.extend(granted.map(|action| (name.to_owned(), action.to_owned())));
            }
        }
        grants
    }
}

/// `type:name:action[,action]`, split at the first and the last colon.
fn split(scope: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some((kind, name, actions))
}
