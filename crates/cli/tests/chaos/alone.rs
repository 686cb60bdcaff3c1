//! One misfortune at a time, at the moment where it hurts most.
//!
//! Moments between two transactions are found by making blocks by hand: while none is made, what a role has sent waits
//! in the node, and the role can be killed before it hears.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use anyhow::{Context as _, ensure};
use cli::rent::Rented;
use protocol::{
    TaskId,
    abi::Hub,
    order::AppOrder,
    payment::Nrlc,
    task::{Task, TaskStatus},
};
use testkit::{
    audit::{Audit, audit},
    errand,
    machine::Clock,
    process_town::{ProcessTown, ProcessTownOptions, WorkerWish, new_folder},
};

use crate::{add, alone_on_the_machine, options, town};

const SOON: Duration = Duration::from_secs(30);
/// One newcomer is believed alone, and contributes, reveals and uploads as several do; at trust 1 it does all in one.
const TWO_STEPS: u64 = 2;

async fn view(town: &ProcessTown, task: TaskId) -> anyhow::Result<Task> {
    Ok(sdk::task::view(&town.chain, task).await?)
}

/// Makes blocks by hand until something is so; the last block made is the one that made it so.
async fn mine_until(
    town: &ProcessTown,
    what: &str,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    town.until(what, SOON, async || {
        if is_so().await? {
            return Ok(true);
        }
        town.node.mine(1).await?;
        Ok(false)
    })
    .await
}

/// Waits until a call of this kind has been sent and waits for a block.
async fn sent<C: SolCall>(town: &ProcessTown, by: Address) -> anyhow::Result<()> {
    let waits = async || Ok(town.node.waiting_calls(by).await?.contains(&C::SELECTOR));
    mine_until(town, C::SIGNATURE, waits).await
}

/// Everything rented was completed, once, and the books are right.
async fn completed(town: &ProcessTown, rented: &Rented) -> anyhow::Result<Audit> {
    let statuses = town.over(&rented.tasks, Duration::from_secs(60)).await?;
    ensure!(
        statuses
            .iter()
            .all(|status| *status == TaskStatus::Completed),
        "{statuses:?}"
    );
    let audit = audit(&town.chain, &rented.deals, &town.honest()).await?;
    ensure!(audit.wrong.is_empty(), "{:#?}", audit.wrong);
    ensure!(audit.lost_stakes.is_empty(), "{:?}", audit.lost_stakes);
    Ok(audit)
}

/// With one worker, slow enough that blocks can be stopped from coming by themselves before it has done anything.
async fn slow_town() -> anyhow::Result<ProcessTown> {
    let mut town = town(0).await?;
    add(&mut town, "slow", "slow=1.5").await?;
    Ok(town)
}

/// No transaction failed.
async fn nothing_was_sent_in_vain(town: &ProcessTown) -> anyhow::Result<()> {
    let (_, failed) = town.node.transactions(1, town.node.height().await?).await?;
    ensure!(failed.is_empty(), "{failed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_killed_after_sending_finalize_finds_it_done() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = slow_town().await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, TWO_STEPS, &["write", "once"]).await?;
    town.node.set_automine(false).await?;
    sent::<Hub::finalizeCall>(&town, town.pool_owner.address()).await?;
    town.scheduler_process.kill_for_good().await?;
    town.node.mine(1).await?;
    town.node.set_automine(true).await?;
    town.scheduler_process.start();
    town.scheduler_process.serving().await?;
    completed(&town, &rented).await?;
    town.until("the pool knows", SOON, async || {
        let report = sdk::pool::report(&town.pool, rented.tasks[0]).await?;
        Ok(report.state.contains("completed"))
    })
    .await?;
    nothing_was_sent_in_vain(&town).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalize_that_the_chain_forgot_is_sent_again_by_a_pool_that_was_killed()
-> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = slow_town().await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, TWO_STEPS, &["write", "again"]).await?;
    town.node.set_automine(false).await?;
    sent::<Hub::finalizeCall>(&town, town.pool_owner.address()).await?;
    town.node.mine(1).await?;
    ensure!(view(&town, rented.tasks[0]).await?.status == TaskStatus::Completed);
    town.scheduler_process.kill_for_good().await?;
    town.node.reorganise(1, true).await?;
    ensure!(view(&town, rented.tasks[0]).await?.status == TaskStatus::Revealing);
    town.node.set_automine(true).await?;
    town.scheduler_process.start();
    completed(&town, &rented).await?;
    nothing_was_sent_in_vain(&town).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_after_contributing_reveals_when_it_is_back() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = slow_town().await?;
    let worker = &town.workers[0];
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, TWO_STEPS, &["write", "late"]).await?;
    town.node.set_automine(false).await?;
    sent::<Hub::contributeCall>(&town, worker.address).await?;
    worker.process.kill_for_good().await?;
    town.node.set_automine(true).await?;
    mine_until(&town, "consensus", async || {
        Ok(view(&town, rented.tasks[0]).await?.status == TaskStatus::Revealing)
    })
    .await?;
    worker.process.start();
    ensure!(completed(&town, &rented).await?.contributions == 1);
    town.journals_empty(SOON).await?;
    nothing_was_sent_in_vain(&town).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_after_sending_its_one_step_is_paid_once() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = slow_town().await?;
    let worker = &town.workers[0];
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, 1, &["write", "at once"]).await?;
    town.node.set_automine(false).await?;
    sent::<Hub::contributeAndFinalizeCall>(&town, worker.address).await?;
    worker.process.kill_for_good().await?;
    town.scheduler_process.kill_for_good().await?;
    town.node.mine(1).await?;
    town.node.set_automine(true).await?;
    town.scheduler_process.start();
    worker.process.start();
    ensure!(completed(&town, &rented).await?.contributions == 1);
    town.scheduler_process.serving().await?;
    ensure!(town.words(rented.tasks[0]).await? == "at once");
    town.journals_empty(SOON).await?;
    nothing_was_sent_in_vain(&town).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_everything_before_contributing_may_try_again() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let mut town = town(0).await?;
    add(&mut town, "slow", "slow=1.5").await?;
    let worker = &town.workers[0];
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, 1, &["write", "second try"]).await?;
    town.until("the worker has the task", SOON, async || {
        let report = sdk::pool::report(&town.pool, rented.tasks[0]).await?;
        Ok(report
            .replicas
            .iter()
            .any(|replica| replica.state == "computing"))
    })
    .await?;
    worker.process.kill_for_good().await?;
    std::fs::remove_dir_all(&worker.folder)?;
    worker.process.start();
    ensure!(completed(&town, &rented).await?.contributions == 1);
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_worker_had_is_given_to_another_at_once() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let mut town = town(0).await?;
    add(&mut town, "slow", "slow=60").await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 2, 1, &["write", "{index}"]).await?;
    town.until("the slow worker has both tasks", SOON, async || {
        let mut held = 0;
        for &task in &rented.tasks {
            held += sdk::pool::report(&town.pool, task).await?.replicas.len();
        }
        Ok(held == 2)
    })
    .await?;
    add(&mut town, "quick", "honest").await?;
    town.workers[0].process.kill_for_good().await?;
    let within = Duration::from_secs(10);
    let statuses = town.over(&rented.tasks, within).await?;
    ensure!(statuses == [TaskStatus::Completed; 2], "{statuses:?}");
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_only_winner_never_comes_back_is_reopened_and_done_by_another()
-> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let mut town = slow_town().await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, TWO_STEPS, &["write", "reopened"]).await?;
    town.node.set_automine(false).await?;
    sent::<Hub::contributeCall>(&town, town.workers[0].address).await?;
    town.workers[0].process.kill_for_good().await?;
    town.node.set_automine(true).await?;
    town.node.mine(1).await?;
    add(&mut town, "another", "honest").await?;
    // Twice the category's time: who has not revealed by then has lost.
    town.node.increase_time(601).await?;
    let statuses = town.over(&rented.tasks, Duration::from_secs(60)).await?;
    ensure!(statuses == [TaskStatus::Completed], "{statuses:?}");
    let only = BTreeSet::from([town.workers[1].address]);
    let audit = audit(&town.chain, &rented.deals, &only).await?;
    ensure!(audit.wrong.is_empty(), "{:#?}", audit.wrong);
    ensure!(
        audit.lost_stakes.keys().eq([&town.workers[0].address]),
        "{:?}",
        audit.lost_stakes
    );
    // The dead worker's journal is of a task that is over; it finds that out and sweeps.
    town.workers[0].process.start();
    town.journals_empty(SOON).await?;
    town.finish().await
}

/// The chain forgets the end of a task and the reveal, after the worker has heard of the end and was killed: it must still
/// know that there was something to reveal, or it loses its stake.
#[tokio::test(flavor = "multi_thread")]
async fn a_reveal_that_the_chain_forgot_after_the_end_costs_no_honest_stake() -> anyhow::Result<()>
{
    let _alone = alone_on_the_machine().await;
    let town = town(2).await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 1, 4, &["write", "forgotten"]).await?;
    town.over(&rented.tasks, SOON).await?;
    town.until("the workers have heard of the end", SOON, async || {
        let mut logs = town.workers.iter().map(|worker| worker.process.log());
        Ok(logs.all(|log| log.contains("done with")))
    })
    .await?;
    for worker in &town.workers {
        worker.process.kill_for_good().await?;
    }
    // The two reveals and the finalize are gone for good.
    let head = town.node.height().await?;
    let events = town.chain.events(0, head).await?;
    let first = events.iter().find_map(|event| match &event.event {
        Hub::HubEvents::TaskReveal(_) => Some(event.block),
        _ => None,
    });
    let first = first.context("a reveal")?;
    town.node.reorganise(head - first + 1, true).await?;
    let status = view(&town, rented.tasks[0]).await?;
    ensure!(
        status.status == TaskStatus::Revealing && status.reveal_counter == 0,
        "{status:?}"
    );
    for worker in &town.workers {
        worker.process.start();
    }
    completed(&town, &rented).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_killed_while_offers_are_published_keeps_what_it_acknowledged()
-> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = town(0).await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let (market, domain) = (town.market()?, town.chain.domain());
    let mut acknowledged = Vec::new();
    for number in 0..30 {
        if number % 10 == 5 {
            town.market_process.kill(Some(Duration::ZERO));
        }
        let order = sdk::order::app_order(app, Nrlc::rlc(2 + number), 10);
        let order = town.author.sign_order(&order, domain);
        let mut publishing = None;
        town.until("the market takes the offer", SOON, async || {
            publishing = Some(market.publish(&town.author, domain, &order).await?);
            Ok(true)
        })
        .await?;
        acknowledged.push(publishing.context("published")?.order_hash);
    }
    town.market_process.kill(Some(Duration::ZERO));
    town.until("the market is back", SOON, async || {
        Ok(market.health().await.is_ok())
    })
    .await?;
    // Connections that the dead one left behind are not the market's fault.
    let market = town.market()?;
    for &order in &acknowledged {
        market.get::<AppOrder>(order).await?;
    }
    // And no offer twice: those, and that of the publication.
    let all = market
        .list_all::<AppOrder>(&Default::default(), 1000)
        .await?;
    ensure!(
        all.len() == acknowledged.len() + 1,
        "{} offers are listed",
        all.len()
    );
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_dies_in_the_middle_of_a_bag_delays_it() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let town = town(2).await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 20, 4, &["write", "tile {index}"]).await?;
    let chain = town.chain_process.as_ref().context("a chain of its own")?;
    for done in [1, 5] {
        town.until("some tasks are done", SOON, async || {
            let statuses = town.statuses(&rented.tasks).await?;
            Ok(statuses.iter().filter(|status| status.is_over()).count() >= done)
        })
        .await?;
        chain.kill_for_good().await?;
        chain.start();
        chain.serving().await?;
    }
    completed(&town, &rented).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() -> anyhow::Result<()>
{
    let _alone = alone_on_the_machine().await;
    let mut town = town(0).await?;
    let Some(disk) = town.disk_for("cramped", 24 << 20).await? else {
        return town.finish().await;
    };
    let wish = WorkerWish {
        slots: 2,
        disk: Some(&disk),
        ..WorkerWish::default()
    };
    town.add_worker("cramped", wish).await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let first = town.rent(app, 1, 1, &["write", "room"]).await?;
    completed(&town, &first).await?;
    disk.fill()?;
    let second = town
        .rent(app, 3, 1, &["write", "no room", "{index}"])
        .await?;
    town.until("the pool hears why", SOON, async || {
        let report = sdk::pool::report(&town.pool, second.tasks[0]).await?;
        let says = format!("{report:?}");
        Ok(says.contains("space") || says.contains("os error 28"))
    })
    .await?;
    // The same, with another worker there, is no reason to wait.
    add(&mut town, "roomy", "honest").await?;
    completed(&town, &second).await?;
    disk.free()?;
    let third = town
        .rent(app, 6, 4, &["write", "room again", "{index}"])
        .await?;
    completed(&town, &third).await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_disk_is_full_goes_on_when_there_is_room() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let with_disk = ProcessTownOptions {
        scheduler_disk: Some(16 << 20),
        ..options(1)
    };
    let mut town = ProcessTown::start(new_folder()?, with_disk).await?;
    let Some(disk) = town.disks.first().cloned() else {
        return town.finish().await;
    };
    add(&mut town, "honest-1", "honest").await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let first = town.rent(app, 1, 1, &["write", "room"]).await?;
    completed(&town, &first).await?;
    disk.fill()?;
    let second = town
        .rent(app, 10, 1, &["write", "no room", "{index}"])
        .await?;
    town.until("the pool says what is wrong", SOON, async || {
        Ok(town.scheduler_process.log().contains("disk is full"))
    })
    .await?;
    disk.free()?;
    completed(&town, &second).await?;
    for (index, &task) in second.tasks.iter().enumerate() {
        ensure!(town.words(task).await? == format!("no room {index}"));
    }
    town.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_hold_nothing_up() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let folder = new_folder()?;
    let Some(clock) = Clock::new(&folder.path().join("clock"))? else {
        return Ok(());
    };
    let with_clock = ProcessTownOptions {
        scheduler_clock: Some(clock.clone()),
        ..options(1)
    };
    let mut town = ProcessTown::start(folder, with_clock).await?;
    for name in ["first", "second"] {
        let wish = WorkerWish {
            slots: 2,
            clock: Some(&clock),
            ..WorkerWish::default()
        };
        town.add_worker(name, wish).await?;
    }
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    // A day ahead, two days behind, and right again, each with a bag under way and a worker dying of it.
    for secs in [86_400, -86_400, 0] {
        let word = secs.to_string();
        let rented = town.rent(app, 12, 4, &["write", "{index}", &word]).await?;
        clock.jump(secs)?;
        town.workers[0].process.kill(Some(Duration::ZERO));
        completed(&town, &rented).await?;
    }
    town.finish().await
}
