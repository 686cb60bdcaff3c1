//! Bad weather between clients and a node.
//!
//! A [`FaultProxy`] passes JSON-RPC on, over HTTP and WebSocket on one port, and spoils it as its [`Faults`] say: what a
//! real node, its load balancer and the network between do on a bad day. The faults can be changed at any time; chance
//! comes from a seed. It understands what it passes on, so that it can take a signed transaction and never hand it over,
//! or show a chain that lags.
//!
//! ```text
//! client ─► door (HTTP, WebSocket) ─► faults ─► lag: "latest" becomes an older block ─► node
//!        ◄─ lost, twice, late, refused ◄──────── receipts above the horizon vanish ◄────┘
//! ```

mod door;
mod lag;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::{Bytes, keccak256};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::rpc::Rpc;

/// What goes wrong. Chances are between 0 and 1; the default is fine weather.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Nobody is there: every connection is closed at once, those that stand are cut.
    pub down: bool,
    /// Each message waits between so long and so long, some before and some after the node has heard it.
    pub delay: (Duration, Duration),
    /// Chance that a message is lost, and its connection with it, before the node hears it.
    pub lose_question: f64,
    /// Chance that the node hears and answers, and the connection breaks before the client hears.
    pub lose_answer: f64,
    /// Chance that the node is handed a message twice; the client hears one of the answers.
    pub duplicate: f64,
    /// Chance that a signed transaction is answered with its hash and never handed to the node.
    pub swallow: f64,
    /// What is refused, and how.
    pub refusals: Vec<Refusal>,
    /// How far the node seems to be behind.
    pub lag: Lag,
    /// Subscriptions stand and tell nothing.
    pub silent: bool,
}

/// Calls that are refused instead of answered.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Which methods; empty means all.
    pub methods: Vec<String>,
    /// Chance of each call; of each message where the answer is not one to a single call.
    pub chance: f64,
    /// What the client hears.
    pub answer: Answer,
    /// Whether the node hears it all the same, as behind a gateway that lost patience.
    pub heard: bool,
}

impl Refusal {
    /// Refuses a method, each time, unheard by the node.
    #[must_use]
    pub fn of(method: &str, answer: Answer) -> Self {
        Self {
            methods: vec![method.to_owned()],
            chance: 1.0,
            answer,
            heard: false,
        }
    }

    fn concerns(&self, call: &Value) -> bool {
        let method = call["method"].as_str().unwrap_or_default();
        self.methods.is_empty() || self.methods.iter().any(|name| name == method)
    }

    /// The same for a share of the calls.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// The same, with the node doing what was asked.
    #[must_use]
    pub fn but_heard(mut self) -> Self {
        self.heard = true;
        self
    }
}

/// What the client hears instead of the node's answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A JSON-RPC error.
    Error {
        /// Its code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// An HTTP status without JSON, for the whole message; over WebSocket the connection is closed.
    Status(u16),
    /// Nothing, for as long as the client waits.
    Silence,
}

impl Answer {
    /// A JSON-RPC error in a node's usual code for transactions it does not take.
    #[must_use]
    pub fn error(message: &str) -> Self {
        Self::Error {
            code: -32_000,
            message: message.to_owned(),
        }
    }
}

/// How far the node seems to be behind. What it is sent reaches the real one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lag {
    /// It is up to date.
    #[default]
    None,
    /// The newest block it knows is so many before the real one.
    Behind(u64),
    /// The newest block it knows is this one, whatever happens.
    FrozenAt(u64),
}

/// What has passed so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages from clients; a batch is one.
    pub messages: u64,
    /// Calls of each method in them.
    pub calls: BTreeMap<String, u64>,
    /// Calls refused.
    pub refused: u64,
    /// Transactions swallowed.
    pub swallowed: u64,
    /// Messages or answers lost, each with its connection.
    pub lost: u64,
    /// Messages handed over twice.
    pub duplicated: u64,
    /// News of subscriptions withheld.
    pub withheld: u64,
}

impl Counts {
    /// How often this method was called.
    #[must_use]
    pub fn of(&self, method: &str) -> u64 {
        self.calls.get(method).copied().unwrap_or_default()
    }
}

/// A proxy in this process, on a free port of 127.0.0.1. Dropping it closes every connection.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[derive(Debug)]
struct Shared {
    node: Rpc,
    node_ws: String,
    faults: Mutex<Faults>,
    chance: Mutex<StdRng>,
    counts: watch::Sender<Counts>,
    /// Counts up when all connections are to be cut.
    cuts: watch::Sender<u64>,
}

/// What becomes of a message.
enum Outcome {
    Answer(Value),
    Status(u16),
    Lost,
    Silence,
}

/// What becomes of one call.
enum Fate {
    Pass(Value),
    /// Answered here; the node is told if there is something to tell it.
    Answered(Value, Option<Value>),
}

impl FaultProxy {
    /// Starts before the node at this http URL, which must serve WebSocket on the same port if that is wanted. Chance
    /// comes from `seed`.
    pub async fn start(node: &str, seed: u64) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), node, seed).await
    }

    /// The same at a given address.
    pub async fn start_at(listen: SocketAddr, node: &str, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node: Rpc::new(node),
            node_ws: node.replacen("http", "ws", 1),
            faults: Mutex::default(),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            counts: watch::Sender::default(),
            cuts: watch::Sender::default(),
        });
        Ok(Self {
            address,
            listener: tokio::spawn(door::open(listener, shared.clone())),
            shared,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// JSON-RPC over HTTP.
    #[must_use]
    pub fn http_url(&self) -> Url {
        self.url("http")
    }

    /// JSON-RPC over WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> Url {
        self.url("ws")
    }

    fn url(&self, scheme: &str) -> Url {
        let text = format!("{scheme}://{}", self.address);
        text.parse().expect("an address makes a URL")
    }

    /// Puts these faults in the place of all others.
    pub fn set(&self, faults: Faults) {
        let down = faults.down;
        *self.shared.faults() = faults;
        if down {
            self.cut();
        }
    }

    /// Changes some of the faults.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.faults();
        change(&mut faults);
        self.set(faults);
    }

    /// The present faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults().clone()
    }

    /// Fine weather again.
    pub fn calm(&self) {
        self.set(Faults::default());
    }

    /// Cuts every connection once; new ones pass.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets the node seem to stand still at its present block; says which.
    pub async fn freeze(&self) -> Result<u64, String> {
        let head = self.shared.head().await?;
        self.change(|faults| faults.lag = Lag::FrozenAt(head));
        Ok(head)
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts.borrow().clone()
    }

    /// Waits until what has passed is as said.
    pub async fn until(&self, condition: impl FnMut(&Counts) -> bool) {
        // The sender is ours: it cannot go away.
        let _ = self.shared.counts.subscribe().wait_for(condition).await;
    }
}

impl Shared {
    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, chance: f64) -> bool {
        if chance <= 0.0 {
            return false;
        }
        let mut random = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        random.random_bool(chance.min(1.0))
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    async fn head(&self) -> Result<u64, String> {
        let head: alloy_primitives::U64 = self.node.request("eth_blockNumber", json!([])).await?;
        Ok(head.to())
    }

    /// What the client gets for a message.
    async fn answer(&self, message: Value) -> Outcome {
        let faults = self.faults().clone();
        let (calls, is_batch) = match message {
            Value::Array(calls) => (calls, true),
            call => (vec![call], false),
        };
        self.count(|counts| {
            counts.messages += 1;
            for call in &calls {
                let method = call["method"].as_str().unwrap_or_default().to_owned();
                *counts.calls.entry(method).or_default() += 1;
            }
        });
        let pause = self.pause(faults.delay);
        let early = self.happens(0.5);
        if early {
            tokio::time::sleep(pause).await;
        }
        if self.happens(faults.lose_question) {
            self.count(|counts| counts.lost += 1);
            return Outcome::Lost;
        }
        if let Some(outcome) = self.refuse_whole(&faults, &calls, is_batch).await {
            return outcome;
        }
        let answers = match self.ask(&faults, calls).await {
            Ok(answers) => answers,
            Err(why) => {
                tracing::debug!(why, "the node behind the proxy does not answer");
                self.count(|counts| counts.lost += 1);
                return Outcome::Lost;
            }
        };
        if !early {
            tokio::time::sleep(pause).await;
        }
        if self.happens(faults.lose_answer) {
            self.count(|counts| counts.lost += 1);
            return Outcome::Lost;
        }
        match is_batch {
            true => Outcome::Answer(Value::Array(answers)),
            false => answers
                .into_iter()
                .next()
                .map_or(Outcome::Lost, Outcome::Answer),
        }
    }

    fn pause(&self, (least, most): (Duration, Duration)) -> Duration {
        if most.is_zero() {
            return least;
        }
        let mut random = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        random.random_range(least..=most.max(least))
    }

    /// The refusal of one call, if chance wants it.
    fn refusal<'f>(&self, faults: &'f Faults, call: &Value) -> Option<&'f Refusal> {
        faults.refusals.iter().find(|refusal| {
            matches!(refusal.answer, Answer::Error { .. })
                && refusal.concerns(call)
                && self.happens(refusal.chance)
        })
    }

    /// Refusals that are of the connection rather than of a call.
    async fn refuse_whole(
        &self,
        faults: &Faults,
        calls: &[Value],
        is_batch: bool,
    ) -> Option<Outcome> {
        // Chance is asked once for a message, however many calls are in it.
        let refusal = faults
            .refusals
            .iter()
            .filter(|refusal| !matches!(refusal.answer, Answer::Error { .. }))
            .find(|refusal| calls.iter().any(|call| refusal.concerns(call)))?;
        if !self.happens(refusal.chance) {
            return None;
        }
        if refusal.heard {
            let heard = match (is_batch, calls) {
                (false, [call]) => call.clone(),
                (_, calls) => Value::Array(calls.to_vec()),
            };
            let _ = self.node.post(&heard).await;
        }
        self.count(|counts| counts.refused += calls.len() as u64);
        match refusal.answer {
            Answer::Status(status) => Some(Outcome::Status(status)),
            Answer::Silence | Answer::Error { .. } => Some(Outcome::Silence),
        }
    }

    /// Asks the node for what is not answered here; the answers are in the order of the calls.
    async fn ask(&self, faults: &Faults, calls: Vec<Value>) -> Result<Vec<Value>, String> {
        let horizon = match faults.lag {
            Lag::None => None,
            Lag::Behind(blocks) => Some(self.head().await?.saturating_sub(blocks)),
            Lag::FrozenAt(block) => Some(self.head().await?.min(block)),
        };
        let fates: Vec<Fate> = calls
            .into_iter()
            .map(|call| self.fate(faults, horizon, call))
            .collect();
        let passed: Vec<Value> = fates
            .iter()
            .filter_map(|fate| match fate {
                Fate::Pass(call) => Some(call.clone()),
                Fate::Answered(_, heard) => heard.clone(),
            })
            .collect();
        let mut answers = self.pass(faults, &passed).await?.into_iter();
        fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Answered(answer, None) => Ok(answer),
                Fate::Answered(answer, Some(_)) => {
                    answers.next();
                    Ok(answer)
                }
                Fate::Pass(call) => {
                    let mut answer = answers.next().ok_or("the node left a call unanswered")?;
                    if let Some(horizon) = horizon {
                        lag::hide(&call, &mut answer, horizon);
                    }
                    Ok(answer)
                }
            })
            .collect()
    }

    fn fate(&self, faults: &Faults, horizon: Option<u64>, call: Value) -> Fate {
        let id = call["id"].clone();
        if let Some(refusal) = self.refusal(faults, &call)
            && let Answer::Error { code, message } = &refusal.answer
        {
            self.count(|counts| counts.refused += 1);
            let answer = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
            return Fate::Answered(answer, refusal.heard.then_some(call));
        }
        if call["method"] == "eth_sendRawTransaction"
            && let Some(raw) = call["params"][0]
                .as_str()
                .and_then(|raw| raw.parse::<Bytes>().ok())
            && self.happens(faults.swallow)
        {
            self.count(|counts| counts.swallowed += 1);
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": keccak256(&raw) });
            return Fate::Answered(answer, None);
        }
        match horizon {
            None => Fate::Pass(call),
            Some(horizon) => match lag::look_back(call, horizon) {
                Ok(call) => Fate::Pass(call),
                Err(result) => Fate::Answered(
                    json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                    None,
                ),
            },
        }
    }

    /// Hands calls to the node, twice if chance says so.
    async fn pass(&self, faults: &Faults, calls: &[Value]) -> Result<Vec<Value>, String> {
        let answers = self.pass_once(calls).await?;
        if calls.is_empty() || !self.happens(faults.duplicate) {
            return Ok(answers);
        }
        self.count(|counts| counts.duplicated += 1);
        let second = self.pass_once(calls).await?;
        Ok(if self.happens(0.5) { second } else { answers })
    }

    async fn pass_once(&self, calls: &[Value]) -> Result<Vec<Value>, String> {
        match calls {
            [] => Ok(Vec::new()),
            [call] => Ok(vec![self.node.post(call).await?]),
            calls => match self.node.post(&Value::Array(calls.to_vec())).await? {
                // Nodes may answer in any order.
                Value::Array(answers) => calls
                    .iter()
                    .map(|call| {
                        let answer = answers.iter().find(|answer| answer["id"] == call["id"]);
                        answer
                            .cloned()
                            .ok_or_else(|| "the node left a call unanswered".to_owned())
                    })
                    .collect(),
                other => Err(format!("the node does not take batches: {other}")),
            },
        }
    }

    /// What becomes of news from a subscription.
    async fn news(&self, mut news: Value) -> Option<Value> {
        let (silent, lag) = {
            let faults = self.faults();
            (faults.silent, faults.lag)
        };
        let withheld = || {
            self.count(|counts| counts.withheld += 1);
            None
        };
        if silent {
            return withheld();
        }
        let told = &news["params"]["result"];
        let number = lag::number(&told["number"]).or_else(|| lag::number(&told["blockNumber"]));
        match (lag, number) {
            (Lag::FrozenAt(block), Some(number)) if number > block => withheld(),
            (Lag::Behind(blocks), Some(number)) if told["number"].is_string() => {
                // The news of a node that is behind is of an older block.
                let older = json!([format!("{:#x}", number.saturating_sub(blocks)), false]);
                match self
                    .node
                    .request::<Value>("eth_getBlockByNumber", older)
                    .await
                {
                    Ok(block) if !block.is_null() => {
                        news["params"]["result"] = block;
                        Some(news)
                    }
                    _ => withheld(),
                }
            }
            (Lag::Behind(1..), Some(_)) => withheld(),
            _ => Some(news),
        }
    }
}
