//! Publishing, finding and withdrawing orders.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, U256};
use protocol::ids::OrderHash;
use protocol::order::{OrderKind, Signed};
use sdk::wire::market::{
    Health, ListAnswer, OrderQuery, OrderStatus, Record, Unpublish, UnpublishTarget,
};
use tokio::sync::Mutex;

use crate::db::{Db, NewOrder};
use crate::filter::Filter;
use crate::law::{Law, Standing};
use crate::login::Login;
use crate::options::Options;
use crate::refusal::{Refusal, kind_name, subject_name};
use crate::terms::{self, Listed};

/// Everything a request can touch.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) options: Options,
    pub(crate) db: Db,
    pub(crate) law: Law,
    pub(crate) login: Login,
    /// Held while an account's orders are counted and one is added; never while the chain is asked.
    pub(crate) counting: Mutex<()>,
    /// The block up to which the book is true.
    pub(crate) followed_block: AtomicU64,
}

impl Market {
    pub(crate) fn chain_id(&self) -> u64 {
        self.law.chain().deployment().chain_id
    }

    pub(crate) async fn health(&self) -> Result<Health, Refusal> {
        Ok(Health {
            ok: true,
            chain_id: self.chain_id(),
            hub: self.law.chain().deployment().hub,
            block: self.followed_block.load(Ordering::Relaxed),
            open_orders: self.db.count_open(None).await?,
        })
    }

    pub(crate) async fn list<O: Listed>(
        &self,
        query: &OrderQuery,
    ) -> Result<ListAnswer<O>, Refusal> {
        let filter = Filter::read(O::KIND, query, self.chain_id())?;
        let (orders, count) = self.db.list(&filter, self.chain_id()).await?;
        let shown = filter
            .page_index
            .saturating_mul(filter.page_size)
            .saturating_add(orders.len() as u64);
        let next_page = (!orders.is_empty() && shown < count).then(|| filter.page_index + 1);
        Ok(ListAnswer {
            ok: true,
            orders,
            count,
            next_page,
        })
    }

    pub(crate) async fn find<O: Listed>(&self, hash: OrderHash) -> Result<Record<O>, Refusal> {
        let record = self.db.get(hash, self.chain_id()).await?;
        record.ok_or_else(|| Refusal::NotFound(format!("{} not found", kind_name(O::KIND))))
    }

    /// Takes an order into the book, for `caller`, who is logged in.
    pub(crate) async fn publish<O: Listed>(
        &self,
        caller: Address,
        order: &Signed<O>,
    ) -> Result<Record<O>, Refusal> {
        terms::check(&order.order)?;
        let kind = kind_name(O::KIND);
        let hash = order.hash(&self.law.chain().domain());

        self.room_for(caller, O::KIND, hash).await?;
        let standing = self.judge(caller, hash, order).await?;
        let block = self.followed_block.load(Ordering::Relaxed);
        let new = NewOrder {
            hash,
            order,
            signer: caller,
            remaining: standing.remaining(),
            published_ms: now_ms(),
            block,
        };
        {
            // The chain has been asked meanwhile, and others may have published.
            let _counting = self.counting.lock().await;
            self.room_for(caller, O::KIND, hash).await?;
            self.db.insert(new).await?;
        }
        // What happened on chain between our look and the entry was told when the book did not know the order: one more
        // look. What happens from now on finds it there.
        if let Some(entry) = self.db.entry(hash).await?
            && let Err(refusal) = self.look_at(entry).await
        {
            tracing::warn!(order.hash = %hash, error = %refusal, "cannot look at a new order again for now");
        }
        tracing::info!(order.hash = %hash, order.kind = kind, signer = %caller, "order published");
        self.find(hash).await
    }

    /// Whether this account may have one more order of the kind in the book.
    async fn room_for(
        &self,
        caller: Address,
        of: OrderKind,
        hash: OrderHash,
    ) -> Result<(), Refusal> {
        let kind = kind_name(of);
        if let Some(entry) = self.db.entry(hash).await?
            && entry.status == OrderStatus::Open
        {
            return Err(Refusal::Forbidden(format!(
                "{kind} with orderHash {hash} is already published"
            )));
        }
        let open = self.db.count_open(Some((of, caller))).await?;
        if open >= self.options.orders_per_signer {
            return Err(Refusal::Forbidden(format!(
                "{caller} has {open} open {kind}s, and no more than {} are allowed: unpublish some first",
                self.options.orders_per_signer
            )));
        }
        Ok(())
    }

    /// Everything the hub would look at, in the order in which a person would want to hear of it.
    async fn judge<O: Listed>(
        &self,
        caller: Address,
        hash: OrderHash,
        order: &Signed<O>,
    ) -> Result<Standing, Refusal> {
        let no = |sentence: String| Err(Refusal::Forbidden(sentence));
        let (kind, subject_kind, subject) = (
            kind_name(O::KIND),
            subject_name(O::KIND),
            order.order.subject(),
        );
        let terms = order.order.terms();
        let (owner, signed, consumed, categories) = tokio::try_join!(
            self.law.owner(O::KIND, subject),
            self.law.signed(caller, hash, order.sign.clone()),
            self.law.consumed(hash),
            self.law.categories(),
        )?;
        let free = if terms.stake_per_task.is_zero() {
            U256::ZERO
        } else {
            self.law.free(caller).await?
        };

        let Some(owner) = owner else {
            return no(format!(
                "no {subject_kind} is registered at {subject} on chain {}",
                self.chain_id()
            ));
        };
        if owner != caller {
            return match O::KIND {
                OrderKind::Request => no(format!(
                    "the request is {owner}'s and you are logged in as {caller}: only the requester publishes it"
                )),
                _ => no(format!(
                    "{subject_kind} {subject} belongs to {owner} and you are logged in as {caller}: only its owner publishes orders for it"
                )),
            };
        }
        if !signed {
            return no(format!(
                "the signature of {kind} {hash} is not that of {owner}, and it is not presigned at the hub: sign it with that account for chain {} and hub {}",
                self.chain_id(),
                self.law.chain().deployment().hub
            ));
        }
        if let Some(category) = terms.category
            && category >= categories
        {
            return no(format!(
                "there is no category {category}: the hub has 0 to {}",
                categories.saturating_sub(U256::ONE)
            ));
        }
        let standing = Standing {
            signer: caller,
            owner: Some(owner),
            volume: order.order.volume(),
            consumed,
            stake_per_task: terms.stake_per_task,
            free,
            closed: false,
        };
        if standing.remaining().is_zero() {
            return no(format!(
                "nothing is left of {kind} {hash}: all of its volume of {} is matched or closed; sign a new one with another salt",
                standing.volume
            ));
        }
        let needed = standing.stake_needed();
        if free < needed {
            let why = match O::KIND {
                OrderKind::Request => "the most it may cost",
                _ => "30 % of the price, the scheduler's stake",
            };
            return no(format!(
                "{caller} has {free} nRLC free at the hub, but this {kind} with {} left of its volume needs {needed} nRLC ({why}): deposit more or sign for a smaller volume",
                standing.remaining()
            ));
        }
        Ok(standing)
    }

    /// Takes orders out of the book, for `caller`, who is logged in.
    pub(crate) async fn unpublish(
        &self,
        caller: Address,
        kind: OrderKind,
        what: &Unpublish,
    ) -> Result<Vec<OrderHash>, Refusal> {
        let (name, subject_kind) = (kind_name(kind), subject_name(kind));
        let subject = match kind {
            OrderKind::App => what.app,
            OrderKind::Dataset => what.dataset,
            OrderKind::Workerpool => what.workerpool,
            OrderKind::Request => what.requester,
        };
        let chosen = match (what.target, what.order_hash, subject) {
            (UnpublishTarget::OrderHash, Some(hash), _) => {
                let entry = self.db.entry(hash).await?.filter(|entry| {
                    entry.kind == kind
                        && matches!(entry.status, OrderStatus::Open | OrderStatus::Dead)
                });
                let Some(entry) = entry else {
                    return Err(Refusal::NotFound(format!(
                        "{name} with orderHash {hash} is not published"
                    )));
                };
                if entry.signer != caller {
                    return Err(Refusal::Forbidden(format!(
                        "{name} with orderHash {hash} is signed by {}, and you are logged in as {caller}",
                        entry.signer
                    )));
                }
                vec![entry]
            }
            (UnpublishTarget::OrderHash, None, _) => {
                return Err(Refusal::Malformed(
                    "`orderHash` is missing: name the order to unpublish".to_owned(),
                ));
            }
            (UnpublishTarget::Last | UnpublishTarget::All, _, None) => {
                return Err(Refusal::Malformed(format!(
                    "`{subject_kind}` is missing: name whose {name}s to unpublish"
                )));
            }
            (target, _, Some(subject)) => {
                let mut entries = self.db.entries_about(kind, subject, caller).await?;
                if entries.is_empty() {
                    return Err(Refusal::NotFound(format!(
                        "no open {name} published by signer {caller} for {subject_kind} {subject}"
                    )));
                }
                if target == UnpublishTarget::Last {
                    entries.truncate(1);
                }
                entries
            }
        };
        let mut unpublished = Vec::new();
        for entry in chosen {
            self.db.delete(entry.hash).await?;
            tracing::info!(order.hash = %entry.hash, order.kind = name, signer = %caller, "order unpublished");
            unpublished.push(entry.hash);
        }
        Ok(unpublished)
    }
}

fn now_ms() -> i64 {
    // A clock before 1970 is broken; orders then all count as equally old.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
