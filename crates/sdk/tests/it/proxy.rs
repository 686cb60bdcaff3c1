//! A connection that can be cut: passes bytes between clients and the chain, and breaks off when told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

pub(crate) struct Proxy {
    address: SocketAddr,
    /// Whether connections pass.
    open: Arc<watch::Sender<bool>>,
    /// Pieces that clients sent.
    requests: Arc<AtomicU64>,
    news: Arc<tokio::sync::Notify>,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let open = Arc::new(watch::channel(true).0);
        let requests = Arc::new(AtomicU64::new(0));
        let news = Arc::new(tokio::sync::Notify::new());
        let (gate, count, bell) = (open.clone(), requests.clone(), news.clone());
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut gate = gate.subscribe();
                let (count, bell) = (count.clone(), bell.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = gate.wait_for(|open| !open) => {}
                        _ = pass(client, target, &count, &bell) => {}
                    }
                });
            }
        });
        Self {
            address,
            open,
            requests,
            news,
            listener,
        }
    }

    pub(crate) fn http_url(&self) -> Url {
        format!("http://{}", self.address).parse().expect("a URL")
    }

    /// Breaks all connections, and every new one, until mended.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.open.send_replace(true);
    }

    /// Waits until clients have sent so many more pieces.
    pub(crate) async fn after_requests(&self, more: u64) {
        let until = self.requests.load(Ordering::SeqCst) + more;
        loop {
            let heard = self.news.notified();
            if self.requests.load(Ordering::SeqCst) >= until {
                return;
            }
            heard.await;
        }
    }
}

async fn pass(
    mut client: TcpStream,
    target: SocketAddr,
    count: &AtomicU64,
    bell: &tokio::sync::Notify,
) -> std::io::Result<()> {
    let mut chain = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_chain, mut to_chain) = chain.split();
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            to_chain.write_all(&buffer[..read]).await?;
            count.fetch_add(1, Ordering::SeqCst);
            bell.notify_waiters();
        }
    };
    let back = async {
        tokio::io::copy(&mut from_chain, &mut to_client)
            .await
            .map(drop)
    };
    tokio::select! {
        done = there => done,
        done = back => done,
    }
}
