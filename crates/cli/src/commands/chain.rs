//! `oxec chain`: the chain as a process of its own, and the contracts on any chain.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{U256, utils::format_ether};
use anyhow::{Context as _, ensure};
use protocol::deployment::Deployment;
use sdk::deploy::DeployError;
use serde::Serialize;
use url::Url;

use crate::{
    arguments::{Chain, ChainDeploy, ChainStart},
    context::{Context, bare, may_hold_key},
    home, roles,
};

pub async fn run(context: Context, chain: Chain) -> anyhow::Result<()> {
    match chain {
        Chain::Start(arguments) => start(context, arguments).await,
        Chain::Deploy(arguments) => deploy(context, arguments).await,
        Chain::Verify => verify(context).await,
    }
}

#[derive(Debug, Serialize)]
struct Serving {
    role: &'static str,
    url: String,
    ws: String,
    chain_id: u64,
    /// Where the contracts stand; none on a bare chain.
    deployment: Option<PathBuf>,
    folder: PathBuf,
}

async fn start(context: Context, arguments: ChainStart) -> anyhow::Result<()> {
    let output = context.output;
    let folder = arguments
        .folder
        .unwrap_or_else(|| context.home.folder().join("chain"));
    let devchain = devchain::spawn(devchain::Config {
        listen: arguments.listen,
        chain_id: arguments.chain_id,
        contracts: !arguments.bare,
        mining: match arguments.block_secs {
            Some(secs) => devchain::Mining::Interval(Duration::from_secs(secs)),
            None => devchain::Mining::Instant,
        },
        ..devchain::Config::default().kept_in(&folder)
    })
    .await
    .map_err(|error| {
        let hint = match &error {
            devchain::Error::Listen { .. } => {
                "choose another address with --listen, or stop the program that has this one"
            }
            devchain::Error::InUse { .. }
            | devchain::Error::OtherChain { .. }
            | devchain::Error::NoContracts { .. } => "choose another folder with --folder",
            _ => "its folder may be moved away to begin anew",
        };
        anyhow::Error::new(error).context(format!("cannot start the chain ({hint})"))
    })?;
    let deployment = match devchain.deployment() {
        Some(deployment) => {
            let path = std::path::absolute(folder.join("deployment.json"))?;
            home::write_deployment(&path, deployment)?;
            Some(path)
        }
        None => None,
    };
    let serving = Serving {
        role: "chain",
        url: devchain.http_url(),
        ws: devchain.ws_url(),
        chain_id: devchain.chain_id(),
        deployment,
        folder,
    };
    let stopped = roles::stopped()?;
    output.line(&serving, || in_words(&serving))?;
    stopped.await;
    output.say("stopping the chain …");
    devchain.shutdown().await;
    Ok(())
}

fn in_words(serving: &Serving) -> String {
    let Serving { url, chain_id, .. } = serving;
    let next = match &serving.deployment {
        Some(path) => format!(
            "Next, in other terminals:\n  export OXEC_RPC={url} OXEC_DEPLOYMENT={}\n  oxec market start",
            path.display()
        ),
        None => {
            format!("No contracts yet. Next, in another terminal: `oxec chain deploy --rpc {url}`")
        }
    };
    format!(
        "the chain answers at {url} (chain id {chain_id}), kept in {}\n\n{next}\n\nCtrl-C stops the chain.",
        serving.folder.display()
    )
}

#[derive(Debug, Serialize)]
struct Deployed {
    #[serde(flatten)]
    deployment: Deployment,
    /// The file it was written to.
    file: PathBuf,
    /// How many transactions were sent; none when everything stood.
    transactions: usize,
    gas_used: u64,
    /// In the chain's coin.
    paid: String,
}

async fn deploy(context: Context, arguments: ChainDeploy) -> anyhow::Result<()> {
    let output = context.output;
    let rpc = rpc(&context)?;
    let file = std::path::absolute(&arguments.out)?;
    let wallet = context.wallet()?;
    let owner = wallet.address();
    let planned = sdk::deploy::planned(&rpc, owner).await?;
    let chain_id = planned.chain_id;
    ensure!(
        arguments.play || roles::is_chain_for_play(chain_id) || !roles::is_known_to_all(owner)?,
        "everybody has the key of {owner}, so everybody would own these contracts on chain {chain_id} and all their RLC: \
         deploy with a wallet of your own (`oxec wallet create --wallet owner`), or with --play if that chain is a toy"
    );
    // A file that cannot be read, or must not be written over, is found out before anything is paid.
    let former = match file.exists() {
        true => Some(home::read_deployment(&file).with_context(|| {
            format!("{} is there already: choose another --out", file.display())
        })?),
        false => None,
    };
    if let Some(former) = &former {
        ensure!(
            former.same_contracts(&planned),
            "{} names other contracts (chain {}, hub {}): say with --out where to write these (chain {chain_id}, hub {}). \
             Nothing was sent",
            file.display(),
            former.chain_id,
            former.hub,
            planned.hub
        );
    }
    home::can_write(&file)?;
    output.say(format!(
        "deploying as {owner} on chain {chain_id}, at {}",
        bare(&rpc)
    ));
    let deployed = sdk::deploy::deploy_telling(&rpc, &wallet, Some(context.common.fee_max), |done| {
        let took = match done.gas_used {
            None => "stands".to_owned(),
            Some(gas) => format!("done, {gas} gas"),
        };
        output.say(format!(
            "{:>2}/{}  {}: {took}",
            done.step, done.steps, done.label
        ));
    })
    .await
    .map_err(|error| match error {
        DeployError::Poor { chain_id, .. } if chain_id == devchain::DEFAULT_CHAIN_ID => {
            anyhow::Error::new(error).context(
                "a development chain gives its money to accounts of the phrase \"test test test test test test test test \
                 test test test junk\": keep one with `oxec wallet import --mnemonic-file FILE --wallet dev`, and deploy \
                 with `--wallet dev`",
            )
        }
        error => error.into(),
    })?;
    let mut deployment = deployed.deployment;
    // Where nothing was to be done, what the file says of the block may be a person's word, and better than the node's.
    if let Some(former) = former.filter(|_| deployed.transactions == 0) {
        deployment.block = former.block;
    }
    home::write_deployment(&file, &deployment)?;
    let answer = Deployed {
        deployment,
        file,
        transactions: deployed.transactions,
        gas_used: deployed.gas_used,
        paid: coins(deployed.paid_wei),
    };
    output.answer(&answer, || {
        let Deployed {
            deployment, file, ..
        } = &answer;
        let took = match answer.transactions {
            0 => "everything stood already, and is as planned; nothing was sent".to_owned(),
            count => format!(
                "{count} transactions, {} gas, {} ETH",
                answer.gas_used, answer.paid
            ),
        };
        format!(
            "chain {}, hub {}, since block {}\n{took}\nwritten to {}\n\n\
             Next, here and on every machine that takes part:\n  export OXEC_RPC={} OXEC_DEPLOYMENT={}\n  oxec market start",
            deployment.chain_id,
            deployment.hub,
            deployment.block,
            file.display(),
            without_keys(&rpc),
            file.display()
        )
    })
}

/// The URL to use elsewhere, as far as it may be shown: providers put keys into paths.
fn without_keys(rpc: &Url) -> String {
    if may_hold_key(rpc) {
        "<the same URL>".to_owned()
    } else {
        bare(rpc)
    }
}

#[derive(Debug, Serialize)]
struct Verified {
    verified: bool,
    /// What is not sealed is not verified: its owner could still name other registries.
    sealed: bool,
    #[serde(flatten)]
    deployment: Deployment,
}

async fn verify(context: Context) -> anyhow::Result<()> {
    let place = context.place()?;
    sdk::deploy::verify(&place.rpc, &place.deployment)
        .await
        .with_context(|| {
            format!(
                "the contracts of {} at {} are not verified",
                place.named,
                bare(&place.rpc)
            )
        })?;
    let verified = Verified {
        verified: true,
        sealed: true,
        deployment: place.deployment,
    };
    context.output.answer(&verified, || {
        format!(
            "the contracts of {} stand on chain {} as planned: every one to the byte, owned by {}, the hub sealed",
            place.named, verified.deployment.chain_id, verified.deployment.deployer
        )
    })
}

/// The node of `--rpc`: a chain to deploy on is never guessed.
fn rpc(context: &Context) -> anyhow::Result<Url> {
    context
        .common
        .rpc
        .clone()
        .context("which chain? Say --rpc URL (or OXEC_RPC); `oxec chain start --bare` gives one to try it on")
}

fn coins(wei: U256) -> String {
    let text = format_ether(wei);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
