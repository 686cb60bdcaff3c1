//! What happens to honest people when machines die, dawdle, or the whole town is killed.

use std::time::Duration;

use protocol::{payment::Nrlc, task::TaskStatus};
use testkit::{Town, errand};
use worker::{Conduct, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_while_computing_is_replaced() -> anyhow::Result<()> {
    let town = Town::builder()
        .worker("dying", Conduct::Dying(Stage::Computed))
        .honest(2)
        .start()
        .await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let rented = town.rent(app, 6, 4, &["write", "{index}"]).await?;
    assert_eq!(town.wait(&rented).await?, vec![TaskStatus::Completed; 6]);
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_worker_delays_but_does_not_stop_the_bag() -> anyhow::Result<()> {
    let town = Town::builder()
        .worker("slow", Conduct::Slow(Duration::from_millis(700)))
        .honest(2)
        .start()
        .await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let rented = town.rent(app, 6, 8, &["write", "{index}"]).await;
    // Trust 8 takes all three: the slow one is waited for.
    let rented = rented?;
    assert_eq!(town.wait(&rented).await?, vec![TaskStatus::Completed; 6]);
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_town_killed_in_the_middle_of_a_bag_completes_it_and_pays_every_task_once()
-> anyhow::Result<()> {
    let mut town = Town::builder().honest(3).slots(2).start().await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let author = town.running().home().own_wallet("author")?.address();
    let rented = town.rent(app, 24, 4, &["spin", "40"]).await?;

    // Until some tasks are done and others are not.
    let mut watch = sdk::task::watch(town.running().chain(), rented.deals[0]).await?;
    while watch
        .states()
        .iter()
        .filter(|state| state.task.status == TaskStatus::Completed)
        .count()
        < 4
    {
        watch.next().await.expect("the bag is not over yet");
    }
    drop(watch);
    town.kill_and_restart().await?;

    assert_eq!(town.wait(&rented).await?, vec![TaskStatus::Completed; 24]);
    let earned = sdk::payment::account(town.running().chain(), author)
        .await?
        .balance;
    assert_eq!(earned, Nrlc::rlc(24), "each task pays the author once");
    for worker in town.running().workers() {
        let account =
            sdk::payment::account(town.running().chain(), worker.wallet.address()).await?;
        assert_eq!(
            account.frozen,
            Nrlc::ZERO,
            "{} has a stake left behind",
            worker.name
        );
    }
    let pool = sdk::payment::account(
        town.running().chain(),
        town.running().pool_owner().address(),
    )
    .await?;
    assert_eq!(pool.frozen, Nrlc::ZERO);
    town.shutdown().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_town_stopped_in_order_goes_on_where_it_was() -> anyhow::Result<()> {
    let mut town = Town::builder().honest(1).start().await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let first = town.rent(app, 1, 1, &["write", "before"]).await?;
    town.wait(&first).await?;
    let pool = town.running().file().workerpool;
    town.kill_and_restart().await?;
    assert_eq!(
        town.running().file().workerpool,
        pool,
        "the same pool, not a second one"
    );
    // Results and offers of before are still there.
    let out = town.fetch(first.tasks[0]).await?;
    assert_eq!(std::fs::read_to_string(out.join("words.txt"))?, "before");
    let second = town.rent(app, 1, 1, &["write", "after"]).await?;
    assert_eq!(town.wait(&second).await?, [TaskStatus::Completed]);
    town.shutdown().await
}
