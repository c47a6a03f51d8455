create table terminal (
    id varchar(36) not null primary key,
    reservation_id varchar(36) not null,
    allotment_id varchar(36) not null,
    session_id varchar(36),
    server varchar(36),
    created_at bigint not null,
    alive_until bigint not null,
    opened_at bigint,
    closed_at bigint,
    reason varchar(16)
);
create index terminal_allotment on terminal (allotment_id, closed_at);
create index terminal_age on terminal (alive_until);

create table terminal_ticket (
    ticket_hash varchar(64) not null primary key,
    terminal_id varchar(36) not null,
    expires_at bigint not null,
    used_at bigint
);
create index terminal_ticket_expiry on terminal_ticket (expires_at);
