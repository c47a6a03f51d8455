//! Taking connections: few bytes before a request is whole, and not for ever.
//!
//! Without this a stranger who sends a byte now and then holds a connection as long as he likes. Deliberately absent:
//! TLS and HTTP/2, which are the proxy's.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a connection may rest before the next request's head is whole.
    pub head: Duration,
    /// Bytes of a request's head that are always taken; what is longer than twice that is answered with 431.
    pub head_bytes: usize,
    /// Connections at once; further ones wait to be taken.
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { head: Duration::from_mins(1), head_bytes: 64 * 1024, connections: 8192 }
    }
}

/// Serves until `stop`, then lets the requests at hand end.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(bounds.connections));
    let open = TaskTracker::new();
    loop {
        let seat = tokio::select! {
            () = stop.cancelled() => break,
            seat = Arc::clone(&room).acquire_owned() => seat.expect("the semaphore is never closed"),
        };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            taken = listener.accept() => match taken {
                Ok(taken) => taken,
                Err(error) => {
                    rest_after(&error).await;
                    continue;
                }
            },
        };
        // Small answers go at once.
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            // The router is always ready.
            app.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(bounds.head_bytes)
            .max_headers(100)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stop = stop.clone();
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // A client that hangs up or is too slow is no news.
            let ended = tokio::select! {
                _ = connection.as_mut() => true,
                () = stop.cancelled() => false,
            };
            if !ended {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            drop(seat);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// A connection that broke before it was taken costs nothing; a lack of file descriptors passes.
async fn rest_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection cannot be taken");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
