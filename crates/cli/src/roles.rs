//! What services have in common when each is a process of its own: how they stop, and what they live on.

use alloy_primitives::Address;
use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::{chain::Chain, wallet::Wallet};

use crate::{context::Context, town};

/// Within this time a second signal is the first one come twice, as when a shell and a wrapper both pass it on.
#[cfg(unix)]
const SAME_SIGNAL: std::time::Duration = std::time::Duration::from_millis(500);

/// What a process says that was stopped at once by the second signal, as shells say of one that Ctrl-C ended.
#[cfg(unix)]
const STOPPED_TWICE: i32 = 130;

/// Listens, from now on, for Ctrl-C and for whoever asks a service to end. To be called before the service says that it
/// serves: until then a signal ends the process at once, and so does a second one afterwards.
pub fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("cannot listen for the signal to stop");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Stopping in order takes what it takes; who asks again does not want to wait for it.
            let asked = tokio::time::Instant::now();
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if asked.elapsed() >= SAME_SIGNAL {
                        std::process::exit(STOPPED_TWICE);
                    }
                }
            });
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Whether the chain is one to play with: its contracts belong to the account whose key everybody knows.
pub fn is_for_play(chain: &Chain) -> anyhow::Result<bool> {
    let bank = Wallet::from_mnemonic(devchain::DEV_MNEMONIC, 0)?;
    let deployment = chain.deployment();
    Ok(deployment.chain_id == devchain::DEFAULT_CHAIN_ID && deployment.deployer == bank.address())
}

/// Whether a chain of this id is one to play with: those of anvil, hardhat's node and this one, and of ganache.
pub fn is_chain_for_play(chain_id: u64) -> bool {
    matches!(chain_id, devchain::DEFAULT_CHAIN_ID | 1337)
}

/// Whether this is one of the development chains' accounts, whose keys everybody has.
pub fn is_known_to_all(address: Address) -> anyhow::Result<bool> {
    for index in 0..20 {
        if Wallet::from_mnemonic(devchain::DEV_MNEMONIC, index)?.address() == address {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Play money from a development chain's first account.
pub async fn faucet(chain: &Chain, to: Address, amount: Nrlc) -> anyhow::Result<()> {
    ensure!(
        is_for_play(chain)?,
        "chain {} is no development chain: its money is real, and has to be got for real",
        chain.deployment().chain_id
    );
    let bank = Wallet::from_mnemonic(devchain::DEV_MNEMONIC, 0)?;
    town::fund(chain, &bank, to, amount).await
}

/// On a development chain, gives a service without coins some, and `amount` to stake. Elsewhere its owner has to, and
/// is told what else it will need.
pub async fn provide(
    context: &Context,
    chain: &Chain,
    wallet: &Wallet,
    amount: Nrlc,
    needs: &str,
) -> anyhow::Result<()> {
    let address = wallet.address();
    let is_for_play = is_for_play(chain)?;
    let is_open = !is_for_play && context.home.opens_unasked(&context.common)?;
    if is_open {
        context.output.say(format!(
            "the key of {address} lies beside its password in {}: whoever reads that folder has its money. For money that \
             matters, make a wallet with a password of your own (`oxec wallet create --wallet NAME`), and say --wallet NAME",
            context.home.folder().display()
        ));
    }
    if !chain.ether(address).await?.is_zero() {
        return Ok(());
    }
    ensure!(
        is_for_play,
        "the wallet {address} has nothing to pay gas with on chain {}: send it some of the chain's coin, and {needs}",
        chain.deployment().chain_id
    );
    faucet(chain, address, amount).await?;
    context
        .output
        .say(format!("a development chain: {address} got play money"));
    Ok(())
}
