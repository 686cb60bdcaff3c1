//! `eth_getLogs`: by address, topic, range and block.

use alloy_primitives::{B256, U256};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn logs_are_found_by_address_topic_range_and_block() {
    let (chain, client) = fresh().await;
    let mut first = Sender::of(&chain, 0);
    let mut second = Sender::of(&chain, 1);
    let contract = deploy_box(&client, &mut first).await;
    let other = deploy_box(&client, &mut second).await;
    for value in 1..=4u64 {
        client
            .send(first.sign(contract.into(), 0, put(value)))
            .await;
        client
            .send(second.sign(other.into(), 0, put(10 + value)))
            .await;
    }
    // Blocks: 1 and 2 deploy, 3, 5, 7, 9 are the first's, 4, 6, 8, 10 the second's.
    let caller = B256::left_padding_from(first.address().as_slice());
    let table = [
        (json!({"fromBlock": "0x0"}), 8),
        (
            json!({"fromBlock": "0x0", "toBlock": "latest", "address": contract}),
            4,
        ),
        (
            json!({"fromBlock": "earliest", "address": [contract, other]}),
            8,
        ),
        (json!({"fromBlock": "0x0", "address": stranger(3)}), 0),
        (json!({"fromBlock": "0x0", "topics": [TOPIC]}), 8),
        (json!({"fromBlock": "0x0", "topics": [null, caller]}), 4),
        (
            json!({"fromBlock": "0x0", "topics": [[TOPIC, B256::ZERO], [caller]]}),
            4,
        ),
        (json!({"fromBlock": "0x0", "topics": [caller]}), 0),
        (
            json!({"fromBlock": "0x0", "topics": [TOPIC, null, null]}),
            8,
        ),
        (json!({"fromBlock": "0x3", "toBlock": "0x6"}), 4),
        (json!({}), 1),
        (json!({"fromBlock": "0x64", "toBlock": "0xffffffff"}), 0),
    ];
    for (filter, expected) in table {
        let logs = client.get("eth_getLogs", json!([filter])).await;
        assert_eq!(logs.as_array().unwrap().len(), expected, "{filter}");
    }
    let logs = client
        .get(
            "eth_getLogs",
            json!([{"fromBlock": "0x3", "toBlock": "0x3"}]),
        )
        .await;
    let log = &logs[0];
    assert_eq!(log["address"], text(contract));
    assert_eq!(log["topics"], json!([TOPIC, caller]));
    assert_eq!(log["data"], text(B256::from(U256::from(1))));
    assert_eq!(log["removed"], false);
    assert_eq!(
        client
            .get("eth_getLogs", json!([{"blockHash": log["blockHash"]}]))
            .await,
        logs
    );
    let receipt = client.receipt(&log["transactionHash"]).await;
    assert_eq!(receipt["logs"], logs);

    let error = client
        .refused(
            "eth_getLogs",
            json!([{"fromBlock": "0x5", "toBlock": "0x4"}]),
        )
        .await;
    assert_eq!(error.code, -32602);
    let error = client
        .refused("eth_getLogs", json!([{"blockHash": B256::repeat_byte(1)}]))
        .await;
    assert_eq!(error.code, -32000);
}
