//! Limits of the doors (`DESIGN.md`, "Limits").

use std::time::Duration;

/// Largest JSON body, in bytes.
pub const JSON_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest act with its endorsements, as JSON, in bytes.
pub const ACT_BODY_BYTES_MAX: usize = 128 * 1024;

/// Largest rejection of a proposal, as JSON, in bytes.
pub const REJECTION_BODY_BYTES_MAX: usize = 8 * 1024;

/// Longest head of a form's field, in bytes.
pub const FORM_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a refused form that are still taken in, so that its sender hears why.
pub const REFUSED_FORM_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of any other refused body that are still taken in, for the same reason.
pub const REFUSED_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long that may take.
pub const REFUSED_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Logs that one request may ask for; a client with many packages asks for all of them.
pub const LOGS_PER_REQUEST_MAX: usize = 10_000;

/// Logs with records in one reply.
pub const LOGS_PER_FETCH_MAX: usize = 100;

/// Records of each log in one reply, unless the request says.
pub const RECORDS_PER_LOG_DEFAULT: u16 = 100;

/// Records of each log in one reply.
pub const RECORDS_PER_LOG_MAX: u16 = 1000;

/// How long a publish waits for its verdict before it answers `processing`.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(2);

/// How long a push waits for its release's verdict.
pub const RELEASE_WAIT: Duration = Duration::from_secs(20);

/// How long a client may take to send a request's head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may send nothing in the middle of a body.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a body that is read whole may take to arrive.
pub const WHOLE_BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The least pace of a body and of what is written of replies, in bytes a second of waiting for the client.
pub const PACE_BYTES_PER_SECOND: u64 = 1024;

/// How far behind that pace a client may fall before it is cut off, so that what it holds is free for others.
pub const PACE_BEHIND_MAX: Duration = Duration::from_secs(60);

/// How long a client may take for the TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest file of certificates or of a key, in bytes.
pub const PEM_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Proxies in front of each other that a forwarded chain is followed through.
pub const FORWARDED_HOPS_MAX: usize = 32;

/// How long a browser may keep the answer to a preflight.
pub const PREFLIGHT_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// How often gathered metric samples are folded into their buckets.
pub const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Connections at once; one more waits to be accepted.
pub const CONNECTIONS_MAX: usize = 20_000;

/// Bytes of a request's head and of a connection's read buffer.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Records in one piece of the ledger download.
pub const LEDGER_PIECE_RECORDS: u64 = 4096;

/// How long `serve` waits for requests in flight when it is told to end.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Descriptors that the process asks for: connections, files, and some to spare.
pub const DESCRIPTORS_WANTED: u64 = 65_536;

/// Bytes of the form by which a token is asked for.
pub const TOKEN_FORM_BYTES_MAX: usize = 16 * 1024;

/// Scopes that one token is asked for.
pub const SCOPES_PER_REQUEST_MAX: usize = 64;
