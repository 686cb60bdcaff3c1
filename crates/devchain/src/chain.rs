//! The chain itself: blocks, state, waiting transactions and the clock, and every way in which they change.
//!
//! No thread, socket or future here; callers hold a lock around it. Every change is written to the store before it
//! returns, so whoever gets the lock next sees only what would survive the process being killed. Each state change
//! (block or edit) adds one entry to the *journal*: the way back from it. Snapshots are positions in the journal;
//! reverting, reorganising and looking at an earlier block all walk it backwards.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use alloy::consensus::{Header, Transaction};
use alloy_primitives::{Address, B256, U256};
use revm::ExecuteCommitEvm;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction};
use tokio::sync::watch;

use crate::block::{Block, SignedTransaction, Totals, genesis_header, header_on, next_base_fee};
use crate::clock::{Clock, Setting};
use crate::config::Mining;
use crate::evm::{self, Strictness};
use crate::ledger::{BlockHashes, Change, Desk, Ledger, Overlay, View};
use crate::pool::{Candidate, Pool, Refusal};
use crate::store::{Founding, Record, Store, StoreError, StoredRewind, StoredSettings};

/// How many steps back the journal reaches, unless a snapshot keeps it longer.
pub(crate) const HISTORY: usize = 4_096;

/// How many undone blocks and pending hashes are remembered for those who follow the chain.
const REMEMBERED: usize = 65_536;

/// The first block's price per gas.
pub(crate) const FIRST_BASE_FEE: u64 = 1_000_000_000;

/// What `eth_maxPriorityFeePerGas` suggests.
pub(crate) const SUGGESTED_TIP: u64 = 1_000_000_000;

/// Blocks by number and hash, transactions by hash.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    list: Vec<Arc<Block>>,
    by_hash: HashMap<B256, u64>,
    transactions: HashMap<B256, (u64, usize)>,
}

impl BlockHashes for Blocks {
    fn block_hash(&self, number: u64) -> B256 {
        self.get(number).map_or(B256::ZERO, |block| block.hash())
    }
}

impl Blocks {
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<Block>> {
        self.list.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn by_hash(&self, hash: B256) -> Option<&Arc<Block>> {
        self.get(*self.by_hash.get(&hash)?)
    }

    /// The block a transaction is in, and its index there.
    pub(crate) fn of_transaction(&self, hash: B256) -> Option<(&Arc<Block>, usize)> {
        let (number, index) = self.transactions.get(&hash)?;
        Some((self.get(*number)?, *index))
    }

    fn push(&mut self, block: Arc<Block>) {
        self.by_hash.insert(block.hash(), block.number());
        for (index, played) in block.played.iter().enumerate() {
            self.transactions
                .insert(*played.transaction.hash(), (block.number(), index));
        }
        self.list.push(block);
    }

    fn pop(&mut self) -> Option<Arc<Block>> {
        let block = self.list.pop()?;
        self.by_hash.remove(&block.hash());
        for played in &block.played {
            self.transactions.remove(played.transaction.hash());
        }
        Some(block)
    }
}

/// The way back from one change.
#[derive(Debug)]
struct Step {
    back: Change,
    /// Whether a block was made, which goes too.
    block: bool,
}

#[derive(Debug, Default)]
struct Journal {
    steps: VecDeque<Step>,
    /// How many were forgotten before the first.
    forgotten: u64,
}

impl Journal {
    fn position(&self) -> u64 {
        self.forgotten + self.steps.len() as u64
    }
}

#[derive(Debug, Clone, Copy)]
struct Snapshot {
    position: u64,
    clock: Setting,
}

/// A place in the chain somebody has read up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) hash: B256,
}

/// What happened since a place: blocks that are no more (newest first), and blocks that came (oldest first).
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) undone: Vec<Arc<Block>>,
    pub(crate) made: Vec<Arc<Block>>,
}

/// Why a change from outside is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("could not keep the change: {0}")]
    Store(#[from] StoreError),
    #[error("timestamp {asked} is earlier than the last block's, {last}")]
    Timestamp { asked: u64, last: u64 },
    #[error(
        "cannot go back {depth} blocks: the chain is {head} long and the last {HISTORY} changes are remembered"
    )]
    TooFarBack { depth: u64, head: u64 },
}

/// The state of a block that is no longer remembered.
#[derive(Debug, thiserror::Error)]
#[error("missing state of block {number}: only the last {HISTORY} changes are remembered")]
pub(crate) struct Forgotten {
    number: u64,
}

/// What became of waiting transactions when a block was made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) block: Option<Arc<Block>>,
    pub(crate) refused: Vec<(B256, Refusal)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    founding: Founding,
    pub(crate) ledger: Ledger,
    pub(crate) blocks: Blocks,
    pub(crate) pool: Pool,
    pub(crate) mining: Mining,
    pub(crate) clock: Clock,
    next_base_fee: Option<u64>,
    block_gas_limit: u64,
    journal: Journal,
    snapshots: BTreeMap<u64, Snapshot>,
    last_snapshot: u64,
    /// Counts how often blocks were undone, so that a block made again has another hash.
    fork: u64,
    undone: HashMap<B256, Arc<Block>>,
    undone_order: VecDeque<B256>,
    pending: VecDeque<B256>,
    pending_forgotten: u64,
    store: Option<Store>,
    /// Rings when something changed.
    bell: watch::Sender<()>,
}

impl Chain {
    /// A chain of one block, with each of these accounts owning what the founding says.
    pub(crate) fn found(founding: Founding, accounts: &[Address], mining: Mining) -> Chain {
        let mut chain = Chain {
            ledger: Ledger::default(),
            blocks: Blocks::default(),
            pool: Pool::default(),
            mining,
            clock: Clock::started(),
            next_base_fee: None,
            block_gas_limit: founding.block_gas_limit,
            journal: Journal::default(),
            snapshots: BTreeMap::new(),
            last_snapshot: 0,
            fork: 0,
            undone: HashMap::new(),
            undone_order: VecDeque::new(),
            pending: VecDeque::new(),
            pending_forgotten: 0,
            store: None,
            bell: watch::Sender::new(()),
            founding,
        };
        for address in accounts {
            let balance = chain.founding.balance;
            chain
                .ledger
                .edit(*address, |account| account.balance = balance);
        }
        chain.ledger.close();
        let header = genesis_header(
            chain.founding.chain_id,
            chain.founding.timestamp,
            chain.founding.base_fee,
            chain.founding.block_gas_limit,
        );
        chain.blocks.push(Arc::new(Block::seal(header, Vec::new())));
        chain
    }

    /// Does again what a record says happened. `false` if it cannot have.
    pub(crate) fn replay(&mut self, record: Record) -> bool {
        match record {
            Record::Founded(_) | Record::Ready(_) => {}
            Record::Block(stored, change) => {
                let Some(block) = stored.restore() else {
                    return false;
                };
                if block.header.parent_hash != self.head().hash() {
                    return false;
                }
                self.ledger.apply(&change);
                let (_, back) = self.ledger.close();
                self.clock.setting.next_secs = None;
                self.next_base_fee = None;
                self.stand(Arc::new(block), back);
            }
            Record::Waiting(transaction) => {
                let Some(transaction) = transaction.restore() else {
                    return false;
                };
                // It was taken then, so it is taken now.
                let _ = self.pool.insert(Arc::new(transaction));
            }
            Record::Dropped(hash) => {
                self.pool.remove(hash);
            }
            Record::Clock(clock) => self.clock.setting.restore(clock),
            Record::Settings(settings) => self.set(settings),
            Record::Edited(change) => {
                self.ledger.apply(&change);
                let (_, back) = self.ledger.close();
                self.edited(back);
            }
            Record::Snapshot(number) => self.take_snapshot(number),
            Record::Rewound(rewind) => self.rewind(rewind),
        }
        true
    }

    pub(crate) fn keep_in(&mut self, store: Store) {
        self.store = Some(store);
    }

    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: std::fs::File) -> Option<std::fs::File> {
        self.store.as_mut().map(|store| store.swap_file(file))
    }

    /// After everything was replayed.
    pub(crate) fn go_on(&mut self) {
        self.clock.go_on_from(self.head().timestamp());
    }

    pub(crate) fn write(&mut self, records: &[Record]) -> Result<(), StoreError> {
        match &mut self.store {
            Some(store) => store.append(records),
            None => Ok(()),
        }
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.store.as_ref().map_or(Ok(()), Store::sync)
    }

    // ---- reading ----

    pub(crate) fn chain_id(&self) -> u64 {
        self.founding.chain_id
    }

    pub(crate) fn block_gas_limit(&self) -> u64 {
        self.block_gas_limit
    }

    pub(crate) fn head(&self) -> &Arc<Block> {
        // A chain is founded with its first block, and `rewind` never pops that.
        &self.blocks.list[self.blocks.list.len() - 1]
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            number: self.head().number(),
            hash: self.head().hash(),
        }
    }

    pub(crate) fn base_fee(&self) -> u64 {
        self.next_base_fee
            .unwrap_or_else(|| next_base_fee(self.head().header.inner()))
    }

    /// The header of the block that would be made now.
    pub(crate) fn next_header(&self) -> Header {
        header_on(
            &self.head().header,
            self.next_timestamp_secs(),
            self.base_fee(),
            self.block_gas_limit,
            self.fork,
        )
    }

    fn next_timestamp_secs(&self) -> u64 {
        let last = self.head().timestamp();
        let Setting {
            next_secs,
            interval_secs,
            ..
        } = self.clock.setting;
        match (next_secs, interval_secs) {
            (Some(asked), _) => asked.max(last),
            (None, Some(interval)) => last.saturating_add(interval),
            (None, None) => self.clock.now_secs().max(last),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    pub(crate) fn next_nonce(&self, sender: Address) -> u64 {
        self.pool.next_nonce(sender, self.ledger.nonce(sender))
    }

    /// The state after a block, as what has to be put before the newest state to see it.
    pub(crate) fn overlay_at(&self, number: u64) -> Result<Overlay, Forgotten> {
        let mut overlay = Overlay::default();
        let mut at = self.head().number();
        let mut steps = self.journal.steps.iter().rev();
        while at > number {
            let step = steps.next().ok_or(Forgotten { number })?;
            overlay.go_back(&step.back);
            at -= u64::from(step.block);
        }
        Ok(overlay)
    }

    pub(crate) fn view<'a>(&'a self, overlay: &'a Overlay) -> View<'a> {
        View {
            ledger: &self.ledger,
            overlay,
            hashes: &self.blocks,
        }
    }

    /// What happened since a place, at most `limit` new blocks of it, and the place reached thereby.
    pub(crate) fn since(&self, place: Place, limit: usize) -> (News, Place) {
        let mut news = News::default();
        let mut from = place;
        while self.blocks.block_hash(from.number) != from.hash {
            match self.undone.get(&from.hash) {
                Some(block) if from.number > 0 => {
                    from = Place {
                        number: from.number - 1,
                        hash: block.header.parent_hash,
                    };
                    news.undone.push(block.clone());
                }
                // Undone so long ago that it is forgotten; go on from here.
                _ => return (news, self.place()),
            }
        }
        let start = from.number as usize + 1;
        let end = self.blocks.list.len().min(start.saturating_add(limit));
        if let Some(made) = self.blocks.list.get(start..end) {
            news.made = made.to_vec();
        }
        if let Some(last) = news.made.last() {
            from = Place {
                number: last.number(),
                hash: last.hash(),
            };
        }
        (news, from)
    }

    /// How many transactions were ever taken in.
    pub(crate) fn pending_position(&self) -> u64 {
        self.pending_forgotten + self.pending.len() as u64
    }

    /// The hashes of those taken in since.
    pub(crate) fn pending_since(&self, position: u64) -> (Vec<B256>, u64) {
        let skip = position.saturating_sub(self.pending_forgotten) as usize;
        (
            self.pending.iter().skip(skip).copied().collect(),
            self.pending_position(),
        )
    }

    // ---- transactions ----

    /// Takes a transaction in to wait; gives the one whose place it took. What is written about it is up to the
    /// caller: see [`Chain::keep_waiting`].
    pub(crate) fn admit(
        &mut self,
        transaction: Arc<SignedTransaction>,
    ) -> Result<Option<Arc<SignedTransaction>>, Refusal> {
        let hash = *transaction.hash();
        if self.blocks.transactions.contains_key(&hash) {
            return Err(Refusal::Known);
        }
        self.judge(&transaction)?;
        let replaced = self.pool.insert(transaction)?;
        self.announce_pending(hash);
        Ok(replaced)
    }

    /// A transaction that was admitted and could not be kept: as if it had never come.
    pub(crate) fn take_back(&mut self, hash: B256, replaced: Option<Arc<SignedTransaction>>) {
        if self.pool.remove(hash).is_some()
            && let Some(replaced) = replaced
        {
            let _ = self.pool.insert(replaced);
        }
    }

    fn judge(&self, transaction: &SignedTransaction) -> Result<(), Refusal> {
        let sender = transaction.signer();
        let nonce = transaction.nonce();
        let account = self.ledger.identity(sender).unwrap_or_default();
        if transaction.is_eip4844() {
            return Err(Refusal::Blobs);
        }
        if let Some(have) = transaction.chain_id()
            && have != self.chain_id()
        {
            return Err(Refusal::ChainId {
                have,
                want: self.chain_id(),
            });
        }
        if nonce == u64::MAX {
            return Err(Refusal::NonceAtMaximum { sender });
        }
        if nonce < account.nonce {
            return Err(Refusal::NonceTooLow {
                sender,
                nonce,
                expected: account.nonce,
            });
        }
        let gas = transaction.gas_limit();
        if gas > self.block_gas_limit {
            return Err(Refusal::GasOverBlock {
                gas,
                limit: self.block_gas_limit,
            });
        }
        if gas > evm::TRANSACTION_GAS_CAP {
            return Err(Refusal::GasOverCap {
                gas,
                cap: evm::TRANSACTION_GAS_CAP,
            });
        }
        let least = evm::least_gas(&evm::environment(transaction));
        if gas < least {
            return Err(Refusal::IntrinsicGas { gas, least });
        }
        if transaction.to().is_none() && transaction.input().len() > evm::CREATION_CODE_LIMIT {
            return Err(Refusal::CreationCode {
                size: transaction.input().len(),
                limit: evm::CREATION_CODE_LIMIT,
            });
        }
        let fee = transaction.max_fee_per_gas();
        if let Some(tip) = transaction.max_priority_fee_per_gas()
            && tip > fee
        {
            return Err(Refusal::TipAboveFee { sender, tip, fee });
        }
        // With instant mining no empty block ever lowers the price, so waiting for it might be for ever.
        let base_fee = self.base_fee();
        if self.mining == Mining::Instant && fee < u128::from(base_fee) {
            return Err(Refusal::FeeBelowBase {
                sender,
                fee,
                base_fee,
            });
        }
        let cost = U256::from(fee)
            .saturating_mul(U256::from(gas))
            .saturating_add(transaction.value());
        if cost > account.balance {
            return Err(Refusal::InsufficientFunds {
                sender,
                balance: account.balance,
                cost,
            });
        }
        Ok(())
    }

    /// Writes down those of these that still wait.
    pub(crate) fn keep_waiting(&mut self, hashes: &[B256]) -> Result<(), StoreError> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let records = hashes
            .iter()
            .filter_map(|hash| self.pool.get(*hash))
            .map(|transaction| Record::Waiting(transaction.as_ref().into()))
            .collect::<Vec<_>>();
        if records.is_empty() {
            return Ok(());
        }
        store.append_apart(&records)
    }

    pub(crate) fn drop_transaction(&mut self, hash: B256) -> Result<bool, StoreError> {
        if self.pool.remove(hash).is_none() {
            return Ok(false);
        }
        self.write(&[Record::Dropped(hash)])?;
        Ok(true)
    }

    /// Throws out all that waits.
    pub(crate) fn drop_all(&mut self) -> Result<(), StoreError> {
        let hashes = self
            .pool
            .all()
            .map(|transaction| *transaction.hash())
            .collect::<Vec<_>>();
        let records = hashes.iter().copied().map(Record::Dropped);
        self.write(&records.collect::<Vec<_>>())?;
        for hash in hashes {
            self.pool.remove(hash);
        }
        Ok(())
    }

    /// Undoes what a change that panicked had begun in the state.
    pub(crate) fn abandon(&mut self) {
        let (forward, back) = self.ledger.close();
        self.ledger.take_back(&forward, &back);
    }

    fn announce_pending(&mut self, hash: B256) {
        self.pending.push_back(hash);
        if self.pending.len() > REMEMBERED {
            self.pending.pop_front();
            self.pending_forgotten += 1;
        }
        self.ring();
    }

    /// Wakes those who follow the chain.
    pub(crate) fn ring(&self) {
        self.bell.send_replace(());
    }

    // ---- blocks ----

    /// Makes a block of what can be executed. Without `empty`, nothing is made of nothing.
    pub(crate) fn make_block(&mut self, empty: bool) -> Result<Made, StoreError> {
        let header = self.next_header();
        let mut made = Made::default();
        let mut ready = self
            .pool
            .heads(|sender| self.ledger.nonce(sender))
            .into_iter()
            .filter_map(|candidate| Ranked::new(candidate, header.base_fee_per_gas))
            .collect::<BinaryHeap<_>>();
        if ready.is_empty() && !empty {
            return Ok(made);
        }
        let mut played = Vec::new();
        let mut totals = Totals::default();
        let chain_id = self.founding.chain_id;
        let block = evm::surroundings(&header);
        while let Some(Ranked { candidate, .. }) = ready.pop() {
            let transaction = candidate.transaction;
            if transaction.gas_limit() > header.gas_limit - totals.gas_used {
                // It opens the next block, and with it whatever its sender has behind it.
                continue;
            }
            let (sender, nonce) = (transaction.signer(), transaction.nonce());
            let mut machine = evm::machine(
                Desk {
                    ledger: &mut self.ledger,
                    hashes: &self.blocks,
                },
                chain_id,
                block.clone(),
                Strictness::Block,
            );
            let environment = evm::environment(&transaction);
            // Nothing is committed before a transaction has ended, so one that makes the EVM panic only falls out.
            let outcome = catch_unwind(AssertUnwindSafe(|| machine.transact_commit(environment)))
                .unwrap_or_else(|_| Err(EVMError::Custom("the EVM stumbled".to_owned())));
            match outcome {
                Ok(result) => {
                    let status = result.is_success();
                    let gas_used = result.tx_gas_used();
                    let logs = logs_of(result);
                    played.push(totals.played(transaction, status, gas_used, logs));
                    if let Some(next) = self.pool.at(sender, nonce + 1) {
                        ready.extend(Ranked::new(next, header.base_fee_per_gas));
                    }
                }
                // Its turn will come: an earlier one was left out, or lowered the nonce by failing.
                Err(EVMError::Transaction(InvalidTransaction::NonceTooHigh { .. })) => {}
                Err(error) => {
                    let reason = Refusal::Evm(error.to_string());
                    made.refused.push((*transaction.hash(), reason));
                }
            }
        }
        let (forward, back) = self.ledger.close();
        for (hash, _) in &made.refused {
            self.pool.remove(*hash);
        }
        if played.is_empty() && !empty {
            return Ok(made);
        }
        let block = Arc::new(Block::seal(header, played));
        let mut records = vec![Record::Block(block.as_ref().into(), forward)];
        if self.store.is_some() {
            records.extend(made.refused.iter().map(|(hash, _)| Record::Dropped(*hash)));
        }
        if let Err(error) = self.write(&records) {
            // Not kept, so it did not happen.
            if let Some(Record::Block(_, forward)) = records.first() {
                self.ledger.take_back(forward, &back);
            }
            return Err(error);
        }
        self.clock.setting.next_secs = None;
        self.next_base_fee = None;
        self.clock.tick();
        self.stand(block.clone(), back);
        made.block = Some(block);
        self.ring();
        Ok(made)
    }

    fn stand(&mut self, block: Arc<Block>, back: Change) {
        for played in &block.played {
            self.pool.remove(*played.transaction.hash());
            let sender = played.transaction.signer();
            self.pool.overtaken(sender, self.ledger.nonce(sender));
        }
        self.blocks.push(block);
        self.remember(Step { back, block: true });
    }

    fn remember(&mut self, step: Step) {
        self.journal.steps.push_back(step);
        let pinned = self
            .snapshots
            .values()
            .map(|snapshot| snapshot.position)
            .min()
            .unwrap_or(u64::MAX);
        while self.journal.steps.len() > HISTORY && self.journal.forgotten < pinned {
            self.journal.steps.pop_front();
            self.journal.forgotten += 1;
        }
    }

    // ---- changes from outside ----

    /// Changes the state outside any transaction.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Ledger)) -> Result<(), StoreError> {
        edit(&mut self.ledger);
        let (forward, back) = self.ledger.close();
        if forward.is_empty() {
            return Ok(());
        }
        let record = Record::Edited(forward);
        if let Err(error) = self.write(std::slice::from_ref(&record)) {
            if let Record::Edited(forward) = &record {
                self.ledger.take_back(forward, &back);
            }
            return Err(error);
        }
        self.edited(back);
        Ok(())
    }

    fn edited(&mut self, back: Change) {
        self.remember(Step { back, block: false });
        self.drop_overtaken();
    }

    fn drop_overtaken(&mut self) {
        for sender in self.pool.senders() {
            self.pool.overtaken(sender, self.ledger.nonce(sender));
        }
    }

    fn settings(&self) -> StoredSettings {
        StoredSettings::new(
            self.block_gas_limit,
            self.next_base_fee,
            self.clock.setting.interval_secs,
        )
    }

    fn set(&mut self, settings: StoredSettings) {
        self.block_gas_limit = settings.block_gas_limit;
        self.next_base_fee = settings.next_base_fee();
        self.clock.setting.interval_secs = settings.timestamp_interval();
    }

    fn keep_and_set(&mut self, settings: StoredSettings) -> Result<(), StoreError> {
        self.write(&[Record::Settings(settings)])?;
        self.set(settings);
        Ok(())
    }

    pub(crate) fn set_next_base_fee(&mut self, base_fee: u64) -> Result<(), StoreError> {
        let interval = self.clock.setting.interval_secs;
        let settings = StoredSettings::new(self.block_gas_limit, Some(base_fee), interval);
        self.keep_and_set(settings)
    }

    pub(crate) fn set_block_gas_limit(&mut self, limit: u64) -> Result<(), StoreError> {
        let mut settings = self.settings();
        settings.block_gas_limit = limit;
        self.keep_and_set(settings)
    }

    /// Lets time pass; gives what is added to the time of day altogether.
    pub(crate) fn increase_time(&mut self, secs: i64) -> Result<i64, StoreError> {
        let mut clock = self.clock.setting;
        clock.offset_secs = clock.offset_secs.saturating_add(secs);
        self.set_clock(clock)?;
        Ok(clock.offset_secs)
    }

    /// The clock shows this time now.
    pub(crate) fn set_time(&mut self, secs: u64) -> Result<(), StoreError> {
        let mut clock = self.clock.setting;
        clock.offset_secs = self.clock.offset_to(secs);
        self.set_clock(clock)
    }

    /// The next block has this timestamp, and time goes on from there.
    pub(crate) fn set_next_timestamp(&mut self, secs: u64) -> Result<(), ChangeError> {
        let last = self.head().timestamp();
        if secs < last {
            return Err(ChangeError::Timestamp { asked: secs, last });
        }
        let mut clock = self.clock.setting;
        clock.next_secs = Some(secs);
        clock.offset_secs = self.clock.offset_to(secs);
        Ok(self.set_clock(clock)?)
    }

    /// From now on each block is that much later than the one before it, until this is called with nothing. `false` if
    /// nothing changed.
    pub(crate) fn set_timestamp_interval(&mut self, secs: Option<u64>) -> Result<bool, StoreError> {
        let changed = self.clock.setting.interval_secs != secs;
        let settings = StoredSettings::new(self.block_gas_limit, self.next_base_fee, secs);
        self.keep_and_set(settings)?;
        Ok(changed)
    }

    fn set_clock(&mut self, clock: Setting) -> Result<(), StoreError> {
        self.write(&[Record::Clock(clock.stored())])?;
        self.clock.setting = clock;
        Ok(())
    }

    pub(crate) fn snapshot(&mut self) -> Result<u64, StoreError> {
        let number = self.last_snapshot + 1;
        self.write(&[Record::Snapshot(number)])?;
        self.take_snapshot(number);
        Ok(number)
    }

    fn take_snapshot(&mut self, number: u64) {
        self.last_snapshot = number;
        self.snapshots.insert(
            number,
            Snapshot {
                position: self.journal.position(),
                clock: self.clock.setting,
            },
        );
    }

    /// Goes back to a snapshot, which is used up thereby. `false` if there is none of this number.
    pub(crate) fn revert(&mut self, number: u64) -> Result<bool, StoreError> {
        let Some(snapshot) = self.snapshots.get(&number).copied() else {
            return Ok(false);
        };
        let rewind = StoredRewind {
            position: snapshot.position,
            snapshots_from: number,
        };
        let settings = StoredSettings::new(
            self.block_gas_limit,
            self.next_base_fee,
            snapshot.clock.interval_secs,
        );
        self.write(&[
            Record::Rewound(rewind),
            Record::Clock(snapshot.clock.stored()),
            Record::Settings(settings),
        ])?;
        self.rewind(rewind);
        self.clock.setting = snapshot.clock;
        self.ring();
        Ok(true)
    }

    /// Undoes the last `depth` blocks and makes as many new ones in their place: another branch has won. With `keep`,
    /// the transactions wait again (and so come into the new blocks); without, they are forgotten.
    pub(crate) fn reorganise(&mut self, depth: u64, keep: bool) -> Result<(), ChangeError> {
        let head = self.head().number();
        let too_far = ChangeError::TooFarBack { depth, head };
        if depth == 0 {
            return Ok(());
        }
        if depth > head {
            return Err(too_far);
        }
        let mut blocks = 0;
        let mut steps = 0u64;
        for step in self.journal.steps.iter().rev() {
            steps += 1;
            blocks += u64::from(step.block);
            if blocks == depth {
                break;
            }
        }
        if blocks < depth {
            return Err(too_far);
        }
        let rewind = StoredRewind {
            position: self.journal.position() - steps,
            snapshots_from: u64::MAX,
        };
        let mut records = vec![Record::Rewound(rewind)];
        let mut again = Vec::new();
        if keep {
            let undone = self.blocks.list.len() - depth as usize;
            again.extend(
                self.blocks.list[undone..]
                    .iter()
                    .flat_map(|block| &block.played)
                    .map(|played| played.transaction.clone()),
            );
            // In one record with the rewinding: whatever happens next, they are in a block or wait for one.
            records.extend(
                again
                    .iter()
                    .map(|transaction| Record::Waiting(transaction.as_ref().into())),
            );
        }
        self.write(&records)?;
        self.rewind(rewind);
        for transaction in again {
            // One that waits with the same nonce and pays more stands.
            let _ = self.pool.insert(transaction);
        }
        for _ in 0..depth {
            self.make_block(true)?;
        }
        self.ring();
        Ok(())
    }

    /// Undoes everything after a position of the journal.
    fn rewind(&mut self, rewind: StoredRewind) {
        self.fork += 1;
        let mut undone = Vec::new();
        while self.journal.position() > rewind.position {
            let Some(step) = self.journal.steps.pop_back() else {
                break;
            };
            self.ledger.apply(&step.back);
            if step.block
                && self.blocks.list.len() > 1
                && let Some(block) = self.blocks.pop()
            {
                undone.push(block);
            }
        }
        self.ledger.close();
        self.drop_overtaken();
        self.snapshots.retain(|number, snapshot| {
            *number < rewind.snapshots_from && snapshot.position <= rewind.position
        });
        for block in &undone {
            if self.undone.insert(block.hash(), block.clone()).is_none() {
                self.undone_order.push_back(block.hash());
            }
            if self.undone_order.len() > REMEMBERED
                && let Some(oldest) = self.undone_order.pop_front()
            {
                self.undone.remove(&oldest);
            }
        }
    }
}

fn logs_of(result: ExecutionResult) -> Vec<alloy_primitives::Log> {
    match result {
        ExecutionResult::Success { logs, .. } => logs,
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => Vec::new(),
    }
}

/// A candidate by what it pays, then by when it came.
#[derive(Debug)]
struct Ranked {
    tip: u128,
    candidate: Candidate,
}

impl Ranked {
    /// `None` if it does not pay the base fee.
    fn new(candidate: Candidate, base_fee: Option<u64>) -> Option<Ranked> {
        let tip = candidate
            .transaction
            .effective_tip_per_gas(base_fee.unwrap_or_default())?;
        Some(Ranked { tip, candidate })
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> std::cmp::Ordering {
        self.tip
            .cmp(&other.tip)
            .then(other.candidate.arrival.cmp(&self.candidate.arrival))
    }
}
