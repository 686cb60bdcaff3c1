//! What all journeys of a worker share: the chain, the pool's doors, the sandbox, the journal, the purse, and the line
//! to the pool. A desk belongs to one pool on one chain.
//!
//! Calls of the chain are boxed, here and in [`journey`](crate::journey): their futures are large, a journey holds many
//! of them, and unoptimised they would not fit a thread's stack.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Address, U256};
use protocol::app::App;
use protocol::deal::{Category, Deal};
use protocol::ids::{DealId, TaskId};
use protocol::params::{BadParams, DealParams};
use protocol::payment::Nrlc;
use sdk::chain::{Chain, Sender};
use sdk::wallet::Wallet;
use sdk::wire::pool::{PoolInfo, ToPool};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::cache::Cache;
use crate::conduct::Conduct;
use crate::journal::Journal;

/// How many stakes are deposited beyond the one that is missing, so that not every task costs a deposit.
const SPARE_STAKES: u64 = 4;
/// Deals whose terms are remembered.
const DEALS_REMEMBERED: usize = 256;

pub(crate) struct Desk {
    pub(crate) wallet: Wallet,
    pub(crate) chain: Chain,
    pub(crate) sender: Sender,
    pub(crate) pool: Url,
    pub(crate) info: PoolInfo,
    pub(crate) door: blobs::Client,
    pub(crate) http: reqwest::Client,
    pub(crate) engine: runtime::wasm::Engine,
    pub(crate) journal: Journal,
    pub(crate) cache: Cache,
    pub(crate) purse: Purse,
    pub(crate) line: Arc<Line>,
    pub(crate) conduct: Conduct,
    pub(crate) stop: CancellationToken,
    terms: Mutex<HashMap<DealId, Arc<Terms>>>,
}

/// What a deal says, as the chain holds it; none of it ever changes.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) deal: Deal,
    pub(crate) category: Category,
    pub(crate) app: App,
    pub(crate) params: Result<DealParams, BadParams>,
}

/// The chain could not be asked about a deal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermsError {
    #[error(transparent)]
    Deal(#[from] sdk::deal::DealError),
    #[error(transparent)]
    App(#[from] sdk::app::AppError),
}

impl TermsError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Deal(error) => error.is_transient(),
            Self::App(error) => error.is_transient(),
        }
    }
}

/// What a desk is made of, but for what it makes itself.
pub(crate) struct Parts {
    pub(crate) wallet: Wallet,
    pub(crate) chain: Chain,
    pub(crate) pool: Url,
    pub(crate) info: PoolInfo,
    pub(crate) engine: runtime::wasm::Engine,
    pub(crate) journal: Journal,
    pub(crate) cache: Cache,
    pub(crate) deposit_stakes: bool,
    pub(crate) conduct: Conduct,
    pub(crate) line: Arc<Line>,
    pub(crate) stop: CancellationToken,
}

impl Desk {
    pub(crate) fn new(parts: Parts) -> Self {
        sdk::tls::install();
        let sender = parts.chain.sender(&parts.wallet);
        Self {
            purse: Purse::new(sender.clone(), parts.deposit_stakes),
            door: blobs::Client::new(parts.pool.clone()),
            http: reqwest::Client::new(),
            sender,
            wallet: parts.wallet,
            chain: parts.chain,
            pool: parts.pool,
            info: parts.info,
            engine: parts.engine,
            journal: parts.journal,
            cache: parts.cache,
            line: parts.line,
            conduct: parts.conduct,
            stop: parts.stop,
            terms: Mutex::default(),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.wallet.address()
    }

    /// The terms of a deal, from memory or from the chain.
    pub(crate) async fn terms(&self, id: DealId) -> Result<Arc<Terms>, TermsError> {
        if let Some(terms) = self
            .terms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
        {
            return Ok(terms.clone());
        }
        let deal = Box::pin(sdk::deal::view(&self.chain, id)).await?;
        let (category, app) = tokio::join!(
            Box::pin(sdk::deal::category(
                &self.chain,
                deal.category.saturating_to()
            )),
            Box::pin(sdk::app::show(&self.chain, deal.app.pointer)),
        );
        let params = DealParams::parse(&deal.params);
        let terms = Arc::new(Terms {
            deal,
            category: category?,
            app: app?,
            params,
        });
        let mut remembered = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= DEALS_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(id, terms.clone());
        Ok(terms)
    }
}

/// The worker's money at the hub, and which of it is spoken for.
pub(crate) struct Purse {
    sender: Sender,
    may_deposit: bool,
    /// Stakes of tasks accepted and not contributed to yet. Held across the look at the account and the deposit, so
    /// that two tasks never count on the same coin.
    reserved: AsyncMutex<BTreeMap<TaskId, Nrlc>>,
}

/// The stake cannot be covered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PurseError {
    #[error(
        "the stakes come to {needed}, the account at the hub holds {held} and the wallet {wallet}"
    )]
    Short {
        needed: Nrlc,
        held: Nrlc,
        wallet: Nrlc,
    },
    #[error(
        "the stakes come to {needed}, the account at the hub holds {held}, and this worker's owner does not let it deposit"
    )]
    MayNot { needed: Nrlc, held: Nrlc },
    #[error(transparent)]
    Payment(#[from] sdk::payment::PaymentError),
}

impl PurseError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Payment(error) => error.is_transient(),
            Self::Short { .. } | Self::MayNot { .. } => false,
        }
    }
}

impl Purse {
    fn new(sender: Sender, may_deposit: bool) -> Self {
        Self {
            sender,
            may_deposit,
            reserved: AsyncMutex::default(),
        }
    }

    /// Sees to it that the stake of a task is there, by a deposit if need and owner allow, and keeps it for the task.
    pub(crate) async fn reserve(&self, task: TaskId, stake: Nrlc) -> Result<(), PurseError> {
        let mut reserved = self.reserved.lock().await;
        if stake.0.is_zero() {
            return Ok(());
        }
        reserved.remove(&task);
        let spoken_for = reserved
            .values()
            .fold(U256::ZERO, |sum, stake| sum.saturating_add(stake.0));
        let needed = spoken_for.saturating_add(stake.0);
        let chain = self.sender.chain();
        let held = Box::pin(sdk::payment::account(chain, self.sender.address()))
            .await?
            .balance;
        if held.0 < needed {
            if !self.may_deposit {
                return Err(PurseError::MayNot {
                    needed: Nrlc(needed),
                    held,
                });
            }
            let missing = needed - held.0;
            let wallet =
                Box::pin(sdk::payment::wallet_balance(chain, self.sender.address())).await?;
            if wallet.0 < missing {
                return Err(PurseError::Short {
                    needed: Nrlc(needed),
                    held,
                    wallet,
                });
            }
            let some_more =
                missing.saturating_add(stake.0.saturating_mul(U256::from(SPARE_STAKES)));
            let amount = Nrlc(some_more.min(wallet.0));
            Box::pin(sdk::payment::deposit(&self.sender, amount)).await?;
            tracing::info!(%amount, "deposited for stakes");
        }
        reserved.insert(task, stake);
        Ok(())
    }

    /// Whether a stake is kept for this task.
    pub(crate) async fn keeps(&self, task: TaskId) -> bool {
        self.reserved.lock().await.contains_key(&task)
    }

    /// The stake is locked by the hub now, or not needed any more.
    pub(crate) async fn release(&self, task: TaskId) {
        self.reserved.lock().await.remove(&task);
    }
}

/// The line to the pool: what is said while it is cut waits, and is said again after a reconnection.
#[derive(Debug)]
pub(crate) struct Line {
    queue: mpsc::UnboundedSender<ToPool>,
    /// The last word about each task held.
    last: Mutex<BTreeMap<TaskId, ToPool>>,
}

impl Line {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<ToPool>) {
        let (queue, said) = mpsc::unbounded_channel();
        (
            Arc::new(Self {
                queue,
                last: Mutex::default(),
            }),
            said,
        )
    }

    /// Says how far a task is.
    pub(crate) fn tell(&self, task: TaskId, message: ToPool) {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(task, message.clone());
        self.say(message);
    }

    /// Says the last word about a task.
    pub(crate) fn take_leave(&self, task: TaskId, message: Option<ToPool>) {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&task);
        if let Some(message) = message {
            self.say(message);
        }
    }

    /// What a pool that may have forgotten should hear again.
    pub(crate) fn last_words(&self) -> Vec<ToPool> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The last word about one task.
    pub(crate) fn last_word(&self, task: TaskId) -> Option<ToPool> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&task)
            .cloned()
    }

    pub(crate) fn say(&self, message: ToPool) {
        // Fails only when the service is gone, and then nobody is to hear it.
        let _ = self.queue.send(message);
    }
}
