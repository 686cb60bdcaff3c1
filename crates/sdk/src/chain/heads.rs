//! The newest block, as it comes.
//!
//! One task per chain listens for `newHeads` over WebSocket and tells everybody who waits. While no WebSocket can be
//! had (the node is away, or serves HTTP only) it asks by timer instead and keeps dialling in between. Whoever reads
//! a head takes it as a hint that something may have changed: heads may be skipped, repeated or go back.
//!
//! A subscription that stands may still tell nothing. So a head is asked for now and then all the same, seldom while
//! the subscription proves itself, sooner once it has failed to tell of a block; when it goes on failing, its connection
//! is given up for another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::{B256, U64, U128, U256};
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::rpc::{Failure, Rpc};

/// How often a head is asked for in spite of a live subscription: a safety net under lost messages.
const NET: Duration = Duration::from_secs(2);

/// How long a subscription may take to tell of a block that was found by asking.
const GRACE: Duration = Duration::from_millis(250);

/// How many looks in a row may find the subscription behind.
const MISSES_MAX: u32 = 3;

/// How many heads are remembered.
const REMEMBERED: usize = 512;

/// How long the subscription may stay silent before its connection is probed.
const PING: Duration = Duration::from_secs(10);

/// A block's header, as far as anybody here cares.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) number: U64,
    pub(super) hash: B256,
    pub(super) parent_hash: B256,
    pub(super) timestamp: U256,
    #[serde(default)]
    pub(super) base_fee_per_gas: Option<U128>,
    #[serde(default)]
    pub(super) gas_limit: Option<U64>,
}

impl Head {
    pub(super) fn number(&self) -> u64 {
        self.number.to()
    }

    pub(super) async fn latest(rpc: &Rpc) -> Result<Self, Failure> {
        let head: Option<Self> = rpc
            .request("eth_getBlockByNumber", ("latest", false))
            .await?;
        head.ok_or_else(|| Failure::Unreadable("it is null".to_owned()))
    }

    pub(super) async fn at(rpc: &Rpc, number: u64) -> Result<Option<Self>, Failure> {
        rpc.request("eth_getBlockByNumber", (U64::from(number), false))
            .await
    }
}

/// Where the heads come in. Dropping it stops the listening.
pub(super) struct Heads {
    pub(super) newest: watch::Receiver<Option<Arc<Head>>>,
    told: Told,
    _stop: DropGuard,
}

/// Numbers and hashes of the heads told lately.
type Told = Arc<Mutex<VecDeque<(u64, B256)>>>;

impl Heads {
    /// Starts listening. `ws` is the WebSocket endpoint, if there may be one.
    pub(super) fn listen(rpc: Arc<Rpc>, ws: Option<Url>, poll_every: Duration) -> Self {
        let (sender, newest) = watch::channel(None);
        let told = Told::default();
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let listener = Listener {
            rpc,
            ws,
            poll_every,
            sender,
            told: told.clone(),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = listener.run() => {}
            }
        });
        Self {
            newest,
            told,
            _stop: guard,
        }
    }

    /// Whether this block, the newest or one that was it a moment ago, had been the newest before, with others since.
    pub(super) fn came_back_to(&self, number: u64, hash: B256) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let times = told.iter().filter(|told| **told == (number, hash)).count();
        times >= 2
    }
}

struct Listener {
    rpc: Arc<Rpc>,
    ws: Option<Url>,
    poll_every: Duration,
    sender: watch::Sender<Option<Arc<Head>>>,
    told: Told,
}

impl Listener {
    async fn run(self) {
        let mut pause = Duration::from_millis(250);
        loop {
            if let Some(ws) = &self.ws {
                let started = Instant::now();
                match self.subscription(ws).await {
                    Ok(()) => {}
                    Err(why) => tracing::debug!(
                        node = self.rpc.node,
                        why,
                        "no news of blocks over WebSocket"
                    ),
                }
                if started.elapsed() > PING {
                    pause = Duration::from_millis(250);
                }
            }
            // By timer until the next try.
            let until = Instant::now() + pause;
            loop {
                self.ask().await;
                tokio::time::sleep(self.poll_every).await;
                if Instant::now() >= until {
                    break;
                }
            }
            pause = (pause * 2).min(Duration::from_secs(15));
        }
    }

    /// Listens until the connection breaks.
    async fn subscription(&self, url: &Url) -> Result<(), String> {
        let dialled = tokio::time::timeout(
            Duration::from_secs(5),
            tokio_tungstenite::connect_async(url.as_str()),
        );
        let (mut socket, _) = dialled
            .await
            .map_err(|_| "no connection within five seconds".to_owned())?
            .map_err(|error| super::rpc::chained(&error))?;
        let subscribe =
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
        socket
            .send(Message::text(subscribe))
            .await
            .map_err(|error| error.to_string())?;
        let mut subscribed = false;
        let mut heard = Instant::now();
        // The newest block when the subscription stood, the last it told of, one that it has not told of yet, and how
        // often in a row it did not.
        let (mut since, mut told, mut missing, mut misses) = (None, None, None, 0);
        let mut pause = self.poll_every.min(NET);
        let mut look_at = Instant::now() + pause;
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                () = tokio::time::sleep_until(look_at) => {
                    if heard.elapsed() > PING * 2 {
                        return Err("the connection went silent".to_owned());
                    }
                    if let Some(number) = missing.take() {
                        if told.is_none_or(|told| told < number) {
                            misses += 1;
                            if misses >= MISSES_MAX {
                                return Err("the subscription tells nothing".to_owned());
                            }
                            pause = self.poll_every.min(NET);
                        }
                    } else if heard.elapsed() > NET {
                        // A node that answers pings is alive even when it has no blocks to tell of.
                        socket.send(Message::Ping(Default::default())).await.map_err(|error| error.to_string())?;
                    }
                    match self.ask().await {
                        Some(number) if told.is_none_or(|told| told < number) && since.is_some_and(|since| since < number) => {
                            missing = Some(number);
                            look_at = Instant::now() + GRACE;
                        }
                        _ => {
                            look_at = Instant::now() + pause;
                            pause = (pause * 2).min(NET);
                        }
                    }
                    continue;
                }
            };
            heard = Instant::now();
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => {
                    return Err("the node closed the connection".to_owned());
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error.to_string()),
            };
            let notice: Notice = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            match notice {
                Notice {
                    params: Some(params),
                    ..
                } => {
                    told = Some(params.result.number());
                    misses = 0;
                    self.tell(params.result);
                }
                Notice {
                    error: Some(error), ..
                } => return Err(format!("subscription refused: {error}")),
                Notice {
                    result: Some(_), ..
                } if !subscribed => {
                    subscribed = true;
                    // What came before the subscription stood.
                    since = self.ask().await;
                }
                Notice { .. } => {}
            }
        }
    }

    /// Asks for the newest block and tells of it; gives its number.
    async fn ask(&self) -> Option<u64> {
        match Head::latest(&self.rpc).await {
            Ok(head) => {
                let number = head.number();
                self.tell(head);
                Some(number)
            }
            Err(failure) => {
                tracing::debug!(node = self.rpc.node, ?failure, "no newest block");
                None
            }
        }
    }

    fn tell(&self, head: Head) {
        let place = (head.number(), head.hash);
        let new = self.sender.send_if_modified(|newest| {
            let new = newest
                .as_ref()
                .is_none_or(|newest| newest.hash != head.hash);
            if new {
                *newest = Some(Arc::new(head));
            }
            new
        });
        if new {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push_back(place);
            if told.len() > REMEMBERED {
                told.pop_front();
            }
        }
    }
}

#[derive(Deserialize)]
struct Notice {
    params: Option<NoticeParams>,
    result: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct NoticeParams {
    result: Head,
}
