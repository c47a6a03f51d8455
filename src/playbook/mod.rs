//! The playbook engine.

pub mod ast;
mod cache;
mod crypt;
pub mod doc;
mod doubles;
mod doubt;
pub mod event;
mod idle;
mod includes;
pub mod inventory;
pub mod modules;
mod own;
mod parse;
mod plan;
mod play;
pub mod report;
mod reserved;
mod roles;
mod run;
mod tasks;
pub mod template;
pub mod timings;
pub mod value;
pub mod vault;
pub mod yaml;

pub use ast::{Playbook, Prompt};
pub use cache::FactCache;
pub use crypt::sha512_crypt_hash;
pub use doubles::{Doubles, doubles, on_doubles};
pub use doubt::doubts;
pub use event::{Diff, Event, HostSummary, Status, Summary};
pub use inventory::{Host, Inventory};
pub use parse::{LoadError, OwnPaths, Paths, Settings, load, load_text, load_text_with, load_with};
pub use plan::{Listed, check, list};
pub use run::{Ask, Connections, Gathering, Options, Sink, Step, run};
