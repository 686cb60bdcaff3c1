//! The proxy's connections: HTTP by hand, since a connection that breaks in the middle is what this is for, and
//! WebSocket, where subscriptions have a connection of their own to the node and all else goes the way of HTTP.

use std::io::Cursor;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::{Outcome, Shared};

/// The longest head of a request that is read.
const HEAD_MAX: usize = 64 * 1024;

/// Takes connections until it is aborted, and all of them with it.
pub(super) async fn open(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(error) => {
                    tracing::warn!(%error, "the proxy cannot take connections");
                    return;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let mut cuts = shared.cuts.subscribe();
        // After subscribing, so that a cut between the two is not missed.
        if shared.faults().down {
            continue;
        }
        let shared = shared.clone();
        connections.spawn(async move {
            tokio::select! {
                biased;
                _ = cuts.changed() => {}
                served = serve(client, &shared) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection to the proxy ended");
                    }
                }
            }
        });
    }
}

async fn serve(mut client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut heard = Vec::new();
    loop {
        let Some(head) = read_head(&mut client, &mut heard).await? else {
            return Ok(());
        };
        let words = String::from_utf8_lossy(&heard[..head]).to_ascii_lowercase();
        let header = |name: &str| {
            let line = words.lines().find(|line| line.starts_with(name))?;
            Some(line[name.len()..].trim().to_owned())
        };
        if header("upgrade:").as_deref() == Some("websocket") {
            return websocket(client, heard, shared).await;
        }
        if header("expect:").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let Some(length) = header("content-length:").and_then(|text| text.parse::<usize>().ok())
        else {
            let sorry = b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n";
            return client.write_all(sorry).await;
        };
        while heard.len() < head + length {
            if client.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        }
        let message = serde_json::from_slice(&heard[head..head + length]);
        heard.drain(..head + length);
        let Ok(message) = message else {
            let sorry = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            client.write_all(sorry).await?;
            continue;
        };
        let (status, body) = match shared.answer(message).await {
            Outcome::Answer(answer) => (200, answer.to_string()),
            Outcome::Status(status) => (status, String::new()),
            Outcome::Lost => return Ok(()),
            Outcome::Silence => {
                // Until the client gives up.
                while client.read_buf(&mut heard).await? > 0 {
                    heard.clear();
                }
                return Ok(());
            }
        };
        let answer = format!(
            "HTTP/1.1 {status} As told\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(answer.as_bytes()).await?;
    }
}

/// Reads until the head of a request is there; gives its length. `None`: the client is gone.
async fn read_head(client: &mut TcpStream, heard: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if heard.len() > HEAD_MAX || client.read_buf(heard).await? == 0 {
            return Ok(None);
        }
    }
}

async fn websocket(client: TcpStream, heard: Vec<u8>, shared: &Arc<Shared>) -> std::io::Result<()> {
    let (from_client, to_client) = client.into_split();
    let client = tokio::io::join(Cursor::new(heard).chain(from_client), to_client);
    let failed = |error: tokio_tungstenite::tungstenite::Error| std::io::Error::other(error);
    let mut client = tokio_tungstenite::accept_async(client)
        .await
        .map_err(failed)?;
    let (mut node, _) = tokio_tungstenite::connect_async(&shared.node_ws)
        .await
        .map_err(failed)?;
    // Answers come when they come: a slow one does not hold up the others.
    let (answered, mut answers) = mpsc::unbounded_channel();
    let mut asking = JoinSet::new();
    loop {
        tokio::select! {
            message = client.next() => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(_)) | None => return Ok(()),
                    Some(Err(error)) => return Err(failed(error)),
                };
                let Ok(message) = serde_json::from_str::<Value>(&text) else {
                    return Ok(());
                };
                if matches!(message["method"].as_str(), Some("eth_subscribe" | "eth_unsubscribe")) {
                    node.send(Message::text(text.as_str())).await.map_err(failed)?;
                    continue;
                }
                let (shared, answered) = (shared.clone(), answered.clone());
                asking.spawn(async move {
                    let _ = answered.send(shared.answer(message).await);
                });
            }
            message = node.next() => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(_)) | None => return Ok(()),
                    Some(Err(error)) => return Err(failed(error)),
                };
                let Ok(news) = serde_json::from_str::<Value>(&text) else {
                    return Ok(());
                };
                let news = if news["method"].is_string() {
                    shared.news(news).await
                } else {
                    Some(news)
                };
                if let Some(news) = news {
                    client.send(Message::text(news.to_string())).await.map_err(failed)?;
                }
            }
            Some(outcome) = answers.recv() => match outcome {
                Outcome::Answer(answer) => {
                    client.send(Message::text(answer.to_string())).await.map_err(failed)?;
                }
                Outcome::Silence => {}
                Outcome::Status(_) | Outcome::Lost => return Ok(()),
            },
            Some(_) = asking.join_next() => {}
        }
    }
}
