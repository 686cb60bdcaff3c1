//! The line to the pool: one WebSocket, opened again for ever.
//!
//! What is needed to act on chain (the pool's deployment and node) is kept on disk, so that a worker that starts while
//! the pool is away still reveals what it has contributed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rand::Rng as _;
use sdk::chain::{Chain, ChainOptions};
use sdk::wire::pool::{PoolInfo, ToPool, ToWorker, hello_digest};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::desk::Desk;
use crate::journal::Entry;
use crate::journey::in_full;
use crate::service::Office;

/// The first and the longest pause between two attempts to reach the pool.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often a silent line is tried, and after how much silence it is given up.
const PING_EVERY: Duration = Duration::from_secs(15);
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long the pool may take to welcome or refuse.
const WELCOME_WITHIN: Duration = Duration::from_secs(20);

/// Why the line to the pool is cut, or was never there.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the pool does not tell what it is")]
    NoInfo(#[source] Box<sdk::pool::PoolError>),
    #[error("the chain cannot be used")]
    NoChain(#[source] Box<sdk::chain::ChainError>),
    #[error("the pool is workerpool {found}, this worker means to work for {expected}")]
    OtherPool {
        expected: alloy_primitives::Address,
        found: alloy_primitives::Address,
    },
    #[error(
        "the pool settles on the hub {found} of chain {chain_id}, this worker trusts only {expected}"
    )]
    OtherContracts {
        expected: alloy_primitives::Address,
        found: alloy_primitives::Address,
        chain_id: u64,
    },
    #[error(
        "the pool has moved to another chain or hub while this worker holds tasks; start it anew"
    )]
    Moved,
    #[error(
        "the pool asks for another runtime profile: {theirs:?}, this worker has {ours:?}; update the older of the two"
    )]
    OtherProfile { ours: String, theirs: String },
    #[error("the worker's folder cannot be used")]
    Folder(#[source] std::io::Error),
    #[error("the pool's line cannot be opened or broke")]
    Socket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("the pool refused this worker: {0}")]
    Refused(String),
    #[error("the pool said something unexpected: {0}")]
    Garbled(String),
    #[error("the pool has been silent for too long")]
    Silent,
    #[error("the pool closed the line")]
    Closed,
}

fn no_info(error: sdk::pool::PoolError) -> Cut {
    Cut::NoInfo(Box::new(error))
}

impl From<tokio_tungstenite::tungstenite::Error> for Cut {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// Keeps the line until the worker stops. The tasks of the journal go on as soon as the chain is there.
pub(crate) async fn keep(
    office: &Arc<Office>,
    entries: Vec<Entry>,
    said: &mut mpsc::UnboundedReceiver<ToPool>,
) {
    sdk::tls::install();
    let mut waiting = Some(entries);
    let mut desk: Option<Arc<Desk>> = None;
    let mut pause = PAUSE;
    loop {
        let cut = match attend(office, &mut desk, &mut waiting, said).await {
            Ok(never) => match never {},
            Err(cut) => cut,
        };
        if office.connected.send_replace(false) {
            pause = PAUSE;
        }
        tracing::warn!(error = in_full(&cut), pool = %office.options.pool, "not connected to the pool, trying again");
        // Many workers lose their pool at the same moment; they need not come back at the same one.
        let jitter = rand::rng().random_range(0.5..1.5);
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One connection, from the pool's front door to the cut.
async fn attend(
    office: &Arc<Office>,
    desk: &mut Option<Arc<Desk>>,
    waiting: &mut Option<Vec<Entry>>,
    said: &mut mpsc::UnboundedReceiver<ToPool>,
) -> Result<std::convert::Infallible, Cut> {
    let asked = Box::pin(sdk::pool::info(&office.options.pool)).await;
    let info = match (&asked, desk.as_ref()) {
        (Ok(info), _) => info.clone(),
        // The pool is away. With what it said before, the chain can be reached all the same.
        (Err(_), None) => match remembered(office) {
            Some(info) => info,
            None => return Err(asked.err().map_or(Cut::Closed, no_info)),
        },
        (Err(_), Some(desk)) => desk.info.clone(),
    };
    let desk = settle(office, desk, info).await?;
    for entry in waiting.take().unwrap_or_default() {
        office.resume(&desk, entry);
    }
    let info = asked.map_err(no_info)?;
    let ours = runtime::profile().to_string();
    if info.runtime_profile != ours {
        return Err(Cut::OtherProfile {
            ours,
            theirs: info.runtime_profile,
        });
    }
    talk(office, &desk, said, ours).await
}

/// The desk for this pool, made if there is none yet.
async fn settle(
    office: &Arc<Office>,
    desk: &mut Option<Arc<Desk>>,
    info: PoolInfo,
) -> Result<Arc<Desk>, Cut> {
    if let Some(expected) = office
        .options
        .workerpool
        .filter(|expected| *expected != info.workerpool)
    {
        return Err(Cut::OtherPool {
            expected,
            found: info.workerpool,
        });
    }
    // Asked each time: a pool may answer one thing first, and another later.
    if let Some(expected) = &office.options.deployment
        && !expected.same_contracts(&info.deployment)
    {
        return Err(Cut::OtherContracts {
            expected: expected.hub,
            found: info.deployment.hub,
            chain_id: info.deployment.chain_id,
        });
    }
    if let Some(desk) = desk {
        let same =
            (&desk.info.deployment, desk.info.workerpool) == (&info.deployment, info.workerpool);
        return if same {
            Ok(desk.clone())
        } else {
            Err(Cut::Moved)
        };
    }
    let rpc = office
        .options
        .rpc
        .clone()
        .unwrap_or_else(|| info.rpc_seen_from(&office.options.pool));
    let mut options = ChainOptions::default();
    options.fee_max = office.options.fee_max.unwrap_or(options.fee_max);
    let chain = Box::pin(Chain::connect_with(&rpc, info.deployment.clone(), options))
        .await
        .map_err(|error| Cut::NoChain(Box::new(error)))?;
    remember(office, &info).map_err(Cut::Folder)?;
    let made = office.desk(chain, info).map_err(Cut::Folder)?;
    office.watch_chain(&made);
    *desk = Some(made.clone());
    Ok(made)
}

fn memory(office: &Office) -> PathBuf {
    office.options.folder.join("pool.json")
}

fn remembered(office: &Office) -> Option<PoolInfo> {
    serde_json::from_slice(&std::fs::read(memory(office)).ok()?).ok()
}

fn remember(office: &Office, info: &PoolInfo) -> std::io::Result<()> {
    let unfinished = office.options.folder.join("pool.json.part");
    std::fs::write(&unfinished, serde_json::to_vec_pretty(info)?)?;
    std::fs::rename(unfinished, memory(office))
}

/// Where the pool keeps its line.
fn line_url(pool: &Url) -> Url {
    let mut url = pool.clone();
    // Both schemes are special ones, between which a URL may always be switched.
    let _ = url.set_scheme(if pool.scheme() == "https" {
        "wss"
    } else {
        "ws"
    });
    url.set_path("/worker");
    url
}

async fn talk(
    office: &Arc<Office>,
    desk: &Arc<Desk>,
    said: &mut mpsc::UnboundedReceiver<ToPool>,
    runtime_profile: String,
) -> Result<std::convert::Infallible, Cut> {
    let welcome_by = Instant::now() + WELCOME_WITHIN;
    let url = line_url(&office.options.pool);
    let opened = tokio_tungstenite::connect_async(url.as_str());
    let (socket, _) = tokio::time::timeout_at(welcome_by, opened)
        .await
        .map_err(|_| Cut::Silent)??;
    let (mut out, mut frames) = socket.split();
    let mut welcomed = false;
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            frame = frames.next() => {
                heard = Instant::now();
                let message = match frame.ok_or(Cut::Closed)?? {
                    Message::Text(text) => serde_json::from_str::<ToWorker>(&text)
                        .map_err(|error| Cut::Garbled(error.to_string()))?,
                    Message::Close(_) => return Err(Cut::Closed),
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                };
                match message {
                    ToWorker::Challenge { nonce } => {
                        let digest = hello_digest(desk.info.deployment.chain_id, desk.info.workerpool, nonce);
                        let hello = ToPool::Hello {
                            worker: office.wallet.address(),
                            signature: office.wallet.sign_message(digest.as_slice()),
                            runtime_profile: runtime_profile.clone(),
                            slots: office.options.slots,
                            holding: office.holding(),
                        };
                        out.send(frame_of(&hello)?).await?;
                    }
                    ToWorker::Refused { reason } => return Err(Cut::Refused(reason)),
                    ToWorker::Welcome { keep } => {
                        welcomed = true;
                        for task in office.holding().into_iter().filter(|task| !keep.contains(task)) {
                            office.hint(task, |hints| hints.abandoned = Some("it is not needed any more".to_owned()));
                        }
                        for word in office.line.last_words() {
                            out.send(frame_of(&word)?).await?;
                        }
                        office.connected.send_replace(true);
                        tracing::info!(pool = %office.options.pool, worker = %office.wallet.address(), "connected to the pool");
                    }
                    heard => hear(office, desk, heard),
                }
            }
            word = said.recv(), if welcomed => {
                let Some(word) = word else { return Err(Cut::Closed) };
                out.send(frame_of(&word)?).await?;
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MAX || (!welcomed && Instant::now() > welcome_by) {
                    return Err(Cut::Silent);
                }
                out.send(Message::Ping(Default::default())).await?;
            }
        }
    }
}

/// What is only said after the welcome.
fn hear(office: &Arc<Office>, desk: &Arc<Desk>, message: ToWorker) {
    match message {
        ToWorker::Assign(assignment) => office.assign(desk, *assignment),
        ToWorker::Initialized { task } | ToWorker::Reveal { task } | ToWorker::Settled { task } => {
            office.hint(task, |hints| hints.looks += 1)
        }
        ToWorker::Upload { task } => office.hint(task, |hints| hints.uploads += 1),
        ToWorker::Abandon { task, reason } => {
            office.hint(task, |hints| hints.abandoned = Some(reason))
        }
        ToWorker::Challenge { .. } | ToWorker::Welcome { .. } | ToWorker::Refused { .. } => {}
    }
}

fn frame_of(message: &ToPool) -> Result<Message, Cut> {
    serde_json::to_string(message)
        .map(Message::text)
        .map_err(|error| Cut::Garbled(error.to_string()))
}
