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

    /// The value of a flag, or what holds without it.
    pub fn text_or(&self, key: &str, default: &str) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| default.to_owned())
    }

    /// The number of a flag that must be there.
    pub fn number(&self, key: &str) -> Result<usize> {
        number(key, &self.text(key)?)
    }

    /// The number of a flag, or what holds without it.
    pub fn number_or(&self, key: &str, default: usize) -> Result<usize> {
        self.0.get(key).map_or(Ok(default), |text| number(key, text))
    }
}

fn number(key: &str, text: &str) -> Result<usize> {
    text.parse().with_context(|| format!("--{key} is no number"))
}
