//! Requests written out: everything a library would not send, and each method once where the libraries do not agree
//! on what to ask.
//!
//! In the order of a day with a node: what it is, what is on it, sending, calling, following, changing what is given,
//! nonsense.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::eips::eip7702::Authorization;
use alloy::signers::SignerSync;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::{Panic, PanicKind, Revert, SolError};
use devchain::Devchain;
use serde_json::{Value, json};

use super::recorder::Recorder;
use crate::support::*;

/// How long a node may take for a block.
const PATIENCE: Duration = Duration::from_secs(20);

struct Raw<'a> {
    recorder: &'a Recorder,
    http: reqwest::Client,
    /// Goes past the recorder, to wait for something.
    aside: Client,
}

impl Raw<'_> {
    async fn body(&self, body: impl Into<String>) -> Value {
        let text = self
            .http
            .post(&self.recorder.url)
            .header("content-type", "application/json")
            .body(body.into())
            .send()
            .await
            .expect("the node answers")
            .text()
            .await
            .expect("the answer ends");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.body(request.to_string()).await["result"].take()
    }

    /// Asks each of these with the same arguments.
    async fn each(&self, methods: &[&str], params: Value) {
        for method in methods {
            self.ask(method, params.clone()).await;
        }
    }

    /// Sends and waits for the receipt, aside, because anvil answers before there is one.
    async fn send(&self, raw: Bytes) -> Value {
        let hash = self.ask("eth_sendRawTransaction", json!([raw])).await;
        self.mined(&hash).await;
        hash
    }

    async fn mined(&self, hash: &Value) {
        if hash.is_null() {
            return;
        }
        tokio::time::timeout(PATIENCE, async {
            // anvil has the receipt a moment before it says of the transaction that it is in a block.
            while self.aside.receipt(hash).await.is_null()
                || self
                    .aside
                    .get("eth_getTransactionByHash", json!([hash]))
                    .await["blockHash"]
                    .is_null()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the transaction gets into a block");
    }
}

/// Plays the scenario through the recorder.
pub(super) async fn play(recorder: &Recorder, aside: Client, accounts: &Devchain) {
    let raw = Raw {
        recorder,
        http: reqwest::Client::new(),
        aside,
    };
    let mut sender = Sender::of(accounts, 0);
    identity(&raw).await;
    let contract = sending(&raw, &mut sender).await;
    looking(&raw, &sender, contract).await;
    refusals(&raw, &mut sender).await;
    calling(&raw, &sender, contract).await;
    following(&raw, &mut sender, contract).await;
    waiting(&raw, &mut sender).await;
    signing(&raw, accounts).await;
    control(&raw, &mut sender, contract).await;
    other_names(&raw, &mut sender).await;
    nonsense(&raw).await;
    told(&raw, &mut sender, contract).await;
}

async fn identity(raw: &Raw<'_>) {
    for method in [
        "web3_clientVersion",
        "net_version",
        "net_listening",
        "net_peerCount",
        "eth_chainId",
        "eth_networkId",
        "eth_protocolVersion",
        "eth_syncing",
        "eth_mining",
        "eth_hashrate",
        "eth_coinbase",
        "eth_accounts",
        "eth_requestAccounts",
        "eth_blockNumber",
        "eth_gasPrice",
        "eth_maxPriorityFeePerGas",
        "eth_blobBaseFee",
        "txpool_status",
        "txpool_inspect",
        "txpool_content",
        "anvil_nodeInfo",
        "anvil_getAutomine",
        "anvil_getIntervalMining",
        "hardhat_getAutomine",
        "hardhat_metadata",
        "rpc_modules",
        "eth_config",
    ] {
        raw.ask(method, json!([])).await;
    }
    raw.ask("web3_sha3", json!(["0x68656c6c6f"])).await;
    // All that was added until now is the answer, so these come before anything that depends on the time of day.
    raw.ask("anvil_increaseTime", json!(["0x64"])).await;
    raw.ask("evm_increaseTime", json!([100])).await;
    raw.each(&["eth_getBlockByNumber"], json!(["0x0", true]))
        .await;
    raw.ask("eth_feeHistory", json!(["0x1", "latest", [50]]))
        .await;
}

/// Signs any kind of transaction.
fn signed<T: SignableTransaction<alloy_primitives::Signature>>(
    sender: &Sender,
    transaction: T,
) -> alloy::consensus::Signed<T> {
    let signature = sender
        .signer
        .sign_hash_sync(&transaction.signature_hash())
        .expect("it signs");
    transaction.into_signed(signature)
}

/// Transactions of every kind, and all that can be asked about them.
async fn sending(raw: &Raw<'_>, sender: &mut Sender) -> Address {
    let contract = sender.address().create(sender.nonce);
    let mut hashes = Vec::new();
    hashes.push(raw.send(sender.sign(TxKind::Create, 0, box_code())).await);
    hashes.push(raw.send(sender.transfer(stranger(1), 5)).await);
    hashes.push(raw.send(sender.sign(contract.into(), 0, put(7))).await);
    let access_list = AccessList(vec![AccessListItem {
        address: contract,
        storage_keys: vec![B256::ZERO],
    }]);
    let to = TxKind::Call(contract);
    let legacy = |nonce, chain_id| TxLegacy {
        chain_id,
        nonce,
        gas_price: 5_000_000_000,
        gas_limit: 100_000,
        to,
        input: put(8),
        ..TxLegacy::default()
    };
    for chain_id in [Some(31_337), None] {
        let transaction = signed(sender, legacy(sender.nonce, chain_id));
        hashes.push(raw.send(transaction.encoded_2718().into()).await);
        sender.nonce += 1;
    }
    let with_list = TxEip2930 {
        chain_id: 31_337,
        nonce: sender.nonce,
        gas_price: 5_000_000_000,
        gas_limit: 100_000,
        to,
        access_list: access_list.clone(),
        input: put(9),
        ..TxEip2930::default()
    };
    hashes.push(
        raw.send(signed(sender, with_list).encoded_2718().into())
            .await,
    );
    sender.nonce += 1;
    let delegation = Authorization {
        chain_id: U256::from(31_337),
        address: contract,
        nonce: sender.nonce + 1,
    };
    let signature = sender
        .signer
        .sign_hash_sync(&delegation.signature_hash())
        .expect("it signs");
    let delegating = TxEip7702 {
        chain_id: 31_337,
        nonce: sender.nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: stranger(2),
        access_list,
        authorization_list: vec![delegation.into_signed(signature)],
        ..TxEip7702::default()
    };
    hashes.push(
        raw.send(signed(sender, delegating).encoded_2718().into())
            .await,
    );
    sender.nonce += 2;
    // It delegated to the contract; now it does not any more, so that it can be used as before.
    hashes.push(
        raw.send(sender.sign(
            contract.into(),
            0,
            call_data(verb::REVERT, &Revert::from("too late").abi_encode()),
        ))
        .await,
    );
    let mut looping = sender.sign(contract.into(), 0, call_data(verb::LOOP, &[]));
    hashes.push(raw.send(std::mem::take(&mut looping)).await);
    for hash in &hashes {
        raw.each(
            &[
                "eth_getTransactionReceipt",
                "eth_getTransactionByHash",
                "eth_getRawTransactionByHash",
            ],
            json!([hash]),
        )
        .await;
    }
    contract
}

async fn looking(raw: &Raw<'_>, sender: &Sender, contract: Address) {
    let latest = raw
        .ask("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    let hash = &latest["hash"];
    for tag in [
        "0x1",
        "0x3",
        "0x7",
        "earliest",
        "latest",
        "pending",
        "safe",
        "finalized",
    ] {
        raw.ask("eth_getBlockByNumber", json!([tag, false])).await;
        raw.ask("eth_getBlockByNumber", json!([tag, true])).await;
        raw.each(
            &[
                "eth_getBlockReceipts",
                "eth_getBlockTransactionCountByNumber",
                "eth_getUncleCountByBlockNumber",
                "eth_getHeaderByNumber",
            ],
            json!([tag]),
        )
        .await;
        raw.each(
            &[
                "eth_getTransactionByBlockNumberAndIndex",
                "eth_getUncleByBlockNumberAndIndex",
                "eth_getRawTransactionByBlockNumberAndIndex",
            ],
            json!([tag, "0x0"]),
        )
        .await;
        for address in [sender.address(), contract, stranger(1), stranger(99)] {
            raw.each(
                &["eth_getBalance", "eth_getTransactionCount", "eth_getCode"],
                json!([address, tag]),
            )
            .await;
        }
        raw.each(&["eth_getStorageAt"], json!([contract, "0x0", tag]))
            .await;
    }
    raw.ask("eth_getBlockByHash", json!([hash, true])).await;
    raw.each(
        &[
            "eth_getBlockReceipts",
            "eth_getBlockTransactionCountByHash",
            "eth_getUncleCountByBlockHash",
            "eth_getHeaderByHash",
        ],
        json!([hash]),
    )
    .await;
    raw.each(
        &[
            "eth_getTransactionByBlockHashAndIndex",
            "eth_getUncleByBlockHashAndIndex",
        ],
        json!([hash, "0x0"]),
    )
    .await;
    for id in [
        json!({"blockHash": hash}),
        json!({"blockNumber": "0x1"}),
        json!("0x63"),
    ] {
        raw.ask("eth_getBalance", json!([contract, id])).await;
    }
    raw.ask("eth_getBalance", json!([contract])).await;
    let account = json!([contract, "latest"]);
    raw.each(&["eth_getAccount", "eth_getAccountInfo"], account)
        .await;
    raw.ask("eth_getStorageAt", json!([contract, "0x5", "latest"]))
        .await;
    raw.ask("eth_getProof", json!([contract, ["0x0"], "latest"]))
        .await;
    raw.ask("eth_feeHistory", json!(["0x4", "latest", [10, 50, 90]]))
        .await;
    raw.ask("eth_feeHistory", json!(["0x2", "0x3"])).await;
    raw.ask("eth_feeHistory", json!([2, "latest", []])).await;
    raw.ask("eth_feeHistory", json!(["0x64", "latest", [50]]))
        .await;
    // What is not there.
    let nothing = B256::repeat_byte(9);
    raw.each(
        &[
            "eth_getTransactionByHash",
            "eth_getTransactionReceipt",
            "eth_getRawTransactionByHash",
            "eth_getBlockTransactionCountByHash",
            "eth_getBlockReceipts",
        ],
        json!([nothing]),
    )
    .await;
    raw.ask("eth_getBlockByHash", json!([nothing, false])).await;
    raw.ask("eth_getBlockByNumber", json!(["0x63", false]))
        .await;
    raw.each(
        &[
            "eth_getBlockReceipts",
            "eth_getBlockTransactionCountByNumber",
        ],
        json!(["0x63"]),
    )
    .await;
    raw.each(
        &["eth_getTransactionByBlockNumberAndIndex"],
        json!(["0x1", "0x5"]),
    )
    .await;
    for filter in [
        json!({"fromBlock": "0x0"}),
        json!({"fromBlock": "0x0", "address": contract, "topics": [TOPIC]}),
        json!({"fromBlock": "0x0", "topics": [null, B256::left_padding_from(sender.address().as_slice())]}),
        json!({"fromBlock": "0x0", "address": [contract, stranger(1)], "topics": [[TOPIC, nothing]]}),
        json!({"fromBlock": "0x0", "topics": [nothing]}),
        json!({"blockHash": hash}),
        json!({"blockHash": nothing}),
        json!({"fromBlock": "0x5", "toBlock": "0x2"}),
        json!({"fromBlock": "0x2", "toBlock": "0x63"}),
        json!({"fromBlock": "0x63"}),
        json!({}),
    ] {
        raw.ask("eth_getLogs", json!([filter])).await;
    }
}

/// What a node does not take, and what it says to that.
async fn refusals(raw: &Raw<'_>, sender: &mut Sender) {
    let plain = TxEip1559 {
        chain_id: 31_337,
        nonce: sender.nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(stranger(1)),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    for refused in [
        TxEip1559 {
            nonce: 0,
            ..plain.clone()
        },
        TxEip1559 {
            value: U256::MAX,
            ..plain.clone()
        },
        TxEip1559 {
            value: U256::from(10u128.pow(24)),
            ..plain.clone()
        },
        TxEip1559 {
            gas_limit: 20_999,
            ..plain.clone()
        },
        TxEip1559 {
            gas_limit: 60_000_001,
            ..plain.clone()
        },
        TxEip1559 {
            gas_limit: 16_777_217,
            ..plain.clone()
        },
        TxEip1559 {
            max_fee_per_gas: 1,
            ..plain.clone()
        },
        TxEip1559 {
            max_priority_fee_per_gas: 20_000_000_000,
            ..plain.clone()
        },
        TxEip1559 {
            chain_id: 1,
            ..plain.clone()
        },
        TxEip1559 {
            to: TxKind::Create,
            gas_limit: 10_000_000,
            input: vec![0; 49_153].into(),
            ..plain.clone()
        },
    ] {
        raw.ask(
            "eth_sendRawTransaction",
            json!([sender.sign_plain(refused)]),
        )
        .await;
        // Anvil takes some of these and never mines them: each is to be judged for itself.
        raw.aside
            .ask("anvil_dropAllTransactions", json!([]))
            .await
            .ok();
    }
    let sent = sender.sign_plain(plain);
    sender.nonce += 1;
    raw.send(sent.clone()).await;
    for nonsense in [
        json!(sent),
        json!("0x"),
        json!("0x02"),
        json!("0x0203"),
        json!("zz"),
        json!(7),
    ] {
        raw.ask("eth_sendRawTransaction", json!([nonsense])).await;
    }
}

async fn calling(raw: &Raw<'_>, sender: &Sender, contract: Address) {
    let reverting = |output: &[u8]| json!(call_data(verb::REVERT, output));
    let panicking = Panic::from(PanicKind::Assert).abi_encode();
    let me = sender.address();
    for request in [
        json!({"to": contract}),
        json!({"from": me, "to": contract, "input": "0x"}),
        json!({"to": contract, "data": reverting(&Revert::from("too late").abi_encode())}),
        json!({"to": contract, "data": reverting(&hex!("deadbeef00000001"))}),
        json!({"to": contract, "data": reverting(&panicking)}),
        json!({"to": contract, "data": reverting(&[])}),
        json!({"to": contract, "data": call_data(verb::LOOP, &[]), "gas": "0x186a0"}),
        json!({"from": me, "to": contract, "data": put(3)}),
        json!({"from": me, "data": box_code()}),
        json!({"from": me, "to": stranger(3), "value": "0x1"}),
        json!({"from": stranger(4), "to": stranger(3), "value": "0x1"}),
        json!({"from": me, "to": stranger(3), "gas": "0x1"}),
        json!({"from": me, "to": stranger(3), "maxFeePerGas": "0x1"}),
        json!({"from": me, "to": stranger(3), "gasPrice": "0x1"}),
        json!({"from": me, "to": stranger(3), "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}),
        json!({"from": me, "to": contract, "data": put(3), "accessList": [{"address": contract, "storageKeys": [B256::ZERO]}]}),
        json!({"from": me, "to": stranger(3), "data": "0x01", "input": "0x02"}),
        json!({}),
    ] {
        raw.each(&["eth_call", "eth_estimateGas"], json!([request, "latest"]))
            .await;
        raw.ask("eth_createAccessList", json!([request, "latest"]))
            .await;
    }
    let read = json!({"to": contract});
    for block in ["0x2", "0x3", "pending", "0x63", "safe"] {
        raw.ask("eth_call", json!([read, block])).await;
        raw.ask("eth_estimateGas", json!([read, block])).await;
    }
    raw.ask("eth_call", json!([read])).await;
    raw.ask("eth_estimateGas", json!([read])).await;
    let word = |value: u64| B256::from(U256::from(value));
    let zero = word(0).to_string();
    for state in [
        json!({contract.to_string(): {"stateDiff": {zero.as_str(): word(42)}}}),
        json!({contract.to_string(): {"state": {zero.as_str(): word(43)}}}),
        json!({contract.to_string(): {"code": "0x4360005260206000f3"}}),
        json!({contract.to_string(): {"state": {}, "stateDiff": {}}}),
    ] {
        raw.ask("eth_call", json!([read, "latest", state])).await;
    }
    let rich = json!({stranger(4).to_string(): {"balance": "0xde0b6b3a7640000", "nonce": "0x5"}});
    raw.ask(
        "eth_call",
        json!([{"from": stranger(4), "to": stranger(3), "value": "0x1"}, "latest", rich]),
    )
    .await;
    let time = json!({"to": contract, "data": call_data(verb::TIME, &[])});
    for block in ["latest", "pending", "0x2"] {
        raw.ask("eth_call", json!([time, block])).await;
    }
    raw.ask(
        "eth_call",
        json!([time, "latest", {}, {"time": "0x77359400", "number": "0x100"}]),
    )
    .await;
    raw.ask(
        "eth_simulateV1",
        json!([{"blockStateCalls": [{"calls": [read]}]}, "latest"]),
    )
    .await;
    raw.ask("debug_traceCall", json!([read, "latest", {}]))
        .await;
}

async fn following(raw: &Raw<'_>, sender: &mut Sender, contract: Address) {
    let blocks = raw.ask("eth_newBlockFilter", json!([])).await;
    let pending = raw.ask("eth_newPendingTransactionFilter", json!([])).await;
    let logs = raw
        .ask("eth_newFilter", json!([{"address": contract}]))
        .await;
    let all = raw
        .ask(
            "eth_newFilter",
            json!([{"fromBlock": "0x0", "topics": [TOPIC]}]),
        )
        .await;
    let filters = [blocks, pending, logs, all];
    for round in 0..3 {
        for filter in &filters {
            raw.ask("eth_getFilterChanges", json!([filter])).await;
        }
        if round == 1 {
            raw.send(sender.transfer(stranger(1), 1)).await;
        }
        raw.send(sender.sign(contract.into(), 0, put(20 + round)))
            .await;
    }
    for filter in &filters {
        raw.ask("eth_getFilterLogs", json!([filter])).await;
        raw.ask("eth_uninstallFilter", json!([filter])).await;
        raw.ask("eth_uninstallFilter", json!([filter])).await;
        raw.ask("eth_getFilterChanges", json!([filter])).await;
    }
    raw.ask("eth_getFilterChanges", json!(["0x123456"])).await;
    raw.ask("eth_getFilterLogs", json!(["0x123456"])).await;
    raw.ask("eth_subscribe", json!(["newHeads"])).await;
}

/// Transactions that wait: replaced, queued behind a gap, dropped, pending.
async fn waiting(raw: &Raw<'_>, sender: &mut Sender) {
    raw.ask("evm_setAutomine", json!([false])).await;
    raw.ask("anvil_getAutomine", json!([])).await;
    let at = sender.nonce;
    let offer = |sender: &Sender, nonce, fee: u128, value: u64| {
        sender.sign_plain(TxEip1559 {
            chain_id: 31_337,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee / 10,
            to: TxKind::Call(stranger(5)),
            value: U256::from(value),
            ..TxEip1559::default()
        })
    };
    let first = offer(sender, at, 10_000_000_000, 1);
    raw.ask("eth_sendRawTransaction", json!([first])).await;
    raw.ask("eth_sendRawTransaction", json!([first])).await;
    for (fee, value) in [
        (10_000_000_000, 2),
        (10_500_000_000, 2),
        (11_000_000_000, 2),
        (9_000_000_000, 3),
    ] {
        raw.ask(
            "eth_sendRawTransaction",
            json!([offer(sender, at, fee, value)]),
        )
        .await;
    }
    let gapped = raw
        .ask(
            "eth_sendRawTransaction",
            json!([offer(sender, at + 2, 10_000_000_000, 4)]),
        )
        .await;
    let me = sender.address();
    raw.ask("eth_getTransactionByHash", json!([gapped])).await;
    raw.ask("eth_getTransactionReceipt", json!([gapped])).await;
    for tag in ["latest", "pending"] {
        raw.ask("eth_getTransactionCount", json!([me, tag])).await;
        raw.ask("eth_getBlockTransactionCountByNumber", json!([tag]))
            .await;
        raw.ask("eth_getBlockByNumber", json!([tag, false])).await;
        raw.ask("eth_getBlockByNumber", json!([tag, true])).await;
        raw.ask("eth_getBalance", json!([stranger(5), tag])).await;
    }
    raw.each(
        &["txpool_status", "txpool_inspect", "txpool_content"],
        json!([]),
    )
    .await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", json!(["latest", true]))
        .await;
    raw.ask("txpool_status", json!([])).await;
    raw.ask("anvil_dropTransaction", json!([gapped])).await;
    raw.ask("anvil_dropTransaction", json!([gapped])).await;
    raw.ask("txpool_status", json!([])).await;
    raw.ask("evm_setAutomine", json!([true])).await;
    sender.nonce += 1;
}

async fn signing(raw: &Raw<'_>, accounts: &Devchain) {
    let me = accounts.accounts()[3].address;
    let typed = json!({
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Mail": [{"name": "to", "type": "address"}, {"name": "text", "type": "string"}, {"name": "when", "type": "uint64[]"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "test", "chainId": 31337},
        "message": {"to": me, "text": "hello", "when": [1, "2", "0x3"]},
    });
    for account in [me, stranger(6)] {
        raw.ask("eth_sign", json!([account, "0x68656c6c6f"])).await;
        raw.ask("personal_sign", json!(["0x68656c6c6f", account]))
            .await;
        raw.ask("eth_signTypedData_v4", json!([account, typed]))
            .await;
        raw.ask("eth_signTypedData_v4", json!([account, typed.to_string()]))
            .await;
    }
    raw.ask("personal_sign", json!(["hello", me])).await;
    raw.ask("eth_signTypedData_v4", json!([me, {"types": {}}]))
        .await;
    let requests = [
        json!({"from": me, "to": stranger(1), "value": "0x1"}),
        json!({"from": me, "to": stranger(1), "value": "0x1", "gasPrice": "0x77359400", "gas": "0x5208"}),
        json!({"from": me, "to": stranger(1), "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1", "gas": "0x5208"}),
        json!({"from": me, "data": box_code(), "gasPrice": "0x77359400"}),
    ];
    for (index, request) in requests.iter().enumerate() {
        let hash = raw.ask("eth_sendTransaction", json!([request])).await;
        raw.mined(&hash).await;
        // What is paid where nothing is said is an intended difference, and with it the hash.
        if index > 0 {
            raw.ask("eth_getTransactionByHash", json!([hash])).await;
            raw.ask("eth_getTransactionReceipt", json!([hash])).await;
            raw.ask("eth_signTransaction", json!([request])).await;
        }
    }
    for refused in [
        json!({"from": stranger(6), "to": stranger(1), "value": "0x1"}),
        json!({"from": me, "to": stranger(1), "value": "0xffffffffffffffffffffffff"}),
        json!({"from": me, "to": stranger(1), "nonce": "0x0"}),
    ] {
        raw.ask("eth_sendTransaction", json!([refused])).await;
    }
}

async fn control(raw: &Raw<'_>, sender: &mut Sender, contract: Address) {
    let head = json!(["latest", false]);
    let someone = stranger(7);
    raw.ask("anvil_setBalance", json!([someone, "0x123"])).await;
    raw.ask("hardhat_setBalance", json!([someone, "0x124"]))
        .await;
    raw.ask("eth_getBalance", json!([someone, "latest"])).await;
    raw.ask("anvil_setNonce", json!([someone, "0x9"])).await;
    raw.ask("hardhat_setNonce", json!([someone, "0xa"])).await;
    raw.ask("evm_setAccountNonce", json!([someone, "0xb"]))
        .await;
    raw.ask("eth_getTransactionCount", json!([someone, "latest"]))
        .await;
    raw.ask("anvil_setCode", json!([someone, "0x6001"])).await;
    raw.ask("hardhat_setCode", json!([someone, "0x6002"])).await;
    raw.ask("eth_getCode", json!([someone, "latest"])).await;
    let word = B256::with_last_byte(5);
    raw.ask("anvil_setStorageAt", json!([contract, "0x9", word]))
        .await;
    raw.ask("hardhat_setStorageAt", json!([contract, "0xa", word]))
        .await;
    raw.ask("eth_getStorageAt", json!([contract, "0x9", "latest"]))
        .await;
    let snapshot = raw.ask("evm_snapshot", json!([])).await;
    raw.send(sender.sign(contract.into(), 0, put(50))).await;
    sender.nonce -= 1;
    raw.ask("evm_revert", json!([snapshot])).await;
    raw.ask("evm_revert", json!([snapshot])).await;
    raw.ask("evm_revert", json!(["0x63"])).await;
    raw.ask("eth_blockNumber", json!([])).await;
    raw.ask("eth_getStorageAt", json!([contract, "0x0", "latest"]))
        .await;
    raw.ask("eth_gasPrice", json!([])).await;
    // The same again for both.
    raw.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"]))
        .await;
    // Time and mining.
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("anvil_mine", json!([])).await;
    raw.ask("anvil_mine", json!(["0x3"])).await;
    raw.ask("hardhat_mine", json!(["0x2"])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("anvil_removeBlockTimestampInterval", json!([]))
        .await;
    raw.ask("anvil_removeBlockTimestampInterval", json!([]))
        .await;
    raw.ask("evm_setNextBlockTimestamp", json!(["0x77359400"]))
        .await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("evm_setNextBlockTimestamp", json!([2_000_000_100]))
        .await;
    raw.ask("hardhat_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("evm_setNextBlockTimestamp", json!([5])).await;
    raw.ask("evm_mine", json!([{"timestamp": 2_000_001_000}]))
        .await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("evm_mine", json!([2_000_002_000])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("anvil_setBlockTimestampInterval", json!([1])).await;
    raw.ask("evm_setIntervalMining", json!([0])).await;
    raw.ask("anvil_setIntervalMining", json!([0])).await;
    raw.ask("anvil_getIntervalMining", json!([])).await;
    raw.ask("anvil_setAutomine", json!([true])).await;
    raw.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"]))
        .await;
    raw.ask("hardhat_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"]))
        .await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("evm_setBlockGasLimit", json!(["0x2000000"])).await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("evm_setBlockGasLimit", json!([60_000_000])).await;
    raw.ask("anvil_setCoinbase", json!([stranger(8)])).await;
    raw.ask("anvil_setCoinbase", json!([Address::ZERO])).await;
    raw.ask("anvil_impersonateAccount", json!([someone])).await;
    raw.ask("anvil_stopImpersonatingAccount", json!([someone]))
        .await;
    raw.ask("anvil_reset", json!([{"forking": {}}])).await;
    raw.ask("oxec_reorganise", json!([0])).await;
    raw.ask("anvil_setRpcUrl", json!(["http://127.0.0.1:1"]))
        .await;
}

/// Methods that do what others do, and those no library asks for.
async fn other_names(raw: &Raw<'_>, sender: &mut Sender) {
    let head = json!(["latest", false]);
    let me = sender.address();
    let latest = raw.ask("eth_getBlockByNumber", head.clone()).await;
    // The base fee is pinned before what is priced by it.
    let fee = json!(["0x3b9aca00"]);
    let sent = sender.transfer(stranger(1), 1);
    raw.ask("anvil_setNextBlockBaseFeePerGas", fee.clone())
        .await;
    raw.ask("eth_sendRawTransactionSync", json!([sent])).await;
    raw.ask("eth_sendRawTransactionSync", json!([sent])).await;
    let mined = raw.ask("eth_getBlockByNumber", head.clone()).await;
    for hash in [&mined["hash"], &latest["hash"], &json!(B256::ZERO)] {
        raw.ask(
            "eth_getRawTransactionByBlockHashAndIndex",
            json!([hash, "0x0"]),
        )
        .await;
    }
    raw.ask(
        "eth_fillTransaction",
        json!([{"from": me, "to": stranger(1), "value": "0x1", "nonce": "0x5", "gas": "0x5208",
            "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}]),
    )
    .await;
    raw.ask("eth_signTypedData", json!([stranger(6), {"types": {}}]))
        .await;
    let snapshot = raw.ask("anvil_snapshot", json!([])).await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("anvil_revert", json!([snapshot])).await;
    raw.ask("anvil_revert", json!([snapshot])).await;
    raw.ask("eth_blockNumber", json!([])).await;
    raw.ask("anvil_setNextBlockBaseFeePerGas", fee.clone())
        .await;
    raw.ask("evm_setAutomine", json!([false])).await;
    let waiting = raw
        .ask(
            "eth_sendRawTransaction",
            json!([sender.sign_at(sender.nonce, stranger(5).into(), 1, Bytes::new())]),
        )
        .await;
    raw.ask("hardhat_dropTransaction", json!([waiting])).await;
    raw.ask("hardhat_dropTransaction", json!([waiting])).await;
    raw.ask("anvil_dropAllTransactions", json!([])).await;
    raw.ask("txpool_status", json!([])).await;
    raw.ask("evm_setAutomine", json!([true])).await;
    raw.ask("anvil_setBlockGasLimit", json!(["0x1c9c380"]))
        .await;
    raw.ask("anvil_removeBlockTimestampInterval", json!([]))
        .await;
    raw.ask("anvil_setNextBlockTimestamp", json!(["0x77369400"]))
        .await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head.clone()).await;
    raw.ask("anvil_setBlockGasLimit", json!(["0x3938700"]))
        .await;
    // The clock goes on while these are asked, so only what they answer is compared.
    raw.ask("evm_setTime", json!(["0x77379400"])).await;
    raw.ask("anvil_setTime", json!(["0x77389400"])).await;
    raw.ask("evm_setNextBlockTimestamp", json!(["0x78359400"]))
        .await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("anvil_setBlockTimestampInterval", json!([1])).await;
    raw.ask("anvil_setNextBlockBaseFeePerGas", fee).await;
    raw.ask("evm_mine", json!([])).await;
    raw.ask("eth_getBlockByNumber", head).await;
}

async fn nonsense(raw: &Raw<'_>) {
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"eth_chainId\"",
        "[]",
        "[1]",
        "[{}]",
        "{}",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId","params":[]}"#,
        r#"{"id":1,"method":"eth_chainId","params":[]}"#,
        r#"{"jsonrpc":"2.0","method":"eth_chainId","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"eth_chainId","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":"text","method":"eth_chainId","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[],"more":true}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1,2,3]}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"},{"jsonrpc":"2.0","id":3,"method":"eth_noSuchMethod"}]"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},7]"#,
    ] {
        raw.body(body).await;
    }
    for (method, params) in [
        ("eth_noSuchMethod", json!([])),
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12", "latest"])),
        ("eth_getBalance", json!(["nobody", "latest"])),
        ("eth_getBalance", json!([stranger(1), "yesterday"])),
        ("eth_getBalance", json!([stranger(1), "latest", 3])),
        ("eth_getBlockByNumber", json!([])),
        ("eth_getBlockByNumber", json!(["0x1"])),
        ("eth_getBlockByNumber", json!([1, false])),
        ("eth_getBlockByNumber", json!(["1", false])),
        ("eth_getBlockByNumber", json!(["0x01", false])),
        ("eth_getBlockByNumber", json!(["0x1", "yes"])),
        ("eth_getTransactionByHash", json!(["0x1234"])),
        ("eth_getTransactionByHash", json!([])),
        ("eth_call", json!([])),
        ("eth_call", json!([7])),
        ("eth_call", json!([{"to": "nobody"}, "latest"])),
        ("eth_getLogs", json!([])),
        ("eth_getLogs", json!([{"fromBlock": "soon"}])),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x0", "blockHash": B256::ZERO}]),
        ),
        ("eth_feeHistory", json!(["0x1", "latest", [90, 10]])),
        ("eth_feeHistory", json!(["0x1", "latest", [101]])),
        ("eth_feeHistory", json!(["0x0", "latest", []])),
        ("eth_feeHistory", json!(["0x1", "0x63", []])),
        ("eth_sendTransaction", json!([])),
        ("eth_sendRawTransaction", json!([])),
        ("eth_getStorageAt", json!([stranger(1)])),
        ("evm_revert", json!([])),
        ("evm_increaseTime", json!(["soon"])),
        ("eth_newFilter", json!([])),
        ("eth_unsubscribe", json!(["0xabcdef"])),
    ] {
        raw.ask(method, params).await;
    }
}

/// Subscriptions, over a WebSocket through the recorder.
async fn told(raw: &Raw<'_>, sender: &mut Sender, contract: Address) {
    let (mut socket, _) = tokio_tungstenite::connect_async(&raw.recorder.ws_url)
        .await
        .expect("the WebSocket opens");
    let mut id = 0;
    let mut notifications = 0;
    // Each answer is awaited before the next thing is said; notifications may come between.
    for (method, params) in [
        ("eth_chainId", json!([])),
        ("eth_subscribe", json!(["newHeads"])),
        ("eth_subscribe", json!(["logs", {"address": contract}])),
        ("eth_subscribe", json!(["logs", {"topics": [B256::ZERO]}])),
        ("eth_subscribe", json!(["newPendingTransactions"])),
        ("eth_subscribe", json!(["newDreams"])),
        ("eth_subscribe", json!([])),
        ("eth_unsubscribe", json!(["0x99"])),
        ("eth_noSuchMethod", json!([])),
    ] {
        id += 1;
        say(&mut socket, id, method, params).await;
        while hear(&mut socket).await["id"] != id {
            notifications += 1;
        }
    }
    raw.send(sender.sign(contract.into(), 0, put(70))).await;
    raw.send(sender.sign(contract.into(), 0, put(71))).await;
    // A head, a log and a hash each.
    while notifications < 6 {
        assert_eq!(hear(&mut socket).await["method"], "eth_subscription");
        notifications += 1;
    }
}
