//! Workerpools: putting them into the registry, their policy, and looking at them.

use alloy_primitives::{Address, U256};
use protocol::abi;
use protocol::app::Workerpool;

use crate::chain::{Chain, ChainError, Receipt, Sender};

/// What went wrong with a workerpool.
#[derive(Debug, thiserror::Error)]
pub enum WorkerpoolError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The registry has no such entry.
    #[error("{workerpool} is not in the workerpool registry of this chain; check the address")]
    Unknown {
        /// The address.
        workerpool: Address,
    },
}

impl WorkerpoolError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Chain { source, .. } if source.is_transient())
    }
}

fn chain_error(doing: impl Into<String>) -> impl FnOnce(ChainError) -> WorkerpoolError {
    let doing = doing.into();
    move |source| WorkerpoolError::Chain { doing, source }
}

/// Puts a workerpool into the registry, for the sender as its owner, and gives its address. One that is there
/// already, with this description and owner, is left as it is.
pub async fn create(sender: &Sender, description: &str) -> Result<Address, WorkerpoolError> {
    let chain = sender.chain();
    let address = predict(chain, sender.address(), description).await?;
    if is_registered(chain, address).await? {
        return Ok(address);
    }
    let call = abi::WorkerpoolRegistry::createWorkerpoolCall {
        workerpoolOwner: sender.address(),
        workerpoolDescription: description.to_owned(),
    };
    let doing = format!("put the workerpool {description:?} into the registry");
    sender
        .send(chain.deployment().workerpool_registry, call)
        .await
        .map_err(chain_error(doing))?;
    Ok(address)
}

/// The address a workerpool would have.
pub async fn predict(
    chain: &Chain,
    owner: Address,
    description: &str,
) -> Result<Address, WorkerpoolError> {
    let call = abi::WorkerpoolRegistry::predictWorkerpoolCall {
        workerpoolOwner: owner,
        workerpoolDescription: description.to_owned(),
    };
    let doing = format!("foresee the address of the workerpool {description:?}");
    chain
        .call(chain.deployment().workerpool_registry, call)
        .await
        .map_err(chain_error(doing))
}

/// Whether a workerpool is in the registry.
pub async fn is_registered(chain: &Chain, workerpool: Address) -> Result<bool, WorkerpoolError> {
    let call = abi::WorkerpoolRegistry::isRegisteredCall { entry: workerpool };
    let doing = format!("look for {workerpool} in the workerpool registry");
    chain
        .call(chain.deployment().workerpool_registry, call)
        .await
        .map_err(chain_error(doing))
}

/// Looks at a workerpool.
pub async fn show(chain: &Chain, workerpool: Address) -> Result<Workerpool, WorkerpoolError> {
    if !is_registered(chain, workerpool).await? {
        return Err(WorkerpoolError::Unknown { workerpool });
    }
    let (owner, description, stake, reward) = tokio::try_join!(
        chain.call(workerpool, abi::Workerpool::ownerCall {}),
        chain.call(workerpool, abi::Workerpool::m_workerpoolDescriptionCall {}),
        chain.call(workerpool, abi::Workerpool::m_workerStakeRatioPolicyCall {}),
        chain.call(
            workerpool,
            abi::Workerpool::m_schedulerRewardRatioPolicyCall {}
        ),
    )
    .map_err(chain_error(format!("look at workerpool {workerpool}")))?;
    Ok(Workerpool {
        owner,
        description,
        worker_stake_ratio: stake.saturating_to(),
        scheduler_reward_ratio: reward.saturating_to(),
    })
}

/// Changes what workers stake and what the scheduler keeps, in percent, for deals made from now on.
pub async fn change_policy(
    sender: &Sender,
    workerpool: Address,
    worker_stake_ratio: u64,
    scheduler_reward_ratio: u64,
) -> Result<Receipt, WorkerpoolError> {
    let call = abi::Workerpool::changePolicyCall {
        newWorkerStakeRatioPolicy: U256::from(worker_stake_ratio),
        newSchedulerRewardRatioPolicy: U256::from(scheduler_reward_ratio),
    };
    let doing = format!("change the policy of workerpool {workerpool}");
    sender
        .send(workerpool, call)
        .await
        .map_err(chain_error(doing))
}
