//! `berth-scheduler`: the clockwork as a process of its own. A link of that name to `berth` is the same command.

use std::{path::Path, process::ExitCode};

use crate::{config::Config, scheduler, server, telemetry};

/// Whether this process was started as `berth-scheduler`.
pub(super) fn called_as_scheduler() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    Path::new(&name).file_name().is_some_and(|name| name == "berth-scheduler")
}

/// Runs `berth-scheduler`.
pub fn scheduler_main() -> ExitCode {
    if std::env::args_os().len() != 1 {
        eprintln!(
            "berth-scheduler takes no arguments; it is configured as `berth serve` is, see `berth config example`"
        );
        return if std::env::args_os().nth(1).is_some_and(|arg| arg == "--help") {
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
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("berth-scheduler: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let endpoint = config.otlp_endpoint.as_deref();
        telemetry::init(&config.log.level, config.log.format.into(), endpoint, "berth-scheduler");
        match scheduler::serve(config, server::stop_signal(), server::beside_scheduler).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("berth-scheduler: {error:#}");
                ExitCode::FAILURE
            }
        }
    })
}
