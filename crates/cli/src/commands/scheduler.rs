//! `oxec scheduler start`: a pool as a process of its own.
//!
//! What it needs beyond the service itself is done here, each step so that a start after a killed one goes on from it:
//! a wallet, a workerpool in the registry, a deposit for stakes, offers at a market. The offers are looked after as long
//! as it runs, since a market that was away, or lost its book, comes back.

use std::{fs, path::Path, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::{chain::Sender, order::MarketClient};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    arguments::Scheduler,
    context::{Context, Place, bare, may_hold_key},
    home,
    offers::{self, Kept, Offers},
    output::Output,
    roles, town,
};

#[derive(Debug, Serialize)]
struct Serving {
    role: &'static str,
    url: Url,
    workerpool: Address,
    owner: Address,
    chain_id: u64,
    /// Free at the hub, for stakes.
    free: Nrlc,
    /// Categories on offer at the market.
    offered: Vec<&'static str>,
}

/// The workerpool that a folder belongs to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolFile {
    chain_id: u64,
    hub: Address,
    workerpool: Address,
}

/// How often the offers are compared with the book, and how soon again after that failed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const TRY_AGAIN: Duration = Duration::from_secs(5);

pub async fn run(mut context: Context, scheduler: Scheduler) -> anyhow::Result<()> {
    let Scheduler::Start(arguments) = scheduler;
    let output = context.output;
    let Place { rpc, .. } = context.place()?;
    let public_rpc = match arguments.public_rpc.clone() {
        Some(public) => public,
        None => {
            ensure!(
                !may_hold_key(&rpc),
                "the pool tells everybody which node to use, and the URL of yours, at {}, may hold a key: say with \
                 --public-rpc URL which one to tell (the same, if it is no secret)",
                bare(&rpc)
            );
            rpc
        }
    };
    let market = market(&context)?;
    let chain = context.chain().await?;
    let folder = arguments
        .folder
        .clone()
        .unwrap_or_else(|| context.home.folder().join("scheduler"));
    let _only = home::lock(&folder, "lock", || {
        format!(
            "another scheduler uses {}: stop it, or choose another folder with --folder",
            folder.display()
        )
    })?;
    let wallet = context.service_wallet("scheduler")?;
    let sender = chain.sender(&wallet);
    let needs = "RLC to stake (30 % of its price per task)";
    let _wallet = context
        .home
        .lock_wallet(&wallet, chain.deployment().chain_id)?;
    let stake = Nrlc::rlc(town::POOL_RLC);
    roles::provide(&context, &chain, &wallet, stake, needs).await?;
    deposit(&sender, arguments.deposit, output).await?;
    let workerpool = workerpool(&sender, &folder, arguments.workerpool).await?;

    let handle = scheduler::Service::start(
        scheduler::Options {
            listen: arguments.listen,
            public_url: arguments.public_url,
            fetch_private: arguments.fetch_private,
            ..scheduler::Options::new(
                workerpool,
                folder.join("scheduler.sqlite"),
                public_rpc,
                runtime::profile().to_string(),
            )
        },
        scheduler::Deps {
            chain: chain.clone(),
            wallet: wallet.clone(),
            blobs: blobs::Store::folder(folder.join("blobs"))?,
        },
    )
    .await?;

    let offers = Offers {
        workerpool,
        price: arguments.price,
        trust: arguments.trust,
    };
    let looking = async |market: &MarketClient| {
        offers::keep(market, &chain, &wallet, &offers)
            .await
            .with_context(|| format!("cannot put offers into the market at {}", market.url()))
    };
    let kept = match &market {
        None => {
            output.say("no market named, so nothing is offered: say --market URL (or OXEC_MARKET)");
            Kept::default()
        }
        Some(market) => looking(market).await.unwrap_or_else(|error| {
            output.say(format!("{error:#}; trying again until it works"));
            Kept::default()
        }),
    };
    let free = sdk::payment::account(&chain, wallet.address())
        .await?
        .balance;
    for (name, stake) in &kept.too_dear {
        output.say(format!(
            "category {name} is not offered: one task stakes {stake}, and {free} are free at the hub (--deposit AMOUNT)"
        ));
    }
    let serving = Serving {
        role: "scheduler",
        url: handle.url(),
        workerpool,
        owner: wallet.address(),
        chain_id: chain.deployment().chain_id,
        free,
        offered: kept.offered.clone(),
    };
    let stopped = roles::stopped()?;
    output.line(&serving, || in_words(&serving, &folder))?;

    let offering = async {
        let Some(market) = &market else {
            return std::future::pending::<()>().await;
        };
        // A market that stays away is told of once.
        let mut is_away = kept.offered.is_empty() && kept.too_dear.is_empty();
        loop {
            let pause = if is_away { TRY_AGAIN } else { LOOK_EVERY };
            tokio::time::sleep(pause).await;
            match looking(market).await {
                Ok(kept) => {
                    if is_away {
                        output.say(format!("now on offer: {}", kept.offered.join(", ")));
                    }
                    is_away = false;
                }
                Err(error) => {
                    if !is_away {
                        output.say(format!("{error:#}; trying again until it works"));
                    }
                    is_away = true;
                }
            }
        }
    };
    tokio::select! {
        () = stopped => {}
        () = offering => {}
    }
    output.say("stopping the pool …");
    handle.shutdown().await;
    Ok(())
}

/// The market of `--market`; the town's if the chain is the town's too.
fn market(context: &Context) -> anyhow::Result<Option<MarketClient>> {
    let named = context.common.market.is_some();
    if named || context.common.deployment.is_none() {
        return context.market().map(Some);
    }
    Ok(None)
}

/// Moves into the account at the hub what is missing there.
async fn deposit(sender: &Sender, wanted: Option<Nrlc>, output: Output) -> anyhow::Result<()> {
    let chain = sender.chain();
    let address = sender.address();
    let account = sdk::payment::account(chain, address).await?;
    let wallet = sdk::payment::wallet_balance(chain, address).await?;
    let has = account.balance.checked_add(account.frozen);
    let has = has.context("the account at the hub holds more than there is")?;
    let missing = match wanted {
        Some(wanted) => wanted.checked_sub(has).unwrap_or(Nrlc::ZERO),
        None if roles::is_for_play(chain)? => Nrlc::rlc(town::POOL_RLC)
            .checked_sub(has)
            .unwrap_or(Nrlc::ZERO)
            .min(wallet),
        None => Nrlc::ZERO,
    };
    if missing.is_zero() {
        return Ok(());
    }
    ensure!(
        wallet >= missing,
        "--deposit wants {missing} more at the hub, and the wallet {address} has {wallet}: send it RLC, or deposit less"
    );
    output.say(format!("depositing {missing} at the hub, for stakes"));
    sdk::payment::deposit(sender, missing).await?;
    Ok(())
}

/// The workerpool: the one named, else the one kept in the folder, else a new one.
async fn workerpool(
    sender: &Sender,
    folder: &Path,
    named: Option<Address>,
) -> anyhow::Result<Address> {
    let deployment = sender.chain().deployment();
    let path = folder.join("workerpool.json");
    let kept = match fs::read_to_string(&path) {
        Ok(text) => Some(
            serde_json::from_str::<PoolFile>(&text)
                .with_context(|| format!("{} is not what was written", path.display()))?,
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    if let Some(kept) = &kept {
        ensure!(
            (kept.chain_id, kept.hub) == (deployment.chain_id, deployment.hub),
            "{} belongs to a pool of the hub {} on chain {}, not of {} on chain {}: choose another folder with --folder",
            folder.display(),
            kept.hub,
            kept.chain_id,
            deployment.hub,
            deployment.chain_id
        );
    }
    let workerpool = match (named, &kept) {
        (Some(named), _) => named,
        (None, Some(kept)) => kept.workerpool,
        (None, None) => sdk::workerpool::create(sender, "a pool of oxec").await?,
    };
    sdk::workerpool::show(sender.chain(), workerpool).await?;
    if kept.is_none_or(|kept| kept.workerpool != workerpool) {
        let file = PoolFile {
            chain_id: deployment.chain_id,
            hub: deployment.hub,
            workerpool,
        };
        home::write_atomically(&path, serde_json::to_string_pretty(&file)?.as_bytes())?;
    }
    Ok(workerpool)
}

fn in_words(serving: &Serving, folder: &Path) -> String {
    let offered = if serving.offered.is_empty() {
        "nothing yet".to_owned()
    } else {
        serving.offered.join(", ")
    };
    format!(
        "the pool is open at {}, kept in {}\n  workerpool  {}\n  owner       {}, with {} free at the hub for stakes\n  on offer    {offered}\n\n\
         Next, in another terminal: `oxec worker --pool {0}`. Ctrl-C stops the pool.",
        serving.url,
        folder.display(),
        serving.workerpool,
        serving.owner,
        serving.free,
    )
}
