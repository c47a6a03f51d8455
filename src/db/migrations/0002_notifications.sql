create table news_read (
    account_id varchar(36) not null primary key,
    read_at bigint not null,
    read_id varchar(36) not null
);

create index event_account on event (account_id, at);
create index event_reservation on event (reservation_id, at);
create index event_machine on event (machine, at);
create index run_account on run (account_id, id);
