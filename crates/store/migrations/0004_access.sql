-- Who may do what, and what is not everybody's.

-- tokens: what the operator let whom do. hash: of the secret, which is nowhere; scopes: in text, spaces between them.
create table tokens (
    id text not null primary key,
    hash bytea not null,
    account text not null,
    scopes text not null,
    operator bigint not null,
    created_ms bigint not null,
    expires_ms bigint,
    revoked_ms bigint,
    used_ms bigint
) /* clustered */;

-- Who may see content by its digest alone: who sees a package that released it.
create index releases_by_content on releases (content);

-- private: a record that is for its namespace's people only; a namespace whose owners made it private.
alter table records add column private bigint not null default 0;
alter table log_states add column private bigint not null default 0;
create index log_states_private on log_states (log) where private = 1;
