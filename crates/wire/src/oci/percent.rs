//! Percent-encoding of path segments and query values (`spec/oci.md`, "Grammar and routing").

use std::borrow::Cow;

/// Decodes once. `None` if a `%` is not followed by two hex digits, or the outcome is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            decoded.push((hex_digit(bytes.next()?)? << 4) | hex_digit(bytes.next()?)?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Encodes everything that may not stand bare in a query value; `/` and `:` may.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_decoded_once() {
        for (text, decoded) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("sha256%3Aab", Some("sha256:ab")),
            ("%3a%3A", Some("::")),
            ("%253A", Some("%3A")),
            ("a+b", Some("a+b")),
            ("%c3%a9", Some("é")),
            ("%", None),
            ("%3", None),
            ("%3g", None),
            ("%+3", None),
            ("%é", None),
            ("%ff", None),
            ("%c3", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_bare_and_decodes_to_itself(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"&+#?=".contains(&b)));
            let decoded = decode(&encoded).map(Cow::into_owned);
            prop_assert_eq!(decoded, Some(text));
        }

        #[test]
        fn any_text_is_decoded_or_refused(text in any::<String>()) {
            if let Some(decoded) = decode(&text) {
                prop_assert!(decoded.len() <= text.len());
            }
        }
    }
}
