//! What services have in common when each is a process of its own: how they stop, and what they live on.

use alloy_primitives::Address;
use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::{chain::Chain, wallet::Wallet};

use crate::{output::Output, town};

/// Listens, from now on, for Ctrl-C and for whoever asks a service to end. To be called before the service says that it
/// serves: until then a signal ends the process at once.
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
    chain: &Chain,
    wallet: &Wallet,
    amount: Nrlc,
    needs: &str,
    output: Output,
) -> anyhow::Result<()> {
    let address = wallet.address();
    if !chain.ether(address).await?.is_zero() {
        return Ok(());
    }
    ensure!(
        is_for_play(chain)?,
        "the wallet {address} has nothing to pay gas with on chain {}: send it some of the chain's coin, and {needs}",
        chain.deployment().chain_id
    );
    faucet(chain, address, amount).await?;
    output.say(format!("a development chain: {address} got play money"));
    Ok(())
}
