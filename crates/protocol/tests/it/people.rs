//! People with keys, made from their names.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::SigningKey;

#[derive(Debug, Clone)]
pub(crate) struct Person {
    key: SigningKey,
    pub(crate) address: Address,
}

impl Person {
    pub(crate) fn named(name: &str) -> Self {
        let key = SigningKey::from_slice(keccak256(name).as_slice()).expect("a hash is a key");
        let address = Address::from_private_key(&key);
        Self { key, address }
    }

    /// Signs a hash as a plain account does: 65 bytes, the lower of the two `s`.
    pub(crate) fn sign(&self, hash: B256) -> Bytes {
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
