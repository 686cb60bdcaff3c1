//! A bad line between a worker and its pool: cut, slow, or saying things twice.
//!
//! Everything a worker exchanges with its pool goes through one [`Line`] of its own. Ordinary requests are passed on as
//! bytes; the worker's WebSocket is taken apart into frames, so that single messages can be repeated.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

/// How bad a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quality {
    /// Every connection breaks, and every new one.
    pub cut: bool,
    /// Everything arrives later by up to this.
    pub delay: Duration,
    /// The chance that a message of the worker's WebSocket comes twice, in percent.
    pub repeated: u8,
}

/// A line, until dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    quality: Arc<watch::Sender<Quality>>,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Line {
    /// A good line to `target`.
    pub async fn to(target: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let quality = Arc::new(watch::channel(Quality::default()).0);
        let shared = quality.clone();
        let listener = tokio::spawn(async move {
            let mut dice = StdRng::seed_from_u64(seed);
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (mut gate, quality) = (shared.subscribe(), shared.subscribe());
                let dice = StdRng::from_rng(&mut dice);
                connections.spawn(async move {
                    tokio::select! {
                        biased;
                        _ = gate.wait_for(|quality| quality.cut) => {}
                        _ = pass(client, target, quality, dice) => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            quality,
            listener,
        })
    }

    /// Where the line begins.
    pub fn url(&self) -> Url {
        format!("http://{}", self.address)
            .parse()
            .expect("a socket address is a URL's host and port")
    }

    /// From now on it is like this.
    pub fn set(&self, quality: Quality) {
        self.quality.send_replace(quality);
    }
}

type Watched = watch::Receiver<Quality>;

async fn pass(
    client: TcpStream,
    target: SocketAddr,
    quality: Watched,
    dice: StdRng,
) -> Result<(), Error> {
    client.set_nodelay(true)?;
    if asks_for(&client, b"GET /worker ").await? {
        let worker = tokio_tungstenite::accept_async(client).await?;
        let (pool, _) = tokio_tungstenite::connect_async(format!("ws://{target}/worker")).await?;
        let (to_worker, from_worker) = worker.split();
        let (to_pool, from_pool) = pool.split();
        let mut there = dice;
        let back = StdRng::from_rng(&mut there);
        // When one side is done, so is the line.
        tokio::select! {
            done = frames(from_worker, to_pool, quality.clone(), there) => done,
            done = frames(from_pool, to_worker, quality, back) => done,
        }
    } else {
        let pool = TcpStream::connect(target).await?;
        pool.set_nodelay(true)?;
        let (from_worker, to_worker) = client.into_split();
        let (from_pool, to_pool) = pool.into_split();
        let mut there = dice;
        let back = StdRng::from_rng(&mut there);
        let (there, back) = tokio::join!(
            bytes(from_worker, to_pool, quality.clone(), there),
            bytes(from_pool, to_worker, quality, back),
        );
        there.and(back)
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the line breaks")]
    Bytes(#[from] std::io::Error),
    #[error("the line breaks")]
    Frames(#[from] tungstenite::Error),
}

/// Whether a request begins like this; nothing is taken from it.
async fn asks_for(client: &TcpStream, start: &[u8]) -> std::io::Result<bool> {
    let mut seen = vec![0; start.len()];
    loop {
        let count = client.peek(&mut seen).await?;
        if count == 0 || seen[..count] != start[..count] {
            return Ok(false);
        }
        if count == start.len() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn bytes(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    quality: Watched,
    mut dice: StdRng,
) -> Result<(), Error> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        late(&quality, &mut dice).await;
        to.write_all(&buffer[..count]).await?;
    }
}

async fn frames(
    mut from: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    mut to: impl Sink<Message, Error = tungstenite::Error> + Unpin,
    quality: Watched,
    mut dice: StdRng,
) -> Result<(), Error> {
    while let Some(frame) = from.next().await {
        let frame = frame?;
        late(&quality, &mut dice).await;
        let repeated = quality.borrow().repeated;
        if frame.is_text() && dice.random_range(0..100) < repeated {
            to.send(frame.clone()).await?;
        }
        to.send(frame).await?;
    }
    Ok(())
}

async fn late(quality: &Watched, dice: &mut StdRng) {
    let delay = quality.borrow().delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay.mul_f64(dice.random())).await;
    }
}
