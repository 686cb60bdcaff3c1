//! The scheduler is killed, and nothing is lost by it.

use std::time::Duration;

use protocol::TaskId;
use protocol::abi::Hub;
use protocol::task::TaskStatus;

use crate::pool::{PRICE, Pool, eventually, eventually_within};
use crate::script::Conduct;

/// Kills the scheduler when some of a bag is done, and starts it again.
async fn killed_in_the_middle(forget: bool) {
    let mut pool = Pool::start_with(|options| options.reconnect_grace_secs = 1).await;
    let workers: Vec<_> = (0..3).map(|n| pool.worker(n, Conduct::Honest, 2)).collect();
    let before = pool.account(pool.requester.address()).await.0;
    let deal = pool.request(30, 1, "").await;
    let tasks = pool.tasks_of(deal).await;
    pool.until(tasks[0], TaskStatus::Completed).await;
    drop(pool.handle.take());
    if forget {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = pool.options.database.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
    eventually(async || std::net::TcpListener::bind(pool.options.listen).ok()).await;
    pool.open().await;
    pool.completed(deal).await;
    pool.handle().idle().await;

    let head = pool.chain.block().await.expect("a block").number;
    let events = pool.chain.events(0, head).await.expect("events");
    for task in tasks {
        let paid = events
            .iter()
            .filter(|event| matches!(&event.event, Hub::HubEvents::TaskFinalize(it) if it.taskid == task.0))
            .count();
        assert_eq!(paid, 1, "task {task} is paid once");
    }
    let (after, frozen) = pool.account(pool.requester.address()).await;
    assert_eq!((after, frozen), (before - 30 * PRICE, 0));
    drop(workers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_completes_through_a_kill_and_pays_once() {
    killed_in_the_middle(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_completes_even_when_the_database_is_lost_too() {
    killed_in_the_middle(true).await;
}

/// The figure itself comes from `benches/restart.rs`, with ten thousand.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_many_open_tasks_has_all_of_them_at_hand() {
    let mut pool = Pool::start().await;
    let tasks: u64 = std::env::var("OXEC_OPEN_TASKS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    pool.request(tasks, 1, "").await;
    eventually_within(Duration::from_secs(600), async || {
        (pool.waiting("worker").await == tasks).then_some(())
    })
    .await;
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop(handle);
    let began = std::time::Instant::now();
    pool.open().await;
    assert!(pool.handle().caught_up().await);
    println!(
        "{tasks} open tasks are at hand {:.2?} after the start",
        began.elapsed()
    );
    assert_eq!(pool.waiting("worker").await, tasks);
    assert_eq!(pool.handle().open_tasks() as u64, tasks);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_still_told_after_a_restart() {
    let mut pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::Honest, 1);
    let deal = pool.request(1, 1, "").await;
    let task = pool.completed(deal).await[0];
    pool.handle().idle().await;
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop(handle);
    pool.open().await;
    let report = pool
        .until_reported(task, |report| report.state == "completed")
        .await;
    assert_eq!(report.replicas[0].worker, worker.wallet.address());
    let deal: serde_json::Value = reqwest::get(pool.url().join(&format!("deals/{deal}")).unwrap())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&deal["state"], &deal["completed"]),
        (&"closed".into(), &1.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_before_a_restart_is_not_that_of_all_workers_when_none_has_come_back() {
    let mut pool = Pool::start_with(|options| options.reconnect_grace_secs = 1).await;
    // It has more room, so it is asked first.
    let failing = pool.worker(0, Conduct::Fails, 4);
    let sleeping = pool.worker(1, Conduct::Sleeps, 1);
    eventually(async || (pool.handle().workers() == 2).then_some(())).await;
    let deal = pool.request(1, 1, "").await;
    let task = pool.tasks_of(deal).await[0];
    pool.until_reported(task, |report| {
        let states = report.replicas.iter().map(|replica| replica.state.as_str());
        states.eq(["failed", "computing"])
    })
    .await;
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop((handle, failing, sleeping));
    pool.open().await;
    // The grace is over. Given up, it would be so in the same moment.
    let report = pool
        .until_reported(task, |report| report.state != "computing")
        .await;
    assert_eq!(report.state, "waiting for a worker", "{}", report.why);
    let honest = pool.worker(2, Conduct::Honest, 1);
    pool.completed(deal).await;
    assert_eq!(pool.metric("tasks_given_up_total").await, 0);
    drop(honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_took_back_while_nobody_looked_is_done_again() {
    let mut pool = Pool::start().await;
    let worker = pool.worker(0, Conduct::Honest, 1);
    let warm = pool.request(1, 1, "").await;
    pool.completed(warm).await;
    let deal = pool.request(2, 1, "").await;
    let snapshot = pool.node("evm_snapshot", serde_json::json!([])).await;
    pool.completed(deal).await;
    pool.handle().idle().await;
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop(handle);
    let head = pool.chain.block().await.expect("a block").number;
    pool.node("evm_revert", serde_json::json!([snapshot])).await;
    // The chain is as long as it was, and another: its length tells nothing.
    while pool.chain.block().await.expect("a block").number < head {
        pool.node("evm_mine", serde_json::json!([])).await;
    }
    pool.open().await;
    pool.completed(deal).await;
    pool.handle().idle().await;
    drop(worker);
}

/// The block in which a task was finalized, as the chain stands.
async fn finalized_in(pool: &Pool, task: TaskId) -> Option<u64> {
    let head = pool.chain.block().await.ok()?.number;
    let events = pool.chain.events(0, head).await.ok()?;
    events.iter().find_map(|event| match &event.event {
        Hub::HubEvents::TaskFinalize(it) if it.taskid == task.0 => Some(event.block),
        _ => None,
    })
}

/// A task that is over, and the block it was finalized in.
async fn finished(pool: &Pool) -> (TaskId, u64) {
    let deal = pool.request(1, 1, "").await;
    let task = pool.completed(deal).await[0];
    pool.handle().idle().await;
    let block = finalized_in(pool, task).await.expect("finalized");
    (task, block)
}

async fn restart(pool: &mut Pool) {
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop(handle);
    pool.open().await;
    assert!(pool.handle().caught_up().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_takes_back_after_restarts_is_done_again() {
    let mut pool = Pool::start().await;
    if !pool.devchain.can_reorganise("restarts") {
        return;
    }
    let worker = pool.worker(0, Conduct::Honest, 1);
    let (task, first) = finished(&pool).await;
    // Each start looks at what was over lately, and must not forget when it was.
    for _ in 0..2 {
        restart(&mut pool).await;
    }
    let head = pool.chain.block().await.expect("a block").number;
    let depth = head - first + 1;
    pool.devchain.reorganise(depth).await.expect("reorganised");
    eventually(async || {
        let now = finalized_in(&pool, task).await?;
        (now > first).then_some(())
    })
    .await;
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reorganisation_is_seen_by_what_the_first_one_left_alone() {
    let pool = Pool::start().await;
    if pool.devchain.engine() != testchain::Engine::Devchain {
        eprintln!("SKIPPED: only the development chain takes transactions into the other branch");
        return;
    }
    let first_worker = pool.worker(0, Conduct::OneStep, 1);
    let deal = pool.request(1, 1, "").await;
    let task = pool.completed(deal).await[0];
    pool.handle().idle().await;
    // Its transaction goes into the other branch too: the task stays as it is.
    pool.node("oxec_reorganise", serde_json::json!([2])).await;
    let second = pool.request(1, 1, "").await;
    pool.completed(second).await;
    pool.handle().idle().await;
    let before = finalized_in(&pool, task).await.expect("finalized");
    // Nobody is left who would send it once more.
    drop(first_worker);
    let head = pool.chain.block().await.expect("a block").number;
    pool.devchain
        .reorganise(head - before + 1)
        .await
        .expect("reorganised");
    let second_worker = pool.worker(1, Conduct::OneStep, 1);
    eventually(async || {
        let now = finalized_in(&pool, task).await?;
        (now > before).then_some(())
    })
    .await;
    drop(second_worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_waits_for_a_database_that_does_not_answer() {
    let mut pool = Pool::start().await;
    if !pool.devchain.can_reorganise("restarts") {
        return;
    }
    let worker = pool.worker(0, Conduct::Honest, 1);
    let (task, first) = finished(&pool).await;
    // A new process, which has not sent what is about to be undone.
    restart(&mut pool).await;
    let path = pool.options.database.to_str().expect("a path");
    let database = sqlx::SqlitePool::connect(path).await.expect("opened");
    let rename = async |from: &str, to: &str| {
        eventually(async || {
            let text = format!("ALTER TABLE {from} RENAME TO {to}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(text))
                .execute(&database)
                .await
                .ok()
        })
        .await;
    };
    rename("tasks", "away").await;
    let head = pool.chain.block().await.expect("a block").number;
    let depth = head - first + 1;
    pool.devchain.reorganise(depth).await.expect("reorganised");
    eventually(async || (pool.metric("asked_again_total").await > 0).then_some(())).await;
    rename("away", "tasks").await;
    eventually(async || {
        let now = finalized_in(&pool, task).await?;
        (now > first).then_some(())
    })
    .await;
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_does_not_own_the_pool_cannot_open_it() {
    let mut pool = Pool::start().await;
    drop(pool.handle.take());
    let deps = scheduler::Deps {
        chain: pool.chain.clone(),
        wallet: pool.requester.clone(),
        blobs: pool.blobs.clone(),
    };
    let mut options = pool.options.clone();
    options.listen.set_port(0);
    let error = scheduler::Service::start(options, deps)
        .await
        .expect_err("not the owner");
    assert!(
        error.to_string().contains("does not own the workerpool"),
        "{error}"
    );
}
