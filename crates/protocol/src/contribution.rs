//! A contribution: a worker's sealed claim about a task's result.
//!
//! A worker does not say its digest at first. It sends a *hash* that equal digests share, so that claims can be
//! counted, and a *seal* that also binds its own address, so that nobody can copy a neighbour's hash and reveal
//! it as his own. After consensus it reveals the digest, which must fit both.
//!
//! The pool lets a worker contribute by signing an *authorization*; an enclave vouches for a result by signing the
//! hash and the seal. Both are EIP-191 messages over 32 bytes: the functions here give those 32 bytes, to be
//! signed with `personal_sign` ([`message_hash`] adds its prefix).

use std::fmt;

use alloy_primitives::{Address, B256, U256, eip191_hash_message, keccak256};
use serde::{Deserialize, Serialize};

use crate::abi::Hub;
use crate::ids::TaskId;
use crate::result::Digest;
use crate::task::UnknownStatus;

/// What a contributor claims and every honest neighbour claims alike: keccak256(task ‖ digest).
#[must_use]
pub fn hash(task: TaskId, digest: Digest) -> B256 {
    keccak256([task.0, digest.0].concat())
}

/// What binds the claim to its worker: keccak256(worker ‖ task ‖ digest).
#[must_use]
pub fn seal(worker: Address, task: TaskId, digest: Digest) -> B256 {
    keccak256([worker.as_slice(), task.0.as_slice(), digest.0.as_slice()].concat())
}

/// What the pool signs to let a worker contribute: keccak256(worker ‖ task ‖ enclave), `enclave` zero without one.
#[must_use]
pub fn authorization_hash(worker: Address, task: TaskId, enclave: Address) -> B256 {
    keccak256([worker.as_slice(), task.0.as_slice(), enclave.as_slice()].concat())
}

/// What an enclave signs to vouch for a contribution: keccak256(hash ‖ seal).
#[must_use]
pub fn enclave_hash(result_hash: B256, result_seal: B256) -> B256 {
    keccak256([result_hash, result_seal].concat())
}

/// The hash a key really signs when a wallet signs these 32 bytes as a message (EIP-191).
#[must_use]
pub fn message_hash(hash: B256) -> B256 {
    eip191_hash_message(hash)
}

/// Where a contribution stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ContributionStatus {
    /// None was made.
    #[default]
    Unset,
    /// Made; not revealed.
    Contributed,
    /// Revealed: the digest fits.
    Proved,
    /// It won, but nobody revealed in time and the task was reopened.
    Rejected,
}

impl fmt::Display for ContributionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unset => "unset",
            Self::Contributed => "contributed",
            Self::Proved => "proved",
            Self::Rejected => "rejected",
        })
    }
}

/// A contribution, as `viewContribution` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Where it stands.
    pub status: ContributionStatus,
    /// [`hash`] of the claimed digest.
    pub result_hash: B256,
    /// [`seal`] of the claimed digest.
    pub result_seal: B256,
    /// The enclave that vouched for it, or zero.
    pub enclave_challenge: Address,
    /// The share in the workers' reward: [`reward_weight`](crate::consensus::reward_weight) of the worker.
    pub weight: U256,
}

impl TryFrom<u8> for ContributionStatus {
    type Error = UnknownStatus;

    fn try_from(value: u8) -> Result<Self, UnknownStatus> {
        Ok(match value {
            0 => Self::Unset,
            1 => Self::Contributed,
            2 => Self::Proved,
            3 => Self::Rejected,
            _ => {
                return Err(UnknownStatus {
                    what: "contribution status",
                    value,
                });
            }
        })
    }
}

impl TryFrom<Hub::Contribution> for Contribution {
    type Error = UnknownStatus;

    fn try_from(contribution: Hub::Contribution) -> Result<Self, UnknownStatus> {
        Ok(Self {
            status: ContributionStatus::try_from(contribution.status)?,
            result_hash: contribution.resultHash,
            result_seal: contribution.resultSeal,
            enclave_challenge: contribution.enclaveChallenge,
            weight: contribution.weight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_shared_and_a_seal_is_not() {
        let (task, digest) = (TaskId(B256::repeat_byte(1)), Digest(B256::repeat_byte(2)));
        let (alice, bob) = (Address::repeat_byte(0xa), Address::repeat_byte(0xb));
        assert_ne!(seal(alice, task, digest), seal(bob, task, digest));
        assert_ne!(hash(task, digest), hash(task, Digest(B256::repeat_byte(3))));

        let mut bytes = vec![1; 32];
        bytes.extend([2; 32]);
        assert_eq!(hash(task, digest), keccak256(&bytes));
        let sealed = [vec![0xa; 20], bytes].concat();
        assert_eq!(seal(alice, task, digest), keccak256(sealed));
    }

    #[test]
    fn an_authorization_is_a_personal_message_over_worker_task_and_enclave() {
        let (worker, task, enclave) = (
            Address::repeat_byte(0xa),
            TaskId(B256::repeat_byte(1)),
            Address::repeat_byte(0xe),
        );
        let plain = authorization_hash(worker, task, enclave);
        assert_eq!(
            plain,
            keccak256([vec![0xa; 20], vec![1; 32], vec![0xe; 20]].concat())
        );
        let prefixed = [
            b"\x19Ethereum Signed Message:\n32".as_slice(),
            plain.as_slice(),
        ]
        .concat();
        assert_eq!(message_hash(plain), keccak256(prefixed));
    }

    #[test]
    fn statuses_are_the_hubs_numbers() {
        let statuses: Vec<_> = (0..4).map(ContributionStatus::try_from).collect();
        let numbers: Vec<_> = statuses
            .into_iter()
            .map(|status| status.map(|status| status as u8))
            .collect();
        assert_eq!(numbers, [Ok(0), Ok(1), Ok(2), Ok(3)]);
        assert!(ContributionStatus::try_from(4).is_err());
    }
}
