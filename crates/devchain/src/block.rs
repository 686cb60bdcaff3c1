//! What a block is once it is made: header, transactions with their receipts, and the form it has on disk.
//!
//! Transactions root, receipts root, bloom and hash are what any Ethereum node would compute from the same content.
//! The state root is zero (see the crate's documentation).

use std::sync::Arc;

use alloy::consensus::constants::{EMPTY_WITHDRAWALS, MAXIMUM_EXTRA_DATA_SIZE};
use alloy::consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy::consensus::transaction::Recovered;
use alloy::consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Sealable, Sealed,
    Transaction, TxEnvelope,
};
use alloy::eips::eip1559::BaseFeeParams;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Log, U256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// A transaction whose sender was recovered from its signature.
pub(crate) type SignedTransaction = Recovered<TxEnvelope>;

/// A transaction in a block, and what came of it.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) transaction: Arc<SignedTransaction>,
    pub(crate) receipt: ReceiptEnvelope<Log>,
    pub(crate) gas_used: u64,
    /// Index within the block of its first log.
    pub(crate) first_log: u64,
}

impl Played {
    /// The address of the contract it created, by the rule of CREATE; as every node says it even if it failed.
    pub(crate) fn created(&self) -> Option<Address> {
        self.transaction
            .to()
            .is_none()
            .then(|| self.transaction.signer().create(self.transaction.nonce()))
    }
}

/// A block that stands.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) header: Sealed<Header>,
    pub(crate) played: Vec<Played>,
}

impl Block {
    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    pub(crate) fn hash(&self) -> B256 {
        self.header.hash()
    }

    pub(crate) fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    pub(crate) fn timestamp(&self) -> u64 {
        self.header.timestamp
    }

    /// Fills in what follows from the content, and seals.
    pub(crate) fn seal(mut header: Header, played: Vec<Played>) -> Block {
        let transactions = played
            .iter()
            .map(|played| played.transaction.inner())
            .collect::<Vec<_>>();
        header.transactions_root = calculate_transaction_root(&transactions);
        let receipts = played
            .iter()
            .map(|played| &played.receipt)
            .collect::<Vec<_>>();
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        header.gas_used = receipts
            .last()
            .map_or(0, |receipt| receipt.cumulative_gas_used());
        Block {
            header: header.seal_slow(),
            played,
        }
    }

    /// The length of the block's RLP, which `size` shows.
    pub(crate) fn size(&self) -> usize {
        use alloy_rlp::Encodable;
        let transactions = self
            .played
            .iter()
            .map(|played| played.transaction.inner().length())
            .sum::<usize>();
        let list = |payload: usize| payload + alloy_rlp::length_of_length(payload);
        // header, transactions, no ommers, no withdrawals
        list(self.header.inner().length() + list(transactions) + 2)
    }
}

/// The head of a block on `parent`, as far as it is known before anything is played.
pub(crate) fn header_on(
    parent: &Sealed<Header>,
    timestamp: u64,
    base_fee: u64,
    gas_limit: u64,
    fork: u64,
) -> Header {
    // Not random, but different in every block and on every branch, and the same again when played again.
    let mix_hash = keccak256([parent.hash().as_slice(), &fork.to_be_bytes()].concat());
    let mut header = blank_header();
    header.parent_hash = parent.hash();
    header.number = parent.number + 1;
    header.timestamp = timestamp;
    header.gas_limit = gas_limit;
    header.base_fee_per_gas = Some(base_fee);
    header.mix_hash = mix_hash;
    header
}

/// The first block's header.
pub(crate) fn genesis_header(
    chain_id: u64,
    timestamp: u64,
    base_fee: u64,
    gas_limit: u64,
) -> Header {
    let mut header = blank_header();
    header.timestamp = timestamp;
    header.gas_limit = gas_limit;
    header.base_fee_per_gas = Some(base_fee);
    // Two chains are never taken for one another, even if they started in the same second.
    header.extra_data = Bytes::from(format!("oxec {chain_id}").into_bytes());
    header.extra_data.truncate(MAXIMUM_EXTRA_DATA_SIZE);
    header
}

fn blank_header() -> Header {
    Header {
        parent_hash: B256::ZERO,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::ZERO,
        state_root: B256::ZERO,
        transactions_root: alloy::consensus::EMPTY_ROOT_HASH,
        receipts_root: alloy::consensus::EMPTY_ROOT_HASH,
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        logs_bloom: Bloom::ZERO,
        difficulty: U256::ZERO,
        number: 0,
        gas_limit: 0,
        gas_used: 0,
        timestamp: 0,
        mix_hash: B256::ZERO,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(0),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        extra_data: Bytes::new(),
        ..Header::default()
    }
}

/// What the next block costs per gas (EIP-1559).
pub(crate) fn next_base_fee(header: &Header) -> u64 {
    header
        .next_block_base_fee(BaseFeeParams::ethereum())
        .unwrap_or_default()
}

/// A block as it lies on disk. The sender is kept so that reading does not have to recover it.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredBlock {
    header: Header,
    played: Vec<StoredPlayed>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct StoredPlayed {
    transaction: StoredTransaction,
    status: bool,
    gas_used: u64,
    logs: Vec<Log>,
}

/// A transaction as it lies on disk.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredTransaction {
    sender: Address,
    encoded: Bytes,
}

impl From<&SignedTransaction> for StoredTransaction {
    fn from(transaction: &SignedTransaction) -> StoredTransaction {
        StoredTransaction {
            sender: transaction.signer(),
            encoded: transaction.inner().encoded_2718().into(),
        }
    }
}

impl StoredTransaction {
    pub(crate) fn restore(self) -> Option<SignedTransaction> {
        let envelope = TxEnvelope::decode_2718_exact(&self.encoded).ok()?;
        Some(Recovered::new_unchecked(envelope, self.sender))
    }
}

impl From<&Block> for StoredBlock {
    fn from(block: &Block) -> StoredBlock {
        StoredBlock {
            header: block.header.inner().clone(),
            played: block
                .played
                .iter()
                .map(|played| StoredPlayed {
                    transaction: played.transaction.as_ref().into(),
                    status: played.receipt.status(),
                    gas_used: played.gas_used,
                    logs: played.receipt.logs().to_vec(),
                })
                .collect(),
        }
    }
}

impl StoredBlock {
    /// `None` if a transaction in it cannot be read.
    pub(crate) fn restore(self) -> Option<Block> {
        let mut played = Vec::with_capacity(self.played.len());
        let mut totals = Totals::default();
        for stored in self.played {
            let transaction = stored.transaction.restore()?;
            played.push(totals.played(
                Arc::new(transaction),
                stored.status,
                stored.gas_used,
                stored.logs,
            ));
        }
        Some(Block {
            header: self.header.seal_slow(),
            played,
        })
    }
}

/// What adds up over a block's transactions.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) gas_used: u64,
    logs: u64,
}

impl Totals {
    pub(crate) fn played(
        &mut self,
        transaction: Arc<SignedTransaction>,
        status: bool,
        gas_used: u64,
        logs: Vec<Log>,
    ) -> Played {
        self.gas_used += gas_used;
        let first_log = self.logs;
        self.logs += logs.len() as u64;
        let receipt: ReceiptWithBloom<Receipt<Log>> = Receipt {
            status: status.into(),
            cumulative_gas_used: self.gas_used,
            logs,
        }
        .with_bloom();
        Played {
            receipt: ReceiptEnvelope::from_typed(transaction.tx_type(), receipt),
            transaction,
            gas_used,
            first_log,
        }
    }
}
