//! Transactions that wait: for their turn in a block, or for one with a smaller nonce that has not come yet.
//!
//! Each sender has a queue by nonce. Its head can be executed if its nonce is the account's; whatever lies behind a
//! gap waits, so senders may pipeline and their transactions may arrive in any order. A transaction takes the place
//! of another with the same nonce if it pays a tenth more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alloy::consensus::Transaction;
use alloy_primitives::{Address, B256, U256};

use crate::block::SignedTransaction;

/// Transactions all senders together may have waiting.
const POOL_LIMIT: usize = 200_000;

/// Why a transaction is not taken. The texts are those wallets look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("already known")]
    Known,
    #[error("nonce too low: address {sender}, tx: {nonce} state: {expected}")]
    NonceTooLow {
        sender: Address,
        nonce: u64,
        expected: u64,
    },
    #[error("nonce has max value: address {sender}")]
    NonceAtMaximum { sender: Address },
    #[error("replacement transaction underpriced")]
    Underpriced,
    #[error(
        "insufficient funds for gas * price + value: address {sender} have {balance} want {cost}"
    )]
    InsufficientFunds {
        sender: Address,
        balance: U256,
        cost: U256,
    },
    #[error("intrinsic gas too low: gas {gas}, minimum needed {least}")]
    IntrinsicGas { gas: u64, least: u64 },
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasOverCap { gas: u64, cap: u64 },
    #[error("exceeds block gas limit: gas {gas}, limit {limit}")]
    GasOverBlock { gas: u64, limit: u64 },
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    CreationCode { size: usize, limit: usize },
    #[error(
        "max priority fee per gas higher than max fee per gas: address {sender}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    )]
    TipAboveFee {
        sender: Address,
        tip: u128,
        fee: u128,
    },
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {fee}, baseFee: {base_fee}"
    )]
    FeeBelowBase {
        sender: Address,
        fee: u128,
        base_fee: u64,
    },
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("blob transactions are not supported by this node")]
    Blobs,
    #[error("the transaction pool is full: {limit} transactions wait", limit = POOL_LIMIT)]
    Full,
    #[error("{0}")]
    Evm(String),
    #[error("the node could not keep the transaction: {0}")]
    NotKept(String),
    #[error("the node is shutting down")]
    Stopping,
    #[error("the node stumbled when it made blocks, and did not take the transaction")]
    Stumbled,
}

#[derive(Debug, Clone)]
struct Waiting {
    transaction: Arc<SignedTransaction>,
    arrival: u64,
}

/// The transactions that wait.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    senders: HashMap<Address, BTreeMap<u64, Waiting>>,
    by_hash: HashMap<B256, (Address, u64)>,
    arrivals: u64,
}

/// A transaction that can be executed now.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) transaction: Arc<SignedTransaction>,
    pub(crate) arrival: u64,
}

impl Pool {
    /// Takes one in; gives the one it replaced.
    pub(crate) fn insert(
        &mut self,
        transaction: Arc<SignedTransaction>,
    ) -> Result<Option<Arc<SignedTransaction>>, Refusal> {
        let hash = *transaction.hash();
        if self.by_hash.contains_key(&hash) {
            return Err(Refusal::Known);
        }
        if self.by_hash.len() >= POOL_LIMIT {
            return Err(Refusal::Full);
        }
        let (sender, nonce) = (transaction.signer(), transaction.nonce());
        let queue = self.senders.entry(sender).or_default();
        let replaced = match queue.get(&nonce) {
            Some(standing) if !pays_a_tenth_more(&transaction, &standing.transaction) => {
                return Err(Refusal::Underpriced);
            }
            Some(standing) => Some(standing.transaction.clone()),
            None => None,
        };
        if let Some(replaced) = &replaced {
            self.by_hash.remove(replaced.hash());
        }
        self.arrivals += 1;
        queue.insert(
            nonce,
            Waiting {
                transaction,
                arrival: self.arrivals,
            },
        );
        self.by_hash.insert(hash, (sender, nonce));
        Ok(replaced)
    }

    pub(crate) fn get(&self, hash: B256) -> Option<&Arc<SignedTransaction>> {
        let (sender, nonce) = self.by_hash.get(&hash)?;
        Some(&self.senders.get(sender)?.get(nonce)?.transaction)
    }

    pub(crate) fn remove(&mut self, hash: B256) -> Option<Arc<SignedTransaction>> {
        let (sender, nonce) = self.by_hash.remove(&hash)?;
        let queue = self.senders.get_mut(&sender)?;
        let waiting = queue.remove(&nonce)?;
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
        Some(waiting.transaction)
    }

    /// Drops what the account's nonce has overtaken.
    pub(crate) fn overtaken(&mut self, sender: Address, nonce: u64) {
        let Some(queue) = self.senders.get_mut(&sender) else {
            return;
        };
        let rest = queue.split_off(&nonce);
        for waiting in std::mem::replace(queue, rest).into_values() {
            self.by_hash.remove(waiting.transaction.hash());
        }
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
    }

    /// The transaction of a sender with this nonce.
    pub(crate) fn at(&self, sender: Address, nonce: u64) -> Option<Candidate> {
        let waiting = self.senders.get(&sender)?.get(&nonce)?;
        Some(Candidate {
            transaction: waiting.transaction.clone(),
            arrival: waiting.arrival,
        })
    }

    /// The heads that can be executed, given the accounts' nonces.
    pub(crate) fn heads(&self, nonce: impl Fn(Address) -> u64) -> Vec<Candidate> {
        self.senders
            .keys()
            .filter_map(|sender| self.at(*sender, nonce(*sender)))
            .collect()
    }

    /// The first nonce of a sender that is free, counted from the account's own.
    pub(crate) fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let mut nonce = account_nonce;
        if let Some(queue) = self.senders.get(&sender) {
            while queue.contains_key(&nonce) {
                nonce += 1;
            }
        }
        nonce
    }

    /// All that wait, by sender and nonce.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<SignedTransaction>> {
        self.senders
            .values()
            .flat_map(|queue| queue.values().map(|waiting| &waiting.transaction))
    }

    pub(crate) fn senders(&self) -> Vec<Address> {
        self.senders.keys().copied().collect()
    }
}

fn pays_a_tenth_more(new: &SignedTransaction, standing: &SignedTransaction) -> bool {
    let more = |new: u128, old: u128| new >= old.saturating_add(old.div_ceil(10));
    more(new.max_fee_per_gas(), standing.max_fee_per_gas())
        && more(
            new.max_priority_fee_per_gas()
                .unwrap_or_else(|| new.max_fee_per_gas()),
            standing
                .max_priority_fee_per_gas()
                .unwrap_or_else(|| standing.max_fee_per_gas()),
        )
}
