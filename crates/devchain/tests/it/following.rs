//! Filters and subscriptions, reorganisations included.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn filters_tell_each_thing_once() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let blocks = client.get("eth_newBlockFilter", json!([])).await;
    let pending = client
        .get("eth_newPendingTransactionFilter", json!([]))
        .await;
    let logs = client
        .get(
            "eth_newFilter",
            json!([{"address": contract, "fromBlock": "0x0"}]),
        )
        .await;
    let changes = async |id: &Value| client.get("eth_getFilterChanges", json!([id])).await;
    for id in [&blocks, &pending, &logs] {
        assert_eq!(changes(id).await, json!([]));
    }
    let first = client.send(sender.sign(contract.into(), 0, put(1))).await;
    let second = client.send(sender.sign(contract.into(), 0, put(2))).await;
    let receipts = [client.receipt(&first).await, client.receipt(&second).await];
    assert_eq!(
        changes(&blocks).await,
        json!([receipts[0]["blockHash"], receipts[1]["blockHash"]])
    );
    assert_eq!(changes(&pending).await, json!([first, second]));
    assert_eq!(
        changes(&logs).await,
        json!([receipts[0]["logs"][0], receipts[1]["logs"][0]])
    );
    for id in [&blocks, &pending, &logs] {
        assert_eq!(changes(id).await, json!([]));
    }
    assert_eq!(
        client
            .get("eth_getFilterLogs", json!([logs]))
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(client.get("eth_uninstallFilter", json!([logs])).await, true);
    assert_eq!(
        client.get("eth_uninstallFilter", json!([logs])).await,
        false
    );
    let error = client.refused("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (-32000, "filter not found")
    );
}

/// Subscribes and gives the subscription's id.
async fn subscribe(socket: &mut Socket, id: u64, params: Value) -> Value {
    say(socket, id, "eth_subscribe", params).await;
    let answer = hear(socket).await;
    assert_eq!(answer["id"], id, "{answer}");
    assert!(answer["result"].as_str().unwrap().starts_with("0x"));
    answer["result"].clone()
}

/// The next notification, which has to be of this subscription.
async fn told(socket: &mut Socket, subscription: &Value) -> Value {
    let mut message = hear(socket).await;
    assert_eq!(message["method"], "eth_subscription", "{message}");
    assert_eq!(&message["params"]["subscription"], subscription);
    message["params"]["result"].take()
}

#[tokio::test]
async fn subscribers_are_told_of_heads_logs_and_waiting_transactions() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let mut sockets = [
        socket(&chain).await,
        socket(&chain).await,
        socket(&chain).await,
    ];
    let heads = subscribe(&mut sockets[0], 1, json!(["newHeads"])).await;
    let logs = subscribe(
        &mut sockets[1],
        2,
        json!(["logs", {"address": contract, "topics": [TOPIC]}]),
    )
    .await;
    let pending = subscribe(&mut sockets[2], 3, json!(["newPendingTransactions"])).await;
    for value in 1..=20u64 {
        let hash = client
            .send(sender.sign(contract.into(), 0, put(value)))
            .await;
        let receipt = client.receipt(&hash).await;
        let head = told(&mut sockets[0], &heads).await;
        assert_eq!(head["hash"], receipt["blockHash"]);
        assert_eq!(head["number"], receipt["blockNumber"]);
        assert_eq!(told(&mut sockets[1], &logs).await, receipt["logs"][0]);
        assert_eq!(told(&mut sockets[2], &pending).await, hash);
    }
    // After unsubscribing nothing comes but the answers to what is asked.
    say(&mut sockets[0], 9, "eth_unsubscribe", json!([heads])).await;
    assert_eq!(hear(&mut sockets[0]).await["result"], true);
    client.send(sender.transfer(stranger(1), 1)).await;
    say(&mut sockets[0], 10, "eth_blockNumber", json!([])).await;
    assert_eq!(hear(&mut sockets[0]).await["id"], 10);
}

#[tokio::test]
async fn a_websocket_takes_everything_http_takes() {
    let (chain, _client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let mut socket = socket(&chain).await;
    say(
        &mut socket,
        1,
        "eth_sendRawTransaction",
        json!([sender.transfer(stranger(1), 1)]),
    )
    .await;
    let hash = hear(&mut socket).await["result"].clone();
    say(&mut socket, 2, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(hear(&mut socket).await["result"]["status"], "0x1");
    say(&mut socket, 3, "eth_subscribe", json!(["newDreams"])).await;
    assert_eq!(hear(&mut socket).await["error"]["code"], -32602);
}

#[tokio::test]
async fn a_reorganisation_takes_logs_back_and_tells_the_new_heads() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let filter = client
        .get("eth_newFilter", json!([{"address": contract}]))
        .await;
    let mut heads_socket = socket(&chain).await;
    let mut logs_socket = socket(&chain).await;
    let heads = subscribe(&mut heads_socket, 1, json!(["newHeads"])).await;
    let logs = subscribe(&mut logs_socket, 2, json!(["logs", {"address": contract}])).await;
    let mut old = Vec::new();
    for value in 1..=3u64 {
        let hash = client
            .send(sender.sign(contract.into(), 0, put(value)))
            .await;
        old.push(client.receipt(&hash).await);
        told(&mut heads_socket, &heads).await;
        told(&mut logs_socket, &logs).await;
    }
    client.get("eth_getFilterChanges", json!([filter])).await;

    client.get("oxec_reorganise", json!([2])).await;
    // The two undone, newest first; then both again, in one new block.
    let mut expected = Vec::new();
    for receipt in [&old[2], &old[1]] {
        let mut log = receipt["logs"][0].clone();
        log["removed"] = json!(true);
        expected.push(log);
    }
    let mut new = Vec::new();
    for receipt in &old[1..] {
        let again = client.receipt(&receipt["transactionHash"]).await;
        assert_ne!(again["blockHash"], receipt["blockHash"]);
        assert_eq!(again["status"], "0x1");
        expected.push(again["logs"][0].clone());
        new.push(again);
    }
    for log in &expected {
        assert_eq!(&told(&mut logs_socket, &logs).await, log);
    }
    assert_eq!(
        client.get("eth_getFilterChanges", json!([filter])).await,
        json!(expected)
    );
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 4);
    for height in ["0x3", "0x4"] {
        let block = client
            .get("eth_getBlockByNumber", json!([height, false]))
            .await;
        assert_eq!(told(&mut heads_socket, &heads).await["hash"], block["hash"]);
    }
    for receipt in &old[1..] {
        assert_eq!(
            client
                .get("eth_getBlockByHash", json!([receipt["blockHash"], false]))
                .await,
            Value::Null
        );
    }
    assert_eq!(
        client
            .get("eth_getStorageAt", json!([contract, "0x0"]))
            .await,
        text(alloy_primitives::B256::from(alloy_primitives::U256::from(
            3
        )))
    );
}

#[tokio::test]
async fn reorganisations_of_any_depth_are_told_as_geth_tells_them() {
    for forget in [false, true] {
        for depth in 1..=6usize {
            let (chain, client) = fresh().await;
            let mut sender = Sender::of(&chain, 0);
            let contract = deploy_box(&client, &mut sender).await;
            let mut old = Vec::new();
            for value in 1..=6u64 {
                let hash = client
                    .send(sender.sign(contract.into(), 0, put(value)))
                    .await;
                old.push(client.receipt(&hash).await);
            }
            let mut heads_socket = socket(&chain).await;
            let mut logs_socket = socket(&chain).await;
            let heads = subscribe(&mut heads_socket, 1, json!(["newHeads"])).await;
            let logs = subscribe(&mut logs_socket, 2, json!(["logs", {"address": contract}])).await;
            client
                .get("oxec_reorganise", json!([depth, {"forget": forget}]))
                .await;

            // Revoked logs come first, the newest first.
            let undone = &old[old.len() - depth..];
            for receipt in undone.iter().rev() {
                let mut log = receipt["logs"][0].clone();
                log["removed"] = json!(true);
                assert_eq!(told(&mut logs_socket, &logs).await, log, "{depth} {forget}");
            }
            for receipt in undone {
                let again = client.receipt(&receipt["transactionHash"]).await;
                if forget {
                    assert_eq!(again, Value::Null);
                } else {
                    assert_ne!(again["blockHash"], receipt["blockHash"]);
                    assert_eq!(told(&mut logs_socket, &logs).await, again["logs"][0]);
                }
            }
            // A head for each new block, each on the one before, the first on the last common one.
            let mut parent = old[old.len() - depth]["blockNumber"].clone();
            parent = client
                .get(
                    "eth_getBlockByNumber",
                    json!([format!("{:#x}", number(&parent) - 1), false]),
                )
                .await["hash"]
                .take();
            for receipt in undone {
                let head = told(&mut heads_socket, &heads).await;
                assert_eq!(head["number"], receipt["blockNumber"]);
                assert_eq!(head["parentHash"], parent);
                parent = head["hash"].clone();
            }
            let value = if forget { 6 - depth as u64 } else { 6 };
            assert_eq!(
                client
                    .number("eth_getTransactionCount", json!([sender.address()]))
                    .await,
                1 + value
            );
            // Nothing else is told: the next message of each is about the next transaction.
            sender.nonce = 1 + value;
            let hash = client.send(sender.sign(contract.into(), 0, put(99))).await;
            let receipt = client.receipt(&hash).await;
            assert_eq!(told(&mut logs_socket, &logs).await, receipt["logs"][0]);
            assert_eq!(
                told(&mut heads_socket, &heads).await["hash"],
                receipt["blockHash"]
            );
        }
    }
}

#[tokio::test]
async fn a_reorganisation_can_lose_transactions() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let kept = client.send(sender.transfer(stranger(1), 1)).await;
    let lost = client.send(sender.transfer(stranger(1), 1)).await;
    client
        .get("oxec_reorganise", json!([1, {"forget": true}]))
        .await;
    assert_eq!(client.receipt(&kept).await["status"], "0x1");
    assert_eq!(client.receipt(&lost).await, Value::Null);
    assert_eq!(
        client.get("eth_getTransactionByHash", json!([lost])).await,
        Value::Null
    );
    assert_eq!(
        client
            .number("eth_getTransactionCount", json!([sender.address()]))
            .await,
        1
    );
    let error = client.refused("oxec_reorganise", json!([99])).await;
    assert_eq!(error.code, -32602);
}
