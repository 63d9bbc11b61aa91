-- The ledger's first schema. One text for SQLite and PostgreSQL: bigint, text, bytea and nothing else.
-- `/* clustered */` marks tables whose rows lie in their primary key; the SQLite engine makes that so.
-- `not null primary key`: SQLite lets NULL into a primary key that is not `integer`.

-- pending: accepted, durable, not yet judged. seq orders them.
-- kind: 0 v1 envelope, 1 act. state: 0 sourcing, 1 ready.
create table pending (
    log_id bytea not null,
    record_id bytea not null,
    seq bigint not null,
    kind bigint not null,
    name text not null,
    body bytea not null,
    received_ms bigint not null,
    state bigint not null,
    primary key (log_id, record_id)
) /* clustered */;

-- rejected: verdicts that were no; kept so that a client that polls learns why.
create table rejected (
    log_id bytea not null,
    record_id bytea not null,
    reason text not null,
    at_ms bigint not null,
    primary key (log_id, record_id)
) /* clustered */;

-- logs: facts about each log that a verdict needs. kind: 0 v1, 1 delegated.
-- A log's number is the index of its first record: below, `log` is that number. Ids are hashes, so rows keyed by them
-- would lie scattered; by number, what is published together lies together, and a commit writes fewer pages.
create table logs (
    first_idx bigint not null primary key,
    log_id bytea not null unique,
    name text not null,
    kind bigint not null,
    head_idx bigint not null,
    head_record bytea not null,
    head_seconds bigint not null,
    head_nanos bigint not null
);

-- records of the log, in order.
create table records (
    idx bigint not null primary key,
    log bigint not null,
    record_id bytea not null,
    envelope bytea not null
);
create unique index records_by_log on records (log, idx);
-- For a client's fetch token, and for who asks where a record stands.
create unique index records_by_id on records (log, record_id);

-- keys of v1 logs: permissions is a bit set; public is the key's text form.
create table log_keys (
    log bigint not null,
    key_id bytea not null,
    public text not null,
    permissions bigint not null,
    primary key (log, key_id)
) /* clustered */;

-- states of delegated logs: what their records add up to, encoded.
create table log_states (
    log bigint not null primary key,
    state bytea not null
);

-- releases of packages; the yanked_ columns are null while a release is not yanked. by_key, yanked_by: in v1 logs;
-- manifest: the one that a delegated release names; fact: all that the rules know of a delegated release, encoded.
create table releases (
    log bigint not null,
    version text not null,
    content bytea not null,
    manifest bytea,
    idx bigint not null,
    record_id bytea not null,
    seconds bigint not null,
    nanos bigint not null,
    yanked_seconds bigint,
    yanked_nanos bigint,
    by_key bytea,
    yanked_by bytea,
    fact bytea,
    primary key (log, version)
) /* clustered */;

-- checkpoints: every tree head ever committed, with both signatures.
create table checkpoints (
    size bigint not null,
    seconds bigint not null,
    root bytea not null,
    map_root bytea not null,
    key_id bytea not null,
    warg_signature text not null,
    note_signature text not null,
    primary key (size, seconds)
) /* clustered */;
-- current: the one row that is swapped; and the latest time of any delegated record, which none may precede.
create table current_checkpoint (
    one bigint not null primary key,
    size bigint not null,
    seconds bigint not null,
    delegated_seconds bigint not null,
    delegated_nanos bigint not null
);

-- staged: what a commit must still lay down in the objects.
create table staged (
    size bigint not null primary key,
    base bigint not null,
    body bytea not null
);

-- content by digest; small content inline, else a blob object.
create table content (
    digest bytea not null primary key,
    size bigint not null,
    bytes bytea,
    stored_ms bigint not null
);
-- where else content is: urls given by publishers of a record.
create table content_sources (
    digest bytea not null,
    url text not null,
    size bigint,
    primary key (digest, url)
) /* clustered */;
