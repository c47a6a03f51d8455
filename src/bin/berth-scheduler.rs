//! The `berth-scheduler` command: the clockwork as a process of its own.
fn main() -> std::process::ExitCode {
    berth::cli::scheduler_main()
}
