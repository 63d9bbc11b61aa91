//! The programs that people push, pull, sign and copy with, unmodified, against `wargate serve`.
//!
//! One module a client, with tests of what people do with it and of the words that it says when we refuse.
//! `INTEROP_REGISTRY` puts another registry in the place of ours (`interop::registry`).

mod buildah;
mod cosign;
mod cosign_referrers;
mod cosign_tags;
mod crane;
mod notation;
mod oras;
mod podman;
mod skopeo;
mod storage;
mod wkg;
