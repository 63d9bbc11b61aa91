//! JSON that every reader understands alike: one object, no key twice, not too deep (`spec/oci.md`, "Manifests").
//!
//! Readers differ in which of two equal keys they believe, and some overflow their stack on deep nesting. This
//! walks over the bytes once and keeps only the keys of the objects that are open.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{JSON_DEPTH_MAX, ManifestError};
use crate::text::shorten;

/// Checks the whole of `bytes`.
pub(super) fn check(bytes: &[u8]) -> Result<(), ManifestError> {
    let mut flaw = None;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let walk = Value { depth: 0, flaw: &mut flaw };
    let outcome = walk.deserialize(&mut json).and_then(|()| json.end());
    match (flaw, outcome) {
        (Some(flaw), _) => Err(flaw),
        (None, Err(source)) => Err(ManifestError::json(&source)),
        (None, Ok(())) => Ok(()),
    }
}

/// A value inside `depth` objects and arrays. What serde's error type cannot carry goes into `flaw`.
struct Value<'f> {
    depth: usize,
    flaw: &'f mut Option<ManifestError>,
}

impl Value<'_> {
    fn inner(&mut self) -> Value<'_> {
        Value { depth: self.depth + 1, flaw: self.flaw }
    }

    /// Refuses with `flaw`; the error returned only ends the walk.
    fn refuse<T, E: serde::de::Error>(&mut self, flaw: ManifestError) -> Result<T, E> {
        *self.flaw = Some(flaw);
        Err(E::custom("refused"))
    }

    /// A value that is no object. The root must be one.
    fn scalar<E: serde::de::Error>(mut self) -> Result<(), E> {
        if self.depth == 0 { self.refuse(ManifestError::NotAnObject) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        if self.depth == 0 {
            return self.refuse(ManifestError::NotAnObject);
        }
        if self.depth >= JSON_DEPTH_MAX {
            return self.refuse(ManifestError::TooDeep);
        }
        while items.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        if self.depth >= JSON_DEPTH_MAX {
            return self.refuse(ManifestError::TooDeep);
        }
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            if let Some(key) = seen.replace(key) {
                return self.refuse(ManifestError::DuplicateKey { key: shorten(&key) });
            }
            entries.next_value_seed(self.inner())?;
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
