//! A chain with the contracts, people on it, and a market.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use market::{Handle, Options, Service};
use protocol::order::{AppOrder, Order, RequestOrder, Signed, WorkerpoolOrder};
use protocol::payment::Nrlc;
use sdk::app::NewApp;
use sdk::chain::{Chain, Sender};
use sdk::order::{MarketClient, MarketError};
use sdk::wallet::Wallet;
use sdk::wire::market::{ListAnswer, OrderQuery, Record, Whom};
use sdk::{order, payment, workerpool};

pub(crate) struct Town {
    pub(crate) chain: Chain,
    pub(crate) market: Handle,
    pub(crate) client: MarketClient,
    pub(crate) folder: tempfile::TempDir,
    devchain: testchain::TestChain,
}

impl Town {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let devchain = testchain::start(testchain::Options::default())
            .await
            .expect("a chain");
        let deployment = devchain.deployment().expect("contracts").clone();
        let chain = Chain::connect(&devchain.http_url().parse().expect("a URL"), deployment)
            .await
            .expect("connected");
        let market = Service::start(options(&folder), chain.clone())
            .await
            .expect("a market");
        let client = MarketClient::new(market.url()).expect("a client");
        Self {
            chain,
            market,
            client,
            folder,
            devchain,
        }
    }

    pub(crate) async fn restart_market(&mut self) {
        self.market.shutdown().await;
        self.market = Service::start(options(&self.folder), self.chain.clone())
            .await
            .expect("a market again");
        self.client = MarketClient::new(self.market.url()).expect("a client");
    }

    /// A JSON-RPC call only dev chains know.
    pub(crate) async fn rpc(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let body =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = sdk::tls::client()
            .expect("a client")
            .post(self.devchain.http_url())
            .json(&body);
        let answer: serde_json::Value = request
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        answer
            .get("result")
            .cloned()
            .unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    fn bank(&self) -> Sender {
        let key = self.devchain.accounts()[0].key;
        self.chain
            .sender(&Wallet::from_key(&key.to_string()).expect("a key"))
    }

    /// Somebody new with ether, and RLC in the hub.
    pub(crate) async fn somebody(&self, rlc: u64) -> Sender {
        let (wallet, bank) = (Wallet::random(), self.bank());
        bank.send_ether(wallet.address(), U256::from(10).pow(U256::from(19)))
            .await
            .expect("ether");
        let sender = self.chain.sender(&wallet);
        if rlc > 0 {
            payment::transfer(&bank, wallet.address(), Nrlc::rlc(rlc))
                .await
                .expect("RLC");
            payment::deposit(&sender, Nrlc::rlc(rlc))
                .await
                .expect("deposited");
        }
        sender
    }

    pub(crate) async fn app(&self, owner: &Sender) -> Address {
        let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        let new = NewApp::wasm(B256::random().to_string(), cid, B256::repeat_byte(1));
        sdk::app::publish(owner, &new).await.expect("registered")
    }

    pub(crate) async fn pool(&self, owner: &Sender) -> Address {
        workerpool::create(owner, &B256::random().to_string())
            .await
            .expect("registered")
    }

    pub(crate) async fn publish<O: Order>(
        &self,
        signer: &Sender,
        order: &O,
    ) -> Result<Record<O>, MarketError> {
        let signed = self.sign(signer, order);
        self.client
            .publish(signer.wallet(), self.chain.domain(), &signed)
            .await
    }

    pub(crate) fn sign<O: Order>(&self, signer: &Sender, order: &O) -> Signed<O> {
        signer.wallet().sign_order(order, self.chain.domain())
    }

    /// Open orders of a kind, whatever they are restricted to.
    pub(crate) async fn all<O: Order>(&self) -> ListAnswer<O> {
        let any = Some(Whom::Any);
        let query = OrderQuery {
            app: any,
            dataset: any,
            workerpool: any,
            requester: any,
            ..OrderQuery::default()
        };
        self.client.list(&query).await.expect("a list")
    }

    /// Waits until the book is as expected; the chain's news take a moment.
    pub(crate) async fn until<O: Order>(
        &self,
        order: &Record<O>,
        expected: impl Fn(&Record<O>) -> bool,
    ) -> Record<O> {
        let wait = async {
            loop {
                let record = self
                    .client
                    .get::<O>(order.order_hash)
                    .await
                    .expect("in the book");
                if expected(&record) {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("the book never came to be so")
    }
}

fn options(folder: &tempfile::TempDir) -> Options {
    Options {
        safety_net_secs: 1,
        ..Options::at(folder.path().join("books").join("market.sqlite"))
    }
}

pub(crate) fn app_order(app: Address, nrlc: u64, volume: u64) -> AppOrder {
    order::app_order(app, Nrlc(U256::from(nrlc)), volume)
}

pub(crate) fn pool_order(pool: Address, nrlc: u64, volume: u64) -> WorkerpoolOrder {
    order::workerpool_order(pool, Nrlc(U256::from(nrlc)), volume, 0, 10)
}

pub(crate) fn request_order(
    requester: Address,
    app: &AppOrder,
    pool: &WorkerpoolOrder,
    volume: u64,
) -> RequestOrder {
    let mut request = order::request_order(requester, app.app, volume);
    request.appmaxprice = app.appprice;
    request.workerpoolmaxprice = pool.workerpoolprice;
    request
}
