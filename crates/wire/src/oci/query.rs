//! The query of a request (`spec/oci.md`, "Grammar and routing"): each value is decoded once, and only when someone
//! asks for its key, so that keys which nobody knows cannot fail a request.

use std::borrow::Cow;

use crate::oci::percent;
use crate::text::shorten;

/// A query, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query<'a> {
    raw: &'a str,
    plus_is_space: bool,
}

/// A value that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of `{key}` in the query is not percent-encoded UTF-8: `{value}`")]
pub struct QueryError {
    /// The key.
    pub key: String,
    /// The value as it came, shortened.
    pub value: String,
}

impl<'a> Query<'a> {
    /// The query of a URL below `/v2/`, without the question mark. A `+` means itself: no value there may hold a
    /// space, while media types such as `application/spdx+json` arrive bare.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self { raw, plus_is_space: false }
    }

    /// The query of a token request, or the body of a form: a `+` is a space.
    #[must_use]
    pub fn form(raw: &'a str) -> Self {
        Self { raw, plus_is_space: true }
    }

    /// The first value of `key`. A key without `=` has an empty one.
    ///
    /// # Errors
    /// If the value cannot be decoded.
    pub fn first(&self, key: &str) -> Result<Option<Cow<'a, str>>, QueryError> {
        self.values(key).next().transpose()
    }

    /// All values of `key`, in the order in which they came.
    ///
    /// # Errors
    /// If a value cannot be decoded.
    pub fn all(&self, key: &str) -> Result<Vec<Cow<'a, str>>, QueryError> {
        self.values(key).collect()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = Result<Cow<'a, str>, QueryError>> {
        let query = *self;
        query.raw.split('&').filter_map(move |pair| {
            let (raw_key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wanted = !pair.is_empty() && query.decode(raw_key).is_some_and(|decoded| decoded == key);
            wanted.then(|| {
                let refuse = || QueryError { key: key.to_owned(), value: shorten(value) };
                query.decode(value).ok_or_else(refuse)
            })
        })
    }

    fn decode(self, text: &'a str) -> Option<Cow<'a, str>> {
        if self.plus_is_space && text.contains('+') {
            let spaced = text.replace('+', " ");
            return percent::decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()));
        }
        percent::decode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_value_of_a_key_is_decoded_once() {
        for (raw, value) in [
            ("", None),
            ("&", None),
            ("&&digest", Some("")),
            ("digest=", Some("")),
            ("digest=a", Some("a")),
            ("digest=a=b", Some("a=b")),
            ("x=1&digest=sha256%3Aab&digest=2", Some("sha256:ab")),
            ("digest=%253A", Some("%3A")),
            ("d%69gest=a", Some("a")),
            ("Digest=a", None),
            ("digests=a", None),
            ("ns=HOST&origin=x", None),
            ("other=%ff&%zz=1&digest=a", Some("a")),
            ("digest=application/spdx+json", Some("application/spdx+json")),
        ] {
            assert_eq!(Query::new(raw).first("digest").unwrap().as_deref(), value, "{raw}");
        }
    }

    #[test]
    fn repeated_keys_are_kept_in_order() {
        assert_eq!(Query::new("tag=b&x=1&tag=a&tag=b").all("tag").unwrap(), ["b", "a", "b"]);
        assert!(Query::new("x=1").all("tag").unwrap().is_empty());
    }

    #[test]
    fn only_in_a_form_is_a_plus_a_space() {
        assert_eq!(Query::new("scope=a+b%2B").first("scope").unwrap().unwrap(), "a+b+");
        assert_eq!(Query::form("scope=a+b%2B").first("scope").unwrap().unwrap(), "a b+");
    }

    #[test]
    fn a_value_that_cannot_be_decoded_is_an_error_with_its_key() {
        for raw in ["n=%", "n=%f", "n=%zz", "n=%ff", "n=1&n=%ff"] {
            let error = Query::new(raw).all("n").unwrap_err();
            assert_eq!(error.key, "n", "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_encoding(values in proptest::collection::vec(any::<String>(), 0..4)) {
            let pairs: Vec<String> = values.iter().map(|value| format!("v={}", percent::encode(value))).collect();
            let raw = pairs.join("&x&");
            prop_assert_eq!(Query::new(&raw).all("v").unwrap(), values.clone());
            prop_assert_eq!(Query::form(&raw).all("v").unwrap(), values);
        }

        #[test]
        fn no_text_panics(raw in any::<String>(), key in "[a-z%&=]{0,3}") {
            let _ = Query::new(&raw).all(&key);
            let _ = Query::form(&raw).first(&key);
        }
    }
}
