//! The playbook engine.

pub mod modules;
pub mod value;
