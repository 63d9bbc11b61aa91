-- What refers to a manifest, of one type: a rare type is found among many others.
create index manifests_by_subject_type on manifests (repository, subject, artifact_type, digest)
    where subject is not null;

-- by_sha512: of a tag that was made by a push under a SHA-512 digest, by which it then tells its manifest.
alter table tags add column by_sha512 bigint not null default 0;
