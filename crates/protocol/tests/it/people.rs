//! People with keys, made from their names.

use std::cell::RefCell;
use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;

/// The first account of the mnemonic that every dev chain knows; the devchain puts the contracts there in its name.
const FIRST_DEV_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

thread_local! {
    /// Signatures follow from key and hash alone, and the same orders come up in life after life.
    static SIGNATURES: RefCell<HashMap<(Address, B256), Bytes>> = RefCell::default();
}

/// Signatures remembered at most, so that a hundred thousand lives need no more memory than a thousand.
const REMEMBERED: usize = 50_000;

#[derive(Debug, Clone)]
pub(crate) struct Person {
    key: SigningKey,
    pub(crate) address: Address,
}

impl Person {
    pub(crate) fn named(name: &str) -> Self {
        Self::with_key(keccak256(name))
    }

    /// Who deploys the contracts.
    pub(crate) fn deployer() -> Self {
        Self::with_key(FIRST_DEV_KEY.parse().expect("32 bytes"))
    }

    fn with_key(key: B256) -> Self {
        let key = SigningKey::from_slice(key.as_slice()).expect("below the curve's order");
        let address = Address::from_private_key(&key);
        Self { key, address }
    }

    /// Signs a hash as a plain account does: 65 bytes, the lower of the two `s`.
    pub(crate) fn sign(&self, hash: B256) -> Bytes {
        SIGNATURES.with_borrow_mut(|remembered| {
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered
                .entry((self.address, hash))
                .or_insert_with(|| self.sign_anew(hash))
                .clone()
        })
    }

    fn sign_anew(&self, hash: B256) -> Bytes {
        let (signature, recovery) = self
            .key
            .sign_prehash_recoverable(hash.as_slice())
            .expect("any hash can be signed");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        bytes.into()
    }

    /// The same in the compact form of EIP-2098.
    pub(crate) fn sign_compactly(&self, hash: B256) -> Bytes {
        let mut bytes = self.sign(hash).to_vec();
        if bytes.pop() == Some(28) {
            bytes[32] |= 0x80;
        }
        bytes.into()
    }
}
