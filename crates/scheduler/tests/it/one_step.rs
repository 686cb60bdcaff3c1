//! Where one worker decides, it ends the task by one transaction, and the pool has checked its bytes before.

use std::time::Duration;

use protocol::abi::Hub;
use protocol::result::ResultLink;
use protocol::task::TaskStatus;
use sdk::chain::HubEvent;

use crate::pool::{Pool, eventually};
use crate::script::{Conduct, result};

async fn events(pool: &Pool) -> Vec<HubEvent> {
    let head = pool.chain.block().await.expect("a block").number;
    pool.chain.events(0, head).await.expect("events")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_one_worker_decides_takes_three_blocks_and_its_bytes_are_the_pools() {
    let pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::OneStep, 1);
    let deal = pool.request(1, 1, "").await;
    let task = pool.completed(deal).await[0];
    let view = pool.task(task).await;
    let (zip, digest) = result("the truth about 0");
    assert_eq!(view.result_digest, digest.0);
    let link = ResultLink::parse(&view.results).expect("a link");
    let cid: blobs::Address = link.cid().expect("a CID").parse().expect("an address");
    assert_eq!(
        pool.blobs.get(cid, 1 << 20).await.expect("here").as_ref(),
        zip
    );
    let answer = reqwest::get(pool.url().join(&format!("results/{task}")).unwrap())
        .await
        .unwrap();
    assert!(answer.status().is_success(), "and the pool says where");
    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    assert_eq!(report.replicas[0].state, "uploaded");
    assert!(report.why.contains("paid"), "{}", report.why);

    // A block each, on this chain: match, initialize, contribute and finalize.
    let about: Vec<u64> = events(&pool)
        .await
        .into_iter()
        .filter(|event| match &event.event {
            Hub::HubEvents::SchedulerNotice(it) => it.dealid == deal.0,
            Hub::HubEvents::TaskInitialize(it) => it.taskid == task.0,
            Hub::HubEvents::TaskFinalize(it) => it.taskid == task.0,
            _ => false,
        })
        .map(|event| event.block)
        .collect();
    assert_eq!(about.len(), 3);
    assert_eq!(about[2] - about[0], 2, "{about:?}");
    assert_eq!(pool.metric("results_taken_early_total").await, 1);
    assert_eq!(pool.metric("tasks_finished_unchecked_total").await, 0);
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_chain_with_block_times_a_task_takes_at_most_four_blocks_from_request_to_payment() {
    let pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::OneStep, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    // Not by hand: the engines count intervals in units of their own.
    pool.devchain
        .set_mining(testchain::Mining::Interval(Duration::from_secs(2)))
        .await
        .expect("set");
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    let given = eventually(async || {
        let given = !worker.given.lock().unwrap().is_empty();
        given.then_some(pool.task(task).await.status)
    })
    .await;
    assert_eq!(
        given,
        TaskStatus::Unset,
        "the worker computes while initialize waits for its block"
    );
    pool.until(task, TaskStatus::Completed).await;
    assert_eq!(
        *worker.announced.lock().unwrap(),
        [task],
        "and is told when it is there"
    );
    let events = events(&pool).await;
    let first = events.iter().find_map(|event| match &event.event {
        Hub::HubEvents::SchedulerNotice(it) if it.dealid == deal.0 => Some(event.block),
        _ => None,
    });
    let last = events.iter().find_map(|event| match &event.event {
        Hub::HubEvents::TaskFinalize(it) if it.taskid == task.0 => Some(event.block),
        _ => None,
    });
    let blocks = last.expect("finalized") - first.expect("matched") + 1;
    println!("from request to payment: {blocks} blocks of two seconds");
    assert!(blocks <= 4, "{blocks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_after_its_bytes_were_taken_is_replaced_and_the_task_is_paid_once() {
    let pool = Pool::start().await;
    let dying = pool.worker(0, Conduct::DiesDelivered, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_lost(task).await;
    assert_eq!(pool.metric("results_taken_early_total").await, 1);
    let other = pool.worker(1, Conduct::OneStep, 1);
    pool.completed(deal).await;
    let paid = events(&pool)
        .await
        .into_iter()
        .filter(
            |event| matches!(&event.event, Hub::HubEvents::TaskFinalize(it) if it.taskid == task.0),
        )
        .count();
    assert_eq!(paid, 1);
    assert_eq!(pool.metric("replicas_replaced_total").await, 1);
    drop((dying, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_finished_behind_the_pools_back_is_counted_and_not_taken_for_checked() {
    let pool = Pool::start().await;
    let sly = pool.worker(0, Conduct::KeepsBytes, 1);
    let deal = pool.request(1, 1, "").await;
    let task = pool.completed(deal).await[0];
    eventually(async || (pool.metric("tasks_finished_unchecked_total").await == 1).then_some(()))
        .await;
    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    assert_eq!(report.replicas[0].state, "revealed", "not uploaded");
    let answer = reqwest::get(pool.url().join(&format!("results/{task}")).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), reqwest::StatusCode::NOT_FOUND);
    drop(sly);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_does_not_offer_it_works_as_ever() {
    let pool = Pool::start_with(|options| options.one_step = false).await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let deal = pool.request(1, 1, "").await;
    pool.completed(deal).await;
    assert_eq!(pool.metric("results_taken_early_total").await, 0);
}
