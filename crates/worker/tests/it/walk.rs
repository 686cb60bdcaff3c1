//! A task's whole way at an honest worker, and at others.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use protocol::contribution::ContributionStatus;
use protocol::result::{Digest, Manifest, ManifestFile, Rule, sha256};
use protocol::task::TaskStatus;
use sdk::wire::pool::{ToPool, ToWorker};
use worker::{Conduct, Options};

use crate::town::{HELLO, Town, eventually, exists};

/// The digest of a program that prints "hello".
pub(crate) fn hello() -> Digest {
    let mut manifest = Manifest::new();
    manifest
        .add(
            "stdout.txt",
            ManifestFile {
                length: 6,
                sha256: sha256(b"hello\n"),
            },
        )
        .expect("sound");
    manifest.digest()
}

#[tokio::test]
async fn a_task_is_walked_from_assigned_to_uploaded() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Honest).await;
    for index in 0..2 {
        let assignment = town.assignment(&given, index).await;
        let task = assignment.task;
        let start = Instant::now();
        town.pool.say(ToWorker::Assign(Box::new(assignment)));
        let heard = town
            .pool
            .until(|message| matches!(message, ToPool::Contributed { .. }))
            .await;
        let said: Vec<&ToPool> = heard
            .iter()
            .filter(|message| !matches!(message, ToPool::Hello { .. }))
            .collect();
        assert_eq!(
            said,
            [
                &ToPool::Accepted { task },
                &ToPool::Computing { task },
                &ToPool::Contributed { task }
            ]
        );
        town.pool.say(ToWorker::Reveal { task });
        assert_eq!(town.pool.next().await, ToPool::Revealed { task });
        town.pool.say(ToWorker::Upload { task });
        assert_eq!(town.pool.next().await, ToPool::Uploaded { task });
        println!(
            "task {index}: assigned to uploaded in {:?}",
            start.elapsed()
        );

        let revealed = town.task(task).await;
        assert_eq!(
            (revealed.status, Digest(revealed.result_digest)),
            (TaskStatus::Revealing, hello())
        );
        let zip = town.folder.path().join("uploaded.zip");
        std::fs::write(&zip, town.pool.uploaded(task).await).expect("written");
        let contents =
            sdk::result::inspect(&zip, sdk::result::Limits::default()).expect("a result");
        assert_eq!((contents.rule, contents.digest), (Rule::Manifest, hello()));

        town.finalize(task).await;
        town.pool.say(ToWorker::Settled { task });
        eventually("the worker forgets the task", async || worker.tasks() == 0).await;
        // A stake hung on it: kept until its end lies deep enough.
        assert!(exists(&town.task_folder(task)));
        town.node("hardhat_mine", serde_json::json!(["0x40"])).await;
        eventually("its folder is swept", async || {
            !exists(&town.task_folder(task))
        })
        .await;
    }
    // One deposit covered both stakes: 0.5 RLC each, and some to spare.
    let account = sdk::payment::account(&town.chain, town.worker.address())
        .await
        .expect("an account");
    assert!(
        account.frozen.is_zero() && !account.balance.is_zero(),
        "{account:?}"
    );
    worker.shutdown().await;
}

#[tokio::test]
async fn inputs_and_arguments_are_the_deals() {
    let mut town = Town::start().await;
    // Prints its first argument's length by exit code, so to say: the program traps unless it has four arguments.
    let program = r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 100) "iexec_in/tile.svg")
        (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (if (i32.ne (i32.load (i32.const 0)) (i32.const 4)) (then unreachable))
            (if (call $stat (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 17) (i32.const 200)) (then unreachable))
            (if (i64.ne (i64.load (i32.const 232)) (i64.const 6)) (then unreachable))))"#;
    let url = "https://example.org/tile.svg";
    let params = format!(
        r#"{{"oxec_args_template":"--part {{index}}","iexec_args":"'a b'","iexec_input_files":["{url}"]}}"#
    );
    let given = town.deal(program, &params).await;
    let _worker = town.worker(Conduct::Honest).await;
    let mut assignment = town.assignment(&given, 1).await;
    let task = assignment.task;
    assignment.inputs = vec![town.input(url, town.put(b"<svg/>").await)];
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    let heard = town
        .pool
        .until(|message| matches!(message, ToPool::Contributed { .. } | ToPool::Failed { .. }))
        .await;
    assert_eq!(heard.last(), Some(&ToPool::Contributed { task }));
}

#[tokio::test]
async fn the_worker_looks_at_the_chain_by_itself() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    // Nobody tells it to reveal.
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    // Nor that the task is over.
    town.finalize(task).await;
    eventually("the worker forgets the task", async || worker.tasks() == 0).await;
}

#[tokio::test]
async fn a_worker_who_revealed_finishes_for_a_pool_that_is_silent() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    let revealed = town.task(task).await;
    // The time for reveals, and half a category's time in which only the pool may.
    let silence = 2 * revealed.time_secs + revealed.time_secs / 2 + 1;
    town.node("evm_increaseTime", serde_json::json!([silence]))
        .await;
    town.node("hardhat_mine", serde_json::json!(["0x1"])).await;
    eventually("the worker has finished the task", async || {
        town.task(task).await.status == TaskStatus::Completed
    })
    .await;
    let finished = town.task(task).await;
    assert!(finished.results.is_empty());
    assert_eq!(Digest(finished.result_digest), hello());
    // All of the workerpool's price: there is nobody to share it with.
    let account = sdk::payment::account(&town.chain, town.worker.address())
        .await
        .expect("an account");
    assert!(account.frozen.is_zero(), "{account:?}");
    eventually("the worker forgets the task", async || worker.tasks() == 0).await;
}

#[tokio::test]
async fn an_upload_is_tried_again_while_the_pool_is_unwell_and_left_when_it_is_refused() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.refuse_uploads(&[
        StatusCode::BAD_GATEWAY,
        StatusCode::FORBIDDEN,
        StatusCode::SERVICE_UNAVAILABLE,
    ]);
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    // Unwell, again, refused.
    town.pool.say(ToWorker::Upload { task });
    eventually("two answers are used up", async || {
        town.pool.answers_left() == 1
    })
    .await;
    // Asked anew: unwell, again, taken.
    town.pool.say(ToWorker::Upload { task });
    assert_eq!(town.pool.next().await, ToPool::Uploaded { task });
    // And once more, for a pool that lost it.
    town.pool.say(ToWorker::Upload { task });
    assert_eq!(town.pool.next().await, ToPool::Uploaded { task });
}

#[tokio::test]
async fn a_liar_contributes_another_digest() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Lying).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    town.pool
        .until(|message| *message == ToPool::Contributed { task })
        .await;
    let own = sdk::contribution::view(&town.chain, task, town.worker.address())
        .await
        .expect("viewed");
    assert_ne!(own.status, ContributionStatus::Unset);
    assert_ne!(own.result_hash, protocol::contribution::hash(task, hello()));
}

#[tokio::test]
async fn a_slow_worker_can_be_told_to_stop_and_then_takes_another_task() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let worker = town.worker(Conduct::Slow(Duration::from_secs(3600))).await;
    let first = town.assignment(&given, 0).await;
    let second = town.assignment(&given, 1).await;
    let (one, other) = (first.task, second.task);
    town.pool.say(ToWorker::Assign(Box::new(first)));
    town.pool
        .until(|message| *message == ToPool::Accepted { task: one })
        .await;
    town.pool.say(ToWorker::Assign(Box::new(second.clone())));
    let declined = town.pool.next().await;
    assert!(
        matches!(&declined, ToPool::Declined { task, reason } if *task == other && reason.contains("slots")),
        "{declined:?}"
    );
    town.pool.say(ToWorker::Abandon {
        task: one,
        reason: "too slow".to_owned(),
    });
    eventually("it lets go", async || worker.tasks() == 0).await;
    town.pool.say(ToWorker::Assign(Box::new(second)));
    assert_eq!(town.pool.next().await, ToPool::Accepted { task: other });
}

#[tokio::test]
async fn a_cut_line_is_opened_again_and_the_last_words_are_repeated() {
    let mut town = Town::start().await;
    let given = town.deal(HELLO, "").await;
    let _worker = town.worker(Conduct::Honest).await;
    let assignment = town.assignment(&given, 0).await;
    let task = assignment.task;
    town.pool
        .say(ToWorker::Assign(Box::new(assignment.clone())));
    town.pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    town.pool.cut();
    let heard = town
        .pool
        .until(|message| *message == ToPool::Revealed { task })
        .await;
    assert!(
        matches!(&heard[0], ToPool::Hello { holding, .. } if *holding == [task]),
        "{heard:?}"
    );
    // Assigned again by a pool that forgot: it hears how far the task is.
    town.pool.say(ToWorker::Assign(Box::new(assignment)));
    assert_eq!(town.pool.next().await, ToPool::Revealed { task });
}

#[tokio::test]
async fn two_workers_cannot_share_a_folder() {
    let town = Town::start().await;
    let worker = town.worker(Conduct::Honest).await;
    let second = worker::Service::start(town.options(), town.worker.clone()).await;
    assert!(
        second
            .expect_err("in use")
            .to_string()
            .contains("in use by another worker")
    );
    worker.shutdown().await;
    town.worker_with(Options {
        slots: 2,
        ..town.options()
    })
    .await;
}
