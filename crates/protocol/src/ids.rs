//! Names of things: orders, deals and tasks are known by 32-byte hashes, derived as the hub derives them.
//!
//! Each has its own type, so that a deal's id can never be handed in where a task's is asked for. They read and
//! print as `0x` followed by 64 hexadecimal digits, in text and in JSON alike.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{B256, U256, keccak256};
use serde::{Deserialize, Serialize};

/// A text that was meant to be an id and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: expected 0x and 64 hexadecimal digits")]
pub struct BadId {
    what: &'static str,
    text: String,
}

/// Reads `0x` and 64 hexadecimal digits.
pub(crate) fn parse_hash(what: &'static str, text: &str) -> Result<B256, BadId> {
    let bad = || BadId {
        what,
        text: text.to_owned(),
    };
    let digits = text
        .strip_prefix("0x")
        .filter(|digits| !digits.starts_with("0x"))
        .ok_or_else(bad)?;
    digits.parse().map_err(|_| bad())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub B256);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_hash($what, text).map(Self)
            }
        }

        impl From<B256> for $name {
            fn from(hash: B256) -> Self {
                Self(hash)
            }
        }

        impl From<$name> for B256 {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id! {
    /// EIP-712 hash of an order, under the hub's domain; the signature is not part of it.
    OrderHash, "order hash"
}
id! {
    /// A deal: orders matched on chain.
    DealId, "deal id"
}
id! {
    /// A task: one unit of a deal.
    TaskId, "task id"
}

impl DealId {
    /// The deal a request order makes when `consumed` of its volume were used before.
    #[must_use]
    pub fn derive(request: OrderHash, consumed: U256) -> Self {
        Self(hash_pair(request.0, consumed))
    }
}

impl TaskId {
    /// The task at `index` of a deal; indices start at the deal's first one, not at zero.
    #[must_use]
    pub fn derive(deal: DealId, index: U256) -> Self {
        Self(hash_pair(deal.0, index))
    }
}

fn hash_pair(hash: B256, number: U256) -> B256 {
    let mut bytes = [0_u8; 64];
    bytes[..32].copy_from_slice(hash.as_slice());
    bytes[32..].copy_from_slice(&number.to_be_bytes::<32>());
    keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    #[test]
    fn an_id_reads_back_as_it_prints_and_in_json() {
        let id = TaskId(B256::repeat_byte(0xab));
        assert_eq!(id.to_string().parse::<TaskId>(), Ok(id));
        let json = serde_json::to_string(&id).expect("an id is a string");
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(
            serde_json::from_str::<TaskId>(&json).expect("as written"),
            id
        );
    }

    #[test]
    fn a_text_that_is_no_id_is_quoted_in_the_refusal() {
        let refusal = "0x12".parse::<DealId>().expect_err("too short");
        assert_eq!(
            refusal.to_string(),
            "\"0x12\" is not a deal id: expected 0x and 64 hexadecimal digits"
        );
        assert!(
            "ab".repeat(32).parse::<DealId>().is_err(),
            "0x is asked for"
        );
    }

    #[test]
    fn ids_derive_from_64_bytes_hash_then_number() {
        // keccak256 of 64 zero bytes, a value known from every Solidity mapping at slot 0.
        let zero = b256!("ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5");
        assert_eq!(DealId::derive(OrderHash::default(), U256::ZERO).0, zero);
        assert_eq!(TaskId::derive(DealId::default(), U256::ZERO).0, zero);
        assert_ne!(TaskId::derive(DealId::default(), U256::from(1)).0, zero);
    }
}
