//! When everybody, or nearly everybody, does what they should.

use protocol::result::ResultLink;
use protocol::task::TaskStatus;

use crate::pool::{PRICE, Pool, eventually};
use crate::script::{CALLBACK, Conduct, result};

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_takes_a_task_from_deal_to_payment() {
    let pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::Honest, 1);
    let before = pool.account(worker.wallet.address()).await;
    let deal = pool.request(1, 1, "").await;
    let tasks = pool.completed(deal).await;

    let task = pool.task(tasks[0]).await;
    let link = ResultLink::parse(&task.results).expect("a link");
    let cid: blobs::Address = link
        .cid()
        .expect("a content address")
        .parse()
        .expect("a CID");
    let zip = pool
        .blobs
        .get(cid, 1 << 20)
        .await
        .expect("the result is here");
    let (expected, digest) = result("the truth about 0");
    assert_eq!(zip.as_ref(), expected);
    assert_eq!(task.result_digest, digest.0);

    let after = pool.account(worker.wallet.address()).await;
    assert_eq!(
        after,
        (before.0 + PRICE * 99 / 100, 0),
        "the pool keeps one percent"
    );
    let report = pool
        .until_reported(tasks[0], |report| report.state == "completed")
        .await;
    assert_eq!(report.replicas.len(), 1);
    assert_eq!(report.replicas[0].state, "uploaded");
    pool.handle().idle().await;
    assert_eq!(pool.handle().open_tasks(), 0);
    let mut settled = worker.settled.clone();
    settled
        .wait_for(|settled| settled.contains(&tasks[0]))
        .await
        .expect("the worker is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_workers_outvote_a_liar_and_its_stake_is_gone() {
    let pool = Pool::start().await;
    let liar = pool.worker(0, Conduct::Lies, 1);
    let honest: Vec<_> = (1..5).map(|n| pool.worker(n, Conduct::Honest, 1)).collect();
    eventually(async || (pool.handle().workers() == 5).then_some(())).await;
    let before = pool.account(liar.wallet.address()).await.0;
    // Three agreeing new workers reach a trust of 5; against one that claims something else it takes four.
    let deal = pool.request(4, 5, "").await;
    let tasks = pool.completed(deal).await;
    for (index, task) in tasks.iter().enumerate() {
        assert_eq!(
            pool.task(*task).await.result_digest,
            result(&format!("the truth about {index}")).1.0
        );
    }
    let lies = liar.given.lock().unwrap().len() as u64;
    assert!(lies > 0, "with so many places to fill, the liar was asked");
    pool.handle().idle().await;
    let (balance, frozen) = pool.account(liar.wallet.address()).await;
    let stake = PRICE * 30 / 100;
    assert_eq!((balance, frozen), (before - lies * stake, 0));
    drop(honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_workers_are_asked_than_the_trust_needs() {
    let pool = Pool::start().await;
    let workers: Vec<_> = (0..5).map(|n| pool.worker(n, Conduct::Honest, 4)).collect();
    eventually(async || (pool.handle().workers() == 5).then_some(())).await;
    let deal = pool.request(6, 3, "").await;
    for task in pool.completed(deal).await {
        assert_eq!(
            pool.task(task).await.contributors.len(),
            2,
            "two new workers reach a trust of 3"
        );
    }
    let given: usize = workers
        .iter()
        .map(|worker| worker.given.lock().unwrap().len())
        .sum();
    assert_eq!(given, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_is_done_by_several_workers_side_by_side() {
    let pool = Pool::start().await;
    let workers: Vec<_> = (0..3).map(|n| pool.worker(n, Conduct::Honest, 4)).collect();
    let deal = pool.request(40, 1, "").await;
    let tasks = pool.completed(deal).await;
    assert_eq!(tasks.len(), 40);
    assert!(
        workers
            .iter()
            .all(|worker| !worker.given.lock().unwrap().is_empty()),
        "all of them had work"
    );
    pool.handle().idle().await;
    let (_, frozen) = pool.account(pool.owner.address()).await;
    assert_eq!(frozen, 0, "no stake of the pool is left locked");
    for task in tasks {
        assert_eq!(pool.task(task).await.status, TaskStatus::Completed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_for_a_contract_is_handed_to_it() {
    let pool = Pool::start().await;
    let _worker = pool.worker(0, Conduct::CallsBack, 1);
    let contract = alloy_primitives::Address::repeat_byte(0xcc);
    let deal = pool
        .request_with(1, |request| request.callback = contract)
        .await;
    let task = pool.completed(deal).await[0];
    let task = pool.task(task).await;
    assert_eq!(task.results_callback.as_ref(), CALLBACK);
    assert_eq!(
        ResultLink::parse(&task.results).expect("a link"),
        ResultLink::callback(contract)
    );
}
