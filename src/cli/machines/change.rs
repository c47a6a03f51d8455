//! `berth machines change`.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde_json::{Map, Value};

use super::{
    super::{
        client::Client,
        client_options::label,
        fault::Fault,
        terminal::{ask_password, password_from_stdin, say},
    },
    MACHINE_PATIENCE,
};

/// Change a machine's address, login, pool or labels
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "What is not named stays as it is. An empty value (`--jump ''`) takes the setting away.\n\nExamples:\n  \
berth machines change quay-1 --label rack=b --unlabel old\n  berth machines change quay-1 --host 10.0.0.9 --port 2222\n  \
berth machines change quay-1 --pool lab"
)]
pub struct Args {
    /// The machine
    name: String,
    /// Its host name or address, as the server reaches it
    #[arg(long)]
    host: Option<String>,
    /// Its SSH port
    #[arg(long)]
    port: Option<u16>,
    /// The user to log in as
    #[arg(long)]
    user: Option<String>,
    /// Ask for that user's password
    #[arg(long, conflicts_with = "password_stdin")]
    ask_password: bool,
    /// Read that user's password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// A private key file on the server
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// Add or change a label; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Take a label away; may be repeated
    #[arg(long = "unlabel", value_name = "KEY")]
    unlabels: Vec<String>,
    /// The pool it belongs to
    #[arg(long)]
    pool: Option<String>,
    /// Its public host key
    #[arg(long, value_name = "KEY")]
    host_key: Option<String>,
    /// The way there, like ssh's `-J`
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    jump: Option<String>,
}

/// Sends what is to change and returns the machine as it is then.
pub async fn run(args: Args, client: &Client) -> Result<Value> {
    let name = args.name.clone();
    let mut change = Map::new();
    if !args.labels.is_empty() || !args.unlabels.is_empty() {
        // The server takes all labels at once, so start from those it has.
        let machine = client.get(&["machines", &name]).send().await?.value;
        let present = machine["labels"].as_object().cloned().unwrap_or_default();
        change.insert("labels".into(), Value::Object(relabel(present, &args)?));
    }
    if args.ask_password {
        change.insert("password".into(), ask_password(&format!("Password for {name}"))?.into());
    } else if args.password_stdin {
        change.insert("password".into(), password_from_stdin()?.into());
    }
    change.extend(args.port.map(|port| ("port".to_owned(), Value::from(port))));
    for (key, value) in [("host", args.host), ("user", args.user), ("pool", args.pool)] {
        change.extend(value.map(|value| (key.to_owned(), Value::from(value))));
    }
    for (key, value) in [("key_file", args.key_file), ("host_key", args.host_key), ("jump", args.jump)] {
        let or_none = |value: String| if value.is_empty() { Value::Null } else { Value::from(value) };
        change.extend(value.map(|value| (key.to_owned(), or_none(value))));
    }
    if change.is_empty() {
        return Err(Fault::Usage("nothing to change; see `berth machines change --help`".into()).into());
    }
    let call = client.patch(&["machines", &name]).secret().patience(Some(MACHINE_PATIENCE)).json(change.into());
    let answer = call.send().await?;
    say(&format!("machine {name} changed"));
    Ok(answer.value)
}

fn relabel(mut labels: Map<String, Value>, args: &Args) -> Result<Map<String, Value>> {
    for key in &args.unlabels {
        if labels.shift_remove(key).is_none() {
            return Err(Fault::NotFound(format!("machine `{}` has no label `{key}`", args.name)).into());
        }
    }
    labels.extend(args.labels.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))));
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::try_parse_from([&["change", "quay-1"], line].concat()).unwrap().args
    }

    #[test]
    fn labels_are_added_changed_and_taken_away_and_the_rest_stays() {
        let present = json!({"a": "1", "b": "2", "c": "3"}).as_object().cloned().unwrap();
        let args = args(&["--label", "b=9", "--label", "d=4", "--unlabel", "a"]);
        assert_eq!(Value::Object(relabel(present, &args).unwrap()), json!({"b": "9", "c": "3", "d": "4"}));
    }

    #[test]
    fn a_label_that_is_not_there_cannot_be_taken_away() {
        assert!(relabel(Map::new(), &args(&["--unlabel", "a"])).is_err());
    }
}
