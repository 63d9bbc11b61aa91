-- A log's state is written only when more of it changes than its head, which `logs` has; and what a namespace admits
-- are facts about it, not a part of its state.

-- log_facts.about, beside what it was: `admitted PACKAGE KEY` of a namespace.

-- length: how many records the log has.
alter table logs add column length bigint not null default 0;

-- What follows from the log is made anew, as in schema 8.
delete from log_states;
delete from remake;
insert into remake (one) values (1);
