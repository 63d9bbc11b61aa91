//! A verifying client: trusts keys, not servers.
//!
//! It fetches, and lets `wargate_core::verify` judge what it was told, in the order of the client rules. Not here:
//! printing, `$HOME`, the environment; who calls says where pins are kept and what time it is.

mod access;
mod acts;
mod credentials;
mod error;
mod fetch;
mod logs;
mod memory;
mod package;
mod pins;
mod proposals;
mod publish;
mod request;
mod verify;

pub use acts::{
    Bench, CarriedAct, HandedIn, PROPOSAL_WINDOW_SECONDS, WINDOW_AFTER_SECONDS, WINDOW_BEFORE_SECONDS, bench,
    submit,
};
pub use credentials::{CredentialSource, Credentials};
pub use error::{Error, Unauthorized};
pub use fetch::{CONTENT_BYTES_MAX, Registry};
pub use memory::{Memory, Weaker};
pub use package::{Proven, SignedBy, VerifiedPackage, VerifiedRelease};
pub use pins::{Pin, PinStore};
pub use proposals::{Proposal, proposals, reject};
pub use publish::{NewRelease, Preparation, PreparedRelease, Published, Sent, prepare};
pub use request::{REQUEST_BYTES_MAX, REQUEST_FORMAT, Request, RequestError};
pub use verify::{CHECKPOINT_AGE_SECONDS_MAX, Limits, verify_package};
