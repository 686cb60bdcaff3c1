//! All roles as processes on somebody else's chain: anvil, and hardhat's node, with a block every two seconds.

use std::time::Duration;

use anyhow::ensure;
use protocol::{payment::Nrlc, task::TaskStatus};
use testchain::{Engine, Mining, Options};
use testkit::{
    audit::audit,
    errand,
    process_town::{ProcessTown, ProcessTownOptions, Settled, deploy, new_folder},
};

use crate::{add, alone_on_the_machine, options, program};

#[tokio::test(flavor = "multi_thread")]
async fn all_roles_run_on_anvil_with_blocks_of_two_seconds() -> anyhow::Result<()> {
    all_roles_run_on(Engine::Anvil).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_roles_run_on_hardhats_node_with_blocks_of_two_seconds() -> anyhow::Result<()> {
    all_roles_run_on(Engine::Hardhat).await
}

async fn all_roles_run_on(engine: Engine) -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let wanted = Options::default().on(engine).bare();
    let Some(chain) = testchain::start_if_installed(wanted).await? else {
        return Ok(());
    };
    let folder = new_folder()?;
    let file = folder.path().join("deployment.json");
    let rpc = chain.http_url();
    deploy(program(), &rpc, &file, &chain.accounts()[0].key.to_string()).await?;
    chain
        .set_mining(Mining::Interval(Duration::from_secs(2)))
        .await?;

    let settled = Settled::At {
        rpc: rpc.parse()?,
        deployment: file,
    };
    let mut town = ProcessTown::start(
        folder,
        ProcessTownOptions {
            settled,
            ..options(1)
        },
    )
    .await?;
    for number in 1..=2 {
        add(&mut town, &format!("honest-{number}"), "honest").await?;
    }
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    let rented = town.rent(app, 6, 4, &["write", "tile {index}"]).await?;
    let statuses = town.over(&rented.tasks, Duration::from_secs(60)).await?;
    ensure!(statuses == [TaskStatus::Completed; 6], "{statuses:?}");
    for (index, &task) in rented.tasks.iter().enumerate() {
        ensure!(town.words(task).await? == format!("tile {index}"));
    }
    let audit = audit(&town.chain, &rented.deals, &town.honest()).await?;
    ensure!(audit.wrong.is_empty(), "{:#?}", audit.wrong);
    town.finish().await
}
