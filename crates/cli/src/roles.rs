//! What services have in common when each is a process of its own: how they stop, and what they live on.

use alloy_primitives::Address;
use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::{chain::Chain, wallet::Wallet};

use crate::{output::Output, town};

/// Waits for Ctrl-C, or for whoever asks a service to end.
pub async fn stopped() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate =
            signal(SignalKind::terminate()).context("cannot listen for the signal to stop")?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.context("cannot listen for Ctrl-C"),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c()
        .await
        .context("cannot listen for Ctrl-C")
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
