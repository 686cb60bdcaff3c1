//! When workers, inputs or results are not what they should be.

use std::time::{Duration, Instant};

use protocol::abi::Hub;
use protocol::task::TaskStatus;

use crate::pool::{PRICE, Pool, eventually};
use crate::script::Conduct;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_lost_before_contributing_is_replaced_at_once() {
    let pool = Pool::start_with(|options| options.safety_net_secs = 3600).await;
    let dying = pool.worker(0, Conduct::Dies, 8);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_lost(task).await;
    let since = Instant::now();
    let honest = pool.worker(1, Conduct::Honest, 1);
    eventually(async || (!honest.given.lock().unwrap().is_empty()).then_some(())).await;
    println!(
        "given to the next worker {:.2?} after the pool said that the first is lost",
        since.elapsed()
    );
    pool.completed(deal).await;
    assert!(
        since.elapsed() < Duration::from_secs(30),
        "no timer was waited for"
    );
    drop(dying);
}

#[tokio::test(flavor = "multi_thread")]
async fn complaints_that_do_not_agree_do_not_end_a_task_while_somebody_is_left_to_try() {
    let pool = Pool::start().await;
    // They have more room, so they are asked before the honest one.
    let workers: Vec<_> = (0..4)
        .map(|n| pool.worker(n, Conduct::Complains, 8))
        .collect();
    let honest = pool.worker(4, Conduct::Honest, 1);
    eventually(async || (pool.handle().workers() == 5).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    pool.completed(deal).await;
    drop((workers, honest));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_fails_everywhere_is_given_up_and_the_requester_is_told_and_refunded() {
    let pool = Pool::start().await;
    let workers: Vec<_> = (0..4).map(|n| pool.worker(n, Conduct::Fails, 1)).collect();
    eventually(async || (pool.handle().workers() == 4).then_some(())).await;
    let before = pool.account(pool.requester.address()).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    let report = pool
        .until_reported(task, |report| report.state.starts_with("given up"))
        .await;
    assert!(report.state.contains("exit code 3"), "{}", report.state);
    assert_eq!(
        report.replicas.len(),
        3,
        "three different workers are enough"
    );
    assert_eq!(
        report.replicas[0]
            .failure
            .as_ref()
            .map(|failure| failure.log.as_str()),
        Some("no such option")
    );

    pool.pass(3001).await;
    pool.until(task, TaskStatus::Failed).await;
    pool.handle().idle().await;
    assert_eq!(
        pool.account(pool.requester.address()).await,
        before,
        "the money is back"
    );
    drop(workers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_upload_is_refused_and_another_worker_is_asked() {
    let pool = Pool::start().await;
    let workers = [
        pool.worker(0, Conduct::UploadsWrong, 4),
        pool.worker(1, Conduct::Honest, 4),
    ];
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let deal = pool.request(4, 3, "").await;
    for task in pool.completed(deal).await {
        let report = pool
            .until_reported(task, |report| report.state == "completed")
            .await;
        let delivered: Vec<_> = report
            .replicas
            .iter()
            .filter(|replica| replica.state == "uploaded")
            .collect();
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].worker, workers[1].wallet.address());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_revealed_and_does_not_upload_is_passed_over_for_another_and_the_task_is_paid_once() {
    let pool = Pool::start_with(|options| options.upload_timeout_secs = 1).await;
    // It has more room, so it is given the task first, and asked for the bytes first.
    let withholding = pool.worker(0, Conduct::Withholds, 4);
    let honest = pool.worker(1, Conduct::Honest, 1);
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let before = pool.account(pool.requester.address()).await.0;
    let deal = pool.request(1, 3, "").await;
    let task = pool.completed(deal).await[0];
    pool.handle().idle().await;

    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    let states: Vec<_> = report
        .replicas
        .iter()
        .map(|replica| (replica.worker, replica.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            (withholding.wallet.address(), "revealed"),
            (honest.wallet.address(), "uploaded")
        ]
    );
    for worker in [&withholding, &honest] {
        assert!(
            worker.asked.lock().unwrap().contains(&task),
            "both were asked: the second since the first did not deliver"
        );
    }
    assert!(pool.metric("uploads_refused_total").await >= 1);
    let answer = reqwest::get(pool.url().join(&format!("results/{task}")).unwrap())
        .await
        .unwrap();
    assert!(answer.status().is_success(), "the bytes are here");

    let head = pool.chain.block().await.expect("a block").number;
    let events = pool.chain.events(0, head).await.expect("events");
    let paid = events
        .iter()
        .filter(
            |event| matches!(&event.event, Hub::HubEvents::TaskFinalize(it) if it.taskid == task.0),
        )
        .count();
    assert_eq!(paid, 1);
    assert_eq!(
        pool.account(pool.requester.address()).await,
        (before - PRICE, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_all_its_workers_left_is_not_given_up_and_the_next_that_comes_does_it() {
    let pool = Pool::start().await;
    // More than enough to give a task up, had they failed.
    let dying: Vec<_> = (0..4).map(|n| pool.worker(n, Conduct::Dies, 1)).collect();
    eventually(async || (pool.handle().workers() == 4).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    let report = pool
        .until_reported(task, |report| {
            let lost = report.replicas.iter();
            lost.filter(|replica| replica.state == "lost").count() == dying.len()
        })
        .await;
    assert_eq!(pool.handle().workers(), 0);
    assert_eq!(report.state, "waiting for a worker", "{}", report.why);
    // It can still be done where it is on chain.
    pool.until(task, TaskStatus::Active).await;
    eventually(async || (pool.waiting("worker").await == 1).then_some(())).await;
    let honest = pool.worker(4, Conduct::Honest, 1);
    pool.completed(deal).await;
    assert_eq!(pool.metric("tasks_given_up_total").await, 0);
    drop(honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_is_not_that_of_all_workers_when_the_others_have_left() {
    let pool = Pool::start().await;
    // It has more room, so it is asked first.
    let failing = pool.worker(0, Conduct::Fails, 4);
    let sleeping = pool.worker(1, Conduct::Sleeps, 1);
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    let states = async |wanted: [&str; 2]| {
        pool.until_reported(task, |report| {
            let states = report.replicas.iter().map(|replica| replica.state.as_str());
            states.eq(wanted)
        })
        .await
    };
    states(["failed", "computing"]).await;
    drop(failing);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    drop(sleeping);
    // Given up, it would be so in the same moment.
    let report = pool
        .until_reported(task, |report| report.state != "computing")
        .await;
    assert_eq!(report.state, "waiting for a worker", "{}", report.why);
    assert_eq!(pool.handle().workers(), 0);
    let honest = pool.worker(2, Conduct::Honest, 1);
    pool.completed(deal).await;
    assert_eq!(pool.metric("tasks_given_up_total").await, 0);
    drop(honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_answers_for_its_task_is_passed_over() {
    // Sleepers accept, so the limit of the category would have to pass; one that does not even accept is quicker.
    let pool = Pool::start().await;
    let sleeping = pool.worker(0, Conduct::Sleeps, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| report.state == "computing")
        .await;
    drop(sleeping);
    let _honest = pool.worker(1, Conduct::Honest, 1);
    pool.completed(deal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_nobody_reveals_is_reopened_and_done_by_others() {
    let pool = Pool::start().await;
    let silent = pool.worker(0, Conduct::Silent, 1);
    eventually(async || (pool.handle().workers() == 1).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until(task, TaskStatus::Revealing).await;
    let _honest = pool.worker(1, Conduct::Honest, 1);
    pool.pass(601).await;
    pool.completed(deal).await;
    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    assert_eq!(report.replicas[0].state, "rejected");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_cannot_be_had_gives_the_deal_up_with_the_reason() {
    let pool = Pool::start_with(|options| options.pin_pause_secs = 0).await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let missing = r#"{"iexec_input_files":["http://127.0.0.1:1/no-such-file"]}"#;
    let deal = pool.request(2, 1, missing).await;
    let fine = pool.request(1, 1, "").await;
    for task in pool.tasks_of(deal).await {
        let report = pool
            .until_reported(task, |report| report.state.starts_with("given up"))
            .await;
        assert!(report.state.contains("no-such-file"), "{}", report.state);
    }
    pool.completed(fine).await;
    pool.pass(3001).await;
    for task in pool.tasks_of(deal).await {
        pool.until(task, TaskStatus::Failed).await;
    }
    pool.handle().idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_in_the_pools_own_store_needs_no_fetch_and_its_pin_is_checked() {
    let pool = Pool::start_with(|options| options.pin_tries = 1).await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let stored = pool.blobs.put_bytes(b"an input").await.expect("stored");
    // The host does not exist; the content address says it all.
    let url = format!("http://nowhere.invalid/ipfs/{}?filename=a.txt", stored.cid);
    let good = format!(
        r#"{{"iexec_input_files":["{url}#sha256={}"]}}"#,
        stored.sha256_hex()
    );
    let wrong = format!(
        r#"{{"iexec_input_files":["{url}#sha256={}"]}}"#,
        "00".repeat(32)
    );
    let good = pool.request(1, 1, &good).await;
    let wrong = pool.request(1, 1, &wrong).await;
    pool.completed(good).await;
    let task = pool.tasks_of(wrong).await[0];
    let report = pool
        .until_reported(task, |report| report.state.starts_with("given up"))
        .await;
    assert!(report.state.contains("sha256"), "{}", report.state);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_data_for_the_contract_of_the_deal_is_given_up() {
    let pool = Pool::start().await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let contract = alloy_primitives::Address::repeat_byte(0xcc);
    let deal = pool
        .request_with(1, |request| request.callback = contract)
        .await;
    let task = pool.tasks_of(deal).await[0];
    let report = pool
        .until_reported(task, |report| report.state.starts_with("given up"))
        .await;
    assert!(report.state.contains("callback-data"), "{}", report.state);
    pool.pass(3001).await;
    pool.until(task, TaskStatus::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_takes_back_is_done_again() {
    let pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::Honest, 1);
    let warm = pool.request(1, 1, "").await;
    pool.completed(warm).await;
    let deal = pool.request(2, 1, "").await;
    let snapshot = pool.node("evm_snapshot", serde_json::json!([])).await;
    pool.completed(deal).await;
    pool.handle().idle().await;
    pool.node("evm_revert", serde_json::json!([snapshot])).await;
    // Another block takes the place of those that are gone: that is how a node tells.
    pool.node("evm_mine", serde_json::json!([])).await;
    for task in pool.tasks_of(deal).await {
        pool.until(task, TaskStatus::Completed).await;
    }
    pool.handle().idle().await;
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_a_peer_holds_is_fetched_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = blobs::Store::folder(folder.path()).expect("a store");
    let stored = store.put_bytes(&vec![7; 300_000]).await.expect("stored");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let door = format!("http://{}", listener.local_addr().expect("an address"));
    let router = blobs::door(store, blobs::DoorOptions::default());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let pool = Pool::start_with(|options| options.peers = vec![door.parse().expect("a URL")]).await;
    let _worker = pool.worker(0, Conduct::Honest, 1);
    let params = format!(
        r#"{{"iexec_input_files":["http://nowhere.invalid/ipfs/{}"]}}"#,
        stored.cid
    );
    let deal = pool.request(1, 1, &params).await;
    pool.completed(deal).await;
    assert!(
        pool.blobs.has(stored.cid).await.expect("asked"),
        "and pinned here"
    );
}
