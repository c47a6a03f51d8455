//! Looks after one terminal: whether it may go on, every few seconds and at the exact end.

use std::time::Duration;

use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::{Instant, timeout},
};

use super::{Closing, Code, Command, Terminal, look};
use crate::ctx::Ctx;

/// How often it looks when nothing is said to have changed.
const LOOK: Duration = Duration::from_secs(10);
/// The least pause between two looks.
const BREATH: Duration = Duration::from_millis(200);

/// Sends [`Command::Close`] when the terminal must end, and is done.
pub(super) async fn watch(ctx: Ctx, terminal: Terminal, mut ends: Instant, to: mpsc::Sender<Command>) {
    // Before the first look, or a change between look and wait would be missed.
    let mut news = ctx.changed.subscribe();
    let closing = loop {
        match look(&ctx, terminal.id).await {
            Ok(Ok(seen)) => ends = seen.ends,
            Ok(Err(closing)) => break closing,
            // Without the database the end that was known last holds.
            Err(_) if ends <= Instant::now() => {
                break Closing::new(Code::Expired, "the reservation's time is over");
            }
            Err(error) => tracing::warn!(%error, terminal.id = %terminal.id, "cannot look after a terminal"),
        }
        let changed = async {
            loop {
                match news.recv().await {
                    Ok(lease) if lease != terminal.reservation => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                    // Changes that were missed count as one of this reservation.
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                }
            }
        };
        let pause = LOOK.min(ends.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        if timeout(pause, changed).await.is_ok() {
            tokio::time::sleep(BREATH.min(pause)).await;
        }
    };
    let _ = to.send(Command::Close(closing)).await;
}
