//! The commands, one a file.

pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod remote;
pub(crate) mod serve;
pub(crate) mod trust;
pub(crate) mod verify;
