//! The playbook engine.

pub mod ast;
mod crypt;
pub mod event;
mod idle;
pub mod inventory;
pub mod modules;
mod parse;
mod plan;
pub mod report;
mod roles;
mod run;
mod tasks;
pub mod template;
pub mod value;
pub mod vault;
pub mod yaml;

pub use ast::Playbook;
pub use crypt::sha512_crypt_hash;
pub use event::{Diff, Event, HostSummary, Status, Summary};
pub use inventory::{Host, Inventory};
pub use parse::{LoadError, load, load_text, load_with};
pub use plan::{Listed, check, list};
pub use run::{Connections, Options, Sink, run};
