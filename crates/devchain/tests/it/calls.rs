//! `eth_call` and `eth_estimateGas`.

use alloy_primitives::{B256, Bytes, U256, hex};
use alloy_sol_types::{Revert, SolError};
use serde_json::{Value, json};

use crate::support::*;

fn word(value: u64) -> Value {
    text(B256::from(U256::from(value)))
}

#[tokio::test]
async fn a_contract_keeps_what_it_is_given() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    assert_eq!(contract, sender.address().create(0));
    assert_ne!(client.get("eth_getCode", json!([contract])).await, "0x");
    client.send(sender.sign(contract.into(), 0, put(77))).await;
    assert_eq!(
        client
            .get("eth_call", json!([{"to": contract}, "latest"]))
            .await,
        word(77)
    );
    assert_eq!(
        client
            .get("eth_getStorageAt", json!([contract, "0x0", "latest"]))
            .await,
        word(77)
    );
}

#[tokio::test]
async fn a_revert_is_code_3_with_its_data_for_calls_and_estimates() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let reason = Revert::from("too late").abi_encode();
    for (output, message) in [
        (reason, "execution reverted: too late"),
        (hex!("deadbeef00000001").to_vec(), "execution reverted"),
        (Vec::new(), "execution reverted"),
    ] {
        for method in ["eth_call", "eth_estimateGas"] {
            let error = client
                .refused(
                    method,
                    json!([{"to": contract, "data": call_data(verb::REVERT, &output)}]),
                )
                .await;
            assert_eq!(
                (error.code, error.message.as_str()),
                (3, message),
                "{method}"
            );
            assert_eq!(error.data, text(Bytes::from(output.clone())));
        }
    }
}

#[tokio::test]
async fn a_transaction_that_reverts_is_in_a_block_and_has_a_receipt() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let raw = sender.sign(contract.into(), 0, call_data(verb::REVERT, b"no"));
    let hash = client.send(raw).await;
    let receipt = client.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x0");
    assert_eq!(receipt["logs"], json!([]));
    assert!(number(&receipt["gasUsed"]) < 50_000);
}

#[tokio::test]
async fn an_estimate_suffices_and_is_not_far_above_what_is_used() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let deployment = client
        .number(
            "eth_estimateGas",
            json!([{"from": sender.address(), "data": box_code()}]),
        )
        .await;
    let contract = deploy_box(&client, &mut sender).await;
    let created = client
        .get(
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["0x1", "0x0"]),
        )
        .await;
    let receipt = client.receipt(&created["hash"]).await;
    let used = number(&receipt["gasUsed"]);
    assert!(
        (used..used + used / 50).contains(&deployment),
        "{deployment} for {used}"
    );

    let request = json!({"from": sender.address(), "to": contract, "input": put(5)});
    let estimate = client.number("eth_estimateGas", json!([request])).await;
    let hash = client
        .get(
            "eth_sendTransaction",
            json!([{
                "from": sender.address(), "to": contract, "input": put(5),
                "gas": format!("{estimate:#x}"),
            }]),
        )
        .await;
    let receipt = client.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x1");
    let used = number(&receipt["gasUsed"]);
    assert!(
        (used..used + used / 50).contains(&estimate),
        "{estimate} for {used}"
    );

    assert_eq!(
        client
            .number(
                "eth_estimateGas",
                json!([{"to": stranger(1), "value": "0x1", "from": sender.address()}])
            )
            .await,
        21_000
    );
}

#[tokio::test]
async fn an_endless_call_comes_to_an_end() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let request = json!([{"to": contract, "data": call_data(verb::LOOP, &[]), "gas": "0xf4240"}]);
    let error = client.refused("eth_call", request.clone()).await;
    assert_eq!((error.code, error.message.as_str()), (-32000, "out of gas"));
    let error = client.refused("eth_estimateGas", request).await;
    assert_eq!(error.code, -32000);
    assert!(
        error.message.starts_with("gas required exceeds allowance"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_call_can_look_at_earlier_blocks() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    for value in 1..=5 {
        client
            .send(sender.sign(contract.into(), 0, put(value)))
            .await;
    }
    for value in 1..=5u64 {
        let height = format!("{:#x}", value + 1);
        assert_eq!(
            client
                .get("eth_call", json!([{"to": contract}, height]))
                .await,
            word(value)
        );
        assert_eq!(
            client
                .get("eth_getStorageAt", json!([contract, "0x0", height]))
                .await,
            word(value)
        );
        assert_eq!(
            client
                .number("eth_getTransactionCount", json!([sender.address(), height]))
                .await,
            value + 1
        );
    }
    let block = client
        .get("eth_getBlockByNumber", json!(["0x3", false]))
        .await;
    for id in [
        json!({"blockHash": block["hash"]}),
        json!({"blockNumber": "0x3"}),
        block["hash"].clone(),
    ] {
        assert_eq!(
            client.get("eth_call", json!([{"to": contract}, id])).await,
            word(2)
        );
    }
    assert_eq!(
        client
            .get("eth_getCode", json!([contract, "earliest"]))
            .await,
        "0x"
    );
}

#[tokio::test]
async fn a_call_can_assume_another_state_and_another_block() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let code = client.get("eth_getCode", json!([contract])).await;
    let slot = text(B256::ZERO);
    for state in ["state", "stateDiff"] {
        let elsewhere = json!({ stranger(5).to_string(): { "code": code, state: { slot.as_str().unwrap(): word(9) } } });
        assert_eq!(
            client
                .get(
                    "eth_call",
                    json!([{"to": stranger(5)}, "latest", elsewhere])
                )
                .await,
            word(9)
        );
    }
    assert_eq!(
        client
            .get(
                "eth_call",
                json!([{"to": contract, "data": call_data(verb::TIME, &[])}, "latest", {}, {"time": "0x1234"}])
            )
            .await,
        word(0x1234)
    );
    // Nothing of it stays.
    assert_eq!(client.get("eth_getCode", json!([stranger(5)])).await, "0x");
}

#[tokio::test]
async fn a_call_at_latest_sees_the_present_time() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let head = client
        .get("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    client.get("evm_increaseTime", json!([5_000])).await;
    let time = client
        .get(
            "eth_call",
            json!([{"to": contract, "data": call_data(verb::TIME, &[])}, "latest"]),
        )
        .await;
    let time = u64::from_str_radix(time.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(time >= number(&head["timestamp"]) + 5_000);
}

#[tokio::test]
async fn a_call_needs_no_money_for_gas_but_for_its_value() {
    let (_chain, client) = fresh().await;
    client
        .get(
            "eth_call",
            json!([{"from": stranger(1), "to": stranger(2)}]),
        )
        .await;
    let error = client
        .refused(
            "eth_call",
            json!([{"from": stranger(1), "to": stranger(2), "value": "0x1"}]),
        )
        .await;
    assert_eq!(error.code, -32003);
    assert!(error.message.starts_with("insufficient funds"), "{error:?}");
}
