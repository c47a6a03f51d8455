//! Berth over HTTP, as its users meet it.

mod accounts;
mod database;
mod http;
mod web;
