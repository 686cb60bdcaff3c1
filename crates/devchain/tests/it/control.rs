//! Time, mining, snapshots and edits.

use std::time::Duration;

use alloy_primitives::{B256, U256};
use devchain::{Config, Mining};
use serde_json::json;

use crate::support::*;

async fn timestamp(client: &Client) -> u64 {
    let block = client
        .get("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    number(&block["timestamp"])
}

#[tokio::test]
async fn time_passes_when_told_to() {
    let (_chain, client) = fresh().await;
    let start = timestamp(&client).await;
    assert_eq!(client.get("evm_increaseTime", json!([3_600])).await, 3_600);
    assert_eq!(
        client.get("evm_increaseTime", json!(["0xe10"])).await,
        7_200
    );
    client.get("evm_mine", json!([])).await;
    let later = timestamp(&client).await;
    assert!((start + 7_200..start + 7_260).contains(&later));

    client
        .get("evm_setNextBlockTimestamp", json!([later + 500]))
        .await;
    client.get("evm_mine", json!([])).await;
    assert_eq!(timestamp(&client).await, later + 500);
    // It goes on from there.
    client.get("evm_mine", json!([])).await;
    assert!((later + 500..later + 560).contains(&timestamp(&client).await));

    client.get("evm_mine", json!([later + 1_000])).await;
    assert_eq!(timestamp(&client).await, later + 1_000);
    client
        .get("evm_mine", json!([{"timestamp": later + 2_000}]))
        .await;
    assert_eq!(timestamp(&client).await, later + 2_000);
    let error = client
        .refused("evm_setNextBlockTimestamp", json!([start]))
        .await;
    assert_eq!(error.code, -32602);
}

#[tokio::test]
async fn a_snapshot_is_gone_back_to_with_balances_blocks_and_time() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    client.send(sender.transfer(stranger(1), 1)).await;
    let before = client
        .get("eth_getBlockByNumber", json!(["latest", true]))
        .await;
    let snapshot = client.get("evm_snapshot", json!([])).await;
    let later_snapshot = client.get("evm_snapshot", json!([])).await;
    assert_ne!(snapshot, later_snapshot);

    client.get("evm_increaseTime", json!([100_000])).await;
    client
        .get("anvil_setBalance", json!([stranger(2), "0x9"]))
        .await;
    let contract = deploy_box(&client, &mut sender).await;
    let hash = client.send(sender.sign(contract.into(), 0, put(3))).await;
    client
        .get(
            "hardhat_setStorageAt",
            json!([contract, "0x5", B256::repeat_byte(5)]),
        )
        .await;

    assert_eq!(client.get("evm_revert", json!([snapshot])).await, true);
    assert_eq!(
        client
            .get("eth_getBlockByNumber", json!(["latest", true]))
            .await,
        before
    );
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(2)])).await,
        "0x0"
    );
    assert_eq!(client.get("eth_getCode", json!([contract])).await, "0x");
    assert_eq!(client.receipt(&hash).await, serde_json::Value::Null);
    // Used up, and with it what was taken later.
    assert_eq!(client.get("evm_revert", json!([snapshot])).await, false);
    assert_eq!(
        client.get("evm_revert", json!([later_snapshot])).await,
        false
    );
    // Time went back too, and the chain goes on.
    sender.nonce = 1;
    client.send(sender.transfer(stranger(1), 1)).await;
    assert!(timestamp(&client).await < number(&before["timestamp"]) + 50_000);
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0x2"
    );
}

#[tokio::test]
async fn mining_can_be_stopped_and_taken_up_again() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    assert_eq!(client.get("anvil_getAutomine", json!([])).await, true);
    client.get("evm_setAutomine", json!([false])).await;
    let hash = client.send(sender.transfer(stranger(1), 1)).await;
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 0);
    client.get("anvil_mine", json!(["0x3", "0xa"])).await;
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 3);
    assert_eq!(client.receipt(&hash).await["blockNumber"], "0x1");
    let times = [
        client
            .get("eth_getBlockByNumber", json!(["0x1", false]))
            .await,
        client
            .get("eth_getBlockByNumber", json!(["0x3", false]))
            .await,
    ];
    assert_eq!(
        number(&times[0]["timestamp"]) + 20,
        number(&times[1]["timestamp"])
    );
}

#[tokio::test]
async fn interval_mining_makes_blocks_by_itself() {
    let (chain, client) =
        started(Config::default().mining(Mining::Interval(Duration::from_millis(20)))).await;
    let mut sender = Sender::of(&chain, 0);
    let mut socket = socket(&chain).await;
    say(&mut socket, 1, "eth_subscribe", json!(["newHeads"])).await;
    hear(&mut socket).await;
    let hash = client.send(sender.transfer(stranger(1), 1)).await;
    let mut heads = 0;
    let receipt = loop {
        hear(&mut socket).await;
        heads += 1;
        let receipt = client.receipt(&hash).await;
        if !receipt.is_null() {
            break receipt;
        }
        assert!(heads < 100);
    };
    assert_eq!(receipt["status"], "0x1");
    // Empty ones too.
    hear(&mut socket).await;
    hear(&mut socket).await;
}

#[tokio::test]
async fn edits_stand_at_once() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let code = client.get("eth_getCode", json!([contract])).await;
    client
        .get("hardhat_setCode", json!([stranger(4), code]))
        .await;
    client
        .get(
            "anvil_setStorageAt",
            json!([stranger(4), "0x0", B256::from(U256::from(8))]),
        )
        .await;
    client
        .get("anvil_setNonce", json!([stranger(4), "0x7"]))
        .await;
    assert_eq!(
        client.get("eth_call", json!([{"to": stranger(4)}])).await,
        text(B256::from(U256::from(8)))
    );
    assert_eq!(
        client
            .number("eth_getTransactionCount", json!([stranger(4)]))
            .await,
        7
    );
    client
        .get("anvil_setNextBlockBaseFeePerGas", json!(["0x7"]))
        .await;
    client.get("evm_mine", json!([])).await;
    let block = client
        .get("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(block["baseFeePerGas"], "0x7");
}
