//! One fault at a time.

use std::time::{Duration, Instant};

use alloy_primitives::{B256, U64};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testchain::{Answer, FaultProxy, Faults, Lag, Options, Refusal, TestChain};
use tokio_tungstenite::tungstenite::Message;

async fn weather() -> (TestChain, FaultProxy) {
    let chain = testchain::start(Options::default().bare())
        .await
        .expect("a chain");
    let proxy = FaultProxy::start(&chain.http_url(), 7)
        .await
        .expect("a proxy");
    (chain, proxy)
}

/// Asks through the proxy; the error is the HTTP status, if there is one.
async fn ask(proxy: &FaultProxy, method: &str, params: Value) -> Result<Value, Option<u16>> {
    let client = sdk::tls::client().expect("a client");
    let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = client.post(proxy.http_url()).json(&question).send().await;
    let answer = answer.map_err(|_| None)?;
    if !answer.status().is_success() {
        return Err(Some(answer.status().as_u16()));
    }
    answer.json().await.map_err(|_| None)
}

async fn height(proxy: &FaultProxy) -> u64 {
    let answer = ask(proxy, "eth_blockNumber", json!([]))
        .await
        .expect("an answer");
    let height: U64 = serde_json::from_value(answer["result"].clone()).expect("a height");
    height.to()
}

#[tokio::test]
async fn in_fine_weather_everything_passes() {
    let (chain, proxy) = weather().await;
    chain.mine(2).await.expect("mined");
    let batch = json!([
        { "jsonrpc": "2.0", "id": 8, "method": "eth_chainId", "params": [] },
        { "jsonrpc": "2.0", "id": 9, "method": "eth_blockNumber", "params": [] },
    ]);
    let client = sdk::tls::client().expect("a client");
    let answer = client.post(proxy.http_url()).json(&batch).send().await;
    let answer: Value = answer
        .expect("an answer")
        .json()
        .await
        .expect("a batch's answer");
    assert_eq!(
        (&answer[0]["id"], &answer[0]["result"]),
        (&json!(8), &json!("0x7a69"))
    );
    assert_eq!(
        (&answer[1]["id"], &answer[1]["result"]),
        (&json!(9), &json!("0x2"))
    );
    assert_eq!(proxy.counts().messages, 1);
    assert_eq!(proxy.counts().of("eth_chainId"), 1);
}

#[tokio::test]
async fn calls_are_refused_in_each_way() {
    let (_chain, proxy) = weather().await;
    let with = |answer: Answer| Faults {
        refusals: vec![Refusal::of("eth_chainId", answer)],
        ..Faults::default()
    };
    proxy.set(with(Answer::error("no")));
    let answer = ask(&proxy, "eth_chainId", json!([])).await.expect("JSON");
    assert_eq!(answer["error"], json!({ "code": -32_000, "message": "no" }));
    proxy.set(with(Answer::Status(429)));
    assert_eq!(ask(&proxy, "eth_chainId", json!([])).await, Err(Some(429)));
    assert_eq!(height(&proxy).await, 0, "other methods pass");
    proxy.set(with(Answer::Silence));
    let silence = ask(&proxy, "eth_chainId", json!([]));
    let waited = tokio::time::timeout(Duration::from_millis(200), silence).await;
    assert!(waited.is_err(), "an answer came: {waited:?}");
    proxy.calm();
    ask(&proxy, "eth_chainId", json!([])).await.expect("calm");
    assert_eq!(proxy.counts().refused, 3);
}

#[tokio::test]
async fn messages_are_lost_and_come_late_and_twice() {
    let (chain, proxy) = weather().await;
    proxy.change(|faults| faults.lose_question = 1.0);
    assert_eq!(ask(&proxy, "evm_mine", json!([])).await, Err(None));
    proxy.set(Faults {
        lose_answer: 1.0,
        ..Faults::default()
    });
    assert_eq!(ask(&proxy, "evm_mine", json!([])).await, Err(None));
    let heard: U64 = chain.rpc("eth_blockNumber", json!([])).await.expect("told");
    assert_eq!(heard.to::<u64>(), 1, "the second was heard, the first not");
    proxy.set(Faults {
        duplicate: 1.0,
        ..Faults::default()
    });
    ask(&proxy, "evm_mine", json!([])).await.expect("an answer");
    proxy.calm();
    assert_eq!(height(&proxy).await, 3);
    let pause = Duration::from_millis(80);
    proxy.change(|faults| faults.delay = (pause, pause));
    let started = Instant::now();
    height(&proxy).await;
    assert!(started.elapsed() >= pause);
    let counts = proxy.counts();
    assert_eq!((counts.lost, counts.duplicated), (2, 1));
}

#[tokio::test]
async fn nobody_is_there_while_it_is_down() {
    let (_chain, proxy) = weather().await;
    proxy.change(|faults| faults.down = true);
    assert_eq!(ask(&proxy, "eth_chainId", json!([])).await, Err(None));
    proxy.calm();
    ask(&proxy, "eth_chainId", json!([]))
        .await
        .expect("back again");
}

#[tokio::test]
async fn a_swallowed_transaction_has_a_hash_and_no_future() {
    let (chain, proxy) = weather().await;
    proxy.change(|faults| faults.swallow = 1.0);
    let raw = "0x02f86c";
    let answer = ask(&proxy, "eth_sendRawTransaction", json!([raw]))
        .await
        .expect("an answer");
    let hash: B256 = serde_json::from_value(answer["result"].clone()).expect("a hash");
    assert_eq!(hash, alloy_primitives::keccak256([0x02, 0xf8, 0x6c]));
    assert_eq!(proxy.counts().swallowed, 1);
    // The node would have refused such bytes.
    let direct = chain.rpc::<B256>("eth_sendRawTransaction", json!([raw]));
    assert!(direct.await.is_err());
}

#[tokio::test]
async fn a_node_that_is_behind_does_not_know_the_newest() {
    let (chain, proxy) = weather().await;
    chain.mine(5).await.expect("mined");
    proxy.change(|faults| faults.lag = Lag::Behind(2));
    assert_eq!(height(&proxy).await, 3);
    let latest = ask(&proxy, "eth_getBlockByNumber", json!(["latest", false]))
        .await
        .expect("a block");
    assert_eq!(latest["result"]["number"], "0x3");
    let newer = ask(&proxy, "eth_getBlockByNumber", json!(["0x4", false]))
        .await
        .expect("an answer");
    assert_eq!(newer["result"], Value::Null);
    assert_eq!(proxy.freeze().await, Ok(5));
    chain.mine(1).await.expect("mined");
    assert_eq!(height(&proxy).await, 5);
    proxy.calm();
    assert_eq!(height(&proxy).await, 6);
}

#[tokio::test]
async fn subscriptions_tell_what_the_weather_lets_through() {
    let (chain, proxy) = weather().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(proxy.ws_url().as_str())
        .await
        .expect("connected");
    let subscribe =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"] });
    socket
        .send(Message::text(subscribe.to_string()))
        .await
        .expect("sent");
    let mut next = async || -> Option<Value> {
        loop {
            match socket.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                _ => continue,
            }
        }
    };
    assert!(next().await.expect("an answer")["result"].is_string());
    chain.mine(1).await.expect("mined");
    assert_eq!(
        next().await.expect("news")["params"]["result"]["number"],
        "0x1"
    );
    proxy.change(|faults| faults.silent = true);
    chain.mine(1).await.expect("mined");
    proxy.until(|counts| counts.withheld == 1).await;
    proxy.set(Faults {
        lag: Lag::Behind(1),
        ..Faults::default()
    });
    chain.mine(1).await.expect("mined");
    assert_eq!(
        next().await.expect("news")["params"]["result"]["number"],
        "0x2",
        "the news of a node that is one behind"
    );
    proxy.cut();
    assert_eq!(next().await, None);
}
