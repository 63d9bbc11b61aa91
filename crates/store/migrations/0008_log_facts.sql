-- What delegated logs add up to beyond their states and releases.

-- log_facts: what is known of one thing, encoded. about: `dead ROLE`, `KIND SUBJECT` of an annotation,
-- `takedown SUBJECT`.
create table log_facts (
    log bigint not null,
    about text not null,
    fact bytea not null,
    primary key (log, about)
) /* clustered */;

-- States and facts of releases have another encoding now. remake: while it has a row, the tables that follow from the
-- log are to be made anew, which the registry does before it starts.
delete from log_states;
create table remake (
    one bigint not null primary key
);
insert into remake (one) values (1);
