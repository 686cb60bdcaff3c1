//! A chain with the contracts, and people on it.

use alloy_primitives::{Address, U256};
use devchain::{Config, Devchain};
use protocol::payment::Nrlc;
use sdk::chain::{Chain, ChainOptions, Sender};
use sdk::payment;
use sdk::wallet::Wallet;
use url::Url;

pub(crate) struct Town {
    /// Stops the chain when dropped.
    pub(crate) devchain: Devchain,
    pub(crate) chain: Chain,
}

impl Town {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let devchain = devchain::spawn(config.with_contracts())
            .await
            .expect("a chain");
        let deployment = devchain.deployment().expect("contracts").clone();
        let chain = Chain::connect(&url(&devchain.http_url()), deployment)
            .await
            .expect("connected");
        Self { devchain, chain }
    }

    /// A chain handle of its own, over another URL.
    pub(crate) async fn connect(&self, url: &Url, options: ChainOptions) -> Chain {
        let deployment = self.devchain.deployment().expect("contracts").clone();
        Chain::connect_with(url, deployment, options)
            .await
            .expect("connected")
    }

    /// The account that holds all RLC at first.
    pub(crate) fn bank(&self) -> Sender {
        let key = self.devchain.accounts()[0].key;
        self.chain
            .sender(&Wallet::from_key(&key.to_string()).expect("a key"))
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
    /// Tells the chain something only development chains hear.
    pub(crate) async fn rpc<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        params: serde_json::Value,
    ) -> T {
        let body =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let client = sdk::tls::client().expect("a client");
        let answer = client
            .post(self.devchain.http_url())
            .json(&body)
            .send()
            .await
            .expect("an answer");
        let answer: serde_json::Value = answer.json().await.expect("JSON");
        serde_json::from_value(answer["result"].clone())
            .unwrap_or_else(|_| panic!("{method}: {answer}"))
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
