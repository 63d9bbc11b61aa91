-- Acts that wait for more to agree.

-- proposals: an act by its digest; handed_in_by: an account's name. rejected: why it was turned down, since rejected_ms.
create table proposals (
    id bytea not null primary key,
    log_id bytea not null,
    log text not null,
    act bytea not null,
    handed_in_by text,
    made_ms bigint not null,
    ends_ms bigint not null,
    rejected text,
    rejected_ms bigint
) /* clustered */;
create index proposals_by_log on proposals (log_id, made_ms);
create index proposals_by_end on proposals (ends_ms);

-- proposal_endorsements: who agreed so far.
create table proposal_endorsements (
    proposal bytea not null,
    key_id bytea not null,
    signature text not null,
    primary key (proposal, key_id)
) /* clustered */;

-- proposal_content: content and manifests that are kept for a proposal.
create table proposal_content (
    digest bytea not null,
    proposal bytea not null,
    primary key (digest, proposal)
) /* clustered */;
create index proposal_content_by_proposal on proposal_content (proposal);
