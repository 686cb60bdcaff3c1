//! Fewer lives, through a whole node: signed transactions, blocks, receipts, logs and calls over JSON-RPC.
//!
//! The hundred thousand lives run on a bare EVM ([`chain`](crate::chain)), because a node makes a step a hundred times as
//! dear. What it adds is the same for every life, so some are enough: one of [`ONE_IN`] is played here. A node does not
//! tell which words of storage changed, so everything is compared after every step.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, keccak256};
use alloy_rlp::{Encodable, Header};
use alloy_sol_types::SolEventInterface;
use devchain::{Config, Devchain};
use proptest::test_runner::TestCaseError;
use protocol::deployment::Deployment;
use protocol::model::{Call, Event, Outcome};
use serde_json::{Value, json};

use crate::chain::{refusal, settle};
use crate::law::{Footprint, Law};
use crate::people::Person;
use crate::seeds::play_lives;
use crate::town::Town;
use crate::twin::{live, prepare};
use crate::words::{Directory, score_word};

/// One of so many lives is played on a node too.
const ONE_IN: u64 = 250;

const GAS_LIMIT: u64 = 16_000_000;
const GAS_PRICE: u64 = 10_000_000_000;

struct Node {
    // Dropped in this order: the connection, the node, the threads it was started from.
    connection: BufReader<TcpStream>,
    chain: Devchain,
    _runtime: tokio::runtime::Runtime,
    people: HashMap<Address, Person>,
    nonces: HashMap<Address, u64>,
    deployment: Deployment,
    began: u64,
}

fn connect(chain: &Devchain) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(chain.address()).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    BufReader::new(stream)
}

impl Node {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let chain = runtime
            .block_on(devchain::spawn(Config::default().with_contracts()))
            .expect("a free port");
        let deployment = chain.deployment().expect("contracts at genesis").clone();
        let mut node = Self {
            connection: connect(&chain),
            chain,
            _runtime: runtime,
            people: HashMap::new(),
            nonces: HashMap::new(),
            deployment,
            began: 0,
        };
        let head = node.get("eth_getBlockByNumber", json!(["latest", false]));
        node.began = quantity(&head["timestamp"]) + 1;
        node
    }

    /// Everybody has a key, some ether and no history.
    fn populate(&mut self, town: &Town) {
        let people = [
            &town.owner,
            &town.app_owner,
            &town.dataset_owner,
            &town.scheduler,
            &town.requester,
            &town.sponsor,
        ];
        for person in people.into_iter().chain(&town.workers) {
            let ether = U256::from(10).pow(U256::from(22));
            self.get("anvil_setBalance", json!([person.address, ether]));
            self.people.insert(person.address, person.clone());
        }
        for (address, code) in town.strangers() {
            self.get("anvil_setCode", json!([address, Bytes::from(code)]));
        }
    }

    /// A town on it, ready for lives.
    fn with_town() -> (Self, Town) {
        let mut node = Self::start();
        let folk = Town::on_paper();
        node.populate(&folk);
        let mut town = settle(&mut node);
        town.time = node.began;
        prepare(&mut node, &mut town);
        (node, town)
    }

    fn ask_node(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = request.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.chain.address(),
            body.len()
        );
        let stream = self.connection.get_mut();
        stream
            .write_all((head + &body).as_bytes())
            .expect("the node listens");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection
                .read_line(&mut line)
                .expect("the node answers");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.connection
            .read_exact(&mut body)
            .expect("the whole answer");
        let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    fn get(&mut self, method: &str, params: Value) -> Value {
        self.ask_node(method, params)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What a transaction would answer at a time, or what it would be refused with.
    fn try_call(
        &mut self,
        sender: Address,
        to: Address,
        data: &Bytes,
        time: u64,
    ) -> Result<Bytes, Bytes> {
        let request = json!({"from": sender, "to": to, "data": data, "gas": U256::from(GAS_LIMIT)});
        let block = json!({"time": U256::from(time)});
        match self.ask_node("eth_call", json!([request, "latest", {}, block])) {
            Ok(answer) => Ok(serde_json::from_value(answer).expect("bytes")),
            Err(error) => {
                let data = error["data"].clone();
                assert!(data.is_string() || data.is_null(), "it halts: {error}");
                Err(serde_json::from_value(data).unwrap_or_default())
            }
        }
    }

    /// A transaction of the old kind, signed for this chain.
    fn sign(&mut self, sender: Address, to: Address, data: &Bytes) -> Bytes {
        let nonce = self.nonces.get(&sender).copied();
        let nonce = nonce.unwrap_or_else(|| {
            quantity(&self.get("eth_getTransactionCount", json!([sender, "latest"])))
        });
        self.nonces.insert(sender, nonce + 1);
        let chain_id = self.deployment.chain_id;
        let mut fields = Vec::new();
        nonce.encode(&mut fields);
        GAS_PRICE.encode(&mut fields);
        GAS_LIMIT.encode(&mut fields);
        TxKind::Call(to).encode(&mut fields);
        U256::ZERO.encode(&mut fields);
        data.encode(&mut fields);
        let mut unsigned = fields.clone();
        for field in [chain_id, 0, 0] {
            field.encode(&mut unsigned);
        }
        let person = &self.people[&sender];
        let signature = person.sign(keccak256(list(&unsigned)));
        let word = |at: usize| U256::from_be_slice(&signature[at..at + 32]);
        (u64::from(signature[64] - 27) + 35 + 2 * chain_id).encode(&mut fields);
        word(0).encode(&mut fields);
        word(32).encode(&mut fields);
        list(&fields).into()
    }
}

fn list(fields: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    Header {
        list: true,
        payload_length: fields.len(),
    }
    .encode(&mut whole);
    whole.extend_from_slice(fields);
    whole
}

fn quantity(value: &Value) -> u64 {
    serde_json::from_value::<U256>(value.clone())
        .expect("a quantity")
        .to()
}

impl Law for Node {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn play(&mut self, call: Call, to: Address, data: Bytes) -> (Outcome, Option<Footprint>) {
        let foreseen = self.try_call(call.sender, to, &data, call.time);
        self.get("evm_setNextBlockTimestamp", json!([call.time]));
        let raw = self.sign(call.sender, to, &data);
        let hash = self.get("eth_sendRawTransaction", json!([raw]));
        let receipt = self.get("eth_getTransactionReceipt", json!([hash]));
        let accepted = receipt["status"] == "0x1";
        assert_eq!(
            accepted,
            foreseen.is_ok(),
            "eth_call and the block differ: {receipt}"
        );
        let outcome = match foreseen {
            Ok(_) => Ok(events(&receipt, self.deployment.hub)),
            Err(output) => Err(refusal(&output)),
        };
        (outcome, None)
    }

    fn now(&self) -> u64 {
        self.began
    }

    fn ask(&mut self, sender: Address, to: Address, data: Bytes) -> Result<Bytes, Bytes> {
        self.try_call(sender, to, &data, self.began)
    }

    fn set_score(&mut self, worker: Address, score: U256) {
        let (hub, slot) = (self.deployment.hub, score_word(worker));
        let word = self.get("eth_getStorageAt", json!([hub, slot, "latest"]));
        let word: U256 = serde_json::from_value(word).expect("a word");
        let word = B256::from(word | score << 192);
        self.get("anvil_setStorageAt", json!([hub, slot, word]));
    }
}

fn events(receipt: &Value, hub: Address) -> Vec<Event> {
    let logs = receipt["logs"].as_array().expect("a list");
    logs.iter()
        .filter(|log| log["address"] == json!(hub))
        .map(|log| {
            let topics = serde_json::from_value(log["topics"].clone()).expect("topics");
            let data = serde_json::from_value(log["data"].clone()).expect("bytes");
            let log = Log::new(hub, topics, data).expect("at most four topics");
            Event::decode_log(&log).expect("an event of the hub").data
        })
        .collect()
}

/// Plays something and takes it back, also if it panicked: the next life, and the shorter ones a failed life is shrunk
/// to, begin where this one did.
fn from_the_same_start<R>(node: &mut Node, play: impl FnOnce(&mut Node) -> R) -> R {
    let start = node.get("evm_snapshot", json!([]));
    let nonces = node.nonces.clone();
    let played = catch_unwind(AssertUnwindSafe(|| play(node)));
    if played.is_err() {
        // Perhaps in the middle of an answer.
        node.connection = connect(&node.chain);
    }
    assert_eq!(node.get("evm_revert", json!([start])), true);
    node.nonces = nonces;
    played.unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn the_twin_and_the_contracts_agree_on_a_node_too() {
    let (node, town) = Node::with_town();
    let directory = Directory::of(&town, &node.deployment);
    let node = std::cell::RefCell::new(node);
    let on_the_node = |acts: &[_]| -> Result<(), TestCaseError> {
        from_the_same_start(&mut node.borrow_mut(), |node| {
            live(node, &mut town.clone(), &mut directory.clone(), acts)
        })
    };
    play_lives(ONE_IN, 0, on_the_node);
}

#[test]
fn a_life_that_panics_leaves_no_trace_on_the_node() {
    let (mut node, _) = Node::with_town();
    let head = node.get("eth_blockNumber", json!([]));
    let life = AssertUnwindSafe(|| {
        from_the_same_start(&mut node, |node| -> () {
            node.get("evm_mine", json!([]));
            panic!("as a life does")
        });
    });
    assert!(catch_unwind(life).is_err());
    assert_eq!(node.get("eth_blockNumber", json!([])), head);
}
