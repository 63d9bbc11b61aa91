//! Tokens for a moment (`spec/oci.md`, "Auth"): what a caller asked for and was granted, with the registry's word.
//!
//! Nothing of them is kept: the registry recognizes its own word. Its key is new with each process; a client whose
//! session nobody knows any more asks for another, as it does when one has expired.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use wargate_core::time::Time;
use wargate_wire::oci::reference::RepositoryName;

use super::{Actions, Caller, Scope, Standing};
use crate::error::Error;
use crate::random::{self, Random};

/// What every session begins with, so that people and scanners know what it is.
pub(super) const PREFIX: &str = "wgs_";

/// Bytes of a session's text at most: the scopes that it may hold are bounded by what a request may ask for.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The registry's word under sessions.
pub(crate) struct SessionKey(hmac::Key);

impl SessionKey {
    pub(crate) fn new(random: &dyn Random) -> Result<Self, Error> {
        let bytes = [random::bits(random)?, random::bits(random)?].concat();
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// A session as it is handed out.
#[derive(Debug, Clone)]
pub struct Session {
    /// The token.
    pub token: String,
    /// What it lets its holder do.
    pub scopes: Vec<Scope>,
    /// When it began.
    pub issued: Time,
}

/// What a session is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Repositories, and what is to be done with them.
    pub repositories: Vec<(RepositoryName, Actions)>,
    /// The list of everything.
    pub list: bool,
}

/// What stands in a session.
pub(super) struct Contents<'a> {
    /// When it ends, in seconds.
    pub(super) expires: u64,
    /// The token that it came from; empty for nobody's.
    pub(super) token: &'a str,
    /// What it lets its holder do.
    pub(super) scopes: Vec<Scope>,
    /// Whether it lets its holder list everything that may be pulled.
    pub(super) lists: bool,
}

/// The text of a session.
pub(super) fn issue(key: &SessionKey, contents: &Contents<'_>) -> String {
    let mut text = format!("{}\n{}\n{}", contents.expires, contents.token, u8::from(contents.lists));
    for scope in &contents.scopes {
        text.push('\n');
        text.push_str(&scope.to_string());
    }
    let mut signed = hmac::sign(&key.0, text.as_bytes()).as_ref().to_vec();
    signed.extend_from_slice(text.as_bytes());
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(signed))
}

/// Reads what [`issue`] wrote, and hands its contents on; `None` if it is another's word, or over.
pub(super) fn read<T>(
    key: &SessionKey,
    text: &str,
    now: u64,
    then: impl FnOnce(Contents<'_>) -> T,
) -> Option<T> {
    let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() <= TEXT_BYTES_MAX)?;
    let signed = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let (tag, text) = signed.split_at_checked(hmac::HMAC_SHA256.tag_len())?;
    hmac::verify(&key.0, text, tag).ok()?;
    let mut lines = std::str::from_utf8(text).ok()?.split('\n');
    let expires = lines.next()?.parse().ok()?;
    let token = lines.next()?;
    let lists = lines.next()? == "1";
    let scopes = lines.map(str::parse).collect::<Result<Vec<Scope>, _>>().ok()?;
    (now < expires).then(|| then(Contents { expires, token, scopes, lists }))
}

impl Caller {
    /// The same caller in a session.
    pub(super) fn in_session(self, scopes: Vec<Scope>, lists: bool) -> Self {
        Self(Standing::Session { whose: Box::new(self), scopes: scopes.into(), lists })
    }
}
