//! Judges an OCI registry rule by rule: every rule of `spec/oci.md` that can be seen from outside has an id and a check.
//!
//! It shares no code with the server that it judges, and can be pointed at any. A rule makes repositories of its own
//! and leaves the server usable. Not here: what cannot be seen from outside, such as what garbage collection keeps.

mod digest;
mod http;
mod outcome;
mod reply;
mod rule;
mod rules;
mod run;
mod site;
mod tokens;

pub use outcome::{Failure, Outcome, Summary, Verdict};
pub use rule::{Level, LevelError, Rule};
pub use rules::all as rules;
pub use run::{Choice, REPOSITORY_DEFAULT, StartError, Target, judge};
pub use tokens::Credentials;
