//! Who signed, and who belongs to whom, as the twin is told.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Signature, U256};

use super::{Hub, Refusal, require};

/// What a contract outside the market answers when the hub asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    /// What it says it signed (ERC-1271).
    pub signs: Signs,
    /// Whom it counts as members (ERC-734, purpose 4).
    pub members: BTreeSet<Address>,
}

/// What a contract says it signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signs {
    /// Nothing, or it does not answer.
    #[default]
    Nothing,
    /// Whatever it is asked about.
    Everything,
    /// These hashes, whatever the signature.
    Only(BTreeSet<B256>),
}

/// Half the order of the curve: of two equivalent signatures, the one with the lower `s` is valid.
const LOW_S: U256 = U256::from_limbs([
    0xdfe9_2f46_681b_20a0,
    0x5d57_6e73_57a4_501d,
    0xffff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
]);

impl Hub {
    /// Whether `account` signed `hash`: by its key, or, if it has code, by its own word.
    pub(super) fn is_signer(
        &self,
        account: Address,
        hash: B256,
        signature: &[u8],
    ) -> Result<bool, Refusal> {
        if account.is_zero() {
            return Ok(false);
        }
        if recover(hash, signature) == Some(account) {
            return Ok(true);
        }
        if let Some(code) = self.code.get(&account) {
            return Ok(match &code.signs {
                Signs::Nothing => false,
                Signs::Everything => true,
                Signs::Only(hashes) => hashes.contains(&hash),
            });
        }
        require!(
            matches!(signature.len(), 64 | 65),
            InvalidSignatureLength {
                length: U256::from(signature.len())
            }
        );
        Ok(false)
    }

    /// Whether a group at `restriction` counts the account as a member.
    pub(super) fn is_member(&self, restriction: Address, account: Address) -> bool {
        self.code
            .get(&restriction)
            .is_some_and(|code| code.members.contains(&account))
    }
}

/// Who made an ECDSA signature of 65 bytes, or 64 in the compact form of EIP-2098.
fn recover(hash: B256, signature: &[u8]) -> Option<Address> {
    let word = |at: usize| signature.get(at..at + 32).map(U256::from_be_slice);
    let (r, mut s) = (word(0)?, word(32)?);
    let odd = match signature.len() {
        64 => {
            let odd = s.bit(255);
            s.set_bit(255, false);
            odd
        }
        65 => match signature[64] {
            27 => false,
            28 => true,
            _ => return None,
        },
        _ => return None,
    };
    if s > LOW_S {
        return None;
    }
    Signature::new(r, s, odd)
        .recover_address_from_prehash(&hash)
        .ok()
}
