//! A chain with the contracts, and people on it.

use alloy_primitives::{Address, U256};
use protocol::payment::Nrlc;
use sdk::chain::{Chain, ChainOptions, Sender};
use sdk::payment;
use sdk::wallet::Wallet;
use testchain::{FaultProxy, Options, TestChain};
use url::Url;

pub(crate) struct Town {
    /// Stops the chain when dropped.
    pub(crate) node: TestChain,
    pub(crate) chain: Chain,
}

impl Town {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let node = testchain::start(options).await.expect("a chain");
        let deployment = node.deployment().expect("contracts").clone();
        let chain = Chain::connect(&url(&node.http_url()), deployment)
            .await
            .expect("connected");
        Self { node, chain }
    }

    /// A chain handle of its own, over another URL.
    pub(crate) async fn connect(&self, url: &Url, options: ChainOptions) -> Chain {
        let deployment = self.node.deployment().expect("contracts").clone();
        Chain::connect_with(url, deployment, options)
            .await
            .expect("connected")
    }

    /// The account that holds all RLC at first.
    pub(crate) fn bank(&self) -> Sender {
        self.chain.sender(&self.node.wallet(0))
    }

    /// Somebody new with ether, and RLC in the wallet.
    pub(crate) async fn somebody(&self, rlc: Nrlc) -> Sender {
        let wallet = Wallet::random();
        let bank = self.bank();
        bank.send_ether(wallet.address(), ether(10))
            .await
            .expect("ether");
        if !rlc.is_zero() {
            payment::transfer(&bank, wallet.address(), rlc)
                .await
                .expect("RLC");
        }
        self.chain.sender(&wallet)
    }

    /// Somebody new with RLC in the hub.
    pub(crate) async fn with_account(&self, rlc: Nrlc) -> Sender {
        let sender = self.somebody(rlc).await;
        payment::deposit(&sender, rlc).await.expect("deposited");
        sender
    }

    pub(crate) async fn account(&self, address: Address) -> payment::Account {
        payment::account(&self.chain, address)
            .await
            .expect("an account")
    }
}

impl Town {
    /// Bad weather before the chain, fine for now.
    pub(crate) async fn weather(&self) -> FaultProxy {
        FaultProxy::start(&self.node.http_url(), 1)
            .await
            .expect("a proxy")
    }
}

pub(crate) fn nano_rlc(amount: u64) -> Nrlc {
    Nrlc(U256::from(amount))
}

pub(crate) fn ether(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

pub(crate) fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}
