//! The playbook engine.

pub mod ast;
mod crypt;
pub mod inventory;
pub mod modules;
mod parse;
mod roles;
mod tasks;
pub mod template;
pub mod value;
pub mod yaml;

pub use ast::Playbook;
pub use inventory::{Host, Inventory};
pub use parse::{LoadError, load, load_text};

mod pending;
pub use pending::*;
