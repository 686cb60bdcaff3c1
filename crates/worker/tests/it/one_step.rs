//! A task that one worker decides, where the pool takes the bytes first.

use axum::http::StatusCode;
use protocol::contribution::ContributionStatus;
use protocol::result::ResultLink;
use protocol::task::TaskStatus;
use sdk::wire::pool::{Assignment, FailureCause, ToPool, ToWorker};
use worker::{Conduct, Options};

use crate::town::{HELLO, Town, eventually, exists};

#[tokio::test]
async fn the_bytes_go_first_and_one_transaction_ends_the_task() {
    let town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    // Without a stake, too: none is asked for on this way.
    let worker = town
        .worker_with(Options {
            deposit_stakes: false,
            ..town.options()
        })
        .await;
    let assignment = Assignment {
        one_step: true,
        ..town.early_assignment(&given, 0)
    };
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    eventually("the bytes are there before the task is", async || {
        town.pool.has_upload(task).await
    })
    .await;
    assert_eq!(town.task(task).await.status, TaskStatus::Unset);
    let before = town.chain.block().await.expect("a block").number;
    sdk::task::initialize(&town.scheduler, given.deal, 0)
        .await
        .expect("initialized");
    town.pool.say(ToWorker::Initialized { task });
    eventually("the task is over", async || {
        town.task(task).await.status == TaskStatus::Completed
    })
    .await;
    let after = town.chain.block().await.expect("a block").number;
    assert_eq!(
        after - before,
        2,
        "initialize, and one transaction of the worker"
    );
    let zip = town.pool.uploaded(task).await;
    let mut hasher = blobs::Hasher::new();
    hasher.update(&zip);
    let link = ResultLink::ipfs(hasher.finish().cid.to_string());
    assert_eq!(town.task(task).await.results, link.to_bytes());
    eventually("the worker forgets the task", async || {
        worker.tasks() == 0 && !exists(&town.task_folder(task))
    })
    .await;
}

#[tokio::test]
async fn a_worker_whose_bytes_are_not_taken_contributes_as_ever() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Honest).await;
    town.pool.refuse_uploads(&[StatusCode::CONFLICT]);
    let assignment = Assignment {
        one_step: true,
        ..town.assignment(&given, 0).await
    };
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    assert_eq!(town.task(task).await.status, TaskStatus::Revealing);
}

#[tokio::test]
async fn a_worker_whose_bytes_are_no_result_contributes_nothing() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Honest).await;
    town.pool
        .refuse_uploads(&[StatusCode::UNPROCESSABLE_ENTITY]);
    let assignment = Assignment {
        one_step: true,
        ..town.assignment(&given, 0).await
    };
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    let heard = town
        .pool
        .until(|message| matches!(message, ToPool::Failed { .. } | ToPool::Contributed { .. }))
        .await;
    assert!(
        matches!(heard.last(), Some(ToPool::Failed { failure, .. }) if failure.cause == FailureCause::Worker),
        "{heard:?}"
    );
    let own = sdk::contribution::view(&town.chain, task, town.worker.address())
        .await
        .expect("viewed");
    assert_eq!(own.status, ContributionStatus::Unset);
    eventually("it lets go", async || worker.tasks() == 0).await;
}

#[tokio::test]
async fn a_worker_killed_before_its_transaction_finishes_after_a_restart() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Honest).await;
    let assignment = Assignment {
        one_step: true,
        ..town.early_assignment(&given, 0)
    };
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    eventually("the bytes are there", async || {
        town.pool.has_upload(task).await
    })
    .await;
    worker.kill().await;
    let _worker = town.worker(Conduct::Honest).await;
    sdk::task::initialize(&town.scheduler, given.deal, 0)
        .await
        .expect("initialized");
    eventually("the task is over", async || {
        town.task(task).await.status == TaskStatus::Completed
    })
    .await;
    let heard = town
        .pool
        .until(|message| matches!(message, ToPool::Hello { holding, .. } if *holding == [task]))
        .await;
    assert!(
        heard
            .iter()
            .filter(|message| **message == ToPool::Computing { task })
            .count()
            <= 1,
        "computed once: {heard:?}"
    );
}

#[tokio::test]
async fn a_disk_that_takes_no_journal_is_the_workers_failure_and_nothing_is_contributed() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    // A file where the task's folder is to be: whoever asks, it cannot be written to.
    std::fs::write(town.task_folder(task), "in the way").expect("written");
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    let heard = town
        .pool
        .until(|message| matches!(message, ToPool::Failed { .. } | ToPool::Accepted { .. }))
        .await;
    assert!(
        matches!(heard.last(), Some(ToPool::Failed { failure, .. }) if failure.cause == FailureCause::Worker),
        "{heard:?}"
    );
}
