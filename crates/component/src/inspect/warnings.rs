//! What is odd about a file, a bounded list.

use crate::limits::WARNINGS_MAX;

/// Collects warnings up to the limit; the last place is kept for the word that there were more.
#[derive(Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    pub(super) fn add(&mut self, warning: impl Into<String>) {
        match WARNINGS_MAX - self.0.len() {
            0 => {}
            1 => self.0.push("there are more warnings".to_owned()),
            _ => self.0.push(warning.into()),
        }
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        self.0
    }
}
