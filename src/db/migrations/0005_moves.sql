create table machine_move (
    id varchar(36) not null primary key,
    machine_id varchar(36) not null,
    at bigint not null,
    from_state varchar(16) not null,
    to_state varchar(16) not null,
    lease_id varchar(36),
    reason text
);
create index machine_move_machine on machine_move (machine_id, at, id);
create index machine_move_age on machine_move (at);

alter table account add column password_given_at bigint;
