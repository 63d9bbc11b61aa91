//! HTTP requests to registry calls and back.
//!
//! The whole surface is on one page, `router`; each door translates between the registry's one [`Error`] and its
//! own language in one file. Not here: any rule. Each door can be mounted alone, under a prefix, by an embedder.
//!
//! [`Error`]: wargate_registry::Error

mod access;
mod doors;
#[doc(hidden)]
pub mod fuzzing;
mod http;
pub mod limits;
mod listen;
mod metrics;
mod router;

pub use doors::web;
pub use listen::{
    ClientAddress, ForwardedHeader, ProxyError, Tls, TlsError, Transport, TrustedProxies,
    raise_descriptor_limit, serve, serve_over,
};
pub use router::{Options, api_door, log_door, oci_door, probes, router, warg_door};
