//! What a user would feel, measured on the real server as a process of its own.
//!
//! `cargo bench` measures everything, `cargo bench -- reserve ready` only these. `BERTH_BIN` names another binary.
//! Nothing here passes or fails: the figures are printed beside what `docs/BENCHMARKS.md` sets as target.

#![allow(
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    missing_docs,
    reason = "a measurement may stop at what it did not expect"
)]

#[path = "../tests/it/harness"]
#[allow(dead_code, reason = "the tests use more of it")]
mod harness {
    pub mod guard;
    pub mod machines;
    pub mod mariadb;
}
#[path = "pool"]
mod pool {
    pub mod available;
    pub mod client;
    pub mod import;
    pub mod ready;
    pub mod reserve;
    pub mod server;
    pub mod start;
    pub mod table;
}

use std::time::Instant;

use pool::{
    available, import, ready, reserve,
    server::{Database, Place},
    start,
    table::Table,
};

const SECTIONS: [&str; 5] = ["start", "reserve", "import", "available", "ready"];

#[tokio::main]
async fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|word| !SECTIONS.contains(&word.as_str())) {
        eprintln!("there is no section `{unknown}`; there are {}", SECTIONS.join(", "));
        std::process::exit(2);
    }
    let wanted = |section: &str| asked.is_empty() || asked.iter().any(|word| word == section);
    let began = Instant::now();
    let mut table = Table::default();
    table.machine();
    for database in [Database::Sqlite, Database::MariaDb] {
        let place = Place::new(database).await;
        if wanted("start") {
            start::measure(&mut table, &place).await;
        }
        if wanted("reserve") {
            reserve::measure(&mut table, &place).await;
        }
        // The import fills the pool that `available` reads.
        if wanted("import") || wanted("available") {
            available::measure_small(&mut table, &place, wanted("available")).await;
            import::measure(&mut table, &place, wanted("import"), wanted("available")).await;
        }
    }
    if wanted("ready") {
        ready::measure(&mut table).await;
    }
    println!("\n{table}\nmeasured in {:.0} s", began.elapsed().as_secs_f64());
}
