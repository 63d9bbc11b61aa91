//! Values that JSON carries as text in exactly one form: ids, digests, keys (`Display` and `FromStr`), bytes as
//! standard padded base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Cuts and escapes what a stranger sent before it goes into a message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 100;
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A value in its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<T>(pub T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// Bytes as standard padded base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Self).map_err(|error| de::Error::custom(format!("not canonical standard base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wargate_core::digest::Digest;

    #[test]
    fn one_base64_is_accepted() {
        let parse = |text: &str| serde_json::from_value::<Base64>(text.into());
        assert_eq!(parse("AAA=").unwrap(), Base64(vec![0, 0]));
        for bad in ["AAA", "AAB=", "AA-=", " AAA=", "AAA=\n", "AAA=="] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_strangers_text_is_cut_and_escaped() {
        assert_eq!(shorten("a\n\0b"), "a\\n\\0b");
        assert_eq!(shorten(&"é".repeat(100)), "é".repeat(100));
        assert_eq!(shorten(&"é".repeat(101)), format!("{}…", "é".repeat(100)));
    }

    #[test]
    fn text_says_what_it_expected() {
        let error = serde_json::from_str::<Text<Digest>>("\"sha256:XY\"").unwrap_err().to_string();
        assert!(error.contains("not a digest"), "{error}");
    }
}
