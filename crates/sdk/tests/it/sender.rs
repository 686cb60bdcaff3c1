//! Many transactions of one key at once, through bad weather.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use protocol::abi::RLC;
use protocol::payment::Nrlc;
use sdk::chain::{ChainError, ChainOptions, Receipt, Sender};
use sdk::payment;
use sdk::wallet::Wallet;
use testchain::{Mining, Options};
use tokio::task::JoinSet;

use crate::town::{Town, nano_rlc, url};

/// Sends `count` transfers of 1 nRLC from as many tasks at once.
async fn many_transfers(
    sender: &Sender,
    to: Address,
    count: u64,
) -> Vec<Result<Receipt, ChainError>> {
    let rlc = sender.chain().deployment().rlc;
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let sender = sender.clone();
        tasks.spawn(async move {
            sender
                .send_with_gas(
                    rlc,
                    RLC::transferCall {
                        to,
                        value: U256::from(1),
                    },
                    100_000,
                )
                .await
        });
    }
    tasks.join_all().await
}

async fn check(town: &Town, to: Address, results: Vec<Result<Receipt, ChainError>>, count: u64) {
    let receipts: Vec<Receipt> = results
        .into_iter()
        .map(|result| result.expect("mined"))
        .collect();
    let distinct: BTreeSet<_> = receipts.iter().map(|receipt| receipt.tx).collect();
    assert_eq!(distinct.len() as u64, count);
    let arrived = payment::wallet_balance(&town.chain, to)
        .await
        .expect("a balance");
    assert_eq!(arrived, nano_rlc(count), "each exactly once");
}

#[tokio::test]
async fn two_hundred_transactions_of_one_key_go_out_together() {
    let town = Town::start().await;
    let sender = town.somebody(Nrlc::rlc(1)).await;
    let to = Wallet::random().address();
    let started = Instant::now();
    let results = many_transfers(&sender, to, 200).await;
    eprintln!("200 transactions in {:?}", started.elapsed());
    check(&town, to, results, 200).await;
}

#[tokio::test]
async fn where_blocks_take_their_time_many_share_one() {
    let mining = Mining::Interval(Duration::from_millis(300));
    let town = Town::start_with(Options::default().mining(mining)).await;
    let sender = town.somebody(Nrlc::rlc(1)).await;
    let to = Wallet::random().address();
    let results = many_transfers(&sender, to, 200).await;
    let blocks: BTreeSet<u64> = results
        .iter()
        .flatten()
        .map(|receipt| receipt.block)
        .collect();
    check(&town, to, results, 200).await;
    assert!(
        blocks.len() < 50,
        "200 transactions took {} blocks",
        blocks.len()
    );
}

#[tokio::test]
async fn a_refused_transaction_does_not_hold_up_those_behind_it() {
    let town = Town::start().await;
    let sender = town.somebody(nano_rlc(20)).await;
    let to = Wallet::random().address();
    // Only 20 of these can be paid.
    let results = many_transfers(&sender, to, 50).await;
    let (fine, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((fine.len(), refused.len()), (20, 30));
    for refused in refused {
        let error = refused.expect_err("partitioned");
        assert!(error.refusal().is_some(), "{error:?}");
    }
    check(&town, to, fine, 20).await;
}

#[tokio::test]
async fn two_senders_of_one_key_come_to_terms() {
    let town = Town::start().await;
    let sender = town.somebody(Nrlc::rlc(1)).await;
    // As if another process used the key too.
    let other = town
        .connect(&url(&town.node.http_url()), ChainOptions::default())
        .await;
    let rival = other.sender(sender.wallet());
    // To different people: the very same transaction under the same nonce is one, whoever of the two sent it.
    let (to, elsewhere) = (Wallet::random().address(), Wallet::random().address());
    let (some, others) = tokio::join!(
        many_transfers(&sender, to, 40),
        many_transfers(&rival, elsewhere, 40)
    );
    check(&town, to, some, 40).await;
    check(&town, elsewhere, others, 40).await;
}

#[tokio::test]
async fn a_node_that_goes_away_in_the_middle_costs_time_and_nothing_else() {
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    let proxy = town.weather().await;
    let options = ChainOptions {
        resend_after: Duration::from_millis(500),
        ..ChainOptions::default()
    };
    let chain = town.connect(&proxy.http_url(), options).await;
    let sender = chain.sender(&wallet);
    let to = Wallet::random().address();
    let storm = async {
        for _ in 0..5 {
            // Answers get lost after the node has heard the question: the hard case.
            let heard = proxy.counts().messages + 5;
            proxy.until(|counts| counts.messages >= heard).await;
            proxy.change(|faults| faults.down = true);
            assert!(chain.block().await.is_err_and(|error| error.is_transient()));
            proxy.calm();
        }
    };
    let sending = async {
        let mut results = Vec::new();
        for _ in 0..12 {
            results.extend(many_transfers(&sender, to, 20).await);
        }
        results
    };
    let (results, ()) = tokio::join!(sending, storm);
    check(&town, to, results, 240).await;
}

#[tokio::test]
async fn patience_has_an_end_and_says_so() {
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    let proxy = town.weather().await;
    let options = ChainOptions {
        patience: Duration::from_millis(200),
        ..ChainOptions::default()
    };
    let chain = town.connect(&proxy.http_url(), options).await;
    let sender = chain.sender(&wallet);
    payment::deposit(&sender, nano_rlc(1))
        .await
        .expect("while it is there");
    proxy.change(|faults| faults.down = true);
    let error = payment::deposit(&sender, nano_rlc(1))
        .await
        .expect_err("nobody answers");
    assert!(error.is_transient(), "{error:?}");
    proxy.calm();
    payment::deposit(&sender, nano_rlc(1))
        .await
        .expect("it is back");
    assert_eq!(town.account(wallet.address()).await.balance, nano_rlc(2));
}

/// What waits in a chain of blocks on demand is passed by only if blocks come, and more money helps only then.
#[tokio::test]
async fn what_blocks_pass_by_is_sent_again_dearer_and_executed_once_and_what_no_block_comes_for_is_not()
 {
    let town = Town::start_with(Options::default().mining(Mining::Manual)).await;
    let proxy = town.weather().await;
    // The dev account has ether and RLC from the first block on.
    let wallet = town.node.wallet(0);
    let options = ChainOptions {
        resend_after: Duration::from_millis(50),
        ..ChainOptions::default()
    };
    let chain = town.connect(&proxy.http_url(), options).await;
    let (sender, rlc, to) = (
        chain.sender(&wallet),
        chain.deployment().rlc,
        Wallet::random().address(),
    );
    let sending = tokio::spawn(async move {
        sender
            .send_with_gas(
                rlc,
                RLC::transferCall {
                    to,
                    value: U256::from(1),
                },
                100_000,
            )
            .await
    });
    let (hash, first) = offered_fee(&town, None).await;
    // Sent again and again, for much longer than age counts, at the same price.
    proxy
        .until(|counts| counts.of("eth_sendRawTransaction") >= 25)
        .await;
    assert_eq!(offered_fee(&town, None).await, (hash, first));
    // Now blocks come that leave it out.
    proxy.change(|faults| faults.swallow = 1.0);
    // What was on its way to the node has arrived once the next is swallowed.
    let swallowed = proxy.counts().swallowed;
    proxy
        .until(|counts| counts.swallowed >= swallowed + 2)
        .await;
    town.node.forget(hash).await.expect("dropped");
    town.node.mine(5).await.expect("mined");
    let passed = proxy.counts().swallowed;
    proxy.until(|counts| counts.swallowed >= passed + 3).await;
    proxy.calm();
    offered_fee(&town, Some(first)).await;
    town.node.mine(1).await.expect("mined");
    let receipt = sending.await.expect("no panic").expect("mined");
    assert_eq!(
        payment::wallet_balance(&town.chain, to)
            .await
            .expect("a balance"),
        nano_rlc(1)
    );
    assert_eq!(
        receipt.block,
        town.chain.block().await.expect("a block").number
    );
}

/// Waits until the one waiting transaction offers more than `more_than` (or anything), and says its hash and what.
async fn offered_fee(town: &Town, more_than: Option<U256>) -> (B256, U256) {
    loop {
        // Every engine shows what waits in its pending block.
        let pending: serde_json::Value = town
            .node
            .rpc("eth_getBlockByNumber", serde_json::json!(["pending", true]))
            .await
            .expect("a pending block");
        let waiting = &pending["transactions"][0];
        let fee = waiting["maxFeePerGas"]
            .as_str()
            .and_then(|fee| fee.parse::<U256>().ok());
        let hash = waiting["hash"].as_str().and_then(|hash| hash.parse().ok());
        match (hash, fee) {
            (Some(hash), Some(fee)) if more_than.is_none_or(|known| fee > known) => {
                return (hash, fee);
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
