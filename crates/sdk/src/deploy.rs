//! Puts the contracts on a chain that has none: a private network, anvil.
//!
//! What to send is `protocol`'s plan; here it is sent, step by step. The embedded chain plays the same plan at its
//! genesis.

use std::time::Duration;

use alloy_primitives::{Address, U64, U256};
use protocol::deployment::{Deployment, plan};
use url::Url;

use crate::chain::{Chain, ChainError, ChainOptions, Transaction};
use crate::wallet::Wallet;

/// Why the contracts do not stand.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A step failed, or the chain could not be asked.
    #[error("cannot deploy, at step {step} of {steps} ({label})")]
    Step {
        /// Which one, from 1; 0 before the first.
        step: usize,
        /// How many there are.
        steps: usize,
        /// What it does.
        label: String,
        /// Why it failed.
        #[source]
        source: Box<ChainError>,
    },
    /// The key sent something else in between, so that addresses are not what they should be.
    #[error(
        "step {label} put its contract at {found}, not at {expected}: the key {deployer} is in use elsewhere; deploy from one of its own"
    )]
    Moved {
        /// What the step does.
        label: String,
        /// Where it should stand.
        expected: Address,
        /// Where it stands.
        found: Address,
        /// Whose key.
        deployer: Address,
    },
}

/// Deploys everything from this wallet, and says where it stands.
pub async fn deploy(rpc_url: &Url, wallet: &Wallet) -> Result<Deployment, DeployError> {
    let failed = |step, steps, label: &str| {
        let label = label.to_owned();
        move |source| DeployError::Step {
            step,
            steps,
            label,
            source: Box::new(source),
        }
    };
    let asking = || failed(0, 0, "asking the node about itself");
    let nowhere = plan(0, wallet.address(), 0).deployment;
    let probe = Chain::unchecked(rpc_url, nowhere, options()).map_err(asking())?;
    let chain_id = probe.node_chain_id().await.map_err(asking())?;
    let first_nonce = probe.next_nonce(wallet.address()).await.map_err(asking())?;

    let plan = plan(chain_id, wallet.address(), first_nonce);
    let mut deployment = plan.deployment;
    let chain = Chain::unchecked(rpc_url, deployment.clone(), options()).map_err(asking())?;
    let sender = chain.sender(wallet);
    let steps = plan.steps.len();
    for (number, step) in plan.steps.into_iter().enumerate() {
        let label = step.label.clone();
        let transaction = Transaction {
            verb: step.label,
            to: step.to,
            input: step.input,
            value: U256::ZERO,
            gas_limit: None,
        };
        let receipt =
            sender
                .submit(transaction)
                .await
                .map_err(failed(number + 1, steps, &label))?;
        if number == 0 {
            deployment.block = receipt.block;
        }
        let expected = wallet.address().create(first_nonce + number as u64);
        if let Some(found) = receipt.created
            && found != expected
        {
            return Err(DeployError::Moved {
                label,
                expected,
                found,
                deployer: wallet.address(),
            });
        }
    }
    Ok(deployment)
}

fn options() -> ChainOptions {
    ChainOptions {
        poll_every: Duration::from_millis(200),
        ..ChainOptions::default()
    }
}

impl Chain {
    /// How many transactions of this account the node counts, those in its pool included.
    async fn next_nonce(&self, address: Address) -> Result<u64, ChainError> {
        let count: U64 = self
            .ask(
                "asking for a nonce",
                "eth_getTransactionCount",
                (address, "pending"),
            )
            .await?;
        Ok(count.to())
    }
}
