//! Berth as its users meet it, and the rules of its house.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at what it did not expect")]

mod accounts;
mod database;
mod harness;
mod http;
mod reservations;
mod tidy;
mod web;
