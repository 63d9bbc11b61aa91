//! The engine's limits (`DESIGN.md`, "Limits").

use std::time::Duration;

/// Entries in one record.
pub const RECORD_ENTRIES_MAX: usize = 256;

/// How far before now the window of an act that the registry endorses begins, in seconds: clocks differ.
pub const ACT_WINDOW_BEFORE_SECONDS: i64 = 60;

/// How long after now it ends, in seconds.
pub const ACT_WINDOW_AFTER_SECONDS: i64 = 10 * 60;

/// How long a record that begins a v1 log waits for its key to be admitted.
pub const ADMIT_WAIT: Duration = Duration::from_secs(2);

/// Records in one commit.
pub const BATCH_RECORDS_MAX: usize = 256;

/// How often the sequencer looks for records that are arriving before it commits what is there, giving way in
/// between: more looks cost more in wake-ups than larger commits save.
pub const GATHER_TURNS_MAX: usize = 2;

/// Commits that may wait to be laid down in the objects; beyond it writers are told to come back.
pub const STAGED_BUNDLES_MAX: usize = 64;

/// Records that may wait for their verdict; beyond it writers are told to come back.
pub const PENDING_RECORDS_MAX: usize = 10_000;

/// Records of one log that may be pending at once.
pub const PENDING_PER_LOG_MAX: usize = 32;

/// Content up to this many bytes is a row of the ledger and rides in its synced transactions.
pub const INLINE_CONTENT_BYTES_MAX: u64 = 64 * 1024;

/// Largest content, in bytes, unless configured.
pub const CONTENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// How long an upload session may stay open.
pub const UPLOAD_SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Upload sessions that may be open at once; each may hold up to [`INLINE_CONTENT_BYTES_MAX`] in memory.
pub const UPLOAD_SESSIONS_MAX: usize = 1024;

/// Releases whose manifests are made at once, when somebody asks for one by its digest.
pub const DERIVED_AT_ONCE_MAX: usize = 256;

/// Longest URL of a content source, in bytes.
pub const SOURCE_URL_BYTES_MAX: usize = 2048;

/// Content sources of one digest that one record may name.
pub const SOURCES_PER_CONTENT_MAX: usize = 16;

/// Records in one reply, of all its logs; what no longer fits is left for the next request.
pub const RECORDS_PER_REPLY_MAX: usize = 1000;

/// Leaves that one proof may be asked for.
pub const PROOF_LEAVES_MAX: usize = 1000;

/// An idle registry signs its state anew when the last signature is this old.
pub const CHECKPOINT_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// What a writer is told to wait when the registry is busy.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long the sequencer waits after a failure before it reloads; doubled each time up to
/// [`RELOAD_DELAY_MAX`].
pub const RELOAD_DELAY_MIN: Duration = Duration::from_millis(50);

/// The longest such wait.
pub const RELOAD_DELAY_MAX: Duration = Duration::from_secs(5);

/// While commits go on, laying down rests this long between two rounds, so that several commits share their
/// files; an idle registry lays down at once.
pub const LAY_DOWN_INTERVAL: Duration = Duration::from_millis(100);

/// So many commits waiting end that rest.
pub const LAY_DOWN_BUNDLES: usize = STAGED_BUNDLES_MAX / 2;

/// How long a partial bundle that was replaced stays for readers of an older checkpoint
/// (`spec/transparency.md`, "Ours").
pub const REPLACED_PARTIAL_STAYS: Duration = Duration::from_secs(60);

/// Bytes of immutable content kept in memory for readers: tiles.
pub const TILE_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// The same: map pages.
pub const PAGE_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// The same: whole short logs.
pub const LOG_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Records of a log that is kept whole in memory.
pub const CACHED_LOG_RECORDS_MAX: usize = 64;

/// How long the inspection of one file may take, in milliseconds (`spec/components.md`, "Hostile input").
pub const INSPECT_MS_MAX: u64 = 20_000;

/// How long an inspector may take to start, in milliseconds; two are enough on an idle machine.
pub const INSPECTOR_START_MS_MAX: u64 = 5_000;

/// Files that one inspector inspects before it is replaced.
pub const INSPECTIONS_PER_CHILD_MAX: u32 = 1_000;

/// Files that may wait for an inspector; beyond it whoever sends one is told to come back. Each is held in memory.
pub const INSPECTIONS_WAITING_MAX: usize = 32;

/// How long a file may wait for its inspection, in milliseconds.
pub const INSPECTION_WAIT_MS_MAX: u64 = 30_000;

/// Small files that may wait to be inspected in the registry's own process.
pub const IN_PROCESS_WAITING_MAX: usize = 1_024;

/// Memory that an inspector may take, in bytes: 1 GiB. It sets this limit on itself.
pub const INSPECTOR_MEMORY_BYTES_MAX: u64 = 1 << 30;
