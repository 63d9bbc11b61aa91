//! The command line: `--FLAG VALUE` pairs.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

/// What stands behind the verb.
pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads the pairs.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = HashMap::new();
        while let Some(flag) = arguments.next() {
            let key = flag.strip_prefix("--").context("expected --FLAG VALUE")?.to_owned();
            options.insert(key, arguments.next().context("a flag needs a value")?);
        }
        Ok(Self(options))
    }

    /// The value of a flag that must be there.
    pub fn text(&self, key: &str) -> Result<String> {
        self.0.get(key).cloned().with_context(|| format!("--{key} is missing"))
    }

    /// The same as a number.
    pub fn number(&self, key: &str) -> Result<usize> {
        self.text(key)?.parse().with_context(|| format!("--{key} is no number"))
    }
}
