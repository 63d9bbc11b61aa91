-- What the rest of the OCI door needs.

-- manifest_parts: the blobs and manifests that a manifest names, so that nothing that is named is taken for garbage.
create table manifest_parts (
    repository text not null,
    manifest bytea not null,
    part bytea not null,
    primary key (repository, manifest, part)
) /* clustered */;
create index manifest_parts_by_part on manifest_parts (repository, part);

-- Where a blob may be mounted from, and whether anybody still links it.
create index blob_links_by_digest on blob_links (digest);

-- sha512_names: content that somebody named by its SHA-512; `digest` is its SHA-256, by which it is kept.
create table sha512_names (
    sha512 bytea not null primary key,
    digest bytea not null
) /* clustered */;

-- For deleting a manifest with its tags.
create index tags_by_digest on tags (repository, digest);

-- Packages in the order of their repositories' names, for lists of both.
drop index logs_by_name;
create index logs_by_repository on logs (replace(name, ':', '/'));

-- sha512: of a manifest that was pushed by that digest, so that lists name it as its author does.
alter table manifests add column sha512 bytea;

-- unread_manifests: manifests from before `manifest_parts`; a start reads their parts and empties this.
create table unread_manifests (
    repository text not null,
    digest bytea not null,
    primary key (repository, digest)
) /* clustered */;
insert into unread_manifests (repository, digest) select repository, digest from manifests;
