//! Bad applications and bad requests: a clear error, told at once, and the next task runs.

use std::time::Duration;

use anyhow::Context;
use protocol::{TaskId, payment::Nrlc, task::TaskStatus};
use sdk::wire::pool::{FailureCause, TaskReport};
use testkit::{Town, errand};

/// Waits until the pool says that it has given the task up.
async fn given_up(town: &Town, task: TaskId) -> anyhow::Result<TaskReport> {
    let pool = &town.running().file().pool;
    let wait = async {
        loop {
            if let Ok(report) = sdk::pool::report(pool, task).await
                && report.state.contains("given up")
            {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .context("the pool did not give the task up within a minute")
}

async fn fails_with(arguments: &[&str], word: &str) -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let rented = town.rent(app, 1, 1, arguments).await?;
    let report = given_up(&town, rented.tasks[0]).await?;
    let failures: Vec<_> = report
        .replicas
        .iter()
        .filter_map(|replica| replica.failure.clone())
        .collect();
    assert!(!failures.is_empty(), "{report:?}");
    for failure in &failures {
        assert_eq!(failure.cause, FailureCause::Application, "{failure:?}");
        assert!(
            failure.message.contains(word),
            "{:?} does not say {word:?}",
            failure.message
        );
    }
    // Nothing was contributed for a failure, and the machines still work.
    let task = sdk::task::view(town.running().chain(), rented.tasks[0]).await?;
    assert!(task.contributors.is_empty());
    let next = town.rent(app, 1, 1, &["say", "still here"]).await?;
    assert_eq!(town.wait(&next).await?, [TaskStatus::Completed]);
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_traps_is_told_at_once() -> anyhow::Result<()> {
    fails_with(&["trap"], "trap").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_is_told_at_once() -> anyhow::Result<()> {
    fails_with(&["exit", "3"], "3").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_eats_memory_is_stopped() -> anyhow::Result<()> {
    fails_with(&["eat"], "memory").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_writes_gigabytes_is_stopped() -> anyhow::Result<()> {
    fails_with(&["flood"], "of files").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_prints_without_end_is_stopped() -> anyhow::Result<()> {
    fails_with(&["babble"], "standard output").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_cannot_leave_its_folder() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let rented = town.rent(app, 1, 1, &["escape"]).await?;
    assert_eq!(town.wait(&rented).await?, [TaskStatus::Completed]);
    let out = town.fetch(rented.tasks[0]).await?;
    assert_eq!(
        std::fs::read_to_string(out.with_file_name("stdout.txt"))
            .or_else(|_| std::fs::read_to_string(out.join("stdout.txt")))?,
        ""
    );
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_module_is_refused_before_it_costs_anything() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let file = town.folder().join("script.sh");
    std::fs::write(&file, "#!/bin/sh\n")?;
    let error = town.publish(&file, Nrlc::ZERO).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("not a WebAssembly module"),
        "{error:#}"
    );
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_little_money_is_told_how_much_is_missing() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::rlc(1_000)).await?;
    let error = town.rent(app, 50, 1, &["say", "hello"]).await.unwrap_err();
    let words = format!("{error:#}");
    assert!(
        words.contains("50050 RLC") && words.contains("faucet"),
        "{words}"
    );
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_that_no_pool_offers_is_refused_with_what_there_is() -> anyhow::Result<()> {
    let town = Town::start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let error = town
        .rent(app, 1, 1_000, &["say", "hello"])
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("--trust 8"), "{error:#}");
    town.shutdown().await
}
