//! The WebSocket of a terminal.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use super::super::{Attached, Closing, Code, Command, Shown};
use crate::remote::Size;

/// The largest message of a client.
pub(super) const LARGEST: usize = 1024 * 1024;
/// How often we ask whether the client is there.
const PING: Duration = Duration::from_secs(20);
/// How long a client may be silent, pongs included.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a machine may leave what was typed unread, before the socket is given up.
const UNREAD: Duration = Duration::from_secs(10);
/// How long the end of a socket may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a client says in text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Resize {
        cols: u32,
        rows: u32,
    },
    Ack {
        bytes: u64,
    },
    /// What a newer page may say.
    #[serde(other)]
    Unknown,
}

/// A size that programs can live with.
pub(super) fn size(cols: u32, rows: u32) -> Size {
    let bound = |value: u32, least: u16| u16::try_from(value).unwrap_or(1000).clamp(least, 1000);
    Size { cols: bound(cols, 2), rows: bound(rows, 1) }
}

/// Passes messages between a client and its terminal until one of them is gone.
pub(super) async fn serve(socket: WebSocket, attached: Result<Attached, Closing>) {
    let (mut sink, mut stream) = socket.split();
    let frame = match attached {
        Ok(Attached { number, mut shown, commands, input }) => {
            let frame = tokio::select! {
                frame = send(&mut sink, &mut shown) => frame,
                frame = hear(&mut stream, number, &commands, &input) => frame,
            };
            // The terminal may be over already.
            let _ = commands.send(Command::Detach(number)).await;
            frame
        }
        Err(closing) => tell_closed(&mut sink, &closing).await,
    };
    let Some(frame) = frame else { return };
    let farewell = async {
        let _ = sink.send(Message::Close(Some(frame))).await;
        // What is on its way to us is taken in, or the client would see a broken line and not the last words.
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(LAST_WORDS, farewell).await;
}

/// Sends what is to be shown. Answers how the socket is to be closed; none: it is gone.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    shown: &mut mpsc::UnboundedReceiver<Shown>,
) -> Option<CloseFrame> {
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            what = shown.recv() => match what {
                Some(Shown::Output(bytes)) => Message::Binary(bytes.into()),
                Some(Shown::Ready(session)) => text(&json!({ "type": "ready", "session": session })),
                Some(Shown::Backlog(bytes)) => {
                    sink.send(text(&json!({ "type": "backlog", "bytes": bytes.len() }))).await.ok()?;
                    Message::Binary(bytes.into())
                }
                Some(Shown::Closed(closing)) => return tell_closed(sink, &closing).await,
                None => return tell_closed(sink, &Closing::new(Code::Exited, "the terminal is over")).await,
            },
            _ = ping.tick() => Message::Ping(Vec::new().into()),
        };
        sink.send(message).await.ok()?;
    }
}

async fn tell_closed(sink: &mut SplitSink<WebSocket, Message>, closing: &Closing) -> Option<CloseFrame> {
    let told = json!({ "type": "closed", "reason": closing.reason, "code": closing.code.as_str() });
    sink.send(text(&told)).await.ok()?;
    Some(CloseFrame { code: close_code::NORMAL, reason: closing.code.as_str().into() })
}

fn text(value: &serde_json::Value) -> Message {
    Message::Text(value.to_string().into())
}

/// Hears what the client says. Answers how the socket is to be closed; none: it is gone.
async fn hear(
    stream: &mut SplitStream<WebSocket>,
    number: u64,
    commands: &mpsc::Sender<Command>,
    input: &mpsc::Sender<Vec<u8>>,
) -> Option<CloseFrame> {
    let refused = |reason: &'static str| Some(CloseFrame { code: close_code::POLICY, reason: reason.into() });
    loop {
        let Ok(message) = timeout(SILENCE, stream.next()).await else { return refused("silent for a minute") };
        let command = match message?.ok()? {
            Message::Binary(bytes) if bytes.is_empty() => continue,
            Message::Binary(bytes) => {
                match timeout(UNREAD, input.send(bytes.into())).await {
                    Ok(Ok(())) => continue,
                    // The terminal is over, and its last word is on its way.
                    Ok(Err(_)) => std::future::pending().await,
                    Err(_) => return refused("the machine does not read what was typed"),
                }
            }
            Message::Text(said) => match serde_json::from_str(&said) {
                Ok(Said::Resize { cols, rows }) => Command::Resize(number, size(cols, rows)),
                Ok(Said::Ack { bytes }) => Command::Ack(number, bytes),
                Ok(Said::Unknown) => continue,
                Err(_) => return refused("a text message that is none of ours"),
            },
            Message::Ping(_) | Message::Pong(_) => continue,
            // The farewell also sends the answer to theirs.
            Message::Close(_) => return Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }),
        };
        if commands.send(command).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    if let Ok(Said::Resize { cols, rows }) = serde_json::from_str(text) {
        let size = size(cols, rows);
        assert!((2..=1000).contains(&size.cols) && (1..=1000).contains(&size.rows), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_has_a_size_that_programs_can_live_with() {
        assert_eq!(size(120, 40), Size { cols: 120, rows: 40 });
        assert_eq!(size(0, 0), Size { cols: 2, rows: 1 });
        assert_eq!(size(u32::MAX, 65_536), Size { cols: 1000, rows: 1000 });
    }
}
