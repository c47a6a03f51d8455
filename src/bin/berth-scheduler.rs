//! The `berth-scheduler` command.
fn main() {}
