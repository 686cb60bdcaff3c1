//! Blocks, transactions and receipts: what they say and that their hashes and roots are true.

use alloy::consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy::consensus::{EMPTY_ROOT_HASH, ReceiptEnvelope};
use alloy::rpc::types::{Block, Log, TransactionReceipt};
use alloy_primitives::{B256, Bloom, U256};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn a_new_chain_has_one_block_and_rich_accounts() {
    let (chain, client) = fresh().await;
    assert_eq!(client.get("eth_chainId", json!([])).await, "0x7a69");
    assert_eq!(client.get("net_version", json!([])).await, "31337");
    assert_eq!(client.number("eth_blockNumber", json!([])).await, 0);
    let accounts = client.get("eth_accounts", json!([])).await;
    assert_eq!(accounts.as_array().unwrap().len(), 20);
    assert_eq!(accounts[0], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    for account in chain.accounts() {
        assert_eq!(
            client.get("eth_getBalance", json!([account.address])).await,
            "0x21e19e0c9bab2400000"
        );
    }
    let block = client
        .get("eth_getBlockByNumber", json!(["earliest", true]))
        .await;
    assert_eq!(block["transactionsRoot"], text(EMPTY_ROOT_HASH));
    assert_eq!(block["baseFeePerGas"], "0x3b9aca00");
}

#[tokio::test]
async fn a_transfer_is_in_a_block_by_the_time_it_is_answered() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let hash = client.send(sender.transfer(stranger(7), 5)).await;

    let receipt = client.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["gasUsed"], "0x5208");
    assert_eq!(receipt["from"], text(sender.address()));
    assert_eq!(receipt["to"], text(stranger(7)));
    assert_eq!(receipt["contractAddress"], Value::Null);
    assert_eq!(receipt["type"], "0x2");
    assert_eq!(receipt["blockNumber"], "0x1");
    assert_eq!(
        client
            .get("eth_getBalance", json!([stranger(7), "latest"]))
            .await,
        "0x5"
    );
    assert_eq!(
        client
            .number("eth_getTransactionCount", json!([sender.address()]))
            .await,
        1
    );

    let transaction = client.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(transaction["hash"], hash);
    assert_eq!(transaction["blockHash"], receipt["blockHash"]);
    assert_eq!(transaction["value"], "0x5");
    for (method, place) in [
        ("eth_getTransactionByBlockNumberAndIndex", json!("0x1")),
        (
            "eth_getTransactionByBlockHashAndIndex",
            receipt["blockHash"].clone(),
        ),
    ] {
        assert_eq!(client.get(method, json!([place, "0x0"])).await, transaction);
        assert_eq!(client.get(method, json!([place, "0x1"])).await, Value::Null);
    }
    for (method, place) in [
        ("eth_getBlockTransactionCountByNumber", json!("latest")),
        (
            "eth_getBlockTransactionCountByHash",
            receipt["blockHash"].clone(),
        ),
    ] {
        assert_eq!(client.get(method, json!([place])).await, "0x1");
    }
    assert_eq!(
        client.get("eth_getBlockReceipts", json!(["0x1"])).await,
        json!([receipt])
    );
}

#[tokio::test]
async fn roots_bloom_gas_and_hash_follow_from_the_content() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    client.get("evm_setAutomine", json!([false])).await;
    for value in 1..=40u64 {
        let raw = match value % 4 {
            0 => sender.transfer(stranger(1), value),
            _ => sender.sign(contract.into(), 0, put(value)),
        };
        client.send(raw).await;
    }
    client.get("evm_mine", json!([])).await;

    let value = client
        .get("eth_getBlockByNumber", json!(["latest", true]))
        .await;
    let block: Block = serde_json::from_value(value.clone()).unwrap();
    let receipts = client.get("eth_getBlockReceipts", json!(["latest"])).await;
    let receipts: Vec<TransactionReceipt<ReceiptEnvelope<Log>>> =
        serde_json::from_value(receipts).unwrap();
    assert_eq!(receipts.len(), 40);

    let header = &block.header.inner;
    assert_eq!(header.hash_slow(), block.header.hash);
    assert_eq!(
        header.transactions_root,
        calculate_transaction_root(
            &block
                .transactions
                .as_transactions()
                .unwrap()
                .iter()
                .map(|transaction| transaction.inner.inner().clone())
                .collect::<Vec<_>>()
        )
    );
    let plain = receipts
        .iter()
        .map(|receipt| receipt.inner.clone().into_primitives_receipt())
        .collect::<Vec<_>>();
    assert_eq!(header.receipts_root, calculate_receipt_root(&plain));
    assert_eq!(
        header.logs_bloom,
        plain
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom())
    );
    assert!(!header.logs_bloom.is_zero());
    assert_eq!(
        header.gas_used,
        receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>()
    );
    assert_eq!(header.state_root, B256::ZERO);
    // Log indices count through the block.
    let indices = receipts
        .iter()
        .flat_map(|receipt| receipt.logs())
        .map(|log| log.log_index.unwrap())
        .collect::<Vec<_>>();
    assert_eq!(indices, (0..30).collect::<Vec<_>>());
    // The size is the length of the block as others would send it.
    let consensus = block.clone().into_consensus();
    let whole = alloy::consensus::Block {
        header: consensus.header,
        body: alloy::consensus::BlockBody {
            transactions: consensus
                .body
                .transactions
                .into_iter()
                .map(|transaction| transaction.inner.into_inner())
                .collect::<Vec<_>>(),
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        },
    };
    assert_eq!(
        block.header.size,
        Some(U256::from(alloy_rlp::encode(&whole).len()))
    );

    // And the chain hangs together.
    let parent = client
        .get("eth_getBlockByHash", json!([header.parent_hash, false]))
        .await;
    assert_eq!(number(&parent["number"]) + 1, header.number);
}

#[tokio::test]
async fn the_base_fee_follows_the_gas_used() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    client.send(sender.transfer(stranger(1), 1)).await;
    client.send(sender.transfer(stranger(1), 1)).await;
    let fee = |block: &Value| number(&block["baseFeePerGas"]);
    let mut blocks = Vec::new();
    for height in ["0x0", "0x1", "0x2"] {
        blocks.push(
            client
                .get("eth_getBlockByNumber", json!([height, false]))
                .await,
        );
    }
    // An almost empty block lowers it by almost an eighth.
    assert_eq!(fee(&blocks[0]), 1_000_000_000);
    assert_eq!(fee(&blocks[1]), 875_000_000);
    assert!(fee(&blocks[2]) < 875_000_000 && fee(&blocks[2]) >= 765_625_000);

    let history = client
        .get("eth_feeHistory", json!(["0x2", "latest", [0, 50, 100]]))
        .await;
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(history["baseFeePerGas"][0], blocks[1]["baseFeePerGas"]);
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(
        history["reward"],
        json!([["0x1", "0x1", "0x1"], ["0x1", "0x1", "0x1"]])
    );
    let price = client.number("eth_gasPrice", json!([])).await;
    assert_eq!(price, number(&history["baseFeePerGas"][2]) + 1_000_000_000);
}

#[tokio::test]
async fn what_is_not_there_is_null() {
    let (_chain, client) = fresh().await;
    let nothing = B256::repeat_byte(9);
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x63", false])),
        ("eth_getBlockByHash", json!([nothing, false])),
        ("eth_getTransactionByHash", json!([nothing])),
        ("eth_getTransactionReceipt", json!([nothing])),
        ("eth_getBlockReceipts", json!(["0x63"])),
        ("eth_getBlockTransactionCountByHash", json!([nothing])),
    ] {
        assert_eq!(client.get(method, params).await, Value::Null, "{method}");
    }
    let error = client
        .refused("eth_getBalance", json!([stranger(1), "0x63"]))
        .await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (-32001, "block not found")
    );
}

#[tokio::test]
async fn blocks_may_share_a_second_and_never_run_ahead_of_the_clock() {
    let (chain, client) = fresh().await;
    let mut sender = Sender::of(&chain, 0);
    let before = std::time::SystemTime::now();
    for _ in 0..20 {
        client.send(sender.transfer(stranger(1), 1)).await;
    }
    let block = client
        .get("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    let passed = before.elapsed().unwrap().as_secs() + 1;
    let before = before
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let timestamp = number(&block["timestamp"]);
    assert!(
        (before..=before + passed).contains(&timestamp),
        "{timestamp} {before}"
    );
}
