create table account (
    id varchar(36) not null primary key,
    username varchar(64) not null,
    password_hash varchar(255),
    role varchar(16) not null,
    status varchar(16) not null,
    full_name varchar(255) not null,
    email varchar(255) not null,
    created_at bigint not null,
    updated_at bigint not null,
    password_changed_at bigint,
    last_login_at bigint,
    failed_logins bigint not null,
    last_failed_at bigint,
    deleted_at bigint
);
create unique index account_username on account (username);

create table session (
    id varchar(36) not null primary key,
    account_id varchar(36) not null,
    refresh_hash varchar(64) not null,
    previous_hash varchar(64),
    created_at bigint not null,
    last_used_at bigint not null,
    expires_at bigint not null,
    revoked_at bigint,
    user_agent varchar(255) not null,
    peer varchar(64) not null
);
create index session_account on session (account_id);
create index session_expiry on session (expires_at);
create unique index session_refresh on session (refresh_hash);
create index session_previous on session (previous_hash);

create table access_token (
    id varchar(36) not null primary key,
    account_id varchar(36) not null,
    name varchar(128) not null,
    token_hash varchar(64) not null,
    created_at bigint not null,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint
);
create unique index access_token_hash on access_token (token_hash);
create index access_token_account on access_token (account_id);

create table ssh_key (
    id varchar(36) not null primary key,
    account_id varchar(36) not null,
    name varchar(128) not null,
    public_key text not null,
    fingerprint varchar(128) not null,
    created_at bigint not null
);
create unique index ssh_key_fingerprint on ssh_key (account_id, fingerprint);

create table one_time_link (
    id varchar(36) not null primary key,
    account_id varchar(36) not null,
    token_hash varchar(64) not null,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint
);
create unique index one_time_link_token on one_time_link (token_hash);

create table idempotency (
    account_id varchar(36) not null,
    idem_key varchar(128) not null,
    request_hash varchar(64) not null,
    status bigint,
    body text,
    location varchar(255),
    created_at bigint not null,
    primary key (account_id, idem_key)
);
create index idempotency_age on idempotency (created_at);

create table audit (
    id varchar(36) not null primary key,
    at bigint not null,
    actor varchar(64) not null,
    action varchar(64) not null,
    target varchar(255) not null,
    detail text not null,
    request_id varchar(64) not null,
    peer varchar(64) not null
);
create index audit_at on audit (at);

create table event (
    id varchar(36) not null primary key,
    at bigint not null,
    kind varchar(64) not null,
    account_id varchar(36),
    reservation_id varchar(36),
    machine varchar(64),
    message text not null,
    data text not null
);
create index event_at on event (at);

create table machine (
    id varchar(36) not null primary key,
    name varchar(64) not null,
    host varchar(255) not null,
    port bigint not null,
    login_user varchar(64) not null,
    pool varchar(64) not null,
    labels text not null,
    jump varchar(255) not null,
    key_file varchar(1024),
    password_sealed text,
    host_keys text,
    key_installed_at bigint,
    facts text,
    state varchar(16) not null,
    state_since bigint not null,
    reason text,
    held_by varchar(36),
    touched_at bigint,
    then_state varchar(16),
    then_reason text,
    epoch bigint not null,
    deadline bigint,
    attempts bigint not null,
    failures bigint not null,
    last_error text,
    next_try bigint,
    last_check_at bigint,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index machine_name on machine (name);
create unique index machine_address on machine (host, port, jump);
create index machine_pick on machine (state, pool, state_since);
create index machine_retry on machine (state, next_try);

create table machine_label (
    machine_id varchar(36) not null,
    label varchar(64) not null,
    value varchar(128) not null,
    primary key (machine_id, label)
);
create index machine_label_pair on machine_label (label, value, machine_id);

create table run (
    id varchar(36) not null primary key,
    kind varchar(16) not null,
    playbook varchar(255) not null,
    state varchar(16) not null,
    account_id varchar(36) not null,
    reservation_id varchar(36) not null,
    machines text not null,
    summary text not null,
    error text,
    started_at bigint not null,
    finished_at bigint
);
create index run_reservation on run (reservation_id, started_at);
create index run_state on run (state, started_at);

create table run_event (
    run_id varchar(36) not null,
    seq bigint not null,
    at bigint not null,
    machine varchar(64) not null,
    kind varchar(16) not null,
    task varchar(255) not null,
    status varchar(16) not null,
    message text not null,
    primary key (run_id, seq)
);

create table lease (
    id varchar(36) not null primary key,
    kind varchar(16) not null,
    account_id varchar(36) not null,
    state varchar(16) not null,
    starts_at bigint not null,
    expires_at bigint not null,
    epoch bigint not null,
    deadline bigint,
    attempts bigint not null,
    last_error text,
    next_try bigint,
    reminded_minutes bigint,
    reason text,
    created_at bigint not null,
    active_at bigint,
    closed_at bigint
);
create index lease_account on lease (account_id, created_at);
create index lease_due on lease (state, expires_at);
create index lease_created on lease (created_at);

create table reservation (
    id varchar(36) not null primary key,
    username varchar(64) not null,
    wanted bigint not null,
    duration_ms bigint not null,
    pool varchar(64) not null,
    labels text not null,
    ssh_keys text not null,
    password_sealed text
);

create table allotment (
    id varchar(36) not null primary key,
    reservation_id varchar(36) not null,
    machine_id varchar(36) not null,
    machine_name varchar(64) not null,
    live_machine_id varchar(36),
    state varchar(16) not null,
    error text,
    baseline text,
    uid bigint,
    touched_at bigint,
    created_at bigint not null,
    ready_at bigint,
    closed_at bigint
);
create unique index allotment_live on allotment (live_machine_id);
create index allotment_reservation on allotment (reservation_id);
create index allotment_machine on allotment (machine_id, created_at);

create table job (
    id varchar(36) not null primary key,
    kind varchar(64) not null,
    subject varchar(64) not null,
    generation bigint not null,
    run_at bigint not null,
    claimed_by varchar(64),
    claimed_until bigint,
    attempts bigint not null,
    last_error text,
    created_at bigint not null
);
create unique index job_subject on job (kind, subject);
create index job_due on job (run_at);

create table heartbeat (
    process varchar(64) not null primary key,
    kind varchar(16) not null,
    at bigint not null,
    started_at bigint not null
);
