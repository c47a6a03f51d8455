//! The playbook engine.

pub mod ast;
pub mod modules;
mod parse;
mod roles;
mod tasks;
pub mod value;
pub mod yaml;

pub use ast::Playbook;
pub use parse::{LoadError, load, load_text};

mod pending;
pub use pending::*;
