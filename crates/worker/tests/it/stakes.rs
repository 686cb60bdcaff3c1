//! What a stake hangs on is not let go of.

use std::sync::Arc;

use alloy_primitives::{B256, hex, keccak256};
use axum::extract::State;
use protocol::contribution::ContributionStatus;
use protocol::result::Digest;
use protocol::task::TaskStatus;
use sdk::wire::pool::{ToPool, ToWorker};
use testchain::{Answer, FaultProxy, Mining, Refusal};
use tokio::sync::watch;
use worker::{Conduct, Options};

use crate::town::{HELLO, Town, eventually};
use crate::walk::hello;

#[tokio::test]
async fn an_honest_minority_reveals_when_the_liars_do_not_and_the_task_is_reopened() {
    let mut town = Town::start().await;
    // Of workers without a record, two that agree are enough, and one against three is outvoted.
    let given = town.deal_of_trust(3, HELLO, "").await;
    let proxy = FaultProxy::start(&town.devchain.http_url(), 1)
        .await
        .expect("a proxy");
    let options = Options {
        rpc: Some(proxy.http_url()),
        ..town.options()
    };
    let _worker = town.worker_with(options).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Contributed { task })
        .await;
    for liar in 4..7 {
        let liar = town.stooge(liar).await;
        town.contribute(&liar, task, Digest(keccak256("a lie")))
            .await;
    }
    let outvoted = town.task(task).await;
    assert_eq!(outvoted.status, TaskStatus::Revealing);
    // The worker sees it: two calls are one look.
    let before = proxy.counts().of("eth_call");
    town.pool.say(ToWorker::Reveal { task });
    proxy
        .until(|counts| counts.of("eth_call") >= before + 2)
        .await;

    let now = town.chain.block().await.expect("a block").time_secs;
    let too_late = outvoted.reveal_deadline.saturating_sub(now) + 1;
    town.devchain
        .increase_time(too_late)
        .await
        .expect("time passes");
    town.devchain.mine(1).await.expect("mined");
    sdk::task::reopen(&town.scheduler, task)
        .await
        .expect("reopened");
    let second = town.stooge(7).await;
    town.contribute(&second, task, hello()).await;
    assert_eq!(town.task(task).await.status, TaskStatus::Revealing);
    eventually("the worker reveals", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
    let own = sdk::contribution::view(&town.chain, task, town.worker.address())
        .await
        .expect("viewed");
    assert_eq!(own.status, ContributionStatus::Proved);
}

/// A node before which looks at tasks can be made to wait.
struct Gate {
    node: String,
    http: reqwest::Client,
    /// Looks at tasks pass.
    open: watch::Sender<bool>,
    /// Looks at contributions answered.
    answered: watch::Sender<u64>,
}

impl Gate {
    async fn before(town: &Town) -> (Arc<Self>, url::Url) {
        let gate = Arc::new(Self {
            node: town.devchain.http_url(),
            http: reqwest::Client::new(),
            open: watch::Sender::new(true),
            answered: watch::Sender::new(0),
        });
        let router = axum::Router::new()
            .route("/", axum::routing::post(pass))
            .with_state(gate.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let url = format!("http://127.0.0.1:{port}/");
        (gate, url.parse().expect("a URL"))
    }
}

async fn pass(State(gate): State<Arc<Gate>>, body: String) -> String {
    let calls = |signature: &str| {
        let selector = hex::encode(&keccak256(signature)[..4]);
        body.contains(&format!("0x{selector}"))
    };
    if calls("viewTask(bytes32)") {
        let mut open = gate.open.subscribe();
        open.wait_for(|open| *open).await.expect("the gate stands");
    }
    let is_own = calls("viewContribution(bytes32,address)");
    let request = gate
        .http
        .post(&gate.node)
        .header("content-type", "application/json")
        .body(body);
    let answer = request.send().await.expect("the node is there");
    let text = answer.text().await.expect("text");
    if is_own {
        gate.answered.send_modify(|answered| *answered += 1);
    }
    text
}

/// Its contribution is mined between the question for it and the question for the task.
#[tokio::test]
async fn a_look_that_would_be_of_two_moments_does_not_end_a_staked_journey() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let dying = town.worker(Conduct::Dying(worker::Stage::Computed)).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    dying.ended().await;

    let (gate, rpc) = Gate::before(&town).await;
    gate.open.send_replace(false);
    let mut answered = gate.answered.subscribe();
    let options = Options {
        rpc: Some(rpc),
        ..town.options()
    };
    let _worker = worker::Service::start(options, town.worker.clone())
        .await
        .expect("started");
    answered
        .wait_for(|answered| *answered > 0)
        .await
        .expect("the gate stands");
    let own = town.chain.sender(&town.worker);
    sdk::payment::deposit(&own, protocol::payment::Nrlc::rlc(1))
        .await
        .expect("deposited");
    town.contribute(&own, task, hello()).await;
    assert_eq!(town.task(task).await.status, TaskStatus::Revealing);
    gate.open.send_replace(true);
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
}

/// The first contribution waits in the node's pool, nobody heard of it, and it is what a second cannot be paid for.
#[tokio::test]
async fn a_contribution_that_may_be_on_its_way_is_waited_for_when_a_second_is_refused() {
    let town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    let own = town.chain.sender(&town.worker);
    sdk::payment::deposit(&own, protocol::payment::Nrlc::rlc(1))
        .await
        .expect("deposited");
    town.devchain
        .set_mining(Mining::Manual)
        .await
        .expect("manual");
    let worker = town.worker(Conduct::Honest).await;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    eventually("its contribution waits", async || waits(&town).await).await;
    worker.kill().await;

    let proxy = FaultProxy::start(&town.devchain.http_url(), 1)
        .await
        .expect("a proxy");
    let poor = Answer::error("insufficient funds for gas * price + value");
    proxy.change(|faults| faults.refusals = vec![Refusal::of("eth_estimateGas", poor)]);
    let options = Options {
        rpc: Some(proxy.http_url()),
        ..town.options()
    };
    let _worker = town.worker_with(options).await;
    // Refused, looked at again, and tried once more.
    let again = proxy.until(|counts| counts.refused >= 2);
    tokio::time::timeout(std::time::Duration::from_secs(30), again)
        .await
        .expect("it is tried again");
    proxy.calm();
    town.devchain
        .set_mining(Mining::Instant)
        .await
        .expect("instant");
    town.devchain.mine(1).await.expect("mined");
    eventually("the worker reveals", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
}

/// Whether a transaction waits in the node's pool.
async fn waits(town: &Town) -> bool {
    let pending = town
        .node(
            "eth_getBlockByNumber",
            serde_json::json!(["pending", false]),
        )
        .await;
    pending["transactions"][0]
        .as_str()
        .is_some_and(|hash| hash.parse::<B256>().is_ok())
}
