//! `oxec account`: money at the hub.

use alloy_primitives::Address;
use anyhow::ensure;
use protocol::payment::Nrlc;
use sdk::{chain::Chain, wallet::Wallet};
use serde::Serialize;

use crate::{arguments::Account, context::Context, town};

#[derive(Debug, Serialize)]
struct Shown {
    address: Address,
    /// Free at the hub.
    balance: Nrlc,
    /// Locked at the hub: stakes, and the price of running deals.
    frozen: Nrlc,
    /// In the wallet, outside the hub.
    wallet: Nrlc,
}

pub async fn run(context: Context, account: Account) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let address = match account {
        Account::Deposit { amount } => {
            let sender = chain.sender(&context.wallet()?);
            sdk::payment::deposit(&sender, amount).await?;
            sender.address()
        }
        Account::Withdraw { amount } => {
            let sender = chain.sender(&context.wallet()?);
            sdk::payment::withdraw(&sender, amount).await?;
            sender.address()
        }
        Account::Show {
            address: Some(address),
        } => address,
        Account::Show { address: None } => context.wallet()?.address(),
        Account::Faucet { rlc } => {
            let wallet = context.wallet()?;
            faucet(&chain, wallet.address(), rlc).await?;
            wallet.address()
        }
    };
    let held = sdk::payment::account(&chain, address).await?;
    let wallet = sdk::payment::wallet_balance(&chain, address).await?;
    let shown = Shown {
        address,
        balance: held.balance,
        frozen: held.frozen,
        wallet,
    };
    context.output.answer(&shown, || {
        format!(
            "{address}\n  at the hub  {} free, {} locked in stakes and running deals\n  in wallet   {wallet}",
            shown.balance, shown.frozen
        )
    })
}

/// Play money from a development chain's first account, whose key everybody knows.
pub async fn faucet(chain: &Chain, to: Address, amount: Nrlc) -> anyhow::Result<()> {
    let bank = Wallet::from_mnemonic(devchain::DEV_MNEMONIC, 0)?;
    ensure!(
        chain.deployment().chain_id == devchain::DEFAULT_CHAIN_ID
            && chain.deployment().deployer == bank.address(),
        "chain {} is no development chain: its money is real, and has to be got for real",
        chain.deployment().chain_id
    );
    town::fund(chain, &bank, to, amount).await
}
