//! Keeping the book true: whatever the chain does to an order, the book follows.
//!
//! The hub's events say which orders to look at again: those matched or closed, and those whose signer's free money
//! moved. What stands in the book is then what the hub answers now, not what was counted along. Once in a while every
//! order that may yet be matched is looked at, for what events of the hub do not tell (an asset changed hands) and
//! as a net under everything else.
//!
//! No lock is held while the chain is asked. With every answer goes the newest block before the question, and an answer
//! that comes late does not overwrite one that was asked for in a later block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::Address;
use protocol::abi::Hub::HubEvents;
use protocol::ids::OrderHash;
use sdk::chain::{EventStream, Followed, HubEvent};
use sdk::wire::market::OrderStatus;
use tokio::time::MissedTickBehavior;

use crate::book::Market;
use crate::db::{Entry, Seen};
use crate::law::Standing;
use crate::refusal::Refusal;

/// After a restart, how many blocks are told again: a reorganisation while nobody looked is rarely deeper.
pub(crate) const TOLD_AGAIN: u64 = 64;

/// Orders to look at again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    /// The block of the last event about each, and whether it was closed.
    orders: BTreeMap<OrderHash, (u64, bool)>,
    /// Whose free money moved.
    accounts: BTreeSet<Address>,
}

/// What the truth-keeper does next.
#[derive(Debug)]
enum Chore {
    Take(Followed),
    LookAtAll,
}

/// How much of the chain is asked about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// What events of the hub can change.
    Hub,
    /// Also who owns the asset.
    Everything,
}

impl Market {
    /// Follows the chain until dropped.
    pub(crate) async fn keep_true(&self, mut events: EventStream) {
        let mut net =
            tokio::time::interval(Duration::from_secs(self.options.safety_net_secs.max(1)));
        net.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let chore = tokio::select! {
                followed = events.next() => Chore::Take(followed),
                _ = net.tick() => Chore::LookAtAll,
            };
            self.until_done(&chore).await;
        }
    }

    /// News must not be lost: what fails for now is done again, until it is done.
    async fn until_done(&self, chore: &Chore) {
        let mut pause = Duration::from_millis(100);
        loop {
            let done = match chore {
                Chore::Take(followed) => self.take(followed).await,
                Chore::LookAtAll => self.look_at_all().await,
            };
            let Err(refusal) = done else { return };
            let cause = std::error::Error::source(&refusal)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::warn!(error = %refusal, cause, "cannot keep the book true for now");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn take(&self, followed: &Followed) -> Result<(), Refusal> {
        let block = match followed {
            Followed::Blocks { to_block, events } => {
                let touched = touched(events, self.law.chain().deployment().hub);
                if touched != Touched::default() {
                    self.look_again(&touched, *to_block).await?;
                }
                *to_block
            }
            Followed::Reorganised { back_to } => {
                tracing::info!(back_to, "the chain was reorganised");
                let entries = self.db.entries_changed_after(*back_to).await?;
                let anew = Seen::OnAnotherBranch(*back_to);
                self.reconcile(entries, &BTreeMap::new(), Look::Everything, anew)
                    .await?;
                // The new branch may be shorter, as a development chain's is that was put back.
                let newest = self.law.chain().block().await?.number;
                self.db.none_changed_after(newest.max(*back_to)).await?;
                *back_to
            }
        };
        self.db.set_followed(block).await?;
        self.followed_block.store(block, Ordering::Relaxed);
        Ok(())
    }

    async fn look_again(&self, touched: &Touched, block: u64) -> Result<(), Refusal> {
        let hashes: Vec<_> = touched.orders.keys().copied().collect();
        let accounts: Vec<_> = touched.accounts.iter().copied().collect();
        let mut entries = self.db.entries(&hashes).await?;
        for entry in self.db.entries_backed_by(&accounts).await? {
            if !touched.orders.contains_key(&entry.hash) {
                entries.push(entry);
            }
        }
        self.reconcile(entries, &touched.orders, Look::Hub, Seen::At(block))
            .await
    }

    /// Every order that may yet be matched, a page at a time.
    pub(crate) async fn look_at_all(&self) -> Result<(), Refusal> {
        let mut after = 0;
        loop {
            let (entries, last) = self.db.entries_after(after).await?;
            let Some(last) = last else { return Ok(()) };
            let block = self.followed_block.load(Ordering::Relaxed);
            self.reconcile(entries, &BTreeMap::new(), Look::Everything, Seen::At(block))
                .await?;
            after = last;
        }
    }

    /// One order, all of it.
    pub(crate) async fn look_at(&self, entry: Entry) -> Result<(), Refusal> {
        let block = self.followed_block.load(Ordering::Relaxed);
        self.reconcile(
            vec![entry],
            &BTreeMap::new(),
            Look::Everything,
            Seen::At(block),
        )
        .await
    }

    /// Asks the chain about these orders and writes down what changed. `at_least`: a block that is not the future.
    async fn reconcile(
        &self,
        entries: Vec<Entry>,
        told: &BTreeMap<OrderHash, (u64, bool)>,
        look: Look,
        at_least: Seen,
    ) -> Result<(), Refusal> {
        if entries.is_empty() {
            return Ok(());
        }
        let newest = self.law.chain().block().await?.number;
        let seen = match at_least {
            Seen::At(block) => Seen::At(block.max(newest)),
            Seen::OnAnotherBranch(block) => Seen::OnAnotherBranch(block.max(newest)),
        };
        let hashes: Vec<_> = entries.iter().map(|entry| entry.hash).collect();
        let assets: BTreeSet<_> = entries
            .iter()
            .filter(|entry| look == Look::Everything || entry.status == OrderStatus::Dead)
            .map(|entry| (entry.kind, entry.subject))
            .collect();
        let backers: BTreeSet<_> = entries
            .iter()
            .filter(|entry| !entry.stake_per_task.is_zero())
            .map(|entry| entry.signer)
            .collect();
        let (consumed, owners, free) = tokio::try_join!(
            self.law.consumed_many(&hashes),
            self.law.owner_many(assets),
            self.law.free_many(backers),
        )?;
        for (entry, consumed) in entries.into_iter().zip(consumed) {
            // Whom nothing has been asked about is still the owner, as far as anybody knows.
            let owner = owners
                .get(&(entry.kind, entry.subject))
                .copied()
                .unwrap_or(Some(entry.signer));
            let free = free.get(&entry.signer).copied().unwrap_or_default();
            let event = told.get(&entry.hash);
            let closed =
                entry.status == OrderStatus::Canceled || event.is_some_and(|(_, closed)| *closed);
            let standing = Standing {
                signer: entry.signer,
                owner,
                volume: entry.volume,
                consumed,
                stake_per_task: entry.stake_per_task,
                free,
                closed,
            };
            let (remaining, status) = (standing.remaining(), standing.status());
            let changed = (remaining, status) != (entry.remaining, entry.status);
            // Where an event tells of it, also that nothing is different from before is news to those who looked earlier.
            if !changed && event.is_none() {
                continue;
            }
            let written = self
                .db
                .set_standing(entry.hash, remaining, status, seen)
                .await?;
            if changed && written {
                tracing::info!(order.hash = %entry.hash, %remaining, ?status, "order changed by the chain");
            }
        }
        Ok(())
    }
}

/// Which orders these events concern.
fn touched(events: &[HubEvent], hub: Address) -> Touched {
    let mut touched = Touched::default();
    for HubEvent { block, event, .. } in events {
        let mut order = |hash, closed| {
            let entry = touched.orders.entry(OrderHash(hash)).or_default();
            *entry = (*block, entry.1 || closed);
        };
        match event {
            HubEvents::OrdersMatched(event) => {
                for hash in [
                    event.appHash,
                    event.datasetHash,
                    event.workerpoolHash,
                    event.requestHash,
                ] {
                    order(hash, false);
                }
            }
            HubEvents::ClosedAppOrder(event) => order(event.appHash, true),
            HubEvents::ClosedDatasetOrder(event) => order(event.datasetHash, true),
            HubEvents::ClosedWorkerpoolOrder(event) => order(event.workerpoolHash, true),
            HubEvents::ClosedRequestOrder(event) => order(event.requestHash, true),
            HubEvents::Transfer(event) => touched.accounts.extend([event.from, event.to]),
            _ => {}
        }
    }
    touched.accounts.remove(&hub);
    touched.accounts.remove(&Address::ZERO);
    touched
}
