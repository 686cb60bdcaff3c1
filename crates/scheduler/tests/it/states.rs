//! Every state a task can be stuck in: it is seen in the metrics, said in words, and left by itself when its cause is gone.
//! The table of all of them is at the head of `reconcile.rs`; the tests here are those that no other file has.

use protocol::task::TaskStatus;
use serde_json::json;

use crate::pool::{Pool, eventually};
use crate::script::Conduct;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_a_worker_says_so_and_goes_to_the_first_that_comes() {
    let pool = Pool::start_with(|options| options.safety_net_secs = 3600).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until(task, TaskStatus::Active).await;
    let report = pool
        .until_reported(task, |report| {
            report.why.contains("no worker has been connected")
        })
        .await;
    assert!(report.why.contains("money goes back in"), "{}", report.why);
    assert_eq!(pool.waiting("worker").await, 1);
    let _worker = pool.worker(0, Conduct::Honest, 1);
    pool.completed(deal).await;
    assert_eq!(pool.waiting("worker").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_a_slot_says_so_and_gets_the_first_that_comes_free() {
    let pool = Pool::start_with(|options| options.safety_net_secs = 3600).await;
    let sleeping = pool.worker(0, Conduct::Sleeps, 1);
    let deal = pool.request(2, 1, "").await;
    eventually(async || {
        (pool.waiting("slot").await == 1 && pool.waiting("compute").await == 1).then_some(())
    })
    .await;
    drop(sleeping);
    let _worker = pool.worker(1, Conduct::Honest, 1);
    pool.completed(deal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_ether_says_so_and_goes_on_when_it_has_some() {
    let pool = Pool::start().await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let warm = pool.request(1, 1, "").await;
    pool.completed(warm).await;
    pool.handle().idle().await;
    let owner = pool.owner.address();
    pool.node("hardhat_setBalance", json!([owner, "0x0"])).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| report.why.contains("send it some ether"))
        .await;
    assert_eq!(pool.waiting("trouble").await, 1);
    let wei = "0x56bc75e2d63100000";
    pool.node("hardhat_setBalance", json!([owner, wei])).await;
    pool.completed(deal).await;
    assert_eq!(pool.waiting("trouble").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn consensus_out_of_reach_of_those_who_are_here_asks_for_more_and_gets_them() {
    let pool = Pool::start().await;
    let liar = pool.worker(0, Conduct::Lies, 1);
    let honest = pool.worker(1, Conduct::Honest, 1);
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let deal = pool.request(1, 3, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| {
        report
            .why
            .contains("2 workers' claims are on chain and do not reach")
    })
    .await;
    assert_eq!(pool.waiting("contribution").await, 1);
    let more = [
        pool.worker(2, Conduct::Honest, 1),
        pool.worker(3, Conduct::Honest, 1),
    ];
    pool.completed(deal).await;
    drop((liar, honest, more));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_died_before_contributing_may_try_again_though_another_had_the_task_meanwhile()
 {
    let pool = Pool::start().await;
    let first = pool.worker(0, Conduct::Dies, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    let lost = |count: usize| {
        move |report: &sdk::wire::pool::TaskReport| {
            report
                .replicas
                .iter()
                .filter(|replica| replica.state == "lost")
                .count()
                == count
        }
    };
    pool.until_reported(task, lost(1)).await;
    drop(first);
    let second = pool.worker(1, Conduct::Dies, 1);
    pool.until_reported(task, lost(2)).await;
    drop(second);
    let again = pool.worker(0, Conduct::Honest, 1);
    pool.completed(deal).await;
    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    assert_eq!(
        report.replicas.last().map(|replica| replica.worker),
        Some(again.wallet.address())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_even_answer_is_passed_over() {
    let pool = Pool::start_with(|options| options.answer_timeout_secs = 1).await;
    let mute = pool.worker(0, Conduct::Mute, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| report.why.contains("has not answered"))
        .await;
    assert_eq!(pool.waiting("answer").await, 1);
    let honest = pool.worker(1, Conduct::Honest, 1);
    pool.completed(deal).await;
    drop((mute, honest));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_is_the_chains_and_a_late_task_is_claimed() {
    let pool = Pool::start().await;
    let before = pool.account(pool.requester.address()).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until(task, TaskStatus::Active).await;
    pool.pass(2_101).await;
    pool.until_reported(task, |report| {
        report.why.contains("time to contribute is over")
    })
    .await;
    assert_eq!(pool.waiting("refund").await, 1);
    pool.pass(900).await;
    pool.until(task, TaskStatus::Failed).await;
    pool.handle().idle().await;
    assert_eq!(pool.account(pool.requester.address()).await, before);
    let report = pool
        .until_reported(task, |report| report.state == "claimed")
        .await;
    assert!(report.why.contains("money back"), "{}", report.why);
}
