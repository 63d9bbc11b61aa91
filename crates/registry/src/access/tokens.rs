//! Tokens that the operator makes: who holds one is known by an account's name and may do what its scopes say.
//!
//! The ledger keeps a hash: 256 random bits need no salt and no slow hash. Every use asks the ledger, so that a token
//! that was revoked by another process is of no more use.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wargate_core::digest::Digest;

use super::session::{self, Asked, Contents, Session};
use super::{Account, Caller, Scope, Standing};
use crate::clock::millis;
use crate::db::Db;
use crate::error::Error;
use crate::limits::{SESSION_LIFE, TOKEN_ACCOUNT_BYTES_MAX, TOKEN_SCOPES_MAX, TOKEN_USE_INTERVAL};
use crate::random::{self, Random};
use crate::shared::Shared;
use crate::tables::tokens::{self as table, TokenRow};

/// What every token begins with.
const PREFIX: &str = "wgt_";

/// Hexadecimal digits of a token's id.
const ID_DIGITS: usize = 12;

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Who holds it: what is released with it is released on behalf of this account.
    pub account: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Whether its holder may do everything, and see the registry's figures.
    pub operator: bool,
    /// How long it is good; `None`: until it is revoked.
    pub life: Option<Duration>,
}

/// A token as it is listed: without its secret, which nobody has but its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// By which it is revoked.
    pub id: String,
    /// Who holds it.
    pub account: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// Whether its holder may do everything.
    pub operator: bool,
    /// When it was made, in ms.
    pub created_ms: u64,
    /// When it ends, in ms.
    pub expires_ms: Option<u64>,
    /// When it was revoked, in ms.
    pub revoked_ms: Option<u64>,
    /// When it was last used, in ms and to about [`TOKEN_USE_INTERVAL`].
    pub used_ms: Option<u64>,
}

impl Token {
    fn of(row: TokenRow) -> Result<Self, Error> {
        let scopes = row.scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::parse);
        let scopes = scopes
            .collect::<Result<_, _>>()
            .map_err(|error| Error::internal(&format!("read the token `{}`", row.id), error))?;
        let TokenRow { id, account, operator, created_ms, expires_ms, revoked_ms, used_ms, .. } = row;
        Ok(Self { id, account, scopes, operator, created_ms, expires_ms, revoked_ms, used_ms })
    }

    /// Whether it is good at a time.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }

    fn caller(self) -> Caller {
        let account = Account { name: self.account.into(), token: self.id.into() };
        if self.operator {
            return Caller(Standing::Operator(Some(account)));
        }
        Caller(Standing::Account(account, self.scopes.into()))
    }
}

/// A token's text: its id, and the secret that is only ever seen here.
struct Parts<'a> {
    id: &'a str,
    secret: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let plain = id.len() == ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then_some(Self { id, secret })
    }

    fn hash(&self) -> Digest {
        Digest::of(self.secret.as_bytes())
    }
}

impl fmt::Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}", self.id, self.secret)
    }
}

/// Makes a token; its text is shown once and never again.
///
/// # Errors
/// [`Error::Invalid`] if it would be good for nothing; [`Error::Internal`] if the ledger fails.
pub async fn create(
    db: &dyn Db,
    random: &dyn Random,
    now_ms: u64,
    new: &NewToken,
) -> Result<(String, Token), Error> {
    let invalid = |reason: &str| Err(Error::Invalid { reason: reason.to_owned() });
    let plain = |c: char| c.is_ascii_graphic() && c != ':';
    if new.account.is_empty()
        || new.account.len() > TOKEN_ACCOUNT_BYTES_MAX
        || !new.account.chars().all(plain)
    {
        return invalid("an account's name has 1 to 64 visible ASCII characters and no colon");
    }
    if new.scopes.len() > TOKEN_SCOPES_MAX {
        return invalid("a token has at most 64 scopes");
    }
    if !new.operator && new.scopes.iter().all(|scope| scope.actions.is_empty()) {
        return invalid("a token without a scope is good for nothing");
    }
    let id: String = hex_of(&random::bits(random)?, ID_DIGITS);
    let secret = URL_SAFE_NO_PAD.encode([random::bits(random)?, random::bits(random)?].concat());
    let parts = Parts { id: &id, secret: &secret };
    let scopes: Vec<String> = new.scopes.iter().map(ToString::to_string).collect();
    let row = TokenRow {
        id: id.clone(),
        hash: parts.hash(),
        account: new.account.clone(),
        scopes: scopes.join(" "),
        operator: new.operator,
        created_ms: now_ms,
        expires_ms: new.life.map(|life| now_ms.saturating_add(millis(life))),
        revoked_ms: None,
        used_ms: None,
    };
    db.write(vec![table::insert(&row)]).await?;
    Ok((parts.to_string(), Token::of(row)?))
}

fn hex_of(bytes: &[u8], digits: usize) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

/// All tokens, in the order in which they were made; also those that are over.
///
/// # Errors
/// [`Error::Internal`] if the ledger fails.
pub async fn list(db: &dyn Db) -> Result<Vec<Token>, Error> {
    let rows = db.read(vec![table::select_all()]).await?.pop().unwrap_or_default();
    table::rows(rows)?.into_iter().map(Token::of).collect()
}

/// Revokes a token: it is of no use from now on. Whether there was one of this id that was not revoked before.
///
/// # Errors
/// [`Error::Internal`] if the ledger fails.
pub async fn revoke(db: &dyn Db, id: &str, now_ms: u64) -> Result<bool, Error> {
    match db.write(vec![table::revoke(id, now_ms)]).await {
        Ok(()) => Ok(true),
        Err(crate::db::DbError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whose word this is: a token's or a session's.
///
/// # Errors
/// [`Error::Unauthorized`] if it is nobody's, or no longer; the same words for each, so that nothing is learned.
pub(crate) async fn caller(shared: &Shared, text: &str) -> Result<Caller, Error> {
    let unknown = || Error::Unauthorized {
        reason: "the token is not known here, or no longer good: ask the registry's operator for another one"
            .to_owned(),
    };
    let now_ms = shared.clock.now_ms();
    if text.starts_with(session::PREFIX) {
        let read = session::read(&shared.session_key, text, now_ms / 1000, |contents| {
            (contents.token.to_owned(), contents.scopes, contents.lists)
        });
        let (id, scopes, lists) = read.ok_or_else(unknown)?;
        let whose = match id.as_str() {
            "" => Caller::anonymous(),
            id => live(shared, id, now_ms).await?.ok_or_else(unknown)?.caller(),
        };
        return Ok(whose.in_session(scopes, lists));
    }
    let parts = Parts::of(text).ok_or_else(unknown)?;
    let row = find(shared, parts.id).await?.ok_or_else(unknown)?;
    verify_slices_are_equal(row.hash.as_bytes(), parts.hash().as_bytes()).map_err(|_| unknown())?;
    let token = Token::of(row)?;
    if !token.is_live(now_ms) {
        return Err(unknown());
    }
    note_use(shared, &token, now_ms).await;
    Ok(token.caller())
}

async fn find(shared: &Shared, id: &str) -> Result<Option<TokenRow>, Error> {
    let rows = shared.db.read(vec![table::select(id)]).await?.pop().unwrap_or_default();
    Ok(table::rows(rows)?.into_iter().next())
}

async fn live(shared: &Shared, id: &str, now_ms: u64) -> Result<Option<Token>, Error> {
    let token = find(shared, id).await?.map(Token::of).transpose()?;
    Ok(token.filter(|token| token.is_live(now_ms)))
}

/// Remembers that a token is in use, not each time; a ledger that takes no writes keeps nobody out.
async fn note_use(shared: &Shared, token: &Token, now_ms: u64) {
    let recent = |used: u64| now_ms.saturating_sub(used) < millis(TOKEN_USE_INTERVAL);
    if token.used_ms.is_some_and(recent) {
        return;
    }
    if let Err(error) = shared.db.write(vec![table::note_use(&token.id, now_ms)]).await {
        tracing::warn!(%error, token = token.id, "couldn't note that a token was used");
    }
}

/// A session for what a caller asks: of that it is granted what it may, without a word about the rest.
pub(crate) fn begin_session(shared: &Shared, caller: &Caller, asked: &Asked) -> Session {
    let scopes = caller.granted(&shared.rules(), &asked.repositories);
    let issued = shared.clock.now();
    let life = i64::try_from(SESSION_LIFE.as_secs()).unwrap_or(0);
    let expires = u64::try_from(issued.plus_seconds(life).seconds()).unwrap_or(0);
    let token = caller.known_by().map_or("", |account| &*account.token);
    let contents = Contents { expires, token, scopes, lists: asked.list };
    let token = session::issue(&shared.session_key, &contents);
    Session { token, scopes: contents.scopes, issued }
}
