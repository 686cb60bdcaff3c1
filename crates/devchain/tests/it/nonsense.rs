//! Whatever is sent, there is an answer, and the node lives on.

use std::time::Duration;

use devchain::{Config, Mining};
use serde_json::{Value, json};

use crate::support::*;

const METHODS: &[&str] = &[
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getTransactionByHash",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getTransactionReceipt",
    "eth_getBlockReceipts",
    "eth_getTransactionCount",
    "eth_getBalance",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_call",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_sendRawTransaction",
    "eth_sendRawTransactionSync",
    "eth_sendTransaction",
    "eth_signTransaction",
    "eth_sign",
    "personal_sign",
    "eth_signTypedData_v4",
    "eth_getLogs",
    "eth_newFilter",
    "eth_getFilterChanges",
    "eth_getFilterLogs",
    "eth_uninstallFilter",
    "web3_sha3",
    "evm_increaseTime",
    "evm_setNextBlockTimestamp",
    "evm_setTime",
    "evm_revert",
    "evm_mine",
    "anvil_mine",
    "evm_setAutomine",
    "evm_setIntervalMining",
    "evm_setBlockGasLimit",
    "anvil_setBalance",
    "anvil_setNonce",
    "anvil_setCode",
    "anvil_setStorageAt",
    "anvil_dropTransaction",
    "anvil_setNextBlockBaseFeePerGas",
    "oxec_reorganise",
];

#[tokio::test]
async fn every_method_survives_every_argument() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let address = json!(contract);
    let huge = format!("0x{}", "f".repeat(64));
    let arguments: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(0),
        json!(""),
        json!("0x"),
        json!("0xzz"),
        json!("0x1"),
        json!(huge),
        json!(format!("{huge}00")),
        json!("latest"),
        json!("pending"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({"fromBlock": "0x0", "toBlock": huge}),
        json!({"to": address, "data": "0x03", "gas": huge}),
        json!({"to": address, "gas": "0xffffffffffffffff", "value": huge}),
        json!({"from": address, "to": address, "gasPrice": huge}),
        json!({"from": address, "to": address, "gasPrice": "0xffffffffffffffffffffffffffffffff"}),
        json!({"data": "0xfe", "input": "0x01"}),
        json!({"blobVersionedHashes": [huge]}),
        json!({"authorizationList": [{"chainId": "0x0", "address": address, "nonce": "0x0", "yParity": "0x5", "r": "0x0", "s": "0x0"}]}),
        json!({"types": {"A": [{"name": "a", "type": "A"}]}, "primaryType": "A", "domain": {}, "message": {"a": {}}}),
        json!({"topics": [null, [null, []], huge, "0x"]}),
        address.clone(),
        json!("0x02c0"),
        json!("0x02f8ff"),
        json!("0x04c0"),
        json!("0x7fffffff"),
        json!("0x7fffffffffffffff"),
        json!("0xffffffffffffffff"),
        json!(i64::MAX),
        json!(u64::MAX),
        json!("ÿ\u{0}😀"),
    ];
    for method in METHODS {
        let mut attempts = vec![json!([]), json!({"a": 1}), json!(null)];
        attempts.extend(arguments.iter().map(|argument| json!([argument])));
        attempts.extend(arguments.iter().map(|argument| json!([address, argument])));
        attempts.extend(arguments.iter().map(|argument| json!([argument, "latest"])));
        attempts.extend(
            arguments
                .iter()
                .map(|argument| json!(["0x1", argument, argument, argument, argument])),
        );
        attempts.extend(
            arguments
                .iter()
                .map(|argument| json!([{"to": address}, "latest", argument, argument])),
        );
        for params in attempts {
            if let Err(error) = client.ask(method, params.clone()).await {
                assert!(
                    error.code == 3 || error.code <= -32000,
                    "{method} {params}: {error:?}"
                );
                assert!(error.code != -32603, "{method} {params}: {error:?}");
                assert!(!error.message.is_empty());
            }
        }
    }
    assert_eq!(client.get("eth_chainId", json!([])).await, "0x7a69");
    // And it makes blocks, once it is told sensible things again.
    client.get("evm_setAutomine", json!([true])).await;
    assert_eq!(client.get("anvil_getAutomine", json!([])).await, true);
    client.get("anvil_dropAllTransactions", json!([])).await;
    client
        .get("evm_setBlockGasLimit", json!(["0x3938700"]))
        .await;
    client
        .get("anvil_removeBlockTimestampInterval", json!([]))
        .await;
    client
        .get("anvil_setNextBlockBaseFeePerGas", json!(["0x1"]))
        .await;
    let mut sender = Sender::of(&chain, 7);
    let me = sender.address();
    client
        .get("anvil_setBalance", json!([me, "0xde0b6b3a7640000"]))
        .await;
    sender.nonce = client
        .number("eth_getTransactionCount", json!([me, "latest"]))
        .await;
    let hash = client.send(sender.transfer(stranger(42), 1)).await;
    assert_eq!(client.receipt(&hash).await["status"], "0x1");
}

#[tokio::test]
async fn an_interval_longer_than_a_day_is_refused_and_blocks_go_on() {
    let (chain, client) = fresh().await;
    for secs in ["0xffffffffffffffff", "0x7fffffffffffffff", "0x15181"] {
        for method in ["evm_setIntervalMining", "anvil_setIntervalMining"] {
            assert_eq!(client.refused(method, json!([secs])).await.code, -32602);
        }
    }
    let mut sender = Sender::of(&chain, 0);
    let hash = client.send(sender.transfer(stranger(1), 1)).await;
    assert_eq!(client.receipt(&hash).await["status"], "0x1");
    // Waiting for as long as can be asked for, it still hears what it is told.
    client
        .get("evm_setIntervalMining", json!(["0x15180"]))
        .await;
    client.send(sender.transfer(stranger(1), 1)).await;
    client.get("evm_setAutomine", json!([true])).await;
    client.send(sender.transfer(stranger(1), 1)).await;
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0x3"
    );
}

#[tokio::test]
async fn a_chain_started_with_an_endless_interval_lives() {
    let config = Config::default().mining(Mining::Interval(Duration::MAX));
    let (chain, client) = started(config).await;
    let mut sender = Sender::of(&chain, 0);
    client.send(sender.transfer(stranger(1), 1)).await;
    client.get("evm_setAutomine", json!([true])).await;
    client.send(sender.transfer(stranger(1), 1)).await;
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0x2"
    );
}

#[tokio::test]
async fn what_is_not_json_rpc_gets_its_standard_error() {
    let (_chain, client) = fresh().await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("[1,", -32700),
        ("[]", -32600),
        ("{}", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_unheardOf\"}",
            -32601,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBalance\",\"params\":[]}",
            -32602,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBalance\",\"params\":[\"0x1\"]}",
            -32602,
        ),
    ] {
        let answer = client.post(body.to_owned()).await;
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_flood_of_garbage_on_a_websocket_closes_nothing_else() {
    let (chain, client) = fresh().await;
    let mut garbage = socket(&chain).await;
    for id in 0..200u64 {
        say(
            &mut garbage,
            id,
            "eth_subscribe",
            json!([id, {"address": "nobody"}]),
        )
        .await;
    }
    for _ in 0..200 {
        assert!(hear(&mut garbage).await["error"]["code"].is_i64());
    }
    assert_eq!(client.get("eth_chainId", json!([])).await, "0x7a69");
}
