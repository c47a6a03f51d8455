//! What happens, as it happens: the server's event stream.

use anyhow::Result;
use clap::Args as ClapArgs;
use futures_util::StreamExt;
use serde_json::Value;

use super::{
    client::Client,
    client_options::{ClientOptions, query},
    fault::{Fault, INTERRUPTED, UNREACHABLE, code_of},
    output::{Out, moment, plain},
    terminal::say,
};

/// How often in a row the stream may fail to open again.
const TRIES: u32 = 20;
/// The longest event that is read.
const LONGEST: usize = 1024 * 1024;

/// Show what happened to you and your machines
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "With `--output json` each event is one line of JSON.\n\nExamples:\n  berth events\n  berth events --follow\n  \
berth events --follow --kind reservation. --output json | jq .message"
)]
pub struct Args {
    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what came after the event of this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Only kinds that begin so: `reservation.`, `machine.state`
    #[arg(long)]
    kind: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let out = options.out();
    if args.follow {
        tokio::select! {
            ended = follow(&client, args.after, args.kind.as_deref(), out) => ended,
            _ = tokio::signal::ctrl_c() => Err(Fault::Said(INTERRUPTED).into()),
        }
    } else {
        let query = [query(&[("after", args.after.as_deref())], &[]), vec![("poll", "1".to_owned())]].concat();
        let answer = client.get(&["events"]).query(&query).send().await?;
        let items = answer.value.get("items").unwrap_or(&answer.value).as_array().cloned().unwrap_or_default();
        items.iter().try_for_each(|item| show(item, args.kind.as_deref(), out))
    }
}

fn show(event: &Value, kind: Option<&str>, out: Out) -> Result<()> {
    if kind.is_some_and(|kind| !event["kind"].as_str().unwrap_or_default().starts_with(kind)) {
        return Ok(());
    }
    out.event(event, || {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let parts = [moment(event["at"].as_str()), text("kind"), text("machine"), text("message")];
        plain(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "))
    })
}

/// Reads the stream, and opens it again where it broke.
async fn follow(client: &Client, mut last: Option<String>, kind: Option<&str>, out: Out) -> Result<()> {
    let mut failures = 0;
    let mut pace = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        pace.tick().await;
        match read(client, &mut last, kind, out).await {
            Ok(()) => failures = 0,
            Err(error) if code_of(&error) == UNREACHABLE && failures < TRIES => {
                if failures == 0 {
                    say("the server is away; trying again");
                }
                failures += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn read(client: &Client, last: &mut Option<String>, kind: Option<&str>, out: Out) -> Result<()> {
    let mut call = client.get(&["events"]).header("accept", "text/event-stream");
    if let Some(last) = last.as_ref() {
        call = call.header("last-event-id", last.clone());
    }
    let mut stream = call.stream().await?.bytes_stream();
    let mut reader = Reader::default();
    // A stream that breaks is one that ends: it is opened again after the last event that was shown.
    while let Some(Ok(bytes)) = stream.next().await {
        for event in reader.feed(&bytes) {
            show(&event.value(), kind, out)?;
            *last = event.id.or(last.take());
        }
        if LONGEST < reader.rest.len() {
            anyhow::bail!("the server sends an event longer than {LONGEST} bytes");
        }
    }
    Ok(())
}

/// Cuts a byte stream into Server-Sent Events.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    event: SentEvent,
}

/// One Server-Sent Event.
#[derive(Debug, Default, PartialEq)]
struct SentEvent {
    id: Option<String>,
    kind: String,
    data: Option<String>,
}

impl SentEvent {
    /// The data as JSON, with kind and id where it has none.
    fn value(&self) -> Value {
        let data = self.data.as_deref().unwrap_or_default();
        let mut value = match serde_json::from_str(data) {
            Ok(Value::Object(object)) => Value::Object(object),
            _ => serde_json::json!({"message": data}),
        };
        if value.get("kind").is_none() && !self.kind.is_empty() {
            value["kind"] = self.kind.clone().into();
        }
        if value.get("id").is_none() && self.id.is_some() {
            value["id"] = self.id.clone().into();
        }
        value
    }
}

impl Reader {
    /// Takes bytes and returns the events that are now whole.
    fn feed(&mut self, bytes: &[u8]) -> Vec<SentEvent> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    let event = std::mem::take(&mut self.event);
                    events.extend(event.data.is_some().then_some(event));
                }
                "id" => self.event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.event.kind),
                "data" => match &mut self.event.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    none => *none = Some(value.to_owned()),
                },
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text = ": hello\n\nid: 7\r\nevent: machine.state\r\ndata: {\"message\":\r\ndata: \"ready \u{2713}\"}\r\n\r\ndata: x\n\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let events: Vec<SentEvent> = text.as_bytes().chunks(size).flat_map(|chunk| reader.feed(chunk)).collect();
            assert_eq!(events.len(), 2, "size {size}");
            assert_eq!(events[0].value()["message"], "ready \u{2713}");
            assert_eq!(events[0].value()["kind"], "machine.state");
            assert_eq!(events[0].id.as_deref(), Some("7"));
            assert_eq!(events[1].value()["message"], "x");
        }
    }

    #[test]
    fn a_comment_or_an_empty_event_is_nothing() {
        assert_eq!(Reader::default().feed(b": ping\n\nid: 3\n\n"), []);
    }
}
