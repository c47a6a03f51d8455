//! Berth over HTTP, as its users meet it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at what it did not expect")]

mod accounts;
mod addresses;
mod audit_chain;
mod backups;
mod becoming;
mod caddy;
mod cli;
mod containers;
mod doctor;
mod events;
mod faults;
mod fuzz;
mod fuzz_parsers;
mod harness;
mod harness_holds;
mod health;
mod history;
mod hostile;
mod http;
mod keys;
mod kills;
mod login_limits;
mod machines;
mod machines_ssh;
mod monitoring;
mod notifications;
mod openapi;
mod outages;
mod overview;
mod page;
mod playbooks;
mod playbooks_twice;
mod reservations;
mod roles;
mod runs;
mod service;
mod sign_in;
mod soak;
mod stack;
mod terminals;
mod tidy;
mod traces;
mod upgrades;
mod web;
