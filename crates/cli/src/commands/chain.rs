//! `oxec chain`: the chain as a process of its own, and the contracts on any chain.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    arguments::{Chain, ChainStart},
    context::Context,
    home, roles,
};

pub async fn run(context: Context, chain: Chain) -> anyhow::Result<()> {
    match chain {
        Chain::Start(arguments) => start(context, arguments).await,
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
    output.line(&serving, || in_words(&serving))?;
    roles::stopped().await?;
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
