//! Warg v1's state machines: the rules by which plain v1 logs are judged (`spec/warg.md`).

pub mod operator;
pub mod package;
