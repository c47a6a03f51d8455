//! The half of a shell that hears: its answers, its words on stderr, and the deadlines of who waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, ChildStdout},
    sync::OwnedSemaphorePermit,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Error, error,
        wire::{self, Parser},
    },
    Raw, Shared,
};

/// Keeps the end of what `ssh` and the shell say on stderr.
pub(super) async fn listen(mut stderr: ChildStderr, shared: Arc<Shared>) {
    let mut buffer = [0; 2048];
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        let mut state = shared.lock();
        state.said.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if state.said.len() > 16_384 {
            let mut from = state.said.len() - 8192;
            while !state.said.is_char_boundary(from) {
                from += 1;
            }
            state.said.drain(..from);
        }
    }
}

/// Reads records and hands them to who waits; keeps the deadline of the step that is at the front.
pub(super) async fn read(
    mut child: Child,
    mut stdout: ChildStdout,
    shared: Arc<Shared>,
    host: String,
    mut parser: Parser,
    closing: CancellationToken,
    mut turn: Option<OwnedSemaphorePermit>,
) {
    let mut buffer = vec![0; 65_536];
    let mut records = Vec::new();
    let mut received = 0;
    let mut greeted = false;
    let error = loop {
        let limit = front(&shared);
        let left = limit.map_or(Duration::from_hours(24), |(left, _, _)| left);
        tokio::select! {
            got = stdout.read(&mut buffer) => {
                let Ok(n @ 1..) = got else { break ended(&mut child, &shared, &host, greeted).await };
                received += n;
                shared.meter.read(n);
                if received > wire::FLOOD {
                    break Error::Flooded;
                }
                let mut fault = None;
                for record in parser.push(&buffer[..n]) {
                    if !matches!(record.kind, b'E' | b'H' | b'L') {
                        records.push(record);
                        continue;
                    }
                    received = 0;
                    greeted = true;
                    shared.meter.ready();
                    // The next may log in.
                    drop(turn.take());
                    let raw = Raw { records: std::mem::take(&mut records), last: record };
                    if !hand_over(&shared, raw) {
                        fault = Some(Error::Closed("the host answered out of order".into()));
                    }
                }
                if let Some(fault) = fault {
                    break fault;
                }
            }
            () = tokio::time::sleep(left) => {
                if let Some((Duration::ZERO, doing, after)) = front(&shared) {
                    break Error::TimedOut { doing: doing.into(), after };
                }
            }
            () = shared.wake.notified() => {}
            () = closing.cancelled() => {
                let idle = shared.lock().waiting.is_empty();
                if idle {
                    let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
                }
                break Error::Closed("the shell was closed".into());
            }
        }
    };
    shared.die(&error);
    let _ = child.start_kill();
}

/// Time left for the step at the front, what it does, and what it was given.
fn front(shared: &Shared) -> Option<(Duration, &'static str, Duration)> {
    let mut state = shared.lock();
    let front = state.waiting.front_mut()?;
    let started = *front.started.get_or_insert_with(Instant::now);
    Some((front.deadline.saturating_sub(started.elapsed()), front.doing, front.deadline))
}

/// Gives the answer to the step at the front; false when it is not that step's.
fn hand_over(shared: &Shared, raw: Raw) -> bool {
    let mut state = shared.lock();
    let fits = state.waiting.front().is_some_and(|front| match front.id {
        Some(id) => raw.last.kind == b'E' && raw.last.head.split(' ').next() == Some(id.to_string().as_str()),
        None => raw.last.kind != b'E',
    });
    if !fits {
        return false;
    }
    if let Some(front) = state.waiting.pop_front() {
        let _ = front.answer.send(Ok(raw));
    }
    true
}

/// Why the stream has ended.
async fn ended(child: &mut Child, shared: &Shared, host: &str, greeted: bool) -> Error {
    let status = match tokio::time::timeout(Duration::from_secs(2), child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        _ => "no status".to_owned(),
    };
    // The words on stderr may be a moment behind the end of stdout.
    tokio::task::yield_now().await;
    for _ in 0..20 {
        if !shared.lock().said.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let said = shared.lock().said.clone();
    if greeted && !said.contains("not responding") {
        let line = error::last_line(&said);
        return Error::Closed(if line.is_empty() { format!("the host hung up ({status})") } else { line });
    }
    error::classify(host, &status, &said)
}
