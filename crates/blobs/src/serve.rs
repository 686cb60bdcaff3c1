//! Serving a door to strangers: as `axum::serve`, with an end to what one of them may hold.
//!
//! A connection that does not say what it wants within half a minute is closed, and so is one that has had nothing to say
//! for as long. No more than [`ServeOptions::connections`] are open at once, WebSockets included, and no more than
//! [`ServeOptions::connections_per_address`] from one address: who comes later waits in the system's own queue, or is
//! closed. How long a body or an answer may take is for the routes to say, which know what they wait for.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a request's head may take, or the next request be waited for.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How long connections have after a stop to finish what they are at.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a door takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeOptions {
    /// Connections open at once, at most. Default: 4,096.
    pub connections: usize,
    /// Of them, from one address. Default: 1,024, since a whole town may live behind one.
    pub connections_per_address: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 1_024,
        }
    }
}

/// Serves until `stop`; then lets the requests under way end, for a few seconds.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(
        options.connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            // Never closed.
            Ok(permit) = room.clone().acquire_owned() => permit,
            Some(_) = connections.join_next() => continue,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, mostly: others close theirs.
                tracing::warn!(%error, "cannot take a connection for now");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = crowd.enter(peer.ip(), options.connections_per_address) else {
            tracing::debug!(%peer, "too many connections from one address, this one is closed");
            continue;
        };
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let counted = Counted {
            stream,
            _held: (permit, place),
        };
        connections.spawn(talk(counted, router.clone(), stop.clone()));
    }
    drop(listener);
    let last = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, last).await.is_err() {
        tracing::info!("requests under way were cut off");
    }
}

async fn talk(stream: Counted, router: Router, stop: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_WITHIN)
        .max_concurrent_streams(64);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error, "a connection ended badly");
    }
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Crowd {
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Place> {
        let mut all = self.lock();
        let count = all.entry(address).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        drop(all);
        Some(Place {
            crowd: self.clone(),
            address,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among those of its address.
#[derive(Debug)]
struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.crowd.lock();
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// A stream that keeps its place until it is closed, also when it has become a WebSocket.
struct Counted {
    stream: TcpStream,
    _held: (OwnedSemaphorePermit, Place),
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(address: std::net::SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn who_holds_connections_without_a_word_keeps_nobody_else_out_for_long() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let options = ServeOptions {
            connections: 8,
            connections_per_address: 2,
        };
        let router = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(serve(listener, router, options, stop.clone()));
        assert!(ask(address).await.expect("an answer").contains("200 OK"));

        let silent = [
            TcpStream::connect(address).await.expect("connected"),
            TcpStream::connect(address).await.expect("connected"),
        ];
        // The third from the same address is closed without a word.
        let refused = async {
            while ask(address).await.is_ok_and(|text| !text.is_empty()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), refused)
            .await
            .expect("refused once both are counted");
        drop(silent);
        let again = async {
            while !ask(address).await.is_ok_and(|text| text.contains("200 OK")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), again)
            .await
            .expect("let in again");
        stop.cancel();
        serving.await.expect("it ends");
    }
}
