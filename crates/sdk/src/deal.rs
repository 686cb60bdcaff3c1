//! Deals: matching orders on chain, and looking at what came of it.

use std::fmt;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall as _;
use protocol::abi::{Hub, RLC};
use protocol::deal::{Category, Deal};
use protocol::ids::{DealId, TaskId};
use protocol::order::{AppOrder, DatasetOrder, RequestOrder, Signed, WorkerpoolOrder};
use protocol::payment::Nrlc;

use crate::chain::{Chain, ChainError, Receipt, Sender};

/// The four orders of a deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// Offer of the app.
    pub app: Signed<AppOrder>,
    /// Offer of a dataset, if the request asks for one.
    pub dataset: Option<Signed<DatasetOrder>>,
    /// Offer of machines.
    pub workerpool: Signed<WorkerpoolOrder>,
    /// The request.
    pub request: Signed<RequestOrder>,
}

impl Orders {
    fn call(&self) -> Hub::matchOrdersCall {
        Hub::matchOrdersCall {
            apporder: (&self.app).into(),
            // Without a dataset the hub still takes an order, and looks at nothing in it but zeros.
            datasetorder: self.dataset.clone().unwrap_or_default().into(),
            workerpoolorder: (&self.workerpool).into(),
            requestorder: (&self.request).into(),
        }
    }

    /// Price of one task: app, dataset and workerpool together.
    #[must_use]
    pub fn price(&self) -> Nrlc {
        let dataset = self
            .dataset
            .as_ref()
            .map_or(U256::ZERO, |dataset| dataset.order.datasetprice);
        let price = self.app.order.appprice.saturating_add(dataset);
        Nrlc(price.saturating_add(self.workerpool.order.workerpoolprice))
    }
}

/// Orders that became a deal.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The deal.
    pub deal: DealId,
    /// How many tasks it has.
    pub volume: u64,
    /// The transaction.
    pub receipt: Receipt,
}

/// What went wrong with a deal.
#[derive(Debug, thiserror::Error)]
pub enum DealError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The hub knows no such deal.
    #[error("there is no deal {deal} on this chain; check the id and the chain it is from")]
    Unknown {
        /// The id.
        deal: DealId,
    },
    /// The transaction was mined, and yet no deal came of it: this is another kind of hub.
    #[error("transaction {tx} matched the orders, but the hub told of no deal")]
    NotTold {
        /// The transaction.
        tx: alloy_primitives::B256,
    },
}

fn chain_error(doing: impl fmt::Display) -> impl FnOnce(ChainError) -> DealError {
    let doing = doing.to_string();
    move |source| DealError::Chain { doing, source }
}

impl DealError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Chain { source, .. } => source.is_transient(),
            Self::Unknown { .. } | Self::NotTold { .. } => false,
        }
    }
}

/// Makes a deal of orders; the requester's account pays, whoever sends.
pub async fn match_orders(sender: &Sender, orders: &Orders) -> Result<Matched, DealError> {
    let receipt = sender
        .hub(orders.call())
        .await
        .map_err(chain_error("match the orders"))?;
    matched(receipt)
}

/// Deposits `amount` of the requester's RLC and makes the deal, in one transaction that the requester sends.
pub async fn deposit_and_match(
    sender: &Sender,
    amount: Nrlc,
    orders: &Orders,
) -> Result<Matched, DealError> {
    let deployment = sender.chain().deployment();
    let data = Bytes::from(orders.call().abi_encode());
    let call = RLC::approveAndCallCall {
        spender: deployment.hub,
        amount: amount.0,
        data,
    };
    let doing = format!("deposit {amount} and match the orders");
    matched(
        sender
            .send(deployment.rlc, call)
            .await
            .map_err(chain_error(doing))?,
    )
}

fn matched(receipt: Receipt) -> Result<Matched, DealError> {
    let told = receipt.events.iter().find_map(|event| match &event.event {
        Hub::HubEvents::OrdersMatched(matched) => {
            Some((DealId(matched.dealid), matched.volume.saturating_to()))
        }
        _ => None,
    });
    match told {
        Some((deal, volume)) => Ok(Matched {
            deal,
            volume,
            receipt,
        }),
        None => Err(DealError::NotTold { tx: receipt.tx }),
    }
}

/// Looks at a deal.
pub async fn view(chain: &Chain, deal: DealId) -> Result<Deal, DealError> {
    let viewed: Deal = chain
        .hub(Hub::viewDealCall { dealid: deal.0 })
        .await
        .map_err(chain_error(format_args!("look at deal {deal}")))?
        .into();
    if viewed.exists() {
        Ok(viewed)
    } else {
        Err(DealError::Unknown { deal })
    }
}

/// The ids of a deal's tasks, with their indices.
pub async fn tasks(chain: &Chain, deal: DealId) -> Result<Vec<(u64, TaskId)>, DealError> {
    Ok(view(chain, deal).await?.tasks(deal).collect())
}

/// A category by its number.
pub async fn category(chain: &Chain, number: u64) -> Result<Category, DealError> {
    let doing = format!("look at category {number}");
    let category = chain
        .hub(Hub::viewCategoryCall {
            catid: U256::from(number),
        })
        .await
        .map_err(chain_error(doing))?;
    Ok(category.into())
}

/// How many categories there are.
pub async fn categories(chain: &Chain) -> Result<u64, DealError> {
    let count = chain
        .hub(Hub::countCategoryCall {})
        .await
        .map_err(chain_error("count the categories"))?;
    Ok(count.saturating_to())
}
