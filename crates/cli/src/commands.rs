//! The commands, one a file.

pub(crate) mod acting;
pub(crate) mod backup;
pub(crate) mod claim;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod grant;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod operator;
pub(crate) mod owner;
pub(crate) mod proposals;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod recover;
pub(crate) mod remote;
pub(crate) mod restore;
pub(crate) mod revoke;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod takedown;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod yank;
