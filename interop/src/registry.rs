//! The registry that the clients of OCI talk to, and who they are there.
//!
//! It is a server of our own unless `INTEROP_REGISTRY` names another, as `HOST:PORT` or `USER:PASSWORD@HOST:PORT`: run
//! so, the tests tell whether it is a client that does not do what we think, or our server. That one must speak http,
//! delete, and be empty. Tests share it, so each keeps to repositories of its own.

use tempfile::TempDir;

use crate::server::Server;
use crate::wkg::Wkg;

/// Whose name a client acts in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody's: the registry is open.
    Open,
    /// A user's, by password.
    Basic {
        /// The name.
        user: String,
        /// The password, or a token in its place.
        password: String,
    },
    /// Whoever holds this token.
    Bearer(String),
}

/// Who has the token.
const USER: &str = "alice";

/// A registry, and the login that clients have there.
#[derive(Debug)]
pub struct Registry {
    host: String,
    login: Login,
    /// What runs it, if it is ours, and its data.
    _own: Option<(Server, TempDir)>,
}

impl Registry {
    /// Runs a scenario for every login that there is, each in a registry of its own.
    ///
    /// # Panics
    /// If a registry cannot be had, or where the scenario does.
    #[track_caller]
    pub fn each(scenario: impl Fn(&Self)) {
        match std::env::var("INTEROP_REGISTRY") {
            Ok(other) => scenario(&Self::named(&other)),
            Err(_) => {
                scenario(&Self::open());
                scenario(&Self::closed());
            }
        }
    }

    /// A registry of our own without any access control.
    fn open() -> Self {
        let data = TempDir::new().expect("a folder for the registry");
        let server = Server::start(data.path());
        Self::own(server, data, Login::Open)
    }

    /// A registry of our own that tells nobody anything without a token, and a token for everything.
    pub fn closed() -> Self {
        let data = TempDir::new().expect("a folder for the registry");
        let server = Server::start_closed(data.path());
        let password = Server::token(data.path(), USER);
        Self::own(server, data, Login::Basic { user: USER.to_owned(), password })
    }

    fn own(server: Server, data: TempDir, login: Login) -> Self {
        let host = server.url().strip_prefix("http://").expect("an http URL").to_owned();
        Self { host, login, _own: Some((server, data)) }
    }

    fn named(text: &str) -> Self {
        let (login, host) = match text.rsplit_once('@') {
            None => (Login::Open, text),
            Some((credentials, host)) => {
                let (user, password) = credentials.split_once(':').expect("USER:PASSWORD before the `@`");
                (Login::Basic { user: user.to_owned(), password: password.to_owned() }, host)
            }
        };
        Self { host: host.to_owned(), login, _own: None }
    }

    /// Whether it is a server of ours, so that also what only we say can be asked for.
    pub fn is_ours(&self) -> bool {
        self._own.is_some()
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whose name clients act in.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// `HOST:PORT/NAME`, where a name is a repository with or without a tag or digest.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// Somebody with `wkg` and this login.
    pub fn wkg(&self) -> Wkg {
        self.wkg_as(&self.login)
    }

    /// Somebody with `wkg` and another login.
    pub fn wkg_as(&self, login: &Login) -> Wkg {
        Wkg::with_login(&format!("http://{}", self.host), login)
    }

    /// Releases a small component as a version of a package; the digest of its manifest.
    ///
    /// # Panics
    /// If that is refused.
    #[track_caller]
    pub fn release(&self, package: &str, version: &str) -> String {
        let said = self.wkg().push(package, version, &crate::corpus::small_component()).accepted();
        digest_in(&said)
    }
}

/// The first sha256 digest among these words.
///
/// # Panics
/// If there is none.
#[track_caller]
pub fn digest_in(words: &str) -> String {
    const HEX_LEN: usize = 64;
    let found = words.split("sha256:").skip(1).find_map(|after| after.get(..HEX_LEN));
    let hex = found.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    format!("sha256:{}", hex.unwrap_or_else(|| panic!("no digest in: {words}")))
}
