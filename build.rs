//! Tells cargo what else is a reason to build again: migrations, playbooks, and the page where it is part of the binary.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/db/migrations");
    println!("cargo:rerun-if-changed=playbooks");
    // Rust builds without node: a page that nobody built is an empty folder. Where it cannot be made, there is no page.
    let _ = std::fs::create_dir_all("web/dist");
    // A debug build reads the page from the disk at each request.
    if std::env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none() {
        println!("cargo:rerun-if-changed=web/dist");
    }
}
