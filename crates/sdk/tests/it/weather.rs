//! Bad weather: a chain that changes its mind, nodes that lag, forget, refuse and repeat themselves. Whatever happens, a
//! call is executed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use protocol::abi::{Hub, RLC};
use protocol::ids::TaskId;
use protocol::payment::Nrlc;
use sdk::chain::{Chain, ChainError, ChainOptions, EventStream, Followed, Receipt, Sender};
use sdk::contribution;
use sdk::payment;
use sdk::wallet::Wallet;
use testchain::{Answer, FaultProxy, Faults, Lag, Mining, Options, Refusal};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::town::{Town, nano_rlc, url};

/// How long anything here may take at most.
const PATIENCE: Duration = Duration::from_secs(40);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Sends one nano-RLC, with a known bound of gas.
async fn send_one(sender: &Sender, to: Address) -> Result<Receipt, ChainError> {
    let call = RLC::transferCall {
        to,
        value: U256::from(1),
    };
    let rlc = sender.chain().deployment().rlc;
    sender.send_with_gas(rlc, call, 100_000).await
}

/// Sends `count` times one nano-RLC at once; every one arrives, and once.
async fn all_arrive_once(town: &Town, sender: &Sender, count: u64, weather: &str) {
    let to = Wallet::random().address();
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let sender = sender.clone();
        tasks.spawn(async move { send_one(&sender, to).await });
    }
    for result in within(weather, tasks.join_all()).await {
        result.unwrap_or_else(|error| panic!("{weather}: {error}"));
    }
    assert_eq!(
        balance(&town.chain, to).await,
        nano_rlc(count),
        "{weather}: each exactly once"
    );
}

async fn balance(chain: &Chain, who: Address) -> Nrlc {
    payment::wallet_balance(chain, who)
        .await
        .expect("a balance")
}

async fn until_balance(chain: &Chain, who: Address, amount: Nrlc) {
    while balance(chain, who).await != amount {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A sender of somebody with money, behind a proxy.
async fn behind(town: &Town, options: ChainOptions) -> (FaultProxy, Sender) {
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    let proxy = town.weather().await;
    let chain = town.connect(&proxy.http_url(), options).await;
    let sender = chain.sender(&wallet);
    (proxy, sender)
}

#[tokio::test]
async fn what_a_reorganisation_undoes_is_sent_again_and_executed_once() {
    let town = Town::start().await;
    if !town
        .node
        .can_reorganise("what_a_reorganisation_undoes_is_sent_again_and_executed_once")
    {
        return;
    }
    let sender = town.somebody(Nrlc::rlc(1)).await;
    for depth in 1..=6 {
        let to = Wallet::random().address();
        for _ in 0..depth {
            send_one(&sender, to).await.expect("mined");
        }
        assert_eq!(balance(&town.chain, to).await, nano_rlc(depth));
        // As long as before, with other blocks: the receipts that were told are undone, the transactions forgotten.
        town.node.reorganise(depth).await.expect("reorganised");
        within(
            "sent again",
            until_balance(&town.chain, to, nano_rlc(depth)),
        )
        .await;
        // And the sender goes on as if nothing had been.
        send_one(&sender, to).await.expect("mined");
        assert_eq!(balance(&town.chain, to).await, nano_rlc(depth + 1));
    }
}

/// While much is handed in, there is always something more urgent than what a reorganisation has undone; it must not
/// lose its nonce to that.
#[tokio::test]
async fn what_a_reorganisation_undoes_under_load_is_not_lost() {
    let town = Town::start().await;
    if !town
        .node
        .can_reorganise("what_a_reorganisation_undoes_under_load_is_not_lost")
    {
        return;
    }
    let sender = town.somebody(Nrlc::rlc(1)).await;
    // Deeper than any reorganisation here reaches: an engine may put everything that follows into few blocks, and the money
    // that is sent is not to go with them.
    town.node.mine(4).await.expect("mined");
    let to = Wallet::random().address();
    let (rounds, at_once) = (8, 40);
    for round in 1..=rounds {
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let sender = sender.clone();
            tasks.spawn(async move { send_one(&sender, to).await });
        }
        // In the middle of it.
        for _ in 0..at_once / 2 {
            let result = within("mined", tasks.join_next()).await;
            result.expect("some").expect("no panic").expect("mined");
        }
        town.node.reorganise(3).await.expect("reorganised");
        for result in within("mined", tasks.join_all()).await {
            result.expect("mined");
        }
        within(
            "all of it stands",
            until_balance(&town.chain, to, nano_rlc(round * at_once)),
        )
        .await;
    }
}

/// A node that is behind looks as if its chain had gone back to an older block, and is believed; not for good.
#[tokio::test]
async fn what_a_node_seemed_to_have_forgotten_is_watched_again_once_it_has_caught_up() {
    let town = Town::start().await;
    if !town.node.can_reorganise(
        "what_a_node_seemed_to_have_forgotten_is_watched_again_once_it_has_caught_up",
    ) {
        return;
    }
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    let to = Wallet::random().address();
    for _ in 0..3 {
        send_one(&sender, to).await.expect("mined");
    }
    // Its newest block is asked for, and then what stands where the last transaction was mined.
    for blocks in [2, 0] {
        let asked = proxy.counts().of("eth_getBlockByNumber");
        proxy.change(|faults| faults.lag = Lag::Behind(blocks));
        let noticed = proxy.until(|counts| counts.of("eth_getBlockByNumber") >= asked + 4);
        within("noticed", noticed).await;
    }
    proxy.calm();
    town.node.reorganise(3).await.expect("reorganised");
    within("sent again", until_balance(&town.chain, to, nano_rlc(3))).await;
}

/// Whoever was told that it failed may have done it otherwise meanwhile.
#[tokio::test]
async fn what_failed_does_not_succeed_after_a_reorganisation_and_holds_up_nothing() {
    let town = Town::start().await;
    if !town
        .node
        .can_reorganise("what_failed_does_not_succeed_after_a_reorganisation_and_holds_up_nothing")
    {
        return;
    }
    let sender = town.somebody(Nrlc::rlc(0)).await;
    fails_for_good(&town, &sender).await;
}

/// What stands in for it may be no dearer than it was.
#[tokio::test]
async fn what_failed_does_not_succeed_after_a_reorganisation_though_it_may_not_be_raised() {
    let town = Town::start().await;
    if !town.node.can_reorganise(
        "what_failed_does_not_succeed_after_a_reorganisation_though_it_may_not_be_raised",
    ) {
        return;
    }
    let wallet = town.somebody(Nrlc::rlc(0)).await.wallet().clone();
    let base = base_fee(&town).await;
    let options = ChainOptions {
        fee_max: base + base / 2,
        ..ChainOptions::default()
    };
    let chain = town.connect(&url(&town.node.http_url()), options).await;
    fails_for_good(&town, &chain.sender(&wallet)).await;
}

async fn base_fee(town: &Town) -> u128 {
    let block: serde_json::Value = town
        .node
        .rpc("eth_getBlockByNumber", serde_json::json!(["latest", false]))
        .await
        .expect("a block");
    let base: U256 = serde_json::from_value(block["baseFeePerGas"].clone()).expect("a base fee");
    base.to()
}

async fn fails_for_good(town: &Town, sender: &Sender) {
    let (to, other) = (Wallet::random().address(), Wallet::random().address());
    let failed = send_one(sender, to).await;
    failed.expect_err("it has no RLC");
    sender
        .send_ether(other, U256::from(1))
        .await
        .expect("mined");
    // Before the transaction that would pay for it on the other branch.
    let bank = town.bank();
    payment::transfer(&bank, sender.address(), nano_rlc(5))
        .await
        .expect("RLC");
    town.node.reorganise(3).await.expect("reorganised");
    within("the RLC is there again", async {
        until_balance(&town.chain, sender.address(), nano_rlc(5)).await;
        while town.chain.ether(other).await.expect("a balance") != U256::from(1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    send_one(sender, other).await.expect("mined");
    assert_eq!(balance(&town.chain, to).await, nano_rlc(0));
    assert_eq!(balance(&town.chain, other).await, nano_rlc(1));
}

#[tokio::test]
async fn a_reorganisation_of_the_same_length_is_told() {
    let town = Town::start().await;
    if !town
        .node
        .can_reorganise("a_reorganisation_of_the_same_length_is_told")
    {
        return;
    }
    let sender = town.somebody(Nrlc::rlc(1)).await;
    let deposit = async |amount: u64| {
        payment::deposit(&sender, nano_rlc(amount))
            .await
            .expect("deposited");
    };
    let mut stream = town
        .chain
        .follow(town.chain.block().await.expect("a block").number + 1);
    for depth in 1..=6 {
        deposit(100).await;
        assert_eq!(deposits(&mut stream, 1).await.0, [100]);
        let standing = town.chain.block().await.expect("a block").number;
        for amount in 0..depth {
            deposit(amount + 1).await;
        }
        let told = deposits(&mut stream, depth as usize).await.0;
        let expected: Vec<u64> = (1..=depth).collect();
        assert_eq!(told, expected);
        town.node.reorganise(depth).await.expect("reorganised");
        // The sender sends them again; they are told again, after they were taken back.
        let (told, back_to) = within("told again", deposits(&mut stream, depth as usize)).await;
        assert_eq!(
            (told, back_to.iter().min().copied()),
            (expected, Some(standing))
        );
    }
}

/// Amounts deposited, as told, until `count` of them came and stand; and what was taken back in between.
async fn deposits(stream: &mut EventStream, count: usize) -> (Vec<u64>, Vec<u64>) {
    let (mut told, mut taken_back) = (Vec::new(), Vec::new());
    while told.len() < count {
        match stream.next().await {
            Followed::Blocks { events, .. } => {
                told.extend(events.iter().filter_map(|event| match &event.event {
                    Hub::HubEvents::Transfer(transfer) if transfer.from.is_zero() => {
                        Some((event.block, transfer.value.to::<u64>()))
                    }
                    _ => None,
                }));
            }
            Followed::Reorganised { back_to } => {
                told.retain(|(block, _)| *block <= back_to);
                taken_back.push(back_to);
            }
        }
    }
    (
        told.into_iter().map(|(_, amount)| amount).collect(),
        taken_back,
    )
}

#[tokio::test]
async fn a_message_that_comes_twice_is_executed_once() {
    let town = Town::start().await;
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    proxy.change(|faults| faults.duplicate = 1.0);
    all_arrive_once(&town, &sender, 40, "everything twice").await;
    assert!(proxy.counts().duplicated > 0);
}

#[tokio::test]
async fn lost_and_late_messages_cost_time_and_nothing_else() {
    let town = Town::start().await;
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    proxy.set(Faults {
        lose_question: 0.2,
        lose_answer: 0.2,
        duplicate: 0.2,
        delay: (Duration::ZERO, Duration::from_millis(20)),
        ..Faults::default()
    });
    for _ in 0..5 {
        all_arrive_once(&town, &sender, 20, "lost and late").await;
    }
    assert!(proxy.counts().lost > 0);
}

#[tokio::test]
async fn refusals_that_pass_are_waited_out() {
    let town = Town::start().await;
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    let answers = [
        Answer::error("transaction underpriced"),
        Answer::error("replacement transaction underpriced"),
        Answer::error("txpool is full"),
        Answer::error("nonce too high"),
        Answer::error("nonce too low"),
        Answer::error("internal error"),
        Answer::error("a strange thing happened"),
        Answer::Error {
            code: -32_005,
            message: "limit exceeded".to_owned(),
        },
        Answer::Status(429),
        Answer::Status(503),
    ];
    for answer in answers {
        // With half of them, the node does what it says it does not.
        for heard in [false, true] {
            let refusal = Refusal {
                heard,
                ..Refusal::of("eth_sendRawTransaction", answer.clone()).chance(0.2)
            };
            proxy.change(|faults| faults.refusals = vec![refusal]);
            let weather = format!("{answer:?}, heard: {heard}");
            all_arrive_once(&town, &sender, 10, &weather).await;
        }
    }
    assert!(proxy.counts().refused > 0);
}

#[tokio::test]
async fn what_never_can_be_taken_is_refused_at_once() {
    let town = Town::start().await;
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    let answer = Answer::error("intrinsic gas too low");
    proxy.change(|faults| faults.refusals = vec![Refusal::of("eth_sendRawTransaction", answer)]);
    let to = Wallet::random().address();
    let error = within("an answer", send_one(&sender, to))
        .await
        .expect_err("refused");
    assert!(matches!(error, ChainError::Node { .. }), "{error:?}");
    assert_eq!(proxy.counts().of("eth_sendRawTransaction"), 1);
    proxy.calm();
    all_arrive_once(&town, &sender, 3, "afterwards").await;
}

#[tokio::test]
async fn swallowed_transactions_are_sent_again_soon() {
    let town = Town::start().await;
    let (proxy, sender) = behind(&town, ChainOptions::default()).await;
    proxy.change(|faults| faults.swallow = 1.0);
    let started = Instant::now();
    let sending = all_arrive_once(&town, &sender, 20, "swallowed");
    let calming = async {
        proxy.until(|counts| counts.swallowed >= 20).await;
        proxy.calm();
    };
    tokio::join!(sending, calming);
    // Long before what waits is sent again for having waited.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// The hash and the offered fee of the one transaction that waits.
async fn waiting(town: &Town) -> Option<(B256, U256)> {
    // Every engine shows what waits in its pending block.
    let pending: serde_json::Value = town
        .node
        .rpc("eth_getBlockByNumber", serde_json::json!(["pending", true]))
        .await
        .expect("a pending block");
    let transaction = &pending["transactions"][0];
    Some((
        serde_json::from_value(transaction["hash"].clone()).ok()?,
        serde_json::from_value(transaction["maxFeePerGas"].clone()).ok()?,
    ))
}

async fn until_waiting(town: &Town) -> (B256, U256) {
    loop {
        if let Some(waiting) = waiting(town).await {
            return waiting;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_transaction_that_the_pool_forgot_is_sent_again() {
    let town = Town::start_with(Options::default().mining(Mining::Manual)).await;
    let sender = town.bank();
    let to = Wallet::random().address();
    let sending = tokio::spawn(async move { send_one(&sender, to).await });
    let (hash, _) = within("it waits", until_waiting(&town)).await;
    town.node.forget(hash).await.expect("dropped");
    let (again, _) = within("it waits again", until_waiting(&town)).await;
    assert_eq!(again, hash, "the very same");
    town.node.mine(1).await.expect("mined");
    within("mined", sending)
        .await
        .expect("no panic")
        .expect("mined");
    assert_eq!(balance(&town.chain, to).await, nano_rlc(1));
}

#[tokio::test]
async fn what_a_rising_base_fee_prices_out_is_sent_again_dearer_at_once() {
    let town = Town::start_with(Options::default().mining(Mining::Manual)).await;
    // Default options: fifteen seconds until anything is sent again merely for having waited.
    let sender = town.bank();
    let to = Wallet::random().address();
    let sending = tokio::spawn(async move { send_one(&sender, to).await });
    let (_, offered) = within("it waits", until_waiting(&town)).await;
    let risen = offered.to::<u64>() * 3;
    let started = Instant::now();
    town.node.set_next_base_fee(risen).await.expect("set");
    town.node.mine(1).await.expect("mined");
    within("it is dearer", async {
        while waiting(&town)
            .await
            .is_none_or(|(_, fee)| fee <= U256::from(risen))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    town.node.mine(1).await.expect("mined");
    within("mined", sending)
        .await
        .expect("no panic")
        .expect("mined");
    assert_eq!(balance(&town.chain, to).await, nano_rlc(1));
}

#[tokio::test]
async fn while_gas_is_dearer_than_allowed_whoever_sends_hears_so_at_once() {
    const GWEI: u64 = 1_000_000_000;
    let town = Town::start().await;
    let wallet = town.somebody(Nrlc::rlc(1)).await.wallet().clone();
    town.node.set_next_base_fee(40 * GWEI).await.expect("set");
    town.node.mine(1).await.expect("mined");
    let options = ChainOptions {
        fee_max: 20_000_000_000,
        ..ChainOptions::default()
    };
    let chain = town.connect(&url(&town.node.http_url()), options).await;
    let sender = chain.sender(&wallet);
    let to = Wallet::random().address();
    let error = tokio::time::timeout(Duration::from_secs(5), send_one(&sender, to))
        .await
        .expect("at once")
        .expect_err("too dear")
        .to_string();
    for words in ["transfer", "40 gwei", "20 gwei", "fee_max"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    town.node.set_next_base_fee(GWEI).await.expect("set");
    town.node.mine(1).await.expect("mined");
    within("gas is cheap again", async {
        while send_one(&sender, to).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(balance(&town.chain, to).await, nano_rlc(1));
}

#[tokio::test]
async fn a_block_that_a_node_does_not_know_yet_is_asked_for_again() {
    let town = Town::start().await;
    let proxy = town.weather().await;
    let chain = town
        .connect(&proxy.http_url(), ChainOptions::default())
        .await;
    let (task, worker) = (TaskId(B256::ZERO), Wallet::random().address());
    let answer = Answer::error("header not found");
    proxy.change(|faults| faults.refusals = vec![Refusal::of("eth_call", answer)]);
    let error = within("an answer", contribution::standing(&chain, task, worker))
        .await
        .expect_err("unknown");
    assert!(error.is_transient(), "{error:?}");
    let asked = proxy.counts().refused;
    assert!(asked >= 6, "{asked} times");
    let calming = async {
        proxy.until(|counts| counts.refused >= asked + 4).await;
        proxy.calm();
    };
    let (standing, ()) = tokio::join!(contribution::standing(&chain, task, worker), calming);
    standing.expect("known a moment later");
}

/// A node that takes numbers where newer ones take hashes of blocks too.
#[tokio::test]
async fn a_node_that_takes_no_block_hashes_is_asked_by_number() {
    let town = Town::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let refused = Arc::new(AtomicU64::new(0));
    let node = url(&town.node.http_url());
    tokio::spawn(without_block_hashes(listener, node, refused.clone()));
    let chain = town
        .connect(&url(&format!("http://{address}")), ChainOptions::default())
        .await;
    let (task, worker) = (TaskId(B256::ZERO), Wallet::random().address());
    for _ in 0..3 {
        within("an answer", contribution::standing(&chain, task, worker))
            .await
            .expect("a look");
    }
    let refused = refused.load(Ordering::Relaxed);
    assert!((1..=2).contains(&refused), "remembered: {refused}");
}

/// Passes on what it is asked, one question per connection, but for calls at a block's hash.
async fn without_block_hashes(listener: TcpListener, node: Url, refused: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (node, refused) = (node.clone(), refused.clone());
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.expect("a line");
                let line = line.trim().to_lowercase();
                if let Some(bytes) = line.strip_prefix("content-length:") {
                    length = bytes.trim().parse().expect("a number");
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut question = vec![0; length];
            stream.read_exact(&mut question).await.expect("a question");
            let asked: serde_json::Value = serde_json::from_slice(&question).unwrap_or_default();
            let answer = if asked["params"][1].is_object() {
                refused.fetch_add(1, Ordering::Relaxed);
                let error = serde_json::json!({
                    "code": -32_602, "message": "invalid argument 1: cannot read an object as a block number",
                });
                let answer =
                    serde_json::json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
                answer.to_string()
            } else {
                let sent = reqwest::Client::new()
                    .post(node)
                    .header("content-type", "application/json")
                    .body(question)
                    .send();
                let answer = sent.await.expect("an answer");
                answer.text().await.expect("a body")
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let whole = head + &answer;
            let _ = stream.write_all(whole.as_bytes()).await;
        });
    }
}

#[tokio::test]
async fn a_node_that_is_behind_costs_time_and_nothing_else() {
    let mining = Mining::Interval(Duration::from_millis(200));
    let town = Town::start_with(Options::default().mining(mining)).await;
    let wallet = town.node.wallet(0);
    let proxy = town.weather().await;
    let chain = town
        .connect(&proxy.http_url(), ChainOptions::default())
        .await;
    let sender = chain.sender(&wallet);
    let mut stream = chain.follow(town.chain.block().await.expect("a block").number + 1);
    for blocks in [0, 3, 1, 6] {
        proxy.change(|faults| faults.lag = Lag::Behind(blocks));
        all_arrive_once(&town, &sender, 10, &format!("{blocks} blocks behind")).await;
    }
    proxy.freeze().await.expect("frozen");
    // Until it has been asked for receipts again and again, and for news of blocks.
    let asked = proxy.counts();
    let thaw = async {
        let more = |counts: &testchain::Counts, method, times| {
            counts.of(method) >= asked.of(method) + times
        };
        proxy
            .until(|counts| {
                more(counts, "eth_getTransactionReceipt", 20)
                    && more(counts, "eth_sendRawTransaction", 10)
            })
            .await;
        proxy.calm();
    };
    tokio::join!(
        all_arrive_once(&town, &sender, 10, "frozen for a while"),
        thaw
    );
    // The follower missed nothing, and took back only what it told again.
    payment::deposit(&sender, nano_rlc(7))
        .await
        .expect("deposited");
    assert_eq!(
        within("told", deposits(&mut stream, 1)).await.0,
        [7],
        "the transfers of RLC are no events of the hub"
    );
}

#[tokio::test]
async fn a_subscription_that_tells_nothing_is_noticed() {
    let town = Town::start().await;
    let proxy = town.weather().await;
    let chain = town
        .connect(&proxy.http_url(), ChainOptions::default())
        .await;
    let sender = town.somebody(Nrlc::rlc(1)).await;
    let mut stream = chain.follow(town.chain.block().await.expect("a block").number + 1);
    let deposit = async |amount: u64| {
        payment::deposit(&sender, nano_rlc(amount))
            .await
            .expect("deposited");
    };
    deposit(1).await;
    assert_eq!(within("told", deposits(&mut stream, 1)).await.0, [1]);
    proxy.change(|faults| faults.silent = true);
    for amount in 2..6 {
        let started = Instant::now();
        deposit(amount).await;
        assert_eq!(within("told", deposits(&mut stream, 1)).await.0, [amount]);
        // The safety net's two seconds and some for a busy machine.
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
    }
    proxy.calm();
    proxy.cut();
    deposit(6).await;
    assert_eq!(within("told", deposits(&mut stream, 1)).await.0, [6]);
}

#[tokio::test]
async fn a_hundred_transactions_of_one_key_take_a_few_blocks() {
    let mining = Mining::Interval(Duration::from_secs(1));
    let town = Town::start_with(Options::default().mining(mining)).await;
    let sender = town.bank();
    let to = Wallet::random().address();
    let before = town.chain.block().await.expect("a block").number;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let sender = sender.clone();
        tasks.spawn(async move { send_one(&sender, to).await });
    }
    let receipts = within("mined", tasks.join_all()).await;
    let last = receipts
        .into_iter()
        .map(|receipt| receipt.expect("mined").block)
        .max();
    let blocks = last.expect("a hundred") - before;
    assert!(blocks <= 4, "{blocks} blocks");
    assert_eq!(balance(&town.chain, to).await, nano_rlc(100));
}

#[tokio::test]
async fn no_slot_is_lost_and_events_come_with_their_block() {
    let mining = Mining::Interval(Duration::from_secs(2));
    let town = Town::start_with(Options::default().mining(mining)).await;
    let sender = town.bank();
    let mut clock = town
        .chain
        .follow(town.chain.block().await.expect("a block").number + 1);
    let next_block = async |clock: &mut EventStream| loop {
        if let Followed::Blocks { to_block, .. } = clock.next().await {
            return to_block;
        }
    };
    let mut quickest = Duration::MAX;
    for into_the_slot in [200, 800, 1_400] {
        let block = next_block(&mut clock).await;
        tokio::time::sleep(Duration::from_millis(into_the_slot)).await;
        let to = Wallet::random().address();
        let mined = tokio::spawn({
            let sender = sender.clone();
            async move { (send_one(&sender, to).await, Instant::now()) }
        });
        let told = next_block(&mut clock).await;
        let told_at = Instant::now();
        let (receipt, answered_at) = mined.await.expect("no panic");
        let receipt = receipt.expect("mined");
        assert_eq!(
            (receipt.block, told),
            (block + 1, block + 1),
            "handed in {into_the_slot} ms into the slot of block {block}"
        );
        let apart = answered_at.max(told_at) - answered_at.min(told_at);
        quickest = quickest.min(apart);
        eprintln!("block {told}: the follower and the sender told of it {apart:?} apart");
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}
