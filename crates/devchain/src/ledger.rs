//! Who owns what: accounts, code and storage, in memory, and how to go back.
//!
//! The ledger holds the newest state only. While a block is played, a [`Recorder`] notes each value's first
//! overwriting; closing it gives two [`Change`]s of the same shape: the one that leads forward again (written to
//! disk) and the one that leads back (kept for `evm_revert`, reorganisations and calls at earlier blocks). Nothing
//! is ever cloned as a whole. Code is never forgotten, even if the transaction that brought it is undone: it is
//! addressed by its hash and does no harm.

use std::collections::HashMap;
use std::convert::Infallible;

use alloy_primitives::map::{AddressMap, B256Map, U256Map};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use revm::bytecode::Bytecode;
use revm::database_interface::{Database, DatabaseCommit, DatabaseRef};
use revm::state::{AccountInfo, EvmState};

/// What an account is, its storage aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Identity {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity {
            balance: U256::ZERO,
            nonce: 0,
            code_hash: KECCAK256_EMPTY,
        }
    }
}

impl Identity {
    fn is_empty(&self) -> bool {
        self.balance.is_zero() && self.nonce == 0 && self.code_hash == KECCAK256_EMPTY
    }

    fn info(self) -> AccountInfo {
        AccountInfo {
            balance: self.balance,
            nonce: self.nonce,
            code_hash: self.code_hash,
            code: (self.code_hash == KECCAK256_EMPTY).then(Bytecode::default),
            ..AccountInfo::default()
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    identity: Identity,
    storage: U256Map<U256>,
}

/// A set of values to write: after `apply`, they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Change {
    accounts: Vec<AccountChange>,
    codes: Vec<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct AccountChange {
    address: Address,
    /// Empty or one element: whether the account exists, and as what.
    identity: Vec<Identity>,
    storage: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct Slot {
    key: U256,
    value: U256,
}

impl Change {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }
}

/// The first value each overwritten place had.
#[derive(Debug, Default)]
struct Recorder {
    accounts: AddressMap<Former>,
    codes: Vec<Bytes>,
}

#[derive(Debug)]
struct Former {
    identity: Option<Identity>,
    storage: U256Map<U256>,
}

/// The newest state.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: AddressMap<Account>,
    codes: B256Map<Bytecode>,
    recorder: Recorder,
}

impl Ledger {
    pub(crate) fn identity(&self, address: Address) -> Option<Identity> {
        self.accounts.get(&address).map(|account| account.identity)
    }

    pub(crate) fn nonce(&self, address: Address) -> u64 {
        self.identity(address).map_or(0, |identity| identity.nonce)
    }

    fn slot(&self, address: Address, key: U256) -> U256 {
        self.accounts
            .get(&address)
            .and_then(|account| account.storage.get(&key))
            .copied()
            .unwrap_or_default()
    }

    fn code(&self, hash: B256) -> Bytecode {
        self.codes.get(&hash).cloned().unwrap_or_default()
    }

    /// Sets or removes an account, noting what it was.
    fn set_identity(&mut self, address: Address, identity: Option<Identity>) {
        let former = self.identity(address);
        if former == identity {
            return;
        }
        self.recorder
            .accounts
            .entry(address)
            .or_insert_with(|| Former {
                identity: former,
                storage: U256Map::default(),
            });
        match identity {
            Some(identity) => self.accounts.entry(address).or_default().identity = identity,
            None => {
                let keys = self
                    .accounts
                    .get(&address)
                    .map(|account| account.storage.keys().copied().collect::<Vec<_>>())
                    .unwrap_or_default();
                for key in keys {
                    self.set_slot(address, key, U256::ZERO);
                }
                self.accounts.remove(&address);
            }
        }
    }

    fn set_slot(&mut self, address: Address, key: U256, value: U256) {
        let former = self.slot(address, key);
        if former == value {
            return;
        }
        let identity = self.identity(address);
        self.recorder
            .accounts
            .entry(address)
            .or_insert_with(|| Former {
                identity,
                storage: U256Map::default(),
            })
            .storage
            .entry(key)
            .or_insert(former);
        let storage = &mut self.accounts.entry(address).or_default().storage;
        if value.is_zero() {
            storage.remove(&key);
        } else {
            storage.insert(key, value);
        }
    }

    fn learn_code(&mut self, hash: B256, code: &Bytecode) {
        if hash != KECCAK256_EMPTY && !self.codes.contains_key(&hash) {
            self.codes.insert(hash, code.clone());
            self.recorder.codes.push(code.original_bytes());
        }
    }

    /// Sets one account's balance, nonce or code from outside any transaction.
    pub(crate) fn edit(&mut self, address: Address, edit: impl FnOnce(&mut Identity)) {
        let mut identity = self.identity(address).unwrap_or_default();
        edit(&mut identity);
        self.set_identity(address, Some(identity));
    }

    pub(crate) fn edit_code(&mut self, address: Address, code: Bytes) {
        let hash = keccak256(&code);
        self.learn_code(hash, &bytecode(code));
        self.edit(address, |identity| identity.code_hash = hash);
    }

    pub(crate) fn edit_slot(&mut self, address: Address, key: U256, value: U256) {
        if self.identity(address).is_none() {
            self.set_identity(address, Some(Identity::default()));
        }
        self.set_slot(address, key, value);
    }

    /// Takes over what a transaction did.
    pub(crate) fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() {
                self.set_identity(address, None);
                continue;
            }
            let identity = Identity {
                balance: account.info.balance,
                nonce: account.info.nonce,
                code_hash: account.info.code_hash,
            };
            if let Some(code) = &account.info.code {
                self.learn_code(identity.code_hash, code);
            }
            if identity.is_empty() {
                // An empty account that was touched ceases to exist (EIP-161).
                self.set_identity(address, None);
                continue;
            }
            self.set_identity(address, Some(identity));
            for (key, slot) in account.storage {
                if slot.is_changed() {
                    self.set_slot(address, key, slot.present_value);
                }
            }
        }
    }

    /// Closes what was recorded since the last closing: (the way forward, the way back).
    pub(crate) fn close(&mut self) -> (Change, Change) {
        let recorder = std::mem::take(&mut self.recorder);
        let mut forward = Change {
            accounts: Vec::with_capacity(recorder.accounts.len()),
            codes: recorder.codes,
        };
        let mut back = Change {
            accounts: Vec::with_capacity(recorder.accounts.len()),
            codes: Vec::new(),
        };
        for (address, former) in recorder.accounts {
            forward.accounts.push(AccountChange {
                address,
                identity: self.identity(address).into_iter().collect(),
                storage: former
                    .storage
                    .keys()
                    .map(|key| Slot {
                        key: *key,
                        value: self.slot(address, *key),
                    })
                    .collect(),
            });
            back.accounts.push(AccountChange {
                address,
                identity: former.identity.into_iter().collect(),
                storage: former
                    .storage
                    .into_iter()
                    .map(|(key, value)| Slot { key, value })
                    .collect(),
            });
        }
        (forward, back)
    }

    /// Undoes what was just closed as if it had never been: a change that could not be kept.
    pub(crate) fn take_back(&mut self, forward: &Change, back: &Change) {
        self.apply(back);
        self.close();
        // Code that comes again has to be written then, so it is not known now.
        for code in &forward.codes {
            self.codes.remove(&keccak256(code));
        }
    }

    /// Writes a change; with [`Ledger::close`] its counterpart can be had.
    pub(crate) fn apply(&mut self, change: &Change) {
        for code in &change.codes {
            self.learn_code(keccak256(code), &bytecode(code.clone()));
        }
        for account in &change.accounts {
            self.set_identity(account.address, account.identity.first().copied());
            for slot in &account.storage {
                // A removed account has no storage left to be set to zero.
                if !slot.value.is_zero() || self.accounts.contains_key(&account.address) {
                    self.set_slot(account.address, slot.key, slot.value);
                }
            }
        }
    }
}

fn bytecode(code: Bytes) -> Bytecode {
    // Code that starts like a delegation but is not one cannot come from a transaction; from `anvil_setCode` it is
    // taken as plain code.
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

/// Values that stand before the ledger's own: an earlier time, or what a caller wants to be assumed.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    accounts: AddressMap<Assumed>,
    codes: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
}

#[derive(Debug, Default)]
struct Assumed {
    /// `Some(None)`: no such account.
    identity: Option<Option<Identity>>,
    /// Whether slots not named in `storage` are zero rather than the ledger's.
    whole_storage: bool,
    storage: U256Map<U256>,
}

impl Overlay {
    /// Goes back over one more change; the newest must come first.
    pub(crate) fn go_back(&mut self, change: &Change) {
        for account in &change.accounts {
            let assumed = self.accounts.entry(account.address).or_default();
            assumed.identity = Some(account.identity.first().copied());
            for slot in &account.storage {
                assumed.storage.insert(slot.key, slot.value);
            }
        }
    }

    pub(crate) fn assume_identity(
        &mut self,
        ledger: &Ledger,
        address: Address,
        edit: impl FnOnce(&mut Identity),
    ) {
        let standing = ledger.identity(address);
        let assumed = self.accounts.entry(address).or_default();
        let mut identity = assumed.identity.unwrap_or(standing).unwrap_or_default();
        edit(&mut identity);
        assumed.identity = Some(Some(identity));
    }

    pub(crate) fn assume_code(&mut self, ledger: &Ledger, address: Address, code: Bytes) {
        let hash = keccak256(&code);
        self.codes.insert(hash, bytecode(code));
        self.assume_identity(ledger, address, |identity| identity.code_hash = hash);
    }

    /// With `whole`, every slot not set here is zero.
    pub(crate) fn assume_storage(
        &mut self,
        address: Address,
        whole: bool,
        slots: impl IntoIterator<Item = (U256, U256)>,
    ) {
        let assumed = self.accounts.entry(address).or_default();
        if whole {
            assumed.whole_storage = true;
            assumed.storage.clear();
        }
        assumed.storage.extend(slots);
    }

    pub(crate) fn assume_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }
}

/// How the hash of an earlier block is found.
pub(crate) trait BlockHashes {
    fn block_hash(&self, number: u64) -> B256;
}

/// The state as a reader sees it: the ledger, with an overlay before it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) overlay: &'a Overlay,
    pub(crate) hashes: &'a dyn BlockHashes,
}

impl View<'_> {
    pub(crate) fn identity(&self, address: Address) -> Option<Identity> {
        match self
            .overlay
            .accounts
            .get(&address)
            .and_then(|assumed| assumed.identity)
        {
            Some(identity) => identity,
            None => self.ledger.identity(address),
        }
    }

    pub(crate) fn slot(&self, address: Address, key: U256) -> U256 {
        match self.overlay.accounts.get(&address) {
            Some(assumed) => match assumed.storage.get(&key) {
                Some(value) => *value,
                None if assumed.whole_storage => U256::ZERO,
                None => self.ledger.slot(address, key),
            },
            None => self.ledger.slot(address, key),
        }
    }

    pub(crate) fn code(&self, address: Address) -> Bytes {
        match self.identity(address) {
            Some(identity) if identity.code_hash != KECCAK256_EMPTY => {
                self.code_of(identity.code_hash).original_bytes()
            }
            _ => Bytes::new(),
        }
    }

    fn code_of(&self, hash: B256) -> Bytecode {
        match self.overlay.codes.get(&hash) {
            Some(code) => code.clone(),
            None => self.ledger.code(hash),
        }
    }
}

impl DatabaseRef for View<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.identity(address).map(Identity::info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.code_of(code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.slot(address, index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(match self.overlay.block_hashes.get(&number) {
            Some(hash) => *hash,
            None => self.hashes.block_hash(number),
        })
    }
}

/// The state as a block being made sees it, and writes it.
pub(crate) struct Desk<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) hashes: &'a dyn BlockHashes,
}

impl Database for Desk<'_> {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.ledger.identity(address).map(Identity::info))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.ledger.code(code_hash))
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.ledger.slot(address, index))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.block_hash(number))
    }
}

impl DatabaseCommit for Desk<'_> {
    fn commit(&mut self, changes: EvmState) {
        self.ledger.commit(changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(ledger: &Ledger, address: Address) -> U256 {
        ledger.identity(address).unwrap_or_default().balance
    }

    #[test]
    fn a_change_and_its_way_back_cancel_out() {
        let mut ledger = Ledger::default();
        let address = Address::repeat_byte(1);
        ledger.edit(address, |identity| identity.balance = U256::from(5));
        ledger.edit_slot(address, U256::from(1), U256::from(2));
        ledger.close();

        ledger.edit(address, |identity| identity.balance = U256::from(7));
        ledger.edit_slot(address, U256::from(1), U256::ZERO);
        ledger.edit_slot(address, U256::from(9), U256::from(9));
        let (forward, back) = ledger.close();

        ledger.apply(&back);
        assert_eq!(balance(&ledger, address), U256::from(5));
        assert_eq!(ledger.slot(address, U256::from(1)), U256::from(2));
        assert_eq!(ledger.slot(address, U256::from(9)), U256::ZERO);
        ledger.close();

        ledger.apply(&forward);
        assert_eq!(balance(&ledger, address), U256::from(7));
        assert_eq!(ledger.slot(address, U256::from(9)), U256::from(9));
    }

    #[test]
    fn code_that_could_not_be_kept_is_in_the_next_change_that_brings_it() {
        let mut ledger = Ledger::default();
        let address = Address::repeat_byte(1);
        let code = Bytes::from_static(&[0x60, 1]);
        ledger.edit_code(address, code.clone());
        let (forward, back) = ledger.close();
        ledger.take_back(&forward, &back);
        assert_eq!(ledger.identity(address), None);

        ledger.edit_code(address, code.clone());
        let (again, _) = ledger.close();
        assert_eq!(again.codes, [code]);
        assert_eq!(again, forward);
    }

    #[test]
    fn a_removed_account_comes_back_with_its_storage() {
        let mut ledger = Ledger::default();
        let address = Address::repeat_byte(1);
        ledger.edit(address, |identity| identity.nonce = 1);
        ledger.edit_slot(address, U256::from(1), U256::from(2));
        ledger.close();

        ledger.set_identity(address, None);
        assert_eq!(ledger.slot(address, U256::from(1)), U256::ZERO);
        let (forward, back) = ledger.close();

        ledger.apply(&back);
        assert_eq!(ledger.nonce(address), 1);
        assert_eq!(ledger.slot(address, U256::from(1)), U256::from(2));
        ledger.close();

        ledger.apply(&forward);
        assert_eq!(ledger.identity(address), None);
        assert!(!ledger.accounts.contains_key(&address));
    }

    #[test]
    fn an_earlier_time_is_seen_through_the_changes_that_lead_back() {
        let mut ledger = Ledger::default();
        let address = Address::repeat_byte(1);
        let mut backs = Vec::new();
        for balance in 1..=3u64 {
            ledger.edit(address, |identity| identity.balance = U256::from(balance));
            backs.push(ledger.close().1);
        }
        let mut overlay = Overlay::default();
        overlay.go_back(&backs[2]);
        overlay.go_back(&backs[1]);
        struct None;
        impl BlockHashes for None {
            fn block_hash(&self, _number: u64) -> B256 {
                B256::ZERO
            }
        }
        let view = View {
            ledger: &ledger,
            overlay: &overlay,
            hashes: &None,
        };
        assert_eq!(
            view.identity(address).map(|identity| identity.balance),
            Some(U256::from(1))
        );
    }
}
