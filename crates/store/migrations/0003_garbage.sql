-- What may be removed from the objects, and up to where that was looked for.

-- swept: up to which tree size each kind of file was swept. Of kind `map`: trees of smaller sizes may lack pages.
create table swept (
    kind text not null primary key,
    size bigint not null
) /* clustered */;

-- map_segments: of each segment object, by the tree size of its commit: the pages and bytes that it holds, and how many
-- of the pages no kept tree reaches.
create table map_segments (
    size bigint not null primary key,
    pages bigint not null,
    dead bigint not null,
    bytes bigint not null
);
-- Those worth a removal (all dead) or a new object (half dead, a disk block to be won); asked for in the same words.
create index map_segments_due on map_segments (size)
    where dead = pages or (2 * dead >= pages and dead * bytes >= 4096 * pages);

-- map_dead_pages: which pages of a segment those are.
create table map_dead_pages (
    size bigint not null,
    hash bytea not null,
    primary key (size, hash)
) /* clustered */;

-- For what is kept for a time only.
create index rejected_by_time on rejected (at_ms);
create index pending_by_time on pending (received_ms) where state = 0;
