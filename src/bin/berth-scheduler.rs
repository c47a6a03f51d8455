//! The `berth-scheduler` command: the clockwork as a process of its own.

use std::process::ExitCode;

use berth::{config::Config, scheduler, server, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().len() != 1 {
        eprintln!(
            "berth-scheduler takes no arguments; it is configured as `berth serve` is, see `berth config example`"
        );
        return if std::env::args().nth(1).is_some_and(|arg| arg == "--help") {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    }
    let config = match Config::load() {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(2);
        }
    };
    telemetry::init(&config.log.level, config.log.format.into());
    match scheduler::serve(config, server::stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("berth-scheduler: {error:#}");
            ExitCode::FAILURE
        }
    }
}
