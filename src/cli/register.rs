//! `berth register`: an inventory file into the pool.

use std::{io::Read, time::Duration};

use anyhow::Result;
use clap::Args as ClapArgs;
use serde::Deserialize;

use super::{
    client_options::ClientOptions,
    fault::{FAILED, Fault},
    output::Rows,
    terminal::say,
};

/// The server connects to every new machine before it answers.
const PATIENCE: Duration = Duration::from_mins(30);
/// How many seconds the server waits for the contacts before it lets them go on without us.
const LONGEST_WAIT: u32 = 600;
/// No inventory is as large as this; a file that is was given by mistake.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Register the machines of an inventory file
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The file is taken whole or not at all: every fault in it is shown, with line and column. Then each new or \
changed machine is connected to once. The exit code is 1 if any of them failed, 2 if the file is not valid.\n\n\
Examples:\n  berth register inventory/machines.yml --dry-run\n  berth register inventory/machines.yml\n  \
generate-inventory | berth register - --remove"
)]
pub struct Args {
    /// The inventory, YAML; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Show what would change and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Take machines that the file does not name out of the pool
    #[arg(long)]
    remove: bool,
    /// Do not wait until each machine was contacted; it is done in the background
    #[arg(long)]
    no_wait: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Report {
    items: Vec<Item>,
    summary: Summary,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    name: String,
    change: String,
    fields: Vec<String>,
    outcome: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Summary {
    new: u64,
    changed: u64,
    unchanged: u64,
    removed: u64,
    failed: u64,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let text = read_input(&args.file)?;
    let flag = |on: bool| u8::from(on).to_string();
    let wait = if args.no_wait { 0 } else { LONGEST_WAIT };
    let call = client
        .post(&["machines", "import"])
        .query(&[("dry_run", flag(args.dry_run)), ("remove", flag(args.remove))])
        .header("prefer", format!("wait={wait}"))
        .patience(Some(PATIENCE))
        .once_only()
        .secret()
        .yaml(text);
    let answer = call.send().await.map_err(|error| name_file(error, &args.file))?;
    let report: Report = answer.parse()?;
    options.out().show(&answer.value, || Ok(table(&report)))?;
    conclude(&report.summary, args.dry_run)
}

fn table(report: &Report) -> Rows {
    let mut rows = Rows::list(&["MACHINE", "CHANGE", "OUTCOME", "WHAT"], "no machines");
    for item in &report.items {
        let fields = if item.change == "changed" { item.fields.join(", ") } else { String::new() };
        let message = item.message.clone().unwrap_or_default();
        let what: Vec<String> = [fields, message].into_iter().filter(|text| !text.is_empty()).collect();
        rows.row([item.name.clone(), item.change.clone(), item.outcome.clone().unwrap_or_default(), what.join(": ")]);
    }
    rows
}

fn conclude(summary: &Summary, dry_run: bool) -> Result<()> {
    let Summary { new, changed, unchanged, removed, failed } = summary;
    let would = if dry_run { "would be " } else { "" };
    say(&format!("{would}new {new}, changed {changed}, unchanged {unchanged}, removed {removed}, failed {failed}"));
    if 0 < *failed { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
}

/// A problem about the file's content then says `file:line:column`.
fn name_file(error: anyhow::Error, file: &str) -> anyhow::Error {
    match error.downcast::<Fault>() {
        Ok(Fault::Problem(mut problem)) => {
            problem.file = Some(if file == "-" { "standard input".to_owned() } else { file.to_owned() });
            Fault::Problem(problem).into()
        }
        Ok(other) => other.into(),
        Err(error) => error,
    }
}

/// A file's text, or standard input's for `-`.
pub fn read_input(file: &str) -> Result<String> {
    let mut text = Vec::new();
    let read = if file == "-" {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(LARGEST + 1).read_to_end(&mut text))
    };
    read.map_err(|error| Fault::Usage(format!("cannot read `{file}`: {error}")))?;
    if LARGEST < text.len() as u64 {
        return Err(Fault::Usage(format!("`{file}` is larger than {} MiB", LARGEST / 1024 / 1024)).into());
    }
    String::from_utf8(text).map_err(|_| Fault::Usage(format!("`{file}` is not UTF-8 text")).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::{
        fault::code_of,
        output::{Format, Out},
    };

    #[test]
    fn each_machine_is_shown_with_what_happened() {
        let report: Report = serde_json::from_value(json!({
            "dry_run": false,
            "items": [
                {"name": "quay-1", "change": "new", "fields": ["host"], "outcome": "registered", "message": "key installed"},
                {"name": "quay-2", "change": "changed", "fields": ["port", "labels"], "outcome": "failed", "message": "no route"},
                {"name": "quay-3", "change": "unchanged", "fields": [], "outcome": null, "message": null},
            ],
            "summary": {"new": 1, "changed": 1, "unchanged": 1, "removed": 0, "failed": 1},
        }))
        .unwrap();
        let text = table(&report).render(Out { format: Format::Table, colour: false, terminal: false });
        assert_eq!(
            text,
            "MACHINE  CHANGE     OUTCOME     WHAT\n\
             quay-1   new        registered  key installed\n\
             quay-2   changed    failed      port, labels: no route\n\
             quay-3   unchanged\n"
        );
        assert_eq!(code_of(&conclude(&report.summary, false).unwrap_err()), 1);
    }

    #[test]
    fn faults_in_the_file_name_the_file() {
        let fault: super::super::fault::Problem = serde_json::from_value(json!({
            "title": "inventory", "status": 422, "errors": [{"line": 3, "column": 7, "detail": "no such key"}]
        }))
        .unwrap();
        let error = name_file(Fault::Problem(Box::new(fault)).into(), "m.yml");
        assert!(error.to_string().contains("m.yml:3:7: no such key"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_usage_error() {
        assert_eq!(code_of(&read_input("/nowhere/at/all.yml").unwrap_err()), 2);
    }
}
