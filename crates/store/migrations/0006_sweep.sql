-- The sweep of what no repository and no release needs.

-- content_leases: content that somebody was told to be here, later than it was stored: it stays for a time.
create table content_leases (
    digest bytea not null primary key,
    leased_ms bigint not null
) /* clustered */;

-- swept_content: content whose row went; its object goes after those who read the row before.
create table swept_content (
    digest bytea not null primary key,
    swept_ms bigint not null
) /* clustered */;

-- Whether any repository keeps content as a manifest, and names it by a SHA-512.
create index manifests_by_digest on manifests (digest);
create index sha512_names_by_digest on sha512_names (digest);

-- segment: the digest of the map segment that the commit of this size laid down, while it is known: the pages in it are
-- bound by their hashes, but where they say that others lie is not.
alter table checkpoints add column segment bytea;
