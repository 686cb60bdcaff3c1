//! A worker that dies, at every stage, and starts again.

use protocol::contribution::ContributionStatus;
use protocol::ids::TaskId;
use protocol::task::TaskStatus;
use sdk::wire::pool::{ToPool, ToWorker};
use worker::{Conduct, Service, Stage};

use crate::town::{HELLO, Town, eventually, exists};

/// A worker dies when a task has reached a stage.
async fn dead_at(stage: Stage) -> (Town, TaskId) {
    let town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Dying(stage)).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    eventually(
        "the task is revealed, if the worker lives so long",
        async || !worker.is_connected() || town.task(task).await.reveal_counter == 1,
    )
    .await;
    if stage == Stage::Uploaded {
        town.pool.say(ToWorker::Upload { task });
    }
    worker.ended().await;
    (town, task)
}

async fn goes_on_after_dying_at(stage: Stage) {
    let (mut town, task) = dead_at(stage).await;
    assert!(exists(&town.task_folder(task)));
    let before = town.task(task).await;
    assert_eq!(
        before.contributors.len(),
        usize::from(stage >= Stage::Contributed)
    );
    assert_eq!(before.reveal_counter, u64::from(stage >= Stage::Revealed));
    if stage >= Stage::Computed {
        // Whatever it needs for computing is gone: it must not try.
        std::fs::remove_dir_all(town.worker_folder().join("cache")).expect("swept");
        std::fs::remove_dir_all(town.worker_folder().join("compiled")).expect("swept");
        std::fs::remove_dir_all(town.folder.path().join("blobs")).expect("swept");
    }
    // What the dead one said is not to be taken for the new one's words.
    let port = town.pool.port();
    town.pool.close().await;
    town.reopen_pool(port).await;

    let worker = town.worker(Conduct::Honest).await;
    let heard = town.pool.next().await;
    assert!(
        matches!(&heard, ToPool::Hello { holding, .. } if *holding == [task]),
        "{heard:?}"
    );
    let mut said = Vec::new();
    if stage < Stage::Revealed {
        said = town
            .pool
            .until(|message| *message == ToPool::Revealed { task })
            .await;
    }
    let computed = said.contains(&ToPool::Computing { task });
    assert_eq!(computed, stage < Stage::Computed, "{said:?}");
    if stage < Stage::Uploaded {
        town.pool.say(ToWorker::Upload { task });
        town.pool
            .until(|message| *message == ToPool::Uploaded { task })
            .await;
        assert!(!town.pool.uploaded(task).await.is_empty());
    }
    let after = town.task(task).await;
    assert_eq!(
        (after.status, after.contributors.len(), after.reveal_counter),
        (TaskStatus::Revealing, 1, 1)
    );
    town.finalize(task).await;
    town.pool.say(ToWorker::Settled { task });
    eventually("the worker forgets the task", async || worker.tasks() == 0).await;
}

#[tokio::test]
async fn a_worker_killed_once_assigned_goes_on() {
    goes_on_after_dying_at(Stage::Assigned).await;
}

#[tokio::test]
async fn a_worker_killed_once_fetched_goes_on() {
    goes_on_after_dying_at(Stage::Fetched).await;
}

#[tokio::test]
async fn a_worker_killed_once_computed_goes_on_and_does_not_compute_again() {
    goes_on_after_dying_at(Stage::Computed).await;
}

#[tokio::test]
async fn a_worker_killed_once_contributed_goes_on_and_does_not_contribute_again() {
    goes_on_after_dying_at(Stage::Contributed).await;
}

#[tokio::test]
async fn a_worker_killed_once_revealed_goes_on() {
    goes_on_after_dying_at(Stage::Revealed).await;
}

#[tokio::test]
async fn a_worker_killed_once_uploaded_goes_on() {
    goes_on_after_dying_at(Stage::Uploaded).await;
}

/// Killed between its transaction and its journal: the journal says computed, the chain says contributed.
#[tokio::test]
async fn the_chain_knows_better_than_the_journal() {
    let (mut town, task) = dead_at(Stage::Contributed).await;
    let path = town.task_folder(task).join("journal.json");
    let journal = std::fs::read_to_string(&path).expect("readable");
    assert!(journal.contains("\"contributed\""), "{journal}");
    std::fs::write(&path, journal.replace("\"contributed\"", "\"computed\"")).expect("written");
    let before = town.chain.block().await.expect("a block").number;
    let _worker = town.worker(Conduct::Honest).await;
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    let after = town.chain.block().await.expect("a block").number;
    assert_eq!(after - before, 1, "the reveal and nothing else");
}

#[tokio::test]
async fn a_restarted_worker_reveals_while_the_pool_is_away() {
    let (mut town, task) = dead_at(Stage::Contributed).await;
    town.pool.close().await;
    let options = worker::Options::new(
        "http://127.0.0.1:9".parse().expect("a URL"),
        town.worker_folder(),
    );
    let worker = Service::start(options, town.worker.clone())
        .await
        .expect("started");
    eventually("it reveals", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
    assert!(!worker.is_connected());
    worker.shutdown().await;
    let own = sdk::contribution::view(&town.chain, task, town.worker.address())
        .await
        .expect("viewed");
    assert_eq!(own.status, ContributionStatus::Proved);
}

/// The chain goes back to before a task that has come to `stage`, knows nothing of it for a while, and then gets it once
/// more.
async fn goes_on_after_the_chain_forgot_the_task_at(stage: Stage) {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let before = town.node("evm_snapshot", serde_json::json!([])).await;
    let dying = town.worker(Conduct::Dying(stage)).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    if stage == Stage::Uploaded {
        town.pool
            .until(|message| *message == ToPool::Revealed { task })
            .await;
        town.pool.say(ToWorker::Upload { task });
    }
    dying.ended().await;
    town.node("evm_revert", serde_json::json!([before])).await;
    town.connect_anew().await;
    assert_eq!(town.task(task).await.status, TaskStatus::Unset);

    let proxy = testchain::FaultProxy::start(&town.devchain.http_url(), 1)
        .await
        .expect("a proxy");
    let options = worker::Options {
        rpc: Some(proxy.http_url()),
        ..town.options()
    };
    let worker = town.worker_with(options).await;
    // It has looked at the unknown task, and looks again.
    proxy.until(|counts| counts.of("eth_call") >= 4).await;
    assert_eq!(
        worker.tasks(),
        1,
        "it may be mined again, and must be revealed then"
    );
    town.assignment(&given, 0).await;
    eventually("it is contributed and revealed once more", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
    assert_eq!(town.task(task).await.contributors.len(), 1);
}

#[tokio::test]
async fn a_contribution_the_chain_has_forgotten_is_made_again() {
    goes_on_after_the_chain_forgot_the_task_at(Stage::Contributed).await;
}

#[tokio::test]
async fn a_reveal_the_chain_has_forgotten_is_made_again() {
    goes_on_after_the_chain_forgot_the_task_at(Stage::Revealed).await;
    goes_on_after_the_chain_forgot_the_task_at(Stage::Uploaded).await;
}

/// The worst moment: the task is over, the worker forgets what it sent, and the chain takes it all back.
#[tokio::test]
async fn a_stake_is_not_lost_when_a_worker_is_killed_after_the_end_and_the_chain_goes_back() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let before = town.node("evm_snapshot", serde_json::json!([])).await;
    let worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    town.finalize(task).await;
    town.pool.say(ToWorker::Settled { task });
    eventually("for the worker it is over", async || worker.tasks() == 0).await;
    worker.kill().await;
    town.node("evm_revert", serde_json::json!([before])).await;
    town.connect_anew().await;
    assert_eq!(town.task(task).await.status, TaskStatus::Unset);

    let worker = town.worker(Conduct::Honest).await;
    town.assignment(&given, 0).await;
    eventually("it is contributed and revealed once more", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
    drop(worker);
}

#[tokio::test]
async fn what_the_chain_takes_back_after_the_end_is_done_again_while_the_worker_runs() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    let worker = town.worker(Conduct::Honest).await;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| matches!(message, ToPool::Contributed { .. }))
        .await;
    let contributed = town.node("evm_snapshot", serde_json::json!([])).await;
    town.pool.say(ToWorker::Reveal { task });
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    town.finalize(task).await;
    town.pool.say(ToWorker::Settled { task });
    eventually("for the worker it is over", async || worker.tasks() == 0).await;
    let head = town.chain.block().await.expect("a block").number;
    town.node("evm_revert", serde_json::json!([contributed]))
        .await;
    while town.chain.block().await.expect("a block").number < head {
        town.node("evm_mine", serde_json::json!([])).await;
    }
    eventually("it is revealed once more", async || {
        town.task(task).await.reveal_counter == 1
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_keeps_its_journal() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town
        .worker(Conduct::Slow(std::time::Duration::from_secs(3600)))
        .await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Accepted { task })
        .await;
    worker.shutdown().await;
    assert!(exists(&town.task_folder(task).join("journal.json")));
    let _worker = town.worker(Conduct::Honest).await;
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
}
