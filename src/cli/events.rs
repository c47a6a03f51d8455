//! What happens, as it happens: the server's event stream.

use std::{collections::VecDeque, time::Duration};

use anyhow::Result;
use clap::Args as ClapArgs;
use futures_util::StreamExt;
use serde_json::Value;
use uuid::{Timestamp, Uuid};

use super::{
    client::Client,
    client_options::{ClientOptions, query},
    fault::{Fault, INTERRUPTED, UNREACHABLE, code_of},
    output::{Out, moment, plain},
    terminal::say,
    wait,
};
use crate::clock::{Clock, millis};

/// How often in a row the stream may fail to open again.
const TRIES: u32 = 20;
/// How far to look back.
const USUAL: Duration = Duration::from_hours(1);
/// How many events are remembered as shown.
const MEMORY: usize = 4096;
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
    #[arg(long, value_name = "ID", conflicts_with = "since")]
    after: Option<uuid::Uuid>,
    /// How far to look back; 1h unless `--follow` or `--after` is given
    #[arg(long, value_name = "DURATION", value_parser = wait::span)]
    since: Option<Duration>,
    /// Only kinds that begin so: `reservation.`, `machine.state`
    #[arg(long)]
    kind: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let out = options.out();
    let since = args.since.or((!args.follow && args.after.is_none()).then_some(USUAL));
    let after = args.after.or(since.map(moment_id)).map(|id| id.to_string());
    let mut screen = Screen { kind: args.kind, out, shown: VecDeque::new() };
    if args.follow {
        tokio::select! {
            ended = follow(&client, after, &mut screen) => ended,
            _ = tokio::signal::ctrl_c() => Err(Fault::Said(INTERRUPTED).into()),
        }
    } else {
        list(&client, after, &mut screen).await
    }
}

/// An id as an event of that moment would have; events are numbered by time.
fn moment_id(ago: Duration) -> Uuid {
    let moment = Clock::default().now().saturating_sub(millis(ago)).unsigned_abs();
    let nanos = u32::try_from(moment % 1000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, moment / 1000, nanos))
}

async fn list(client: &Client, mut after: Option<String>, screen: &mut Screen) -> Result<()> {
    loop {
        let query = [query(&[("after", after.as_deref())], &[]), vec![("poll", "1".to_owned())]].concat();
        let answer = client.get(&["events"]).query(&query).send().await?;
        let mut is_over = true;
        for item in answer.value["items"].as_array().into_iter().flatten() {
            is_over &= !screen.show(item)?;
        }
        match answer.value["next_cursor"].as_str() {
            Some(next) if !is_over => after = Some(next.to_owned()),
            _ => return Ok(()),
        }
    }
}

/// What is shown, and what was shown already: an event may come twice.
struct Screen {
    kind: Option<String>,
    out: Out,
    shown: VecDeque<String>,
}

impl Screen {
    /// Shows an event that was not shown yet; says whether it was new.
    fn show(&mut self, event: &Value) -> Result<bool> {
        if let Some(id) = event["id"].as_str() {
            if self.shown.iter().any(|shown| shown == id) {
                return Ok(false);
            }
            self.shown.push_back(id.to_owned());
            let surplus = self.shown.len().saturating_sub(MEMORY);
            self.shown.drain(..surplus);
        }
        let kind = event["kind"].as_str().unwrap_or_default();
        if self.kind.as_deref().is_none_or(|wanted| kind.starts_with(wanted)) {
            print_event(event, self.out)?;
        }
        Ok(true)
    }
}

fn print_event(event: &Value, out: Out) -> Result<()> {
    out.event(event, || {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let parts = [moment(event["at"].as_str()), text("kind"), text("machine"), text("message")];
        plain(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "))
    })
}

/// Reads the stream, and opens it again where it broke.
async fn follow(client: &Client, mut last: Option<String>, screen: &mut Screen) -> Result<()> {
    let mut failures = 0;
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    loop {
        pace.tick().await;
        match read(client, &mut last, screen).await {
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

async fn read(client: &Client, last: &mut Option<String>, screen: &mut Screen) -> Result<()> {
    let mut call = client.get(&["events"]).header("accept", "text/event-stream");
    if let Some(last) = last.as_ref() {
        call = call.header("last-event-id", last.clone());
    }
    let mut stream = call.stream().await?.bytes_stream();
    let mut reader = Reader::default();
    // A stream that breaks is one that ends: it is opened again after the last event that was shown.
    while let Some(Ok(bytes)) = stream.next().await {
        for event in reader.feed(&bytes) {
            screen.show(&event.value())?;
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
    fn an_event_that_comes_twice_is_shown_once() {
        let out = Out { format: super::super::output::Format::Json, colour: false, terminal: false };
        let mut screen = Screen { kind: Some("nothing.".into()), out, shown: VecDeque::new() };
        let event = serde_json::json!({"id": "e1", "kind": "machine.state"});
        assert!(screen.show(&event).unwrap());
        assert!(!screen.show(&event).unwrap());
    }

    #[test]
    fn the_id_of_a_moment_tells_the_moment() {
        let seconds = |id: Uuid| id.get_timestamp().unwrap().to_unix().0;
        let (now, then) = (seconds(Uuid::now_v7()), seconds(moment_id(Duration::from_hours(1))));
        assert!((3_599..=3_601).contains(&(now - then)), "{now} {then}");
    }

    #[test]
    fn a_comment_or_an_empty_event_is_nothing() {
        assert_eq!(Reader::default().feed(b": ping\n\nid: 3\n\n"), []);
    }
}
