//! A node to test, a JSON-RPC client that knows nothing of Ethereum, and a contract small enough to write by hand.

use std::sync::Once;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256};
use devchain::{Config, Devchain};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

pub(crate) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A client for plain HTTP.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

/// An error as JSON-RPC gives it.
#[derive(Debug, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Client {
    pub(crate) fn of(chain: &Devchain) -> Client {
        Client::at(&chain.http_url())
    }

    pub(crate) fn at(url: &str) -> Client {
        install_tls();
        Client {
            http: reqwest::Client::new(),
            url: url.to_owned(),
        }
    }

    pub(crate) async fn post(&self, body: String) -> Value {
        self.http
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("the node answers")
            .json()
            .await
            .expect("the answer is JSON")
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.post(request.to_string()).await;
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["id"], 1);
        match answer.get_mut("error") {
            Some(error) => Err(RpcError {
                code: error["code"].as_i64().expect("a code"),
                message: error["message"].as_str().expect("a message").to_owned(),
                data: error["data"].take(),
            }),
            None => Ok(answer["result"].take()),
        }
    }

    /// The result; an error fails the test.
    pub(crate) async fn get(&self, method: &str, params: Value) -> Value {
        match self.ask(method, params.clone()).await {
            Ok(result) => result,
            Err(error) => panic!("{method} {params}: {error:?}"),
        }
    }

    /// The error; a result fails the test.
    pub(crate) async fn refused(&self, method: &str, params: Value) -> RpcError {
        match self.ask(method, params.clone()).await {
            Ok(result) => panic!("{method} {params} gave {result}"),
            Err(error) => error,
        }
    }

    pub(crate) async fn number(&self, method: &str, params: Value) -> u64 {
        number(&self.get(method, params).await)
    }

    pub(crate) async fn receipt(&self, hash: &Value) -> Value {
        self.get("eth_getTransactionReceipt", json!([hash])).await
    }

    /// Sends and expects success.
    pub(crate) async fn send(&self, raw: Bytes) -> Value {
        self.get("eth_sendRawTransaction", json!([raw])).await
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no quantity"));
    let digits = text.strip_prefix("0x").expect("a 0x prefix");
    assert!(
        digits == "0" || !digits.starts_with('0'),
        "{text} has leading zeros"
    );
    u64::from_str_radix(digits, 16).expect("a small quantity")
}

pub(crate) fn text<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).expect("it can be written as JSON")
}

pub(crate) async fn started(config: Config) -> (Devchain, Client) {
    let chain = devchain::spawn(config).await.expect("the chain starts");
    let client = Client::of(&chain);
    (chain, client)
}

pub(crate) async fn fresh() -> (Devchain, Client) {
    started(Config::default()).await
}

pub(crate) async fn socket(chain: &Devchain) -> Socket {
    tokio_tungstenite::connect_async(chain.ws_url())
        .await
        .expect("the WebSocket opens")
        .0
}

pub(crate) async fn say(socket: &mut Socket, id: u64, method: &str, params: Value) {
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    socket
        .send(Message::text(request.to_string()))
        .await
        .expect("it can be said");
}

/// The next JSON message.
pub(crate) async fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket
            .next()
            .await
            .expect("it is open")
            .expect("it is sound")
        {
            Message::Text(text) => return serde_json::from_str(&text).expect("it is JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// Signs with a dev account's key, counting nonces itself.
pub(crate) struct Sender {
    pub(crate) signer: PrivateKeySigner,
    pub(crate) nonce: u64,
    pub(crate) tip: u128,
    chain_id: u64,
}

impl Sender {
    pub(crate) fn of(chain: &Devchain, index: usize) -> Sender {
        let signer = PrivateKeySigner::from_bytes(&chain.accounts()[index].key).expect("a key");
        Sender {
            signer,
            nonce: 0,
            tip: 1,
            chain_id: chain.chain_id(),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.signer.address()
    }

    pub(crate) fn sign(&mut self, to: TxKind, value: u64, input: impl Into<Bytes>) -> Bytes {
        let raw = self.sign_at(self.nonce, to, value, input);
        self.nonce += 1;
        raw
    }

    pub(crate) fn sign_at(
        &self,
        nonce: u64,
        to: TxKind,
        value: u64,
        input: impl Into<Bytes>,
    ) -> Bytes {
        let input = input.into();
        self.sign_plain(TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: if input.is_empty() { 21_000 } else { 1_000_000 },
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: self.tip,
            to,
            value: U256::from(value),
            input,
            ..TxEip1559::default()
        })
    }

    pub(crate) fn sign_plain(&self, transaction: TxEip1559) -> Bytes {
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .expect("it signs");
        transaction.into_signed(signature).encoded_2718().into()
    }

    pub(crate) fn transfer(&mut self, to: Address, value: u64) -> Bytes {
        self.sign(TxKind::Call(to), value, Bytes::new())
    }
}

/// A stranger's address.
pub(crate) fn stranger(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

/// The first topic of what the box logs.
pub(crate) const TOPIC: B256 =
    b256!("0x1111111111111111111111111111111111111111111111111111111111111111");

/// The box: a contract that does as the first byte of its call data says.
pub(crate) mod verb {
    /// Puts the next word into slot 0 and logs it, with `TOPIC` and the caller as topics.
    pub(crate) const PUT: u8 = 1;
    /// Reverts with the rest of the call data.
    pub(crate) const REVERT: u8 = 2;
    /// Never ends.
    pub(crate) const LOOP: u8 = 3;
    /// Returns the block's timestamp.
    pub(crate) const TIME: u8 = 4;
}

enum Part {
    Ops(&'static [u8]),
    Word(B256),
    Label(u8),
    /// Pushes a label's place.
    Place(u8),
}

/// Creation code of the box.
pub(crate) fn box_code() -> Bytes {
    use Part::{Label, Ops, Place, Word};
    const PUSH0: u8 = 0x5f;
    const PUSH1: u8 = 0x60;
    const JUMPDEST: u8 = 0x5b;
    let mut parts = vec![Ops(&[PUSH0, 0x35, PUSH1, 0xf8, 0x1c])];
    for verb in [&[1u8], &[2], &[3], &[4]] {
        // DUP1 PUSH1 verb EQ PUSH1 place JUMPI
        parts.push(Ops(&[0x80, PUSH1]));
        parts.push(Ops(verb));
        parts.push(Ops(&[0x14]));
        parts.push(Place(verb[0]));
        parts.push(Ops(&[0x57]));
    }
    let return_word: &[u8] = &[PUSH0, 0x52, PUSH1, 0x20, PUSH0, 0xf3];
    // PUSH0 SLOAD, return
    parts.extend([Ops(&[PUSH0, 0x54]), Ops(return_word)]);
    // CALLDATALOAD(1) DUP1 PUSH0 SSTORE PUSH0 MSTORE CALLER topic 0x20 0 LOG2 STOP
    parts.extend([
        Label(verb::PUT),
        Ops(&[
            JUMPDEST, PUSH1, 1, 0x35, 0x80, PUSH0, 0x55, PUSH0, 0x52, 0x33,
        ]),
        Word(TOPIC),
        Ops(&[PUSH1, 0x20, PUSH0, 0xa2, 0x00]),
    ]);
    // CALLDATASIZE - 1, CALLDATACOPY(0, 1, size), REVERT(0, size)
    parts.extend([
        Label(verb::REVERT),
        Ops(&[
            JUMPDEST, PUSH1, 1, 0x36, 0x03, 0x80, PUSH1, 1, PUSH0, 0x37, PUSH0, 0xfd,
        ]),
    ]);
    parts.extend([
        Label(verb::LOOP),
        Ops(&[JUMPDEST]),
        Place(verb::LOOP),
        Ops(&[0x56]),
    ]);
    parts.extend([Label(verb::TIME), Ops(&[JUMPDEST, 0x42]), Ops(return_word)]);

    let mut places = [0u8; 8];
    let mut code = Vec::new();
    for round in 0..2 {
        code.clear();
        for part in &parts {
            match part {
                Ops(ops) => code.extend_from_slice(ops),
                Word(word) => {
                    code.push(0x7f);
                    code.extend_from_slice(word.as_slice());
                }
                Label(label) if round == 0 => places[*label as usize] = code.len() as u8,
                Label(_) => {}
                Place(label) => code.extend([PUSH1, places[*label as usize]]),
            }
        }
    }
    let length = code.len() as u8;
    // CODECOPY(0, 10, length) RETURN(0, length)
    let mut creation = vec![
        PUSH1, length, PUSH1, 10, PUSH0, 0x39, PUSH1, length, PUSH0, 0xf3,
    ];
    assert_eq!(creation.len(), 10);
    creation.extend(code);
    creation.into()
}

pub(crate) fn call_data(verb: u8, rest: &[u8]) -> Bytes {
    let mut data = vec![verb];
    data.extend_from_slice(rest);
    data.into()
}

pub(crate) fn put(value: u64) -> Bytes {
    call_data(verb::PUT, B256::from(U256::from(value)).as_slice())
}

/// Deploys the box from this sender.
pub(crate) async fn deploy_box(client: &Client, sender: &mut Sender) -> Address {
    let hash = client
        .send(sender.sign(TxKind::Create, 0, box_code()))
        .await;
    let receipt = client.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    serde_json::from_value(receipt["contractAddress"].clone()).expect("an address")
}
