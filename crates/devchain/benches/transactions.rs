//! Transactions through JSON-RPC per second, from a signed transaction to the answer that it is in a block and kept.
//!
//! Target: 1,500 per second on two cores, clients included, and at least what anvil does. Signing is not counted,
//! recovering the signer is. `cargo bench -p oxec-devchain`; the same load goes to npm's anvil where it is installed
//! (`npm ci` in `crates/testchain`). Anvil answers when a transaction is in its pool, ours when it is in a block and
//! kept. At the end the chain on disk is started again, and what that takes is printed.

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, Bytes, TxKind, U256, bytes};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use devchain::{Config, Devchain};
use futures::future::join_all;
use serde_json::{Value, json};

/// Transactions per measured round.
const ROUND: usize = 2_000;
/// Accounts that send, each from a connection of its own.
const SENDERS: usize = 10;
/// Transactions per batch where batches are measured.
const BATCH: usize = 50;

/// Creation code of a contract that writes the block's number into slot 0 and logs it: a storage write and an event,
/// as settling does.
const CONTRACT: Bytes = bytes!("600b600a5f39600b5ff3435f55435f5260205fa000");

struct Load {
    http: reqwest::Client,
    url: String,
    chain_id: u64,
    senders: Vec<(PrivateKeySigner, u64)>,
}

impl Load {
    async fn on(url: &str, chain: &Devchain) -> Load {
        let http = reqwest::Client::new();
        let mut load = Load {
            http,
            url: url.to_owned(),
            chain_id: 0,
            senders: Vec::new(),
        };
        let number = |value: Value| {
            let text = value.as_str().unwrap_or_default();
            u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a quantity")
        };
        load.chain_id = number(load.ask("eth_chainId", json!([])).await);
        // The accounts are the well-known ones, the same everywhere.
        for account in &chain.accounts()[..SENDERS] {
            let signer = PrivateKeySigner::from_bytes(&account.key).expect("a key");
            let nonce = load
                .ask(
                    "eth_getTransactionCount",
                    json!([account.address, "pending"]),
                )
                .await;
            load.senders.push((signer, number(nonce)));
        }
        load
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let mut answer = self
            .post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .await;
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].take()
    }

    async fn post(&self, body: Value) -> Value {
        self.http
            .post(&self.url)
            .json(&body)
            .send()
            .await
            .expect("the node answers")
            .json()
            .await
            .expect("in JSON")
    }

    /// Signed transactions, by sender.
    fn sign(&mut self, to: TxKind, input: &Bytes, gas_limit: u64) -> Vec<Vec<Bytes>> {
        let chain_id = self.chain_id;
        let each = ROUND / self.senders.len();
        self.senders
            .iter_mut()
            .map(|(signer, nonce)| {
                (0..each)
                    .map(|_| {
                        let transaction = TxEip1559 {
                            chain_id,
                            nonce: *nonce,
                            gas_limit,
                            max_fee_per_gas: 100_000_000_000,
                            max_priority_fee_per_gas: 1,
                            to,
                            value: U256::ZERO,
                            input: input.clone(),
                            ..TxEip1559::default()
                        };
                        *nonce += 1;
                        let signature = signer
                            .sign_hash_sync(&transaction.signature_hash())
                            .expect("it signs");
                        transaction.into_signed(signature).encoded_2718().into()
                    })
                    .collect()
            })
            .collect()
    }

    async fn deploy(&mut self) -> Address {
        let (signer, nonce) = &mut self.senders[0];
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: *nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Create,
            input: CONTRACT,
            ..TxEip1559::default()
        };
        let address = signer.address().create(*nonce);
        *nonce += 1;
        let signature = signer
            .sign_hash_sync(&transaction.signature_hash())
            .expect("it signs");
        let raw = Bytes::from(transaction.into_signed(signature).encoded_2718());
        self.ask("eth_sendRawTransaction", json!([raw])).await;
        address
    }

    /// How long it takes until all are answered.
    async fn send(&self, transactions: Vec<Vec<Bytes>>, batch: usize) -> Duration {
        let start = Instant::now();
        join_all(transactions.into_iter().map(async |list| {
            for raw in list.chunks(batch) {
                let requests = raw
                    .iter()
                    .enumerate()
                    .map(|(id, raw)| {
                        json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
                    })
                    .collect::<Vec<_>>();
                let answer = match requests.as_slice() {
                    [one] => json!([self.post(one.clone()).await]),
                    _ => self.post(json!(requests)).await,
                };
                for answer in answer.as_array().into_iter().flatten() {
                    assert!(answer["result"].is_string(), "{answer}");
                }
                black_box(answer);
            }
        }))
        .await;
        start.elapsed()
    }
}

fn transactions(criterion: &mut Criterion) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let spawn = |config| {
        runtime
            .block_on(devchain::spawn(config))
            .expect("the chain starts")
    };
    let kept = spawn(Config::default().kept_in(folder.path()));
    let in_memory = spawn(Config::default());
    let mut nodes = vec![
        ("kept on disk", kept.http_url()),
        ("in memory", in_memory.http_url()),
    ];
    let anvil = Anvil::start();
    match &anvil {
        Some(anvil) => nodes.push(("anvil", anvil.url.clone())),
        None => eprintln!("SKIPPED: npm's anvil is not installed"),
    }
    let mut group = criterion.benchmark_group("transactions through JSON-RPC");
    group.throughput(Throughput::Elements(ROUND as u64));
    group.sample_size(10);
    for (name, url) in nodes {
        let mut load = runtime.block_on(Load::on(&url, &in_memory));
        let contract = runtime.block_on(load.deploy());
        let receiver = TxKind::Call(Address::repeat_byte(0x77));
        for (what, to, gas, batch) in [
            ("transfers", receiver, 21_000, 1),
            ("transfers in batches", receiver, 21_000, BATCH),
            ("writes and events", TxKind::Call(contract), 60_000, 1),
        ] {
            group.bench_function(format!("{what}, {name}"), |bencher| {
                bencher.iter_custom(|rounds| {
                    (0..rounds)
                        .map(|_| {
                            let signed = load.sign(to, &Bytes::new(), gas);
                            runtime.block_on(load.send(signed, batch))
                        })
                        .sum()
                });
            });
        }
    }
    group.finish();
    drop((in_memory, anvil));
    runtime.block_on(kept.shutdown());
    started_again(&runtime, folder.path());
}

/// How long it takes to go on with a long chain.
fn started_again(runtime: &tokio::runtime::Runtime, folder: &Path) {
    let length = std::fs::metadata(folder.join("chain.log")).map_or(0, |file| file.len());
    let start = Instant::now();
    let chain = runtime
        .block_on(devchain::spawn(Config::default().kept_in(folder)))
        .expect("the chain goes on");
    let took = start.elapsed();
    let load = runtime.block_on(Load::on(&chain.http_url(), &chain));
    let transactions = load.senders.iter().map(|(_, nonce)| nonce).sum::<u64>();
    eprintln!(
        "started again: {transactions} transactions, {} MiB on disk, {:.2} s",
        length >> 20,
        took.as_secs_f64()
    );
}

/// Npm's anvil, killed when dropped.
struct Anvil {
    child: Child,
    url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    fn start() -> Option<Anvil> {
        let packages =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../testchain/node_modules/@foundry-rs");
        let program = std::fs::read_dir(packages)
            .ok()?
            .flatten()
            .map(|package| package.path().join("bin/anvil"))
            .find(|program| program.is_file())?;
        let mut child = Command::new(program)
            .args(["--port", "0", "--hardfork", "osaka"])
            .args(["--gas-limit", "60000000"])
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(child.stdout.take()?).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))?;
        // What it logs has to be read, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Anvil {
            child,
            url: format!("http://{address}"),
        })
    }
}

criterion_group!(benches, transactions);
criterion_main!(benches);
