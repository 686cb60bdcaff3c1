//! Transactions on their way: what is refused and with which words, what waits, what replaces what.

use alloy::consensus::{SignableTransaction, TxEip2930, TxEip7702, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip7702::Authorization;
use alloy::signers::SignerSync;
use alloy_primitives::{Bytes, TxKind, U256};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn transactions_that_arrive_in_any_order_are_played_in_their_own() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let mut raw = (0..50)
        .map(|_| sender.transfer(stranger(1), 1))
        .collect::<Vec<_>>();
    // Last first, then at once.
    raw.reverse();
    let first = raw.pop().unwrap();
    let hashes = join_all(raw.into_iter().map(|raw| {
        let client = client.clone();
        async move { client.send(raw).await }
    }))
    .await;
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 0);
    assert_eq!(
        client.get("txpool_status", json!([])).await,
        json!({"pending": "0x0", "queued": "0x31"})
    );
    assert_eq!(client.receipt(&hashes[0]).await, Value::Null);
    let waiting = client
        .get("eth_getTransactionByHash", json!([hashes[0]]))
        .await;
    assert_eq!(waiting["blockNumber"], Value::Null);

    client.send(first).await;
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0x32"
    );
    for hash in &hashes {
        assert_eq!(client.receipt(hash).await["status"], "0x1");
    }
    assert_eq!(
        client.get("txpool_status", json!([])).await,
        json!({"pending": "0x0", "queued": "0x0"})
    );
}

#[tokio::test]
async fn a_refused_transaction_is_told_why_in_the_words_wallets_know() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let sent = sender.transfer(stranger(1), 1);
    client.send(sent.clone()).await;
    let poor = {
        let mut poor = Sender::of(&chain, 1);
        poor.signer = alloy::signers::local::PrivateKeySigner::random();
        poor
    };
    let base = alloy::consensus::TxEip1559 {
        chain_id: chain.chain_id(),
        nonce: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 5_000_000_000,
        to: TxKind::Call(stranger(1)),
        ..Default::default()
    };
    let sign = |change: &dyn Fn(&mut alloy::consensus::TxEip1559)| {
        let mut transaction = base.clone();
        change(&mut transaction);
        sender.sign_plain(transaction)
    };
    let table: Vec<(Bytes, &str)> = vec![
        (sent, "already known"),
        (sign(&|tx| tx.nonce = 0), "nonce too low"),
        (sign(&|tx| tx.nonce = u64::MAX), "nonce has max value"),
        (sign(&|tx| tx.gas_limit = 20_999), "intrinsic gas too low"),
        (
            sign(&|tx| tx.gas_limit = 16_777_217),
            "transaction gas limit too high",
        ),
        (
            sign(&|tx| tx.gas_limit = 60_000_001),
            "exceeds block gas limit",
        ),
        (
            sign(&|tx| tx.max_fee_per_gas = 1),
            "max fee per gas less than block base fee",
        ),
        (
            sign(&|tx| tx.max_priority_fee_per_gas = 6_000_000_000),
            "max priority fee per gas higher",
        ),
        (
            sign(&|tx| tx.chain_id = 1),
            "invalid chain id for signer: have 1 want 31337",
        ),
        (
            sign(&|tx| tx.value = U256::MAX),
            "insufficient funds for gas * price + value",
        ),
        (
            sign(&|tx| {
                tx.to = TxKind::Create;
                tx.input = vec![0; 49_153].into();
                tx.gas_limit = 10_000_000;
            }),
            "max initcode size exceeded",
        ),
        (
            poor.sign_at(0, TxKind::Call(stranger(1)), 0, Bytes::new()),
            "insufficient funds",
        ),
        (
            Bytes::from_static(&[3, 0xc0]),
            "blob transactions are not supported",
        ),
    ];
    for (raw, message) in table {
        let error = client.refused("eth_sendRawTransaction", json!([raw])).await;
        assert!(
            matches!(error.code, -32003 | -32000),
            "{error:?} for {message}"
        );
        assert!(
            error.message.starts_with(message),
            "{error:?} for {message}"
        );
    }
    // None of it left a trace.
    assert_eq!(
        client
            .number(
                "eth_getTransactionCount",
                json!([sender.address(), "pending"])
            )
            .await,
        1
    );
    client.send(sender.transfer(stranger(1), 1)).await;
}

#[tokio::test]
async fn a_waiting_transaction_gives_way_to_one_that_pays_a_tenth_more() {
    let (chain, client) = fresh().await;
    let sender = Sender::of(&chain, 0);
    client.get("evm_setAutomine", json!([false])).await;
    let pay = |fee: u128, value: u64| {
        sender.sign_plain(alloy::consensus::TxEip1559 {
            chain_id: chain.chain_id(),
            gas_limit: 21_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee / 100,
            to: TxKind::Call(stranger(1)),
            value: U256::from(value),
            ..Default::default()
        })
    };
    let old = client.send(pay(2_000_000_000, 1)).await;
    let error = client
        .refused("eth_sendRawTransaction", json!([pay(2_199_999_999, 2)]))
        .await;
    assert_eq!(error.message, "replacement transaction underpriced");
    let new = client.send(pay(2_200_000_000, 3)).await;
    assert_eq!(
        client.get("eth_getTransactionByHash", json!([old])).await,
        Value::Null
    );
    client.get("evm_mine", json!([])).await;
    assert_eq!(client.receipt(&new).await["status"], "0x1");
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0x3"
    );
}

#[tokio::test]
async fn who_pays_more_comes_first_and_pending_counts_what_waits() {
    let (chain, client) = fresh().await;
    client.get("evm_setAutomine", json!([false])).await;
    let mut hashes = Vec::new();
    for (index, tip) in [(0, 10), (1, 30), (2, 20)] {
        let mut sender = Sender::of(&chain, index);
        sender.tip = tip;
        hashes.push(client.send(sender.transfer(stranger(1), 1)).await);
    }
    assert_eq!(
        client
            .number(
                "eth_getTransactionCount",
                json!([chain.accounts()[0].address, "pending"])
            )
            .await,
        1
    );
    let pending = client
        .get("eth_getBlockByNumber", json!(["pending", false]))
        .await;
    assert_eq!(pending["number"], "0x1");
    assert_eq!(pending["transactions"].as_array().unwrap().len(), 3);
    client.get("evm_mine", json!([])).await;
    let block = client
        .get("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(
        block["transactions"],
        json!([hashes[1], hashes[2], hashes[0]])
    );
}

#[tokio::test]
async fn what_does_not_fit_into_a_block_comes_into_the_next() {
    let (chain, client) = fresh().await;
    client.get("evm_setBlockGasLimit", json!([100_000])).await;
    client.get("evm_setAutomine", json!([false])).await;
    let mut sender = Sender::of(&chain, 0);
    for _ in 0..10 {
        client.send(sender.transfer(stranger(1), 1)).await;
    }
    for (height, expected) in [("0x1", "0x4"), ("0x2", "0x4"), ("0x3", "0x2")] {
        client.get("evm_mine", json!([])).await;
        let count = client
            .get("eth_getBlockTransactionCountByNumber", json!([height]))
            .await;
        assert_eq!(count, expected);
    }
    assert_eq!(
        client.get("eth_getBalance", json!([stranger(1)])).await,
        "0xa"
    );
}

#[tokio::test]
async fn every_kind_of_transaction_is_taken() {
    let (chain, client) = fresh().await;
    let sender = Sender::of(&chain, 0);
    let sign = |hash| sender.signer.sign_hash_sync(&hash).unwrap();
    let legacy = |chain_id, nonce| TxLegacy {
        chain_id,
        nonce,
        gas_price: 2_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(stranger(1)),
        ..Default::default()
    };
    let mut raw: Vec<(&str, Vec<u8>)> = Vec::new();
    for (nonce, chain_id) in [(0, Some(chain.chain_id())), (1, None)] {
        let tx = legacy(chain_id, nonce);
        let signature = sign(tx.signature_hash());
        raw.push(("0x0", tx.into_signed(signature).encoded_2718()));
    }
    let tx = TxEip2930 {
        chain_id: chain.chain_id(),
        nonce: 2,
        gas_price: 2_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(stranger(1)),
        ..Default::default()
    };
    let signature = sign(tx.signature_hash());
    raw.push(("0x1", tx.into_signed(signature).encoded_2718()));
    let delegate = Sender::of(&chain, 5);
    let authorization = Authorization {
        chain_id: U256::from(chain.chain_id()),
        address: stranger(0xde),
        nonce: 0,
    };
    let signature = delegate
        .signer
        .sign_hash_sync(&authorization.signature_hash())
        .unwrap();
    let tx = TxEip7702 {
        chain_id: chain.chain_id(),
        nonce: 3,
        gas_limit: 100_000,
        max_fee_per_gas: 2_000_000_000,
        to: stranger(1),
        authorization_list: vec![authorization.into_signed(signature)],
        ..Default::default()
    };
    let signature = sign(tx.signature_hash());
    raw.push(("0x4", tx.into_signed(signature).encoded_2718()));
    for (kind, raw) in raw {
        let hash = client.send(raw.into()).await;
        let receipt = client.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["type"], kind);
        let transaction = client.get("eth_getTransactionByHash", json!([hash])).await;
        assert_eq!(transaction["type"], kind);
    }
    assert_eq!(
        client.get("eth_getCode", json!([delegate.address()])).await,
        format!("0xef0100{}", "de".repeat(20))
    );
}

#[tokio::test]
async fn a_batch_is_answered_in_order_with_its_errors_in_place() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let ask = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let mut requests = (0..20)
        .map(|id| {
            ask(
                id,
                "eth_sendRawTransaction",
                json!([sender.transfer(stranger(1), 1)]),
            )
        })
        .collect::<Vec<_>>();
    requests.push(ask(20, "eth_noSuchThing", json!([])));
    requests.push(ask(21, "eth_getBalance", json!([stranger(1)])));
    let answers = client.post(json!(requests).to_string()).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 22);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id);
    }
    assert_eq!(answers[20]["error"]["code"], -32601);
    assert_eq!(answers[21]["result"], "0x14");
}

#[tokio::test]
async fn sync_sending_answers_with_the_receipt() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let receipt = client
        .get(
            "eth_sendRawTransactionSync",
            json!([sender.transfer(stranger(1), 1)]),
        )
        .await;
    assert_eq!(receipt["status"], "0x1");
    client.get("evm_setAutomine", json!([false])).await;
    let error = client
        .refused(
            "eth_sendRawTransactionSync",
            json!([sender.transfer(stranger(1), 1), 1]),
        )
        .await;
    assert_eq!(error.code, -32000);
}

#[tokio::test]
async fn sums_that_overflow_are_refused() {
    let (chain, client) = fresh().await;
    let sender = Sender::of(&chain, 0);
    client
        .get("anvil_setBalance", json!([sender.address(), U256::MAX]))
        .await;
    client
        .get(
            "anvil_setBalance",
            json!([alloy_primitives::Address::ZERO, U256::MAX]),
        )
        .await;
    for (fee, value) in [
        (u128::MAX, U256::ZERO),
        (u128::MAX, U256::MAX),
        (u128::MAX / 21_000, U256::MAX),
        (2_000_000_000, U256::MAX),
    ] {
        let raw = sender.sign_plain(alloy::consensus::TxEip1559 {
            chain_id: chain.chain_id(),
            gas_limit: 21_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee,
            to: TxKind::Call(stranger(1)),
            value,
            ..Default::default()
        });
        let error = client.refused("eth_sendRawTransaction", json!([raw])).await;
        assert_eq!(error.code, -32003, "{error:?}");
        let request = json!([{
            "from": sender.address(), "to": stranger(1), "value": value,
            "maxFeePerGas": format!("{fee:#x}"), "maxPriorityFeePerGas": format!("{fee:#x}"),
        }]);
        for method in ["eth_call", "eth_estimateGas", "eth_sendTransaction"] {
            let error = client.refused(method, request.clone()).await;
            assert_eq!(error.code, -32003, "{method} {error:?}");
        }
    }
    // A tip to an account that can hold no more burns nothing down.
    let mut sender = Sender::of(&chain, 1);
    let hash = client.send(sender.transfer(stranger(1), 1)).await;
    assert_eq!(client.receipt(&hash).await["status"], "0x1");
}
