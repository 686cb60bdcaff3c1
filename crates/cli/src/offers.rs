//! What a pool has on offer at a market: one order per category, at prices in proportion to time.
//!
//! [`keep`] compares what the book holds with what should be there and does the difference, so it may be called at every
//! start and whenever the market may have forgotten. An offer the book no longer shows is still signed: whoever kept a
//! copy can use it until it is closed on chain, which costs gas and is left to the owner.

use alloy_primitives::{Address, U256};
use anyhow::Context;
use protocol::{
    deal::{CATEGORIES, scheduler_stake},
    order::{OrderKind, WorkerpoolOrder},
    payment::Nrlc,
};
use sdk::{chain::Chain, order::MarketClient, wallet::Wallet, wire::market::OrderQuery};

/// Tasks on offer per category, at most.
const TASKS: u64 = 20_000;
/// How many of a pool's own orders are looked at per category; a market keeps no more of one account.
const OWN_ORDERS: usize = 200;
/// The time that a pool's price is for.
const PRICED_SECS: u64 = 300;

/// What a pool offers.
#[derive(Debug, Clone)]
pub struct Offers {
    pub workerpool: Address,
    /// For a task of five minutes.
    pub price: Nrlc,
    /// The highest trust a request may ask for.
    pub trust: u64,
}

/// What stands in the book after [`keep`].
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Categories on offer, by name.
    pub offered: Vec<&'static str>,
    /// Categories whose stake for even one task is beyond what is free at the hub, and that stake.
    pub too_dear: Vec<(&'static str, Nrlc)>,
}

impl Offers {
    fn price_of(&self, time_secs: u64) -> Nrlc {
        let price = self.price.0.saturating_mul(U256::from(time_secs));
        Nrlc(price / U256::from(PRICED_SECS))
    }
}

/// Makes the market list one offer per category, for as many tasks as the owner's free deposit covers the stakes of, and
/// takes out what was offered on other terms.
pub async fn keep(
    market: &MarketClient,
    chain: &Chain,
    owner: &Wallet,
    offers: &Offers,
) -> anyhow::Result<Kept> {
    let free = sdk::payment::account(chain, owner.address())
        .await?
        .balance
        .0;
    let domain = chain.domain();
    let mut kept = Kept::default();
    for (category, (name, time_secs)) in (0_u64..).zip(CATEGORIES) {
        let price = offers.price_of(time_secs);
        let query = OrderQuery {
            workerpool: Some(offers.workerpool.into()),
            category: Some(U256::from(category)),
            ..Default::default()
        };
        let mut stale = Vec::new();
        let mut stands = false;
        for record in market
            .list_all::<WorkerpoolOrder>(&query, OWN_ORDERS)
            .await?
        {
            let order = &record.order.order;
            let as_wanted =
                order.workerpoolprice == price.0 && order.trust == U256::from(offers.trust);
            if as_wanted && !record.remaining.is_zero() && !stands {
                stands = true;
            } else {
                stale.push(record.order_hash);
            }
        }
        let stake = scheduler_stake(price);
        let covered = free.checked_div(stake.0).unwrap_or(U256::MAX);
        let volume = covered.min(U256::from(TASKS)).saturating_to::<u64>();
        if !stands && volume > 0 {
            let order = sdk::order::workerpool_order(
                offers.workerpool,
                price,
                volume,
                category,
                offers.trust,
            );
            let order = owner.sign_order(&order, domain);
            market
                .publish(owner, domain, &order)
                .await
                .with_context(|| format!("cannot offer category {name}"))?;
            stands = true;
        }
        for order in stale {
            market
                .withdraw(owner, domain.chain_id, OrderKind::Workerpool, order)
                .await?;
        }
        if stands {
            kept.offered.push(name);
        } else {
            kept.too_dear.push((name, stake));
        }
    }
    Ok(kept)
}
