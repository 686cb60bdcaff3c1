//! Starting, controlling and ending.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use alloy_primitives::{Address, B256, U64, U256};
use serde_json::{Value, json};
use testchain::{Mining, Options, TestChain};

async fn height(chain: &TestChain) -> u64 {
    let height: U64 = chain
        .rpc("eth_blockNumber", json!([]))
        .await
        .expect("a height");
    height.to()
}

async fn hash_at(chain: &TestChain, number: u64) -> B256 {
    let block: Value = chain
        .rpc("eth_getBlockByNumber", json!([U64::from(number), false]))
        .await
        .expect("a block");
    serde_json::from_value(block["hash"].clone()).expect("a hash")
}

async fn ether(chain: &TestChain, who: Address) -> U256 {
    chain
        .rpc("eth_getBalance", json!([who, "latest"]))
        .await
        .expect("a balance")
}

/// Sends a wei from the first account, by the node's own key.
async fn send_a_wei(chain: &TestChain, to: Address) -> B256 {
    let from = chain.accounts()[0].address;
    chain
        .rpc(
            "eth_sendTransaction",
            json!([{ "from": from, "to": to, "value": "0x1" }]),
        )
        .await
        .expect("taken")
}

async fn until_height(chain: &TestChain, least: u64) {
    while height(chain).await < least {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn it_has_money_and_contracts() {
    let chain = testchain::start(Options::default()).await.expect("a chain");
    let id: U64 = chain.rpc("eth_chainId", json!([])).await.expect("an id");
    assert_eq!(id.to::<u64>(), testchain::DEFAULT_CHAIN_ID);
    for account in chain.accounts() {
        assert!(ether(&chain, account.address).await > U256::from(10).pow(U256::from(21)));
    }
    let deployment = chain.deployment().expect("deployed").clone();
    assert_eq!(deployment.deployer, chain.accounts()[0].address);
    let url = chain.http_url().parse().expect("a URL");
    // Looks for the chain id and for the contracts.
    sdk::chain::Chain::connect(&url, deployment)
        .await
        .expect("all there");
}

#[tokio::test]
async fn blocks_are_made_as_told() {
    let chain = testchain::start(Options::default().bare().mining(Mining::Manual))
        .await
        .expect("a chain");
    let (to, before) = (Address::repeat_byte(0x77), height(&chain).await);
    send_a_wei(&chain, to).await;
    assert_eq!(
        (height(&chain).await, ether(&chain, to).await),
        (before, U256::ZERO)
    );
    chain.mine(3).await.expect("mined");
    assert_eq!(
        (height(&chain).await, ether(&chain, to).await),
        (before + 3, U256::from(1))
    );
    // Half a second is a time that not every engine knows by itself; a second is.
    for interval in [500, 1_000] {
        let before = height(&chain).await;
        chain
            .set_mining(Mining::Interval(Duration::from_millis(interval)))
            .await
            .expect("set");
        until_height(&chain, before + 2).await;
    }
    chain.set_mining(Mining::Manual).await.expect("set");
    let before = height(&chain).await;
    chain.set_mining(Mining::Instant).await.expect("set");
    send_a_wei(&chain, to).await;
    until_height(&chain, before + 1).await;
}

#[tokio::test]
async fn time_money_and_the_past_can_be_changed() {
    let chain = testchain::start(Options::default().bare())
        .await
        .expect("a chain");
    let time = async || -> u64 {
        let block: Value = chain
            .rpc("eth_getBlockByNumber", json!(["latest", false]))
            .await
            .expect("a block");
        let time: U64 = serde_json::from_value(block["timestamp"].clone()).expect("a time");
        time.to()
    };
    let (to, height_then, then) = (
        Address::repeat_byte(0x77),
        height(&chain).await,
        time().await,
    );
    let snapshot = chain.snapshot().await.expect("noted");
    chain.increase_time(3_600).await.expect("an hour passed");
    assert!(time().await >= then + 3_600);
    chain
        .set_balance(to, U256::from(12_345))
        .await
        .expect("given");
    assert_eq!(ether(&chain, to).await, U256::from(12_345));
    chain.revert(&snapshot).await.expect("put back");
    assert_eq!(
        (height(&chain).await, ether(&chain, to).await),
        (height_then, U256::ZERO)
    );
    assert!(
        chain.revert(&snapshot).await.is_err(),
        "a snapshot is used up"
    );
}

#[tokio::test]
async fn a_reorganisation_replaces_blocks_by_as_many_others() {
    let chain = testchain::start(Options::default().bare())
        .await
        .expect("a chain");
    if !chain.can_reorganise("a_reorganisation_replaces_blocks_by_as_many_others") {
        return;
    }
    let to = Address::repeat_byte(0x77);
    chain.mine(2).await.expect("mined");
    send_a_wei(&chain, to).await;
    chain.mine(2).await.expect("mined");
    let top = height(&chain).await;
    let (kept, lost) = (
        hash_at(&chain, top - 3).await,
        hash_at(&chain, top - 2).await,
    );
    chain.reorganise(3).await.expect("reorganised");
    assert_eq!(height(&chain).await, top);
    assert_eq!(hash_at(&chain, top - 3).await, kept);
    assert_ne!(hash_at(&chain, top - 2).await, lost);
    assert_eq!(ether(&chain, to).await, U256::ZERO, "forgotten");
}

#[tokio::test]
async fn a_waiting_transaction_can_be_forgotten() {
    let chain = testchain::start(Options::default().bare().mining(Mining::Manual))
        .await
        .expect("a chain");
    let to = Address::repeat_byte(0x77);
    let hash = send_a_wei(&chain, to).await;
    chain.forget(hash).await.expect("dropped");
    chain.mine(1).await.expect("mined");
    assert_eq!(ether(&chain, to).await, U256::ZERO);
}

#[test]
fn a_chain_does_not_outlive_a_killed_process() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_oxec-testchain"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("said");
    let place: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
    let address = place["http"]
        .as_str()
        .and_then(|url| url.strip_prefix("http://"))
        .expect("a URL")
        .to_owned();
    std::net::TcpStream::connect(&address).expect("it serves");
    // As `kill -9`: nothing of its own runs any more.
    process.kill().expect("killed");
    process.wait().expect("gone");
    let mut tries = 0;
    while std::net::TcpStream::connect(&address).is_ok() {
        tries += 1;
        assert!(tries < 500, "the chain at {address} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}
