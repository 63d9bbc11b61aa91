//! Request files: an act on its way from one signer to the next, with what it stands on (`spec/delegation.md`, "Offline
//! signing").
//!
//! JSON around exact bytes, described in `docs/requests.md`. Who signs needs no network: the states by which the act is
//! judged come with it. They are the word of whoever made the file; what binds is the act, which names its registry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wargate_core::act::{Act, ActError, Endorsement};
use wargate_core::authority::role::RoleId;
use wargate_core::authority::{Facts, Named, Release, State, StateError};
use wargate_core::id::RecordId;
use wargate_core::name::LogName;
use wargate_wire::api::EndorsementBody;
use wargate_wire::text::{Base64, Text};

use crate::acts::Bench;

/// What the field `format` says.
pub const REQUEST_FORMAT: &str = "wargate-request-1";

/// Largest request file, in bytes.
pub const REQUEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// An act that waits for signatures.
#[derive(Debug, Clone)]
pub struct Request {
    /// The registry's URL, for whoever hands it in; of an act that begins one, its log's origin.
    pub registry: String,
    /// The exact bytes that are signed.
    pub act: Vec<u8>,
    /// Who agreed so far.
    pub endorsements: Vec<Endorsement>,
    /// What it is judged by.
    pub bench: Bench,
}

/// A file that is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No JSON of this shape.
    #[error("it is no request file: {reason}")]
    Json {
        /// What the decoder says.
        reason: String,
    },
    /// Another format.
    #[error("it says that its format is `{found}`; this version knows `{REQUEST_FORMAT}`")]
    Format {
        /// What it says.
        found: String,
    },
    /// The act.
    #[error(transparent)]
    Act(#[from] ActError),
    /// A state or a fact that it stands on.
    #[error("what it stands on cannot be read: {0}")]
    State(#[from] StateError),
    /// Its parts are of different logs or registries.
    #[error("its parts do not belong together: {what}")]
    Mixed {
        /// Which.
        what: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    format: String,
    registry: String,
    log: String,
    /// For people who look into the file; a signer's tool reads the act itself.
    says: Vec<String>,
    act: Base64,
    endorsements: Vec<EndorsementBody>,
    stands_on: StandsOn,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StandsOn {
    /// It and the operator's state are absent where the act begins a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<Text<RecordId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<Base64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Base64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<Base64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    releases: Vec<Base64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dead: BTreeMap<String, Base64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<Text<RecordId>, u64>,
}

impl Request {
    /// The file's text.
    ///
    /// # Errors
    /// [`RequestError::Act`] if its act is none.
    pub fn to_text(&self) -> Result<String, RequestError> {
        let act = Act::decode(&self.act)?;
        let mut named = Named::default();
        named.extend(&act);
        let Bench { log, root, operator, namespace, own } = &self.bench;
        let facts = own.as_ref().map(|(_, facts)| facts.about(&named)).unwrap_or_default();
        let file = File {
            format: REQUEST_FORMAT.to_owned(),
            registry: self.registry.clone(),
            log: log.as_str().to_owned(),
            says: act.steps.iter().map(ToString::to_string).collect(),
            act: Base64(self.act.clone()),
            endorsements: self.endorsements.iter().map(EndorsementBody::from).collect(),
            stands_on: StandsOn {
                root: root.map(Text),
                operator: root.map(|_| Base64(operator.encode())),
                namespace: namespace.as_ref().map(|state| Base64(state.encode())),
                own: own
                    .as_ref()
                    .filter(|_| *log != LogName::Operator)
                    .map(|(state, _)| Base64(state.encode())),
                releases: facts.releases.values().map(|release| Base64(release.encode())).collect(),
                dead: facts.dead.iter().map(|(name, role)| (name.clone(), Base64(role.encode()))).collect(),
                places: facts.places.iter().map(|(record, place)| (Text(*record), *place)).collect(),
            },
        };
        let json = |error: serde_json::Error| RequestError::Json { reason: error.to_string() };
        serde_json::to_string_pretty(&file).map(|text| text + "\n").map_err(json)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let json = |error: serde_json::Error| RequestError::Json { reason: error.to_string() };
        let file: File = serde_json::from_str(text).map_err(json)?;
        if file.format != REQUEST_FORMAT {
            return Err(RequestError::Format { found: file.format });
        }
        let log: LogName =
            file.log.parse().map_err(|_| RequestError::Mixed { what: "its log has no such name" })?;
        let operator = file.stands_on.operator.map(|state| State::decode(&state.0)).transpose()?;
        let namespace = file.stands_on.namespace.map(|state| State::decode(&state.0)).transpose()?;
        let own = match (&log, file.stands_on.own) {
            (LogName::Operator, _) => operator.clone(),
            (_, own) => own.map(|state| State::decode(&state.0)).transpose()?,
        };
        let mut facts = Facts::default();
        for release in file.stands_on.releases {
            let release = Release::decode(&release.0)?;
            facts.releases.insert(release.version.clone(), release);
        }
        for (name, role) in file.stands_on.dead {
            facts.dead.insert(name, RoleId::decode(&role.0)?);
        }
        facts.places = file.stands_on.places.into_iter().map(|(record, place)| (record.0, place)).collect();
        let request = Self {
            registry: file.registry,
            act: file.act.0,
            endorsements: file.endorsements.into_iter().map(Into::into).collect(),
            bench: Bench {
                log,
                root: file.stands_on.root.map(|root| root.0),
                operator: operator.unwrap_or_else(|| State::empty(LogName::Operator)),
                namespace,
                own: own.map(|state| (state, facts)),
            },
        };
        request.check()?;
        Ok(request)
    }

    /// Its parts are of one log of one registry.
    fn check(&self) -> Result<(), RequestError> {
        let Bench { log, root, operator, namespace, own } = &self.bench;
        let act = Act::decode(&self.act)?;
        let above = match log {
            LogName::Package(name) => Some(LogName::Namespace(name.namespace())),
            LogName::Namespace(_) | LogName::Operator => None,
        };
        let rows = [
            (act.log == log.log_id(), "its act is for another log"),
            (root.is_some() || *log == LogName::Operator, "a registry begins with its operator's log"),
            (act.root == *root, "its act is for another registry"),
            (*operator.log() == LogName::Operator, "the operator's state is another log's"),
            (operator.first_record() == *root, "the operator's state is another registry's"),
            (own.as_ref().is_none_or(|(state, _)| state.log() == log), "its state is another log's"),
            (namespace.as_ref().map(State::log) == above.as_ref(), "the namespace's state is another log's"),
        ];
        match rows.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(RequestError::Mixed { what }),
            None => Ok(()),
        }
    }
}
