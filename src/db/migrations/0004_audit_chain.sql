-- Entries of the audit are chained by their hashes. A server that knows nothing of it leaves both columns null, and
-- the next that does chains its entries.
alter table audit add column seq bigint;
alter table audit add column hash varchar(64);
create unique index audit_seq on audit (seq);

-- One row: what was pruned, what was chained last, and both once more under the secret key.
create table audit_chain (
    id smallint not null primary key,
    base_seq bigint not null,
    base_hash varchar(64) not null,
    head_seq bigint not null,
    head_hash varchar(64) not null,
    mark_sealed text not null
);

-- The oldest schema whose programs may work beside those of this one. A migration that breaks them raises it.
create table schema_floor (
    id smallint not null primary key,
    oldest bigint not null
);
insert into schema_floor (id, oldest) values (1, 3);
