//! The accounts every Ethereum developer knows, derived from one public mnemonic, and what may be signed with them.

use alloy::signers::local::coins_bip39::English;
use alloy::signers::local::{LocalSignerError, MnemonicBuilder, PrivateKeySigner};
use alloy_primitives::{Address, B256};

use crate::config::DEV_MNEMONIC;

/// A funded account whose key everybody knows.
#[derive(Debug, Clone)]
pub struct DevAccount {
    /// Its address.
    pub address: Address,
    /// Its secret key: public knowledge, see [`DEV_MNEMONIC`].
    pub key: B256,
}

impl DevAccount {
    pub(crate) fn signer(&self) -> Option<PrivateKeySigner> {
        PrivateKeySigner::from_bytes(&self.key).ok()
    }
}

/// The first `count` accounts, at `m/44'/60'/0'/0/i`.
pub(crate) fn derive(count: u32) -> Result<Vec<DevAccount>, LocalSignerError> {
    // The mnemonic is stretched once, not once per account.
    let parent = MnemonicBuilder::<English>::default()
        .phrase(DEV_MNEMONIC)
        .build_parent_key()?;
    (0..count)
        .map(|index| {
            let signer = parent.child(index)?.signer();
            Ok(DevAccount {
                address: signer.address(),
                key: signer.to_bytes(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    #[test]
    fn the_well_known_addresses_come_out() {
        let accounts = derive(2).unwrap();
        assert_eq!(
            accounts[0].address,
            address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        );
        assert_eq!(
            accounts[1].address,
            address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
        );
    }
}
