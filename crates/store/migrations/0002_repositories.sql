-- The OCI door's view of content: bytes lie once in `content`, repositories link them, and a link is the only right to
-- read what it names.

create table repositories (
    name text not null primary key,
    begun_ms bigint not null
) /* clustered */;

create table blob_links (
    repository text not null,
    digest bytea not null,
    linked_ms bigint not null,
    primary key (repository, digest)
) /* clustered */;

-- manifests: their bytes are content too. subject: the text of a digest that need not exist.
create table manifests (
    repository text not null,
    digest bytea not null,
    media_type text not null,
    artifact_type text,
    subject text,
    pushed_ms bigint not null,
    primary key (repository, digest)
) /* clustered */;
create index manifests_by_subject on manifests (repository, subject, digest) where subject is not null;

-- tags that were pushed. Versions of a logged package and its `latest` are not here: they follow from the log.
create table tags (
    repository text not null,
    tag text not null,
    digest bytea not null,
    moved_ms bigint not null,
    primary key (repository, tag)
) /* clustered */;

-- derived_manifests: of releases whose record names no manifest, the one that their bytes give.
create table derived_manifests (
    log bigint not null,
    version text not null,
    manifest bytea not null,
    primary key (log, version)
) /* clustered */;

-- For lists of packages by name.
create index logs_by_name on logs (name);

-- inspections: what content is. claims: 1 if the bytes say a name or a version of their own, which a release must match.
create table inspections (
    digest bytea not null primary key,
    validator text not null,
    kind text not null,
    claims bigint not null,
    body text not null
);
