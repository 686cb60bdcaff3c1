//! The deterministic deployment proxy: a contract of 69 bytes that creates what it is sent, by `CREATE2`.
//!
//! Its creation was signed once, without a chain id, by a key that nobody has: the signature was written down first
//! (twos all over) and the sender follows from it. So anybody can put it on any chain, at the same address, by paying
//! that sender its gas. Most public chains have it since long ago; anvil has it from its first block.
//!
//! It is called with a salt and creation code, and owns nothing: who sends the call makes no difference to what comes
//! of it.

use alloy_primitives::{Address, Bytes, address, bytes, hex};

/// Where it stands, on every chain.
pub const ADDRESS: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");

/// Its code.
pub const CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// Who signed its creation, once and for all.
pub const SIGNER: Address = address!("0x3fAB184622Dc19b6109349B94811493BF2a45362");

/// What that sender needs to have, in wei: 100,000 gas at 100 gwei.
pub const COST_WEI: u128 = 10_000_000_000_000_000;

/// The creation as it was signed, ready to be sent.
pub static TRANSACTION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_where_the_first_transaction_of_its_signer_puts_it() {
        assert_eq!(SIGNER.create(0), ADDRESS);
    }

    #[test]
    fn its_code_is_in_the_transaction_that_creates_it() {
        assert!(TRANSACTION.windows(CODE.len()).any(|part| part == CODE));
    }
}
