//! A door before a node that writes down what goes through it: every request as it was sent and every answer as it
//! came, over HTTP and WebSocket, and what subscriptions were told.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite;

/// One request and its answer, as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    pub(super) request: String,
    /// HTTP's; 0 over WebSocket.
    pub(super) status: u16,
    pub(super) answer: String,
}

/// All that went through a door.
#[derive(Debug, Clone, Default)]
pub(super) struct Recording {
    pub(super) exchanges: Vec<Exchange>,
    /// The `params` of every notification.
    pub(super) told: Vec<Value>,
}

#[derive(Clone)]
struct Desk {
    node: String,
    http: reqwest::Client,
    recording: Arc<Mutex<Recording>>,
}

impl Desk {
    fn write<T>(&self, write: impl FnOnce(&mut Recording) -> T) -> T {
        write(
            &mut self
                .recording
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// The open door; closed when dropped.
pub(super) struct Recorder {
    pub(super) url: String,
    pub(super) ws_url: String,
    desk: Desk,
    server: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Recorder {
    /// Before the node at this address (`127.0.0.1:8545`).
    pub(super) async fn before(node: &str) -> Recorder {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let desk = Desk {
            node: node.to_owned(),
            http: reqwest::Client::new(),
            recording: Arc::default(),
        };
        let router = Router::new().fallback(door).with_state(desk.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Recorder {
            url: format!("http://{address}"),
            ws_url: format!("ws://{address}"),
            desk,
            server,
        }
    }

    pub(super) fn recording(&self) -> Recording {
        self.desk.write(|recording| recording.clone())
    }
}

async fn door(
    State(desk): State<Desk>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    body: Bytes,
) -> Response {
    match socket {
        Ok(socket) => socket
            .max_message_size(64 << 20)
            .on_upgrade(move |socket| pass(desk, socket)),
        Err(_) => exchange(desk, body).await,
    }
}

async fn exchange(desk: Desk, body: Bytes) -> Response {
    let index = desk.write(|recording| {
        recording.exchanges.push(Exchange {
            request: String::from_utf8_lossy(&body).into_owned(),
            ..Exchange::default()
        });
        recording.exchanges.len() - 1
    });
    let answer = desk
        .http
        .post(format!("http://{}", desk.node))
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .expect("the node answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("the answer ends");
    desk.write(|recording| {
        recording.exchanges[index].status = status;
        recording.exchanges[index].answer = text.clone();
    });
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn pass(desk: Desk, client: WebSocket) {
    let (node, _) = tokio_tungstenite::connect_async(format!("ws://{}", desk.node))
        .await
        .expect("the node takes the WebSocket");
    let (mut to_node, mut from_node) = node.split();
    let (mut to_client, mut from_client) = client.split();
    // Requests that have no answer yet, by their place in the recording.
    let mut open = Vec::new();
    loop {
        tokio::select! {
            message = from_client.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    // web3.py says it in bytes.
                    let binary = matches!(message, Message::Binary(_));
                    let said = message.into_data();
                    desk.write(|recording| {
                        open.push(recording.exchanges.len());
                        recording.exchanges.push(Exchange {
                            request: String::from_utf8_lossy(&said).into_owned(),
                            ..Exchange::default()
                        });
                    });
                    let said = if binary {
                        tungstenite::Message::binary(said)
                    } else {
                        tungstenite::Message::text(String::from_utf8_lossy(&said).into_owned())
                    };
                    if to_node.send(said).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => {
                    // Some clients take it for a fault if nobody says good-bye.
                    let _ = to_client.close().await;
                    return;
                }
            },
            message = from_node.next() => match message {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    heard(&desk, &mut open, text.as_str());
                    if to_client.send(Message::text(text.as_str())).await.is_err() {
                        return;
                    }
                }
                Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_))) => {}
                _ => return,
            },
        }
    }
}

fn id(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(batch)) => batch.first().map_or(Value::Null, |call| call["id"].clone()),
        Ok(call) => call["id"].clone(),
        Err(_) => Value::Null,
    }
}

fn heard(desk: &Desk, open: &mut Vec<usize>, text: &str) {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    desk.write(|recording| {
        if message.get("method").is_some() {
            recording.told.push(message["params"].clone());
            return;
        }
        let answered = id(text);
        if let Some(at) = open
            .iter()
            .position(|index| id(&recording.exchanges[*index].request) == answered)
        {
            recording.exchanges[open.remove(at)].answer = text.to_owned();
        }
    });
}
