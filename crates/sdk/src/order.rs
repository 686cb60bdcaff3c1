//! Orders: making them, having them signed, closing them, and keeping them at a market.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use protocol::abi::Hub;
use protocol::ids::OrderHash;
use protocol::order::{
    AppOrder, DatasetOrder, Domain, Order, OrderKind, RequestOrder, Signed, WorkerpoolOrder,
};
use protocol::payment::Nrlc;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::chain::{Chain, ChainError, Receipt, Sender};
use crate::wallet::Wallet;
use crate::wire::market::{
    Authorization, ChallengeAnswer, ErrorAnswer, Health, ListAnswer, Lookup, OrderQuery, Publish,
    PublishAnswer, Record, Unpublish, UnpublishAnswer, UnpublishTarget, challenge_digest,
    orders_path,
};

/// 32 random bytes that tell orders of equal content apart.
#[must_use]
pub fn salt() -> B256 {
    B256::random()
}

/// Offers an app to everybody, at a price per task, for `volume` tasks. Restrict it by setting fields.
#[must_use]
pub fn app_order(app: Address, price: Nrlc, volume: u64) -> AppOrder {
    AppOrder {
        app,
        appprice: price.0,
        volume: U256::from(volume),
        salt: salt(),
        ..AppOrder::default()
    }
}

/// Offers a dataset to everybody.
#[must_use]
pub fn dataset_order(dataset: Address, price: Nrlc, volume: u64) -> DatasetOrder {
    DatasetOrder {
        dataset,
        datasetprice: price.0,
        volume: U256::from(volume),
        salt: salt(),
        ..DatasetOrder::default()
    }
}

/// Offers machines to everybody: tasks of one category, for requests that ask for no more than `trust`.
#[must_use]
pub fn workerpool_order(
    workerpool: Address,
    price: Nrlc,
    volume: u64,
    category: u64,
    trust: u64,
) -> WorkerpoolOrder {
    WorkerpoolOrder {
        workerpool,
        workerpoolprice: price.0,
        volume: U256::from(volume),
        category: U256::from(category),
        trust: U256::from(trust),
        salt: salt(),
        ..WorkerpoolOrder::default()
    }
}

/// Asks for `volume` tasks of an app by whatever pool, in category 0 at trust 1, for nothing: raise the maximal
/// prices and set the rest by its fields.
#[must_use]
pub fn request_order(requester: Address, app: Address, volume: u64) -> RequestOrder {
    RequestOrder {
        app,
        requester,
        beneficiary: requester,
        volume: U256::from(volume),
        trust: U256::ONE,
        salt: salt(),
        ..RequestOrder::default()
    }
}

/// What the hub can do with an order besides matching it.
pub trait Managed: Order {
    /// The function of the hub.
    type Manage: SolCall;

    /// The call that presigns or closes an order.
    fn manage(order: &Signed<Self>, operation: Operation) -> Self::Manage;
}

/// What to do with an order at the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Declare it signed, for orders without a signature.
    Sign,
    /// Close it for good.
    Close,
}

macro_rules! managed {
    ($order:ident, $call:ident, $operation:ident) => {
        impl Managed for $order {
            type Manage = Hub::$call;

            fn manage(order: &Signed<Self>, operation: Operation) -> Hub::$call {
                let order = order.into();
                // The sender is the owner himself, so that no signature over the operation is needed.
                let operation = Hub::$operation {
                    order,
                    operation: operation as u8,
                    sign: Bytes::new(),
                };
                Hub::$call { operation }
            }
        }
    };
}

managed!(AppOrder, manageAppOrderCall, AppOrderOperation);
managed!(DatasetOrder, manageDatasetOrderCall, DatasetOrderOperation);
managed!(
    WorkerpoolOrder,
    manageWorkerpoolOrderCall,
    WorkerpoolOrderOperation
);
managed!(RequestOrder, manageRequestOrderCall, RequestOrderOperation);

/// Closes an order at the hub, as its signer: what is left of its volume can never be matched.
pub async fn close<O: Managed>(sender: &Sender, order: &Signed<O>) -> Result<Receipt, ChainError> {
    sender.hub(O::manage(order, Operation::Close)).await
}

/// Signs an order at the hub, as its signer: it is then good without a signature.
pub async fn presign<O: Managed>(
    sender: &Sender,
    order: &Signed<O>,
) -> Result<Receipt, ChainError> {
    sender.hub(O::manage(order, Operation::Sign)).await
}

/// How many tasks an order is still good for.
pub async fn remaining<O: Order>(chain: &Chain, order: &Signed<O>) -> Result<U256, ChainError> {
    let hash = order.hash(&chain.domain());
    let consumed = chain.hub(Hub::viewConsumedCall { id: hash.0 }).await?;
    Ok(order.order.volume().saturating_sub(consumed))
}

/// What a market did not do.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// It cannot be reached.
    #[error("the market at {market} cannot be reached, {doing}: {why}")]
    Unreachable {
        /// Where.
        market: String,
        /// What was tried.
        doing: String,
        /// The connection's reason.
        why: String,
    },
    /// It said no.
    #[error("the market at {market} refused {doing}: {why} (status {status})")]
    Refused {
        /// Where.
        market: String,
        /// What was tried.
        doing: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        why: String,
    },
    /// Its answer is none.
    #[error("the answer of {market} to {doing} cannot be read: {why}")]
    Unreadable {
        /// Where.
        market: String,
        /// What was tried.
        doing: String,
        /// What is wrong with it.
        why: String,
    },
    /// No HTTP client can be had.
    #[error("cannot prepare a connection to {market}: {why}")]
    NoClient {
        /// Where.
        market: String,
        /// Why.
        why: String,
    },
}

impl MarketError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Unreadable { .. } | Self::NoClient { .. } => false,
        }
    }

    /// Whether there is no such order.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// Talks to a market. Clones share connections.
#[derive(Debug, Clone)]
pub struct MarketClient {
    base: Url,
    http: reqwest::Client,
}

impl MarketClient {
    /// The market at this URL.
    pub fn new(base: Url) -> Result<Self, MarketError> {
        match crate::tls::client() {
            Ok(http) => Ok(Self { base, http }),
            Err(error) => Err(MarketError::NoClient {
                market: base.to_string(),
                why: error.to_string(),
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// How it fares.
    pub async fn health(&self) -> Result<Health, MarketError> {
        self.ask("a look at its health", self.http.get(self.path("/health")))
            .await
    }

    /// One page of open orders of a kind, best price first.
    pub async fn list<O: Order>(&self, query: &OrderQuery) -> Result<ListAnswer<O>, MarketError> {
        let request = self.http.get(self.with_query(orders_path(O::KIND), query));
        self.ask(format!("a list of {}s", O::KIND), request).await
    }

    /// All open orders of a kind, best price first, up to `most`.
    pub async fn list_all<O: Order>(
        &self,
        query: &OrderQuery,
        most: usize,
    ) -> Result<Vec<Record<O>>, MarketError> {
        let mut query = query.clone();
        let mut orders = Vec::new();
        loop {
            let page = self.list::<O>(&query).await?;
            let empty = page.orders.is_empty();
            orders.extend(page.orders);
            match page.next_page {
                Some(next) if !empty && orders.len() < most => query.page_index = Some(next),
                _ => break,
            }
        }
        orders.truncate(most);
        Ok(orders)
    }

    /// An order by its hash, also one that is no longer open.
    pub async fn get<O: Order>(&self, order: OrderHash) -> Result<Record<O>, MarketError> {
        let request = self
            .http
            .get(self.path(&format!("{}/{order}", orders_path(O::KIND))));
        let lookup: Lookup<O> = self.ask(format!("{} {order}", O::KIND), request).await?;
        Ok(lookup.record)
    }

    /// Publishes an order, as its signer.
    pub async fn publish<O: Order>(
        &self,
        wallet: &Wallet,
        domain: Domain,
        order: &Signed<O>,
    ) -> Result<Record<O>, MarketError> {
        let doing = format!("to publish {} {}", O::KIND, order.hash(&domain));
        let authorization = self.log_in(wallet, domain.chain_id).await?;
        let request = self
            .http
            .post(self.with_query(
                orders_path(O::KIND),
                &ForChain {
                    chain_id: domain.chain_id,
                },
            ))
            .header("authorization", authorization.to_string())
            .json(&Publish {
                order: order.clone(),
            });
        let answer: PublishAnswer<O> = self.ask(doing, request).await?;
        Ok(answer.published)
    }

    /// Takes an order out of the book, as its signer. It stays valid: [`close`] ends it for good.
    pub async fn withdraw(
        &self,
        wallet: &Wallet,
        chain_id: u64,
        kind: OrderKind,
        order: OrderHash,
    ) -> Result<Vec<OrderHash>, MarketError> {
        self.unpublish(wallet, chain_id, kind, &Unpublish::one(order))
            .await
    }

    /// Takes all orders of an app, dataset, workerpool or requester out of the book, as their signer.
    pub async fn withdraw_all(
        &self,
        wallet: &Wallet,
        chain_id: u64,
        kind: OrderKind,
        subject: Address,
    ) -> Result<Vec<OrderHash>, MarketError> {
        self.unpublish(
            wallet,
            chain_id,
            kind,
            &Unpublish::of(kind, subject, UnpublishTarget::All),
        )
        .await
    }

    async fn unpublish(
        &self,
        wallet: &Wallet,
        chain_id: u64,
        kind: OrderKind,
        what: &Unpublish,
    ) -> Result<Vec<OrderHash>, MarketError> {
        let authorization = self.log_in(wallet, chain_id).await?;
        let request = self
            .http
            .put(self.with_query(orders_path(kind), &ForChain { chain_id }))
            .header("authorization", authorization.to_string())
            .json(what);
        let answer: UnpublishAnswer = self.ask(format!("to withdraw a {kind}"), request).await?;
        Ok(answer.unpublished)
    }

    async fn log_in(&self, wallet: &Wallet, chain_id: u64) -> Result<Authorization, MarketError> {
        let query = Challenged {
            chain_id,
            address: wallet.address(),
        };
        let request = self.http.get(self.with_query("/challenge", &query));
        let answer: ChallengeAnswer = self.ask("a login", request).await?;
        // Hashed here from the text alone, so that a dishonest market cannot have anything else signed.
        let digest = challenge_digest(chain_id, &answer.data.message.challenge);
        Ok(Authorization {
            digest,
            signature: wallet.sign_hash(digest),
            address: wallet.address(),
        })
    }

    fn path(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    fn with_query(&self, path: &str, query: &impl Serialize) -> Url {
        let mut url = self.path(path);
        let fields = serde_json::to_value(query).unwrap_or_default();
        if let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in fields {
                match value {
                    serde_json::Value::Null => {}
                    serde_json::Value::String(text) => drop(pairs.append_pair(name, text)),
                    other => drop(pairs.append_pair(name, &other.to_string())),
                }
            }
        }
        url
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        doing: impl fmt::Display,
        request: reqwest::RequestBuilder,
    ) -> Result<A, MarketError> {
        let (market, doing) = (self.base.to_string(), doing.to_string());
        let away = |error: reqwest::Error| MarketError::Unreachable {
            market: market.clone(),
            doing: doing.clone(),
            why: crate::chain::chained(&error),
        };
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        let body = response.bytes().await.map_err(away)?;
        if !status.is_success() {
            let why = match serde_json::from_slice::<ErrorAnswer>(&body) {
                Ok(answer) => answer.error,
                Err(_) => String::from_utf8_lossy(&body).chars().take(200).collect(),
            };
            return Err(MarketError::Refused {
                market,
                doing,
                status: status.as_u16(),
                why,
            });
        }
        serde_json::from_slice(&body).map_err(|error| MarketError::Unreadable {
            market,
            doing,
            why: error.to_string(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForChain {
    chain_id: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Challenged {
    chain_id: u64,
    address: Address,
}
