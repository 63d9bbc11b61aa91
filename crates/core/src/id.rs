//! Ids of logs and records, and the leaves that the tree and the map hash.
//!
//! Source of every rule here: `spec/warg.md`, "Hash inputs"; namespace logs: `spec/delegation.md`.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, Hasher};
use crate::name::{LogName, Namespace, PackageName};
use crate::prefix::PrefixEncoder;

/// Bytes in a log entry: the preimage of a leaf after its 0x00.
pub const ENTRY_BYTES: usize = 160;

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digest);

        impl $name {
            /// An id from its digest.
            #[must_use]
            pub const fn from_digest(digest: Digest) -> Self {
                Self(digest)
            }

            /// The digest that the id is.
            #[must_use]
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// An id from a slice, if it has 32 bytes.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Digest::from_slice(bytes).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = crate::digest::DigestError;

            fn from_str(text: &str) -> Result<Self, crate::digest::DigestError> {
                text.parse().map(Self)
            }
        }
    };
}
pub(crate) use digest_id;

digest_id! {
    /// The id of an operator, namespace or package log.
    LogId
}

digest_id! {
    /// The id of a record: it commits to the record's contents, not to its envelope's key and signature.
    RecordId
}

/// Which of the three layers a log belongs to. It decides the prefixes of record ids and signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The operator log.
    Operator,
    /// A namespace log.
    Namespace,
    /// A package log.
    Package,
}

impl Layer {
    fn record_id_tag(self) -> &'static str {
        match self {
            Self::Operator => "WARG-OPERATOR-LOG-RECORD-V0:",
            Self::Namespace => "WARGATE-NAMESPACE-LOG-RECORD-V0:",
            Self::Package => "WARG-PACKAGE-LOG-RECORD-V0:",
        }
    }

    /// What the signed bytes of a record's envelope begin with.
    #[must_use]
    pub fn signature_tag(self) -> &'static str {
        match self {
            Self::Operator => "WARG-OPERATOR-RECORD-SIGNATURE-V0:",
            Self::Namespace => "WARGATE-NAMESPACE-RECORD-SIGNATURE-V0:",
            Self::Package => "WARG-PACKAGE-RECORD-SIGNATURE-V0:",
        }
    }

    /// The id of the record with these contents in a log of this layer.
    #[must_use]
    pub fn record_id(self, contents: &[u8]) -> RecordId {
        let mut hasher = Hasher::new();
        hasher.update(self.record_id_tag().as_bytes());
        hasher.update(contents);
        RecordId(hasher.finish())
    }
}

impl LogName {
    /// The layer of this log.
    #[must_use]
    pub fn layer(&self) -> Layer {
        match self {
            Self::Operator => Layer::Operator,
            Self::Namespace(_) => Layer::Namespace,
            Self::Package(_) => Layer::Package,
        }
    }

    /// The id of this log.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        match self {
            Self::Operator => LogId::operator(),
            Self::Namespace(namespace) => LogId::namespace(namespace),
            Self::Package(package) => LogId::package(package),
        }
    }
}

impl LogId {
    /// The id of the operator log, the same in every registry.
    #[must_use]
    pub fn operator() -> Self {
        Self(Digest::of(b"WARG-OPERATOR-LOG-ID-V0"))
    }

    /// The id of a namespace's log.
    #[must_use]
    pub fn namespace(namespace: &Namespace) -> Self {
        let preimage = PrefixEncoder::new("WARGATE-NAMESPACE-LOG-ID-V0:").string(namespace.as_str());
        Self(Digest::of(&preimage.finish()))
    }

    /// The id of a package's log.
    #[must_use]
    pub fn package(package: &PackageName) -> Self {
        let preimage =
            PrefixEncoder::new("WARG-PACKAGE-LOG-ID-V0:").raw("WARG-PACKAGE-ID-V0").string(package.as_str());
        Self(Digest::of(&preimage.finish()))
    }

    /// The key under which the map holds this log's latest record.
    #[must_use]
    pub fn map_key(&self) -> Digest {
        Digest::of(self.as_bytes())
    }
}

/// The log entry of a record: what `tile/entries/…` holds and, after a 0x00, the leaf hashes.
#[must_use]
pub fn entry(log_id: &LogId, record_id: &RecordId) -> Vec<u8> {
    PrefixEncoder::new("WARG-LOG-LEAF-V0").string(&log_id.to_string()).string(&record_id.to_string()).finish()
}

/// The two ids in an entry; `None` if it isn't one.
#[must_use]
pub fn parse_entry(bytes: &[u8]) -> Option<(LogId, RecordId)> {
    if bytes.len() != ENTRY_BYTES {
        return None;
    }
    let text = |at: usize| std::str::from_utf8(bytes.get(at..at + 71)?).ok()?.parse::<Digest>().ok();
    let ids = (LogId(text(17)?), RecordId(text(89)?));
    (entry(&ids.0, &ids.1) == bytes).then_some(ids)
}

/// The leaf hash of an entry in the log.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut preimage = Vec::with_capacity(1 + entry.len());
    preimage.push(0);
    preimage.extend_from_slice(entry);
    Digest::of(&preimage)
}

/// The leaf hash of a log's latest record in the map.
#[must_use]
pub fn map_leaf_hash(record_id: &RecordId) -> Digest {
    let preimage = PrefixEncoder::new("\0WARG-MAP-LEAF-V0").string(&record_id.to_string());
    Digest::of(&preimage.finish())
}
