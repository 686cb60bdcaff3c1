//! `oxec account`: money at the hub.

use alloy_primitives::Address;
use protocol::payment::Nrlc;
use serde::Serialize;

use crate::{arguments::Account, context::Context, roles};

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
            roles::faucet(&chain, wallet.address(), rlc).await?;
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
