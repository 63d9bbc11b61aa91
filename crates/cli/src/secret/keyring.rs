//! Keys in the system's keyring: the Secret Service of freedesktop.org, which GNOME, KDE and KeePassXC offer.
//!
//! A keyring may be absent, locked, or silent, and nobody may sit before the screen on which it would ask for its
//! password. So each question to it has an end, and is asked by a thread of its own: nothing else ends a call into a bus
//! that does not answer.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use age::secrecy::{ExposeSecret as _, SecretString};
use dbus_secret_service::{EncryptionType, Error, SecretService};
use wargate_core::key::{PublicKey, SecretKey};

use super::variable;
use crate::error::CommandError;

/// The attributes of a key's item, by which other programs find it too; the second holds the public half.
const ATTRIBUTES: [&str; 2] = ["service", "username"];

/// What the first of them says.
const SERVICE: &str = "wargate";

/// How long a person has to unlock a keyring, in seconds.
const UNLOCK_SECONDS_MAX: u64 = 60;

/// How long a keyring may take for all else: one that is only being started answers late.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How D-Bus says that an answer did not come in time.
const NO_REPLY: &str = "org.freedesktop.DBus.Error.NoReply";

/// How it says that there is no session whose bus could be asked.
const NO_SESSION: &str = "org.freedesktop.DBus.Error.NotSupported";

/// What to do where no keyring is.
const WITHOUT: &str =
    "a key file with a passphrase needs no keyring (`wargate key new`); for machines WARGATE_KEY holds a key";

/// Puts a key into the keyring, and looks whether it is there.
pub(crate) fn store(key: &SecretKey) -> Result<(), CommandError> {
    let (public, id) = (key.public().to_string(), key.public().id());
    let text = SecretString::from(key.to_secret_text());
    ask(move |service| {
        let collection = service.get_default_collection()?;
        collection.ensure_unlocked()?;
        let (label, secret) = (format!("Wargate key {id}"), text.expose_secret().as_bytes());
        collection.create_item(&label, attributes(&public), secret, true, "text/plain").map(drop)
    })?;
    fetch(key.public()).map(drop)
}

/// The key with this public half.
pub(crate) fn fetch(public: &PublicKey) -> Result<SecretKey, CommandError> {
    let asked = public.to_string();
    let secret = ask(move |service| {
        let found = service.search_items(attributes(&asked))?;
        let Some(item) = found.unlocked.first().or(found.locked.first()) else { return Ok(None) };
        item.ensure_unlocked()?;
        item.get_secret().map(Some)
    })?;
    let secret = secret.ok_or_else(|| {
        CommandError::config(format!("the system's keyring has no key {public}"))
            .hint("it may be in that of another account or machine; `wargate key import FILE --keyring` brings it back")
    })?;
    let text = SecretString::from(String::from_utf8(secret).unwrap_or_default());
    let key: Option<SecretKey> = text.expose_secret().trim().parse().ok();
    key.filter(|key| key.public() == public).ok_or_else(|| {
        CommandError::config(format!("what the system's keyring keeps for {public} is not that key"))
    })
}

fn attributes(public: &str) -> HashMap<&str, &str> {
    ATTRIBUTES.into_iter().zip([SERVICE, public]).collect()
}

/// Whether there is a screen on which a keyring can ask for its password.
fn has_screen() -> Result<bool, CommandError> {
    Ok(variable("WAYLAND_DISPLAY")?.is_some() || variable("DISPLAY")?.is_some())
}

fn ask<T: Send + 'static>(
    question: impl Fn(&SecretService) -> Result<T, Error> + Send + 'static,
) -> Result<T, CommandError> {
    let has_screen = has_screen()?;
    let unlock_seconds = if has_screen { UNLOCK_SECONDS_MAX } else { 0 };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let begin = Instant::now();
        let answer = loop {
            // Encrypted, so that the key is not in what somebody records of the bus while looking for a fault.
            let service = SecretService::connect_with_max_prompt_timeout(EncryptionType::Dh, unlock_seconds);
            match service.and_then(|service| question(&service)) {
                Err(Error::Dbus(error))
                    if error.name() == Some(NO_REPLY) && begin.elapsed() < ANSWER_TIMEOUT => {}
                answer => break answer,
            }
        };
        // Nobody waits for it any more once the time is over.
        let _ = tell.send(answer);
    });
    let timeout = ANSWER_TIMEOUT + Duration::from_secs(unlock_seconds);
    let answer = told.recv_timeout(timeout).map_err(|_| {
        CommandError::config(format!("the system's keyring gave no answer within {} s", timeout.as_secs()))
            .hint(WITHOUT)
    })?;
    answer.map_err(|error| refused(&error, has_screen))
}

/// What stood in the way, and what to do about it.
fn refused(error: &Error, has_screen: bool) -> CommandError {
    match error {
        Error::Dbus(error) => {
            let cause = match error.name() {
                Some(NO_SESSION) => "this session has no D-Bus",
                name => error.message().or(name).unwrap_or("no cause is told"),
            };
            CommandError::config(format!("couldn't reach the system's keyring: {cause}")).hint(WITHOUT)
        }
        Error::Prompt | Error::Locked if !has_screen => CommandError::config(
            "the system's keyring is locked, and there is no screen to ask for its password on",
        )
        .hint("`gnome-keyring-daemon --unlock` reads the password from standard input")
        .hint(WITHOUT),
        Error::Prompt | Error::Locked => {
            CommandError::config("the system's keyring is locked, and was not unlocked")
                .hint("unlock it, and try again")
        }
        Error::NoResult => {
            CommandError::config("the system's keyring has no default collection to put a key into")
                .hint("make one with the system's password program (Seahorse, KWalletManager)")
                .hint(WITHOUT)
        }
        other => CommandError::config(format!("the system's keyring failed: {other}")).hint(WITHOUT),
    }
}
