//! A node asked plainly, for what a test may do to it and nobody to a real one.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, U64, hex};
use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

/// A node's JSON-RPC.
#[derive(Debug, Clone)]
pub struct Node {
    url: Url,
    http: reqwest::Client,
}

impl Node {
    pub fn at(url: Url) -> Self {
        sdk::tls::install();
        Self {
            url,
            http: reqwest::Client::new(),
        }
    }

    /// Asks once.
    pub async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> anyhow::Result<T> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let sent = self.http.post(self.url.clone()).json(&request);
        let answer = sent.timeout(Duration::from_secs(20)).send().await;
        let mut answer: Value = answer
            .with_context(|| format!("no answer to {method}"))?
            .json()
            .await?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        serde_json::from_value(answer["result"].take())
            .with_context(|| format!("an answer to {method} of another kind"))
    }

    /// Makes blocks now.
    pub async fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        self.ask::<Value>("hardhat_mine", json!([U64::from(blocks)]))
            .await
            .map(drop)
    }

    /// Whether transactions are mined as they come, or only by [`Node::mine`].
    pub async fn set_automine(&self, on: bool) -> anyhow::Result<()> {
        self.ask::<Value>("evm_setAutomine", json!([on]))
            .await
            .map(drop)
    }

    /// The chain's clock goes forward.
    pub async fn increase_time(&self, secs: u64) -> anyhow::Result<()> {
        let _: Value = self.ask("evm_increaseTime", json!([secs])).await?;
        self.mine(1).await
    }

    /// Replaces the newest blocks by others; their transactions wait again, or are forgotten.
    pub async fn reorganise(&self, depth: u64, forget: bool) -> anyhow::Result<()> {
        let params = json!([depth, {"forget": forget}]);
        self.ask::<Value>("oxec_reorganise", params).await.map(drop)
    }

    pub async fn height(&self) -> anyhow::Result<u64> {
        let height: U64 = self.ask("eth_blockNumber", json!([])).await?;
        Ok(height.to())
    }

    /// The first four bytes of what an account's waiting transactions call, in no order.
    pub async fn waiting_calls(&self, account: Address) -> anyhow::Result<Vec<[u8; 4]>> {
        let content: Value = self.ask("txpool_content", json!([])).await?;
        let own = content["pending"].as_object().and_then(|pending| {
            let own = pending
                .iter()
                .find(|(owner, _)| owner.parse() == Ok(account))?;
            own.1.as_object()
        });
        let calls = own.into_iter().flat_map(|own| own.values());
        Ok(calls
            .filter_map(|call| call["input"].as_str()?.parse::<Bytes>().ok())
            .filter_map(|input| input.first_chunk().copied())
            .collect())
    }

    /// Of the transactions in these blocks: how many there are, and those that failed.
    pub async fn transactions(&self, from: u64, to: u64) -> anyhow::Result<(usize, Vec<Failed>)> {
        let (mut all, mut failed) = (0, Vec::new());
        for block in from..=to {
            let receipts: Vec<Value> = self
                .ask("eth_getBlockReceipts", json!([U64::from(block)]))
                .await?;
            all += receipts.len();
            for receipt in receipts {
                if receipt["status"] == "0x0" {
                    let hash = &receipt["transactionHash"];
                    let sent: Value = self.ask("eth_getTransactionByHash", json!([hash])).await?;
                    let input: Bytes = serde_json::from_value(sent["input"].clone())?;
                    failed.push(Failed {
                        from: serde_json::from_value(receipt["from"].clone())?,
                        calls: hex::encode(&input[..input.len().min(4)]),
                        out_of_gas: sent["gas"] == receipt["gasUsed"],
                    });
                }
            }
        }
        Ok((all, failed))
    }

    /// How many transactions in these blocks call this.
    pub async fn calls(&self, selector: [u8; 4], from: u64, to: u64) -> anyhow::Result<usize> {
        let mut calls = 0;
        for block in from..=to {
            let block: Value = self
                .ask("eth_getBlockByNumber", json!([U64::from(block), true]))
                .await?;
            let inputs = block["transactions"].as_array().into_iter().flatten();
            let inputs = inputs.filter_map(|sent| sent["input"].as_str()?.parse::<Bytes>().ok());
            calls += inputs.filter(|input| input.starts_with(&selector)).count();
        }
        Ok(calls)
    }
}

/// A transaction that was mined in vain.
#[derive(Debug, Clone)]
pub struct Failed {
    pub from: Address,
    /// The first four bytes of what it calls, in hex.
    pub calls: String,
    pub out_of_gas: bool,
}
