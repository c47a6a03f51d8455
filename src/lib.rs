//! Berth: a pool of machines that people can book.
//!
//! The modules stand in the order of this list, from the ground floor to the roof.
//! A module imports only from those above its own line; `tests/it/tidy.rs` holds that.

/// The only source of "now", movable in tests.
pub mod clock;

/// Newtyped identifiers.
pub mod ids;

/// Secrets at rest.
pub mod seal;

/// Logs and metrics.
pub mod telemetry;

/// A host to run things on: ssh, local, fake.
pub mod remote;

/// What Berth needs of a Docker engine.
pub mod docker;

/// The playbook engine: Ansible's language over one shell per host.
pub mod playbook;

/// Settings: where they come from and what is wrong with them.
pub mod config;

/// The database: one SQL text, two dialects.
pub mod db;

/// What every verb needs: settings, database, clock, keys.
pub mod ctx;

/// What every route needs: problems, requests, limits.
pub mod http;

/// Durable work: enqueue in a transaction, claim, retry.
pub mod jobs;

/// Who acts, and who did what.
pub mod audit;

/// Users, passwords, sessions, tokens, roles.
pub mod accounts;

/// Messages to people and events to screens.
pub mod notifications;

/// The pool: register, import, labels, health, quarantine.
pub mod machines;

/// A playbook run on machines, and the sweep after.
pub mod provisioning;

/// Deadlines, expiry and reminders that every kind of lease shares.
pub mod leases;

/// N machines for a time.
pub mod reservations;

/// Terminals on machines, in the browser.
pub mod terminals;

/// A copy of the database in one file, and back.
pub mod backup;

/// The clockwork: what runs when.
pub mod scheduler;

/// The HTTP server: routes, OpenAPI, start and stop.
pub mod server;

/// What is wrong with this installation, and how to mend it.
pub mod doctor;

/// The command line.
pub mod cli;
