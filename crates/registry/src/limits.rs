//! The engine's limits (`DESIGN.md`, "Limits").

use std::time::Duration;

/// Entries in one record.
pub const RECORD_ENTRIES_MAX: usize = 256;

/// How far before now the window of an act that the registry endorses begins, in seconds: clocks differ.
pub const ACT_WINDOW_BEFORE_SECONDS: i64 = 60;

/// How long after now it ends, in seconds.
pub const ACT_WINDOW_AFTER_SECONDS: i64 = 10 * 60;

/// How long an act that begins a package waits for the start of its namespace.
pub const NAMESPACE_START_WAIT: Duration = Duration::from_secs(2);

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

/// Bytes in a part of an object in a bucket: the least that buckets take.
pub const BUCKET_PART_BYTES: usize = 5 * 1024 * 1024;

/// The same of one that is a file: three of them are in memory for each upload, about.
pub const FILE_PART_BYTES: usize = 128 * 1024;

/// How long an upload session may stay open.
pub const UPLOAD_SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a session stays open that brought nothing, once others want its place.
pub const UPLOAD_SESSION_EMPTY_LIFE: Duration = Duration::from_secs(10 * 60);

/// Upload sessions that may be open at once; each may hold up to [`INLINE_CONTENT_BYTES_MAX`] in memory.
pub const UPLOAD_SESSIONS_MAX: usize = 1024;

/// Uploads outside of sessions that may arrive at once, once they brought [`UPLOAD_BEGINNING_BYTES`].
pub const UPLOADS_AT_ONCE_MAX: usize = 256;

/// Bytes that an upload may bring before it needs one of those turns: who brings less, slowly, holds up nobody.
pub const UPLOAD_BEGINNING_BYTES: u64 = 16 * 1024;

/// Endorsements that may come with one act.
pub const ENDORSEMENTS_MAX: usize = 64;

/// Records that are read at once to find the one that carries an act which is handed in again.
pub const DONE_ACT_PAGE: usize = 64;

/// How often; further back it is not looked for.
pub const DONE_ACT_PAGES_MAX: usize = 16;

/// Proposals that are kept for one log, those that were turned down included (`spec/delegation.md`, "Everyday shapes").
pub const PROPOSALS_PER_LOG_MAX: usize = 32;

/// How long others may agree to a push that became a proposal, in seconds: 14 days.
pub const PUSHED_PROPOSAL_SECONDS: i64 = 14 * 24 * 60 * 60;

/// Longest reason of a rejection, in bytes.
pub const REJECTION_BYTES_MAX: usize = 1024;

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

/// Free space below which nothing more is taken in, in bytes, unless configured: what was accepted needs room too.
pub const FREE_BYTES_FLOOR: u64 = 256 * 1024 * 1024;

/// How old a look at the free space may be.
pub const FREE_BYTES_AGE_MAX: Duration = Duration::from_secs(1);

/// What a writer is told to wait when there is no room: somebody has to make it.
pub const NO_ROOM_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What a writer is told to wait when the disk refused to write.
pub const UNWRITABLE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long nobody tries after the disk refused to write.
pub const UNWRITABLE_REST: Duration = Duration::from_secs(1);

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

/// Files of the log that a backup or a restore copies at the same time, each in memory.
pub const COPIES_AT_ONCE: usize = 16;

/// Blobs that it copies at the same time; of each, two parts of 5 MiB are in memory.
pub const BLOB_COPIES_AT_ONCE: usize = 4;

/// Rows of the ledger that a backup or a restore reads at once.
pub const COPY_ROWS: usize = 1_000;

/// How often garbage is looked for.
pub const GARBAGE_INTERVAL: Duration = Duration::from_secs(60);

/// Rows that one step of the removal of garbage writes to the ledger, about: commits that wait meanwhile wait for it.
pub const GARBAGE_ROWS_PER_STEP: usize = 256;

/// Commits, or map segments, that one such step goes through at most.
pub const GARBAGE_COMMITS_PER_STEP: usize = 64;

/// How long the map pages of a checkpoint are kept once there is a newer one, unless configured; a proof from an older
/// checkpoint's map is then no longer to be had.
pub const MAP_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Content that nothing links stays for this long after it came in, or after somebody was told that it is here: they may
/// push a manifest that names it (`spec/oci.md`, "Deletion and garbage collection").
pub const CONTENT_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// A manifest that nothing names stays for this long after it was pushed, or asked for by its digest.
pub const UNTAGGED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A lease is renewed once this part of it is over, so that asking again and again writes hardly ever.
pub const LEASE_RENEWALS: u32 = 24;

/// Rows of each kind that the sweep looks at in a round of a running registry.
pub const SWEEP_ROWS_PER_ROUND: usize = 16 * 1024;

/// Rows that the sweep looks at in one step.
pub const SWEEP_ROWS_PER_STEP: usize = 1024;

/// How long a record may wait for its content.
pub const SOURCING_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long it is told why a record was refused.
pub const REFUSALS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Bytes of immutable content kept in memory for readers: tiles.
pub const TILE_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// The same: map pages.
pub const PAGE_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// The same: whole short logs.
pub const LOG_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// The same: content that is rows of the ledger.
pub const CONTENT_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The same, for each of the questions that the OCI door asks most: what the ledger answered.
pub const ANSWER_CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Large objects of which is remembered that they are whole, at about a hundred bytes each.
pub const OBJECTS_SEEN_WHOLE_MAX: usize = 16 * 1024;

/// Tags of one kind that are read from the ledger at once.
pub const TAGS_AT_ONCE: usize = 1_000;

/// The same: states of delegated logs.
pub const STATE_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// Records of a log that is kept whole in memory.
pub const CACHED_LOG_RECORDS_MAX: usize = 64;

/// How long the inspection of one file may take, in milliseconds (`spec/components.md`, "Hostile input").
pub const INSPECT_MS_MAX: u64 = 20_000;

/// How long an inspector may take to start, in milliseconds; two are enough on an idle machine.
pub const INSPECTOR_START_MS_MAX: u64 = 5_000;

/// Contents of one record of which it is read in one go what they are: up to some two MiB each. Where there are more, it is
/// read of one after the other.
pub const INSPECTIONS_AT_ONCE_MAX: usize = 1;

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

/// How long the scrub rests between two objects.
pub const SCRUB_PAUSE: Duration = Duration::from_millis(250);

/// How long one round of the scrub takes at least.
pub const SCRUB_ROUND_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a session of the token flow is good; what holds it asks for another one then.
pub const SESSION_LIFE: Duration = Duration::from_secs(300);

/// Scopes that a token may have.
pub const TOKEN_SCOPES_MAX: usize = 64;

/// Bytes of the name of a token's account.
pub const TOKEN_ACCOUNT_BYTES_MAX: usize = 64;

/// How exactly a token's last use is remembered: each look at the clock is a write.
pub const TOKEN_USE_INTERVAL: Duration = Duration::from_secs(60);

/// Looks that one page of a list takes at most, where most of what there is must not be seen.
pub const LIST_LOOKS_MAX: usize = 64;

/// Changes of keys and roles that one page of a log's history tells.
pub const KEY_CHANGES_PER_PAGE: usize = 100;

/// Records of a log that are looked at at once for changes of its keys.
pub const KEY_HISTORY_RECORDS_PER_LOOK: usize = 256;

/// Such looks that one page of the history takes at most; what lies further back is on the next one.
pub const KEY_HISTORY_LOOKS_MAX: usize = 16;

/// Roles that are dead that a log's keys are told with; their history tells of all.
pub const DEAD_ROLES_TOLD_MAX: usize = 100;

/// Repositories that link a blob that are looked at for one that a mount may come from.
pub const MOUNT_LOOKS_MAX: usize = 1_000;

/// How long before its end the registry warns that its commit key must be prolonged.
pub const COMMIT_END_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often it looks how long the key is good.
pub const COMMIT_LOOK_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// It warns the first time that it looks, and then each time after so many: once a day.
pub const COMMIT_END_TOLD_ROUNDS: u64 = 24;
