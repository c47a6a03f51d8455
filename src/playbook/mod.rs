//! The playbook engine.

pub mod modules;
