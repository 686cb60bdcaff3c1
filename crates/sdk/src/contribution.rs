//! Contributions: a worker's sealed claim, and the pool's leave to make it.

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};
use protocol::abi::Hub;
use protocol::contribution::{Contribution, authorization_hash, hash, seal};
use protocol::ids::TaskId;
use protocol::result::Digest;
use protocol::task::Task;

use crate::chain::{BlockRef, Chain, ChainError, Receipt, Sender};
use crate::wallet::Wallet;

/// What went wrong with a contribution.
#[derive(Debug, thiserror::Error)]
pub enum ContributionError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The hub gave a status this version does not know.
    #[error("cannot read the contribution of {worker} to task {task}")]
    Unreadable {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: Address,
        /// What is wrong.
        #[source]
        source: protocol::task::UnknownStatus,
    },
}

fn chain_error(doing: impl fmt::Display) -> impl FnOnce(ChainError) -> ContributionError {
    let doing = doing.to_string();
    move |source| ContributionError::Chain { doing, source }
}

impl ContributionError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Chain { source, .. } => source.is_transient(),
            Self::Unreadable { .. } => false,
        }
    }
}

/// The pool's leave for one worker to contribute to one task; `enclave` is zero without one.
#[must_use]
pub fn authorize(scheduler: &Wallet, worker: Address, task: TaskId, enclave: Address) -> Bytes {
    scheduler.sign_message(authorization_hash(worker, task, enclave).as_slice())
}

/// What an enclave adds to a contribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enclave {
    /// Its address; zero without one.
    pub challenge: Address,
    /// Its signature; empty without one.
    pub signature: Bytes,
}

/// Claims a digest without saying it: only its hash and the worker's seal go out. Locks the worker's stake.
pub async fn contribute(
    sender: &Sender,
    task: TaskId,
    digest: Digest,
    authorization: Bytes,
    enclave: Enclave,
) -> Result<Receipt, ContributionError> {
    let call = Hub::contributeCall {
        taskid: task.0,
        resultHash: hash(task, digest),
        resultSeal: seal(sender.address(), task, digest),
        enclaveChallenge: enclave.challenge,
        enclaveSign: enclave.signature,
        authorizationSign: authorization,
    };
    sender
        .hub(call)
        .await
        .map_err(chain_error(format_args!("contribute to task {task}")))
}

/// Says the digest, after consensus.
pub async fn reveal(
    sender: &Sender,
    task: TaskId,
    digest: Digest,
) -> Result<Receipt, ContributionError> {
    let call = Hub::revealCall {
        taskid: task.0,
        resultDigest: digest.0,
    };
    sender.hub(call).await.map_err(chain_error(format_args!(
        "reveal the result of task {task}"
    )))
}

/// Contributes and ends the task in one transaction, where trust 1 lets a single worker do so.
pub async fn contribute_and_finalize(
    sender: &Sender,
    task: TaskId,
    digest: Digest,
    results: Bytes,
    callback: Bytes,
    authorization: Bytes,
    enclave: Enclave,
) -> Result<Receipt, ContributionError> {
    let call = Hub::contributeAndFinalizeCall {
        taskid: task.0,
        resultDigest: digest.0,
        results,
        resultsCallback: callback,
        enclaveChallenge: enclave.challenge,
        enclaveSign: enclave.signature,
        authorizationSign: authorization,
    };
    sender.hub(call).await.map_err(chain_error(format_args!(
        "contribute to task {task} and finalize it"
    )))
}

/// Looks at a worker's contribution; one that was never made has status unset.
pub async fn view(
    chain: &Chain,
    task: TaskId,
    worker: Address,
) -> Result<Contribution, ContributionError> {
    let doing = format!("look at the contribution of {worker} to task {task}");
    let viewed = chain
        .hub(Hub::viewContributionCall {
            taskid: task.0,
            worker,
        })
        .await
        .map_err(chain_error(doing))?;
    Contribution::try_from(viewed).map_err(|source| ContributionError::Unreadable {
        task,
        worker,
        source,
    })
}

/// A worker's score: what its word weighs.
pub async fn score(chain: &Chain, worker: Address) -> Result<U256, ContributionError> {
    chain
        .hub(Hub::viewScoreCall { worker })
        .await
        .map_err(chain_error(format_args!("look at the score of {worker}")))
}

/// A task, and a worker's contribution to it, as they stand in one block. Read apart, they may be of two moments, and
/// say together what never was.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The block.
    pub block: BlockRef,
    /// The task; one that was never initialized has status unset.
    pub task: Task,
    /// The contribution; one that was never made has status unset.
    pub contribution: Contribution,
}

/// Looks at a task and a worker's contribution to it in the newest block.
pub async fn standing(
    chain: &Chain,
    task: TaskId,
    worker: Address,
) -> Result<Standing, ContributionError> {
    let failed = || {
        chain_error(format!(
            "look at the contribution of {worker} to task {task}"
        ))
    };
    let unreadable = |source| ContributionError::Unreadable {
        task,
        worker,
        source,
    };
    let block = Box::pin(chain.block()).await.map_err(failed())?;
    let contribution = Hub::viewContributionCall {
        taskid: task.0,
        worker,
    };
    let (viewed, contribution) = tokio::join!(
        Box::pin(chain.hub_at(block, Hub::viewTaskCall { taskid: task.0 })),
        Box::pin(chain.hub_at(block, contribution)),
    );
    Ok(Standing {
        block,
        task: Task::try_from(viewed.map_err(failed())?).map_err(unreadable)?,
        contribution: Contribution::try_from(contribution.map_err(failed())?)
            .map_err(unreadable)?,
    })
}
