//! The wire under everything: JSON-RPC over HTTP or WebSocket, and its failures sorted into "away" and "no".
//!
//! A node that is away comes back without anybody's help: HTTP opens connections as needed, a WebSocket is dialled
//! again by the next request after it broke.

use std::time::Duration;

use alloy::rpc::client::{ClientBuilder, RpcClient};
use alloy::rpc::json_rpc::{ErrorPayload, RpcRecv, RpcSend};
use alloy::transports::ws::WsConnect;
use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use alloy_primitives::Bytes;
use tokio::sync::Mutex;
use url::Url;

use super::error::ChainError;

/// Most requests in one batch; public nodes refuse larger ones.
pub(super) const BATCH_MAX: usize = 64;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Rpc {
    /// For messages: keys hide in paths, queries and credentials of providers' URLs.
    pub(super) node: String,
    transport: Transport,
}

enum Transport {
    Http(RpcClient),
    WebSocket {
        url: Url,
        client: Mutex<Option<RpcClient>>,
    },
}

/// What a request came to if not to a result.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No answer; the request may or may not have been heard.
    Away(String),
    /// The node said no.
    Said {
        code: i64,
        message: String,
        data: Option<Bytes>,
    },
    /// The node said something that is not the answer.
    Unreadable(String),
}

impl Failure {
    /// Whether the same question may be answered a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Said {
                message,
                data: None,
                ..
            } => may_pass_by(message),
            Self::Said { data: Some(_), .. } | Self::Unreadable(_) => false,
        }
    }

    /// Whether a contract refused, in a call.
    pub(super) fn is_revert(&self) -> bool {
        match self {
            Self::Said { message, data, .. } => {
                data.is_some() || message.to_lowercase().contains("revert")
            }
            Self::Away(_) | Self::Unreadable(_) => false,
        }
    }

    /// Whether the node itself said no.
    pub(super) fn is_no(&self) -> bool {
        matches!(self, Self::Said { .. }) && !self.is_revert()
    }

    /// Whether the node does not know the block it was asked about; it may a moment later.
    pub(super) fn unknown_block(&self) -> bool {
        let Self::Said { message, .. } = self else {
            return false;
        };
        self.is_no() && tells_of_an_unknown_block(message)
    }

    /// The node's words, or the connection's.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Away(why) | Self::Unreadable(why) => why.clone(),
            Self::Said { code, message, .. } => format!("{message} (code {code})"),
        }
    }
}

impl Rpc {
    pub(super) fn new(url: &Url) -> Result<Self, ChainError> {
        let node = public_part(url);
        let transport = match url.scheme() {
            "http" | "https" => {
                let no_client = |error: reqwest::Error| ChainError::NoClient {
                    node: node.clone(),
                    why: chained(&error),
                };
                crate::tls::install();
                let http = reqwest::Client::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .timeout(REQUEST_TIMEOUT)
                    .pool_idle_timeout(Duration::from_secs(60))
                    .tcp_nodelay(true)
                    .build()
                    .map_err(no_client)?;
                Transport::Http(ClientBuilder::default().http_with_client(http, url.clone()))
            }
            "ws" | "wss" => {
                crate::tls::install();
                Transport::WebSocket {
                    url: url.clone(),
                    client: Mutex::new(None),
                }
            }
            _ => return Err(ChainError::BadUrl { url: node }),
        };
        Ok(Self { node, transport })
    }

    async fn client(&self) -> Result<RpcClient, Failure> {
        match &self.transport {
            Transport::Http(client) => Ok(client.clone()),
            Transport::WebSocket { url, client } => {
                let mut client = client.lock().await;
                if let Some(client) = &*client {
                    return Ok(client.clone());
                }
                // Its own retries are cut short: whoever asks decides how long to wait.
                let connect = WsConnect::new(url.as_str()).with_max_retries(1);
                let dialled = tokio::time::timeout(
                    Duration::from_secs(5),
                    ClientBuilder::default().ws(connect),
                )
                .await;
                let dialled = dialled
                    .map_err(|_| Failure::Away("no connection within five seconds".to_owned()))?
                    .map_err(|error| Failure::Away(chained(&error)))?;
                *client = Some(dialled.clone());
                Ok(dialled)
            }
        }
    }

    /// Forgets a broken WebSocket, so that the next request dials again.
    async fn forget(&self) {
        if let Transport::WebSocket { client, .. } = &self.transport {
            *client.lock().await = None;
        }
    }

    pub(super) async fn request<P: RpcSend + 'static, R: RpcRecv>(
        &self,
        method: &'static str,
        params: P,
    ) -> Result<R, Failure> {
        let client = self.client().await?;
        let asked =
            tokio::time::timeout(REQUEST_TIMEOUT, client.request::<P, R>(method, params)).await;
        let result = match asked {
            Ok(result) => result.map_err(sort),
            Err(_) => Err(Failure::Away(format!(
                "no answer within {} seconds",
                REQUEST_TIMEOUT.as_secs()
            ))),
        };
        if matches!(result, Err(Failure::Away(_))) {
            self.forget().await;
        }
        result
    }

    /// Asks the same question about several things in one message. The outer failure means that nothing is known
    /// about any of them.
    pub(super) async fn batch<P: RpcSend + 'static, R: RpcRecv>(
        &self,
        method: &'static str,
        params: Vec<P>,
    ) -> Result<Vec<Result<R, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(params.len());
        for chunk in params.chunks(BATCH_MAX) {
            if let [params] = chunk {
                match self.request(method, params.clone()).await {
                    Err(Failure::Away(why)) => return Err(Failure::Away(why)),
                    answer => answers.push(answer),
                }
                continue;
            }
            match self.chunk(method, chunk).await {
                Ok(mut some) => answers.append(&mut some),
                Err(Failure::Away(why)) => return Err(Failure::Away(why)),
                // The node does not take batches: one by one, then.
                Err(_) => {
                    for params in chunk {
                        match self.request(method, params.clone()).await {
                            Err(Failure::Away(why)) => return Err(Failure::Away(why)),
                            answer => answers.push(answer),
                        }
                    }
                }
            }
        }
        Ok(answers)
    }

    async fn chunk<P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        params: &[P],
    ) -> Result<Vec<Result<R, Failure>>, Failure> {
        let client = self.client().await?;
        let mut batch = client.new_batch();
        let mut waiters = Vec::with_capacity(params.len());
        for params in params {
            waiters.push(batch.add_call::<P, R>(method, params).map_err(sort)?);
        }
        let sent = tokio::time::timeout(REQUEST_TIMEOUT, batch.send()).await;
        let sent = sent.map_err(|_| {
            Failure::Away(format!(
                "no answer within {} seconds",
                REQUEST_TIMEOUT.as_secs()
            ))
        });
        if let Err(failure) = sent.and_then(|sent| sent.map_err(sort)) {
            if matches!(failure, Failure::Away(_)) {
                self.forget().await;
            }
            return Err(failure);
        }
        let mut answers = Vec::with_capacity(waiters.len());
        for waiter in waiters {
            match waiter.await {
                // An answer that lacks a part of the batch: the whole is asked again, one by one.
                Err(RpcError::Transport(error)) => {
                    return Err(Failure::Unreadable(error.to_string()));
                }
                answer => answers.push(answer.map_err(sort)),
            }
        }
        Ok(answers)
    }

    /// Puts a failure into words for the caller of a verb.
    pub(super) fn explain(&self, doing: impl Into<String>, failure: Failure) -> ChainError {
        let (node, doing) = (self.node.clone(), doing.into());
        match failure {
            Failure::Away(why) => ChainError::Unreachable { node, doing, why },
            Failure::Said { code, message, .. } => ChainError::Node {
                node,
                doing,
                code,
                message,
            },
            Failure::Unreadable(why) => ChainError::Unreadable { node, doing, why },
        }
    }
}

fn sort(error: TransportError) -> Failure {
    match error {
        RpcError::ErrorResp(payload) => said(&payload),
        RpcError::Transport(TransportErrorKind::HttpError(error)) if !may_pass(error.status) => {
            Failure::Said {
                code: i64::from(error.status),
                message: shortened(&error.body),
                data: None,
            }
        }
        RpcError::Transport(error) => Failure::Away(chained(&error)),
        RpcError::NullResp => Failure::Unreadable("it is null".to_owned()),
        RpcError::DeserError { err, text } => {
            Failure::Unreadable(format!("{err} in {}", shortened(&text)))
        }
        RpcError::UnsupportedFeature(_) | RpcError::LocalUsageError(_) | RpcError::SerError(_) => {
            Failure::Unreadable(chained(&error))
        }
    }
}

fn said(payload: &ErrorPayload) -> Failure {
    let revert = payload.as_revert_data();
    // "Too many requests" in its two spellings is an absence, not a no.
    if revert.is_none() && (payload.code == 429 || payload.code == -32005) {
        return Failure::Away(payload.message.to_string());
    }
    // Some nodes give the revert data as the error's plain `data`, without saying "revert" in the message.
    let data = revert.or_else(|| payload.try_data_as::<Bytes>().and_then(Result::ok));
    Failure::Said {
        code: payload.code,
        message: payload.message.to_string(),
        data,
    }
}

/// Whether an HTTP status tells of a server that is busy or away rather than of a wrong request.
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429) || status >= 500
}

/// Whether a node's words tell of a bad moment rather than of a bad request.
pub(super) fn may_pass_by(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "rate limit",
        "too many requests",
        "limit exceeded",
        "timeout",
        "timed out",
        "try again",
        "busy",
        "overload",
        "unavailable",
        "pool is full",
        "pool full",
        "txpool",
        "pool limit",
        "pool overflow",
        "header not found",
        "internal error",
        "syncing",
        "not ready",
        "shutting down",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Each kind of node has its own words for it.
fn tells_of_an_unknown_block(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "header not found",
        "header for hash not found",
        "unknown block",
        "unknown header",
        "block not found",
        "cannot find block",
        "could not find block",
        "block could not be found",
        "resource not found",
        "not currently canonical",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// An error and its causes, joined by colons, each once.
pub(crate) fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    // The HTTP client repeats the URL, whose path or query may hold a key.
    match text.find(" for url (") {
        Some(start) => match text[start..].find(')') {
            Some(end) => format!("{}{}", &text[..start], &text[start + end + 1..]),
            None => text,
        },
        None => text,
    }
}

/// Scheme, host and port.
pub(super) fn public_part(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_a_node_without_its_secrets() {
        let url: Url = "https://user:secret@rpc.example:8443/v3/0123key?token=t"
            .parse()
            .expect("a URL");
        assert_eq!(public_part(&url), "https://rpc.example:8443");
    }

    #[test]
    fn an_unknown_block_is_told_from_a_question_not_understood() {
        let said = |message: &str, data| Failure::Said {
            code: -32_000,
            message: message.to_owned(),
            data,
        };
        for words in [
            "header not found",
            "Unknown block",
            "block not found: hash 0x12",
        ] {
            assert!(said(words, None).unknown_block(), "{words}");
        }
        for words in [
            "invalid argument 1: hex string",
            "execution reverted: block not found",
        ] {
            assert!(!said(words, None).unknown_block(), "{words}");
        }
        assert!(!said("header not found", Some(Bytes::new())).unknown_block());
    }

    #[test]
    fn a_busy_server_is_away_and_a_wrong_request_is_a_no() {
        assert!(may_pass(503) && may_pass(429) && may_pass(502));
        assert!(!may_pass(400) && !may_pass(401) && !may_pass(404));
    }
}
