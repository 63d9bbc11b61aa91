//! Records of Warg v1: what the bytes in an envelope say.
//!
//! Decoding is as lenient as the reference's where v1 is (unknown fields are skipped; the envelope keeps the
//! bytes), and strict about every value that it reads. Shapes: `spec/warg.md`, "Protobuf".

use prost::Message;
use semver::Version;

use crate::digest::{Digest, shorten};
use crate::id::RecordId;
use crate::key::{Algorithm, KeyId, PublicKey};
use crate::name::Namespace;
use crate::proto::{self, operator_entry, package_entry};
use crate::time::Time;

mod lenient;
#[cfg(test)]
mod tests;

/// The only hash algorithm there is.
const HASH_ALGORITHM: &str = "sha256";

/// The first field number that v1 records do not have and records of delegated logs do.
pub const EXTENSION_FIELD_MIN: u32 = 16;

/// Bytes that are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// No protobuf of this shape.
    #[error("the record cannot be decoded: {reason}")]
    Decode {
        /// What the decoder says.
        reason: String,
    },
    /// A field is absent or its value is not allowed.
    #[error("the record's {field} is missing or malformed: `{}`", shorten(.value))]
    Field {
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

fn bad(field: &'static str, value: impl Into<String>) -> RecordError {
    RecordError::Field { field, value: value.into() }
}

fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, RecordError> {
    text.parse().map_err(|_| bad(field, text))
}

/// A key in a v1 field: P-256 only.
fn parse_key(text: &str) -> Result<PublicKey, RecordError> {
    let key: PublicKey = parse("key", text)?;
    if key.algorithm() == Algorithm::EcdsaP256 { Ok(key) } else { Err(bad("key", text)) }
}

fn check_hash_algorithm(text: &str) -> Result<(), RecordError> {
    if text == HASH_ALGORITHM { Ok(()) } else { Err(bad("hash algorithm", text)) }
}

pub(crate) fn parse_time(time: Option<&proto::Timestamp>) -> Result<Time, RecordError> {
    let time = time.ok_or_else(|| bad("time", ""))?;
    Time::new(time.seconds, time.nanos).ok_or_else(|| bad("time", format!("{}.{}", time.seconds, time.nanos)))
}

pub(crate) fn time_message(time: Time) -> proto::Timestamp {
    proto::Timestamp { seconds: time.seconds(), nanos: time.nanos() as i32 }
}

/// The first top-level field from [`EXTENSION_FIELD_MIN`] on: a v1 log holds none (`spec/delegation.md`).
///
/// # Errors
/// [`RecordError::Decode`].
pub fn first_extension_field(contents: &[u8]) -> Result<Option<u32>, RecordError> {
    use prost::encoding::{DecodeContext, decode_key, skip_field};
    let failed = |error: prost::DecodeError| RecordError::Decode { reason: error.to_string() };
    let mut rest = contents;
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(failed)?;
        if tag >= EXTENSION_FIELD_MIN {
            return Ok(Some(tag));
        }
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(failed)?;
    }
    Ok(None)
}

/// What a key may do in a v1 package log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackagePermission {
    /// Release versions.
    Release = 1,
    /// Yank versions.
    Yank = 2,
}

impl PackagePermission {
    /// Every permission, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Release, Self::Yank];
}

/// What a key may do in a v1 operator log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperatorPermission {
    /// Sign checkpoints; grant and revoke.
    Commit = 1,
    /// Define namespaces.
    DefineNamespace = 2,
    /// Import namespaces.
    ImportNamespace = 3,
}

impl OperatorPermission {
    /// Every permission, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Commit, Self::DefineNamespace, Self::ImportNamespace];
}

macro_rules! permission {
    ($name:ident) => {
        impl $name {
            fn parse_all(numbers: &[i32]) -> Result<Vec<Self>, RecordError> {
                let known = |number: &i32| Self::ALL.into_iter().find(|known| *known as i32 == *number);
                numbers.iter().map(|n| known(n).ok_or_else(|| bad("permission", n.to_string()))).collect()
            }

            /// Its bit in a set of permissions.
            #[must_use]
            pub const fn bit(self) -> u8 {
                1 << (self as u8)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // The names that v1 clients use.
                let name = format!("{self:?}");
                let (first, rest) = name.split_at(1);
                write!(f, "{}{rest}", first.to_ascii_lowercase())
            }
        }
    };
}
permission!(PackagePermission);
permission!(OperatorPermission);

/// A record of a package log, as v1 clients read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// The previous record; `None` in the first.
    pub prev: Option<RecordId>,
    /// The protocol's version: 0.
    pub version: u32,
    /// When it was made, by its author's clock.
    pub time: Time,
    /// What it does, in order.
    pub entries: Vec<PackageEntry>,
}

/// One thing that a package record does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageEntry {
    /// Begins the log.
    Init {
        /// Its first key, which gets every permission.
        key: PublicKey,
    },
    /// Gives permissions to a key.
    GrantFlat {
        /// The key.
        key: PublicKey,
        /// What it may do from here on.
        permissions: Vec<PackagePermission>,
    },
    /// Takes permissions from a key.
    RevokeFlat {
        /// The key.
        key_id: KeyId,
        /// What it may no longer do.
        permissions: Vec<PackagePermission>,
    },
    /// Releases a version.
    Release {
        /// The version.
        version: Version,
        /// Its content.
        content: Digest,
    },
    /// Yanks a version.
    Yank {
        /// The version.
        version: Version,
    },
}

impl PackageRecord {
    /// Reads a record's contents.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode(contents: &[u8]) -> Result<Self, RecordError> {
        Self::from_message(lenient::package(contents)?)
    }

    pub(crate) fn from_message(message: proto::PackageRecord) -> Result<Self, RecordError> {
        Ok(Self {
            prev: message.prev.map(|prev| parse("previous record", &prev)).transpose()?,
            version: message.version,
            time: parse_time(message.time.as_ref())?,
            entries: message.entries.into_iter().map(PackageEntry::from_message).collect::<Result<_, _>>()?,
        })
    }

    /// Writes a record's contents, canonically.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    pub(crate) fn to_message(&self) -> proto::PackageRecord {
        proto::PackageRecord {
            prev: self.prev.map(|prev| prev.to_string()),
            version: self.version,
            time: Some(time_message(self.time)),
            entries: self.entries.iter().map(PackageEntry::to_message).collect(),
            act: bytes::Bytes::new(),
            endorsements: Vec::new(),
        }
    }

    /// The keys that the entries name.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.entries.iter().filter_map(|entry| match entry {
            PackageEntry::Init { key } | PackageEntry::GrantFlat { key, .. } => Some(key.id()),
            PackageEntry::RevokeFlat { key_id, .. } => Some(*key_id),
            PackageEntry::Release { .. } | PackageEntry::Yank { .. } => None,
        })
    }

    /// The versions that the entries name.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.entries.iter().filter_map(|entry| match entry {
            PackageEntry::Release { version, .. } | PackageEntry::Yank { version } => Some(version),
            _ => None,
        })
    }

    /// The content that the releases name.
    pub fn contents(&self) -> impl Iterator<Item = Digest> {
        self.entries.iter().filter_map(|entry| match entry {
            PackageEntry::Release { content, .. } => Some(*content),
            _ => None,
        })
    }
}

impl PackageEntry {
    fn from_message(message: proto::PackageEntry) -> Result<Self, RecordError> {
        use package_entry::Contents;
        Ok(match message.contents.ok_or_else(|| bad("entry", "empty"))? {
            Contents::Init(init) => {
                check_hash_algorithm(&init.hash_algorithm)?;
                Self::Init { key: parse_key(&init.key)? }
            }
            Contents::GrantFlat(grant) => Self::GrantFlat {
                key: parse_key(&grant.key)?,
                permissions: PackagePermission::parse_all(&grant.permissions)?,
            },
            Contents::RevokeFlat(revoke) => Self::RevokeFlat {
                key_id: parse("key id", &revoke.key_id)?,
                permissions: PackagePermission::parse_all(&revoke.permissions)?,
            },
            Contents::Release(release) => Self::Release {
                version: parse("version", &release.version)?,
                content: parse("content hash", &release.content_hash)?,
            },
            Contents::Yank(yank) => Self::Yank { version: parse("version", &yank.version)? },
        })
    }

    fn to_message(&self) -> proto::PackageEntry {
        use package_entry::Contents;
        let numbers = |permissions: &[PackagePermission]| permissions.iter().map(|p| *p as i32).collect();
        let contents = match self {
            Self::Init { key } => Contents::Init(proto::PackageInit {
                key: key.to_string(),
                hash_algorithm: HASH_ALGORITHM.to_owned(),
            }),
            Self::GrantFlat { key, permissions } => Contents::GrantFlat(proto::GrantFlat {
                key: key.to_string(),
                permissions: numbers(permissions),
            }),
            Self::RevokeFlat { key_id, permissions } => Contents::RevokeFlat(proto::RevokeFlat {
                key_id: key_id.to_string(),
                permissions: numbers(permissions),
            }),
            Self::Release { version, content } => Contents::Release(proto::PackageRelease {
                version: version.to_string(),
                content_hash: content.to_string(),
            }),
            Self::Yank { version } => Contents::Yank(proto::PackageYank { version: version.to_string() }),
        };
        proto::PackageEntry { contents: Some(contents) }
    }
}

/// A record of the operator log, as v1 clients read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRecord {
    /// The previous record; `None` in the first.
    pub prev: Option<RecordId>,
    /// The protocol's version: 0.
    pub version: u32,
    /// When it was made.
    pub time: Time,
    /// What it does, in order.
    pub entries: Vec<OperatorEntry>,
}

/// One thing that an operator record does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorEntry {
    /// Begins the log.
    Init {
        /// Its first key, which gets every permission.
        key: PublicKey,
    },
    /// Gives permissions to a key.
    GrantFlat {
        /// The key.
        key: PublicKey,
        /// What it may do from here on.
        permissions: Vec<OperatorPermission>,
    },
    /// Takes permissions from a key.
    RevokeFlat {
        /// The key.
        key_id: KeyId,
        /// What it may no longer do.
        permissions: Vec<OperatorPermission>,
    },
    /// Defines a namespace.
    DefineNamespace {
        /// The namespace.
        namespace: Namespace,
    },
    /// Says that a namespace is another registry's.
    ImportNamespace {
        /// The namespace.
        namespace: Namespace,
        /// That registry's domain.
        registry: String,
    },
}

impl OperatorRecord {
    /// Reads a record's contents.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn decode(contents: &[u8]) -> Result<Self, RecordError> {
        Self::from_message(lenient::operator(contents)?)
    }

    pub(crate) fn from_message(message: proto::OperatorRecord) -> Result<Self, RecordError> {
        Ok(Self {
            prev: message.prev.map(|prev| parse("previous record", &prev)).transpose()?,
            version: message.version,
            time: parse_time(message.time.as_ref())?,
            entries: message
                .entries
                .into_iter()
                .map(OperatorEntry::from_message)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes a record's contents, canonically.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    pub(crate) fn to_message(&self) -> proto::OperatorRecord {
        proto::OperatorRecord {
            prev: self.prev.map(|prev| prev.to_string()),
            version: self.version,
            time: Some(time_message(self.time)),
            entries: self.entries.iter().map(OperatorEntry::to_message).collect(),
            act: bytes::Bytes::new(),
            endorsements: Vec::new(),
        }
    }
}

impl OperatorEntry {
    fn from_message(message: proto::OperatorEntry) -> Result<Self, RecordError> {
        use operator_entry::Contents;
        Ok(match message.contents.ok_or_else(|| bad("entry", "empty"))? {
            Contents::Init(init) => {
                check_hash_algorithm(&init.hash_algorithm)?;
                Self::Init { key: parse_key(&init.key)? }
            }
            Contents::GrantFlat(grant) => Self::GrantFlat {
                key: parse_key(&grant.key)?,
                permissions: OperatorPermission::parse_all(&grant.permissions)?,
            },
            Contents::RevokeFlat(revoke) => Self::RevokeFlat {
                key_id: parse("key id", &revoke.key_id)?,
                permissions: OperatorPermission::parse_all(&revoke.permissions)?,
            },
            Contents::DefineNamespace(define) => {
                Self::DefineNamespace { namespace: parse("namespace", &define.namespace)? }
            }
            Contents::ImportNamespace(import) => Self::ImportNamespace {
                namespace: parse("namespace", &import.namespace)?,
                registry: import.registry,
            },
        })
    }

    fn to_message(&self) -> proto::OperatorEntry {
        use operator_entry::Contents;
        let numbers = |permissions: &[OperatorPermission]| permissions.iter().map(|p| *p as i32).collect();
        let contents = match self {
            Self::Init { key } => Contents::Init(proto::OperatorInit {
                hash_algorithm: HASH_ALGORITHM.to_owned(),
                key: key.to_string(),
            }),
            Self::GrantFlat { key, permissions } => Contents::GrantFlat(proto::GrantFlat {
                key: key.to_string(),
                permissions: numbers(permissions),
            }),
            Self::RevokeFlat { key_id, permissions } => Contents::RevokeFlat(proto::RevokeFlat {
                key_id: key_id.to_string(),
                permissions: numbers(permissions),
            }),
            Self::DefineNamespace { namespace } => {
                Contents::DefineNamespace(proto::OperatorDefineNamespace { namespace: namespace.to_string() })
            }
            Self::ImportNamespace { namespace, registry } => {
                Contents::ImportNamespace(proto::ImportNamespace {
                    namespace: namespace.to_string(),
                    registry: registry.clone(),
                })
            }
        };
        proto::OperatorEntry { contents: Some(contents) }
    }
}
