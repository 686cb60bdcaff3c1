//! Payment: accounts at the hub, money in and out, and the bill of a deal.
//!
//! Money works inside the hub's escrow: [`deposit`] brings RLC in, deals and contributions freeze parts of it,
//! [`withdraw`] takes free RLC out. [`bill`] reads from the chain's own events who was paid what, and why.

mod bill;

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};
use protocol::abi::{Hub, RLC};
use protocol::ids::DealId;
use protocol::payment::Nrlc;
use serde::{Deserialize, Serialize};

use crate::chain::{Chain, ChainError, Receipt, Sender};
use crate::deal::DealError;

pub use bill::{Bill, Flow, Line, Role, ScoreChange, Total, bill};

/// What an account holds at the hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Free: for deals, stakes or withdrawal.
    pub balance: Nrlc,
    /// Frozen in running deals and contributions.
    pub frozen: Nrlc,
}

/// What went wrong with money.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The deal could not be looked at.
    #[error("cannot make out the bill")]
    Deal {
        /// Why not.
        #[source]
        source: Box<DealError>,
    },
    /// The chain knows the deal, but its transaction is not to be found.
    #[error(
        "deal {deal} stands on the chain, but the node knows no event of it; it may not keep old blocks"
    )]
    NoHistory {
        /// The deal.
        deal: DealId,
    },
}

impl PaymentError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Chain { source, .. } => source.is_transient(),
            Self::Deal { source } => source.is_transient(),
            Self::NoHistory { .. } => false,
        }
    }
}

fn chain_error(doing: impl fmt::Display) -> impl FnOnce(ChainError) -> PaymentError {
    let doing = doing.to_string();
    move |source| PaymentError::Chain { doing, source }
}

/// What an account holds at the hub.
pub async fn account(chain: &Chain, address: Address) -> Result<Account, PaymentError> {
    let doing = format!("look at the account of {address}");
    let account = chain
        .hub(Hub::viewAccountCall { account: address })
        .await
        .map_err(chain_error(doing))?;
    Ok(Account {
        balance: Nrlc(account.stake),
        frozen: Nrlc(account.locked),
    })
}

/// RLC of an address outside the hub.
pub async fn wallet_balance(chain: &Chain, address: Address) -> Result<Nrlc, PaymentError> {
    let doing = format!("look at the RLC of {address}");
    let balance = chain
        .call(
            chain.deployment().rlc,
            RLC::balanceOfCall { account: address },
        )
        .await
        .map_err(chain_error(doing))?;
    Ok(Nrlc(balance))
}

/// Brings RLC of the sender's wallet into its account at the hub, in one transaction.
pub async fn deposit(sender: &Sender, amount: Nrlc) -> Result<Receipt, PaymentError> {
    let deployment = sender.chain().deployment();
    let call = RLC::approveAndCallCall {
        spender: deployment.hub,
        amount: amount.0,
        data: Bytes::new(),
    };
    sender
        .send(deployment.rlc, call)
        .await
        .map_err(chain_error(format_args!("deposit {amount}")))
}

/// Takes free RLC of the sender's account out of the hub, into its wallet.
pub async fn withdraw(sender: &Sender, amount: Nrlc) -> Result<Receipt, PaymentError> {
    sender
        .hub(Hub::withdrawCall { amount: amount.0 })
        .await
        .map_err(chain_error(format_args!("withdraw {amount}")))
}

/// Sends RLC from wallet to wallet, outside the hub.
pub async fn transfer(sender: &Sender, to: Address, amount: Nrlc) -> Result<Receipt, PaymentError> {
    let rlc = sender.chain().deployment().rlc;
    let doing = format!("send {amount} to {to}");
    sender
        .send(
            rlc,
            RLC::transferCall {
                to,
                value: amount.0,
            },
        )
        .await
        .map_err(chain_error(doing))
}

/// Moves free RLC from the sender's account at the hub to another account there.
pub async fn transfer_inside(
    sender: &Sender,
    to: Address,
    amount: Nrlc,
) -> Result<Receipt, PaymentError> {
    let doing = format!("move {amount} to the account of {to}");
    sender
        .hub(Hub::transferCall {
            recipient: to,
            amount: amount.0,
        })
        .await
        .map_err(chain_error(doing))
}

/// RLC in existence inside the hub.
pub async fn deposited(chain: &Chain) -> Result<Nrlc, PaymentError> {
    let supply: U256 = chain
        .hub(Hub::totalSupplyCall {})
        .await
        .map_err(chain_error("ask what is deposited"))?;
    Ok(Nrlc(supply))
}
