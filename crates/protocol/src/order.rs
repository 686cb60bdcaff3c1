//! Orders: signed offers of an app, a dataset or a workerpool, and signed requests for work.
//!
//! An order is EIP-712 typed data under the domain ("iExecODB", "5.0.0", chain, hub), so that any wallet can show
//! and sign it. The four structs here are the typed data, field for field and in the order the signature binds;
//! [`Signed`] adds the signature, [`Domain`] hashes. In JSON an order is what existing iExec clients write:
//! lower-case field names, amounts as decimal strings (numbers are read too), `salt`, and `sign` beside them.
//!
//! Whether orders fit each other is [`matching`]: the rules the hub applies, in its order, as plain code.
//! [`Tag`] names the bits of an order's tag. Not here: who may sign (that is the chain's knowledge) and where
//! orders are kept (the market's).

pub mod matching;
mod tag;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};

use crate::abi::Hub;
pub use crate::ids::OrderHash;
pub use tag::{BadTag, Tag};
pub use typed_data::{
    AppOrder, AppOrderOperation, DatasetOrder, DatasetOrderOperation, RequestOrder,
    RequestOrderOperation, WorkerpoolOrder, WorkerpoolOrderOperation,
};

/// The structs a wallet signs. Field names are iExec's, since the names are part of what is signed.
mod typed_data {
    use serde::{Deserialize, Serialize};

    alloy_sol_types::sol! {
        /// An app's owner offers it, at `appprice` nRLC per task, for `volume` tasks.
        ///
        /// A `…restrict` address lets only that address, or the members of that group, into the deal; zero lets
        /// everybody. The same content with another `salt` is another order.
        #[derive(Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        struct AppOrder {
            address app;
            #[serde(with = "super::decimal")]
            uint256 appprice;
            #[serde(with = "super::decimal")]
            uint256 volume;
            bytes32 tag;
            address datasetrestrict;
            address workerpoolrestrict;
            address requesterrestrict;
            bytes32 salt;
        }

        /// A dataset's owner offers it, at `datasetprice` nRLC per task, for `volume` tasks.
        #[derive(Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        struct DatasetOrder {
            address dataset;
            #[serde(with = "super::decimal")]
            uint256 datasetprice;
            #[serde(with = "super::decimal")]
            uint256 volume;
            bytes32 tag;
            address apprestrict;
            address workerpoolrestrict;
            address requesterrestrict;
            bytes32 salt;
        }

        /// A workerpool's owner offers machines, at `workerpoolprice` nRLC per task, for `volume` tasks of one
        /// `category` and for requests that ask for no more than `trust`.
        #[derive(Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        struct WorkerpoolOrder {
            address workerpool;
            #[serde(with = "super::decimal")]
            uint256 workerpoolprice;
            #[serde(with = "super::decimal")]
            uint256 volume;
            bytes32 tag;
            #[serde(with = "super::decimal")]
            uint256 category;
            #[serde(with = "super::decimal")]
            uint256 trust;
            address apprestrict;
            address datasetrestrict;
            address requesterrestrict;
            bytes32 salt;
        }

        /// A requester asks for `volume` tasks and names the most it pays, in nRLC per task.
        ///
        /// `app` and `dataset` (zero: none) are exact; `workerpool` is an address, a group, or zero for any.
        /// `params` is what [`DealParams`](crate::params::DealParams) reads.
        #[derive(Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        struct RequestOrder {
            address app;
            #[serde(with = "super::decimal")]
            uint256 appmaxprice;
            address dataset;
            #[serde(with = "super::decimal")]
            uint256 datasetmaxprice;
            address workerpool;
            #[serde(with = "super::decimal")]
            uint256 workerpoolmaxprice;
            address requester;
            #[serde(with = "super::decimal")]
            uint256 volume;
            bytes32 tag;
            #[serde(with = "super::decimal")]
            uint256 category;
            #[serde(with = "super::decimal")]
            uint256 trust;
            address beneficiary;
            address callback;
            string params;
            bytes32 salt;
        }

        /// What an app's owner signs so that another account may presign (0) or close (1) the order for him.
        #[derive(Debug, Default, PartialEq, Eq, Hash)]
        struct AppOrderOperation {
            AppOrder order;
            uint256 operation;
        }

        /// The same for a dataset order.
        #[derive(Debug, Default, PartialEq, Eq, Hash)]
        struct DatasetOrderOperation {
            DatasetOrder order;
            uint256 operation;
        }

        /// The same for a workerpool order.
        #[derive(Debug, Default, PartialEq, Eq, Hash)]
        struct WorkerpoolOrderOperation {
            WorkerpoolOrder order;
            uint256 operation;
        }

        /// The same for a request order.
        #[derive(Debug, Default, PartialEq, Eq, Hash)]
        struct RequestOrderOperation {
            RequestOrder order;
            uint256 operation;
        }
    }
}

/// The hub that orders are signed for: a signature for one chain or hub is worth nothing on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Domain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the hub, the EIP-712 verifying contract.
    pub hub: Address,
}

impl Domain {
    /// The domain as EIP-712 knows it.
    #[must_use]
    pub fn eip712(&self) -> Eip712Domain {
        Eip712Domain::new(
            Some("iExecODB".into()),
            Some("5.0.0".into()),
            Some(U256::from(self.chain_id)),
            Some(self.hub),
            None,
        )
    }

    /// The domain separator, as `eip712domain_separator()` of the hub tells it.
    #[must_use]
    pub fn separator(&self) -> B256 {
        self.eip712().separator()
    }

    /// The hash that the signer of an order signs, and under which the hub counts what is consumed of it.
    #[must_use]
    pub fn hash<O: SolStruct>(&self, typed: &O) -> OrderHash {
        OrderHash(typed.eip712_signing_hash(&self.eip712()))
    }
}

/// What is common to the four kinds of order.
pub trait Order: SolStruct + Clone + Serialize + serde::de::DeserializeOwned + Send + Sync {
    /// Which kind, in words and as the verb's noun.
    const KIND: OrderKind;

    /// How many tasks the order is good for.
    fn volume(&self) -> U256;

    /// The tag of the order.
    fn tag(&self) -> Tag;

    /// The salt that tells orders of equal content apart.
    fn salt(&self) -> B256;

    /// The app, dataset or workerpool on offer; of a request, the requester. Its owner (or itself) signs.
    fn subject(&self) -> Address;

    /// The hash under `domain`.
    fn hash(&self, domain: &Domain) -> OrderHash {
        domain.hash(self)
    }

    /// Puts a signature beside the order. Nothing is checked here; the hub and the market do.
    fn signed(self, sign: Bytes) -> Signed<Self>
    where
        Self: Sized,
    {
        Signed { order: self, sign }
    }
}

/// The four kinds of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// An offer of an app.
    App,
    /// An offer of a dataset.
    Dataset,
    /// An offer of machines.
    Workerpool,
    /// A request for work.
    Request,
}

impl std::fmt::Display for OrderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::App => "app order",
            Self::Dataset => "dataset order",
            Self::Workerpool => "workerpool order",
            Self::Request => "request order",
        })
    }
}

/// An order and its signature: empty when the order is presigned on chain, 65 (or 64) bytes from a key, anything
/// from a contract that answers ERC-1271.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signed<O> {
    /// The order.
    #[serde(flatten)]
    pub order: O,
    /// The signature, `0x` hexadecimal in JSON.
    pub sign: Bytes,
}

impl<O: Order> Signed<O> {
    /// The hash of the order; the signature has no part in it.
    #[must_use]
    pub fn hash(&self, domain: &Domain) -> OrderHash {
        self.order.hash(domain)
    }
}

macro_rules! order {
    ($name:ident, $kind:ident, $subject:ident, { $($field:ident),+ $(,)? }) => {
        impl Order for $name {
            const KIND: OrderKind = OrderKind::$kind;

            fn volume(&self) -> U256 {
                self.volume
            }

            fn tag(&self) -> Tag {
                Tag(self.tag)
            }

            fn salt(&self) -> B256 {
                self.salt
            }

            fn subject(&self) -> Address {
                self.$subject
            }
        }

        impl From<Signed<$name>> for Hub::$name {
            fn from(signed: Signed<$name>) -> Self {
                let Signed { order: $name { $($field),+ }, sign } = signed;
                Self { $($field,)+ sign }
            }
        }

        impl From<&Signed<$name>> for Hub::$name {
            fn from(signed: &Signed<$name>) -> Self {
                signed.clone().into()
            }
        }

        impl From<Hub::$name> for Signed<$name> {
            fn from(order: Hub::$name) -> Self {
                let Hub::$name { $($field,)+ sign } = order;
                Self { order: $name { $($field),+ }, sign }
            }
        }
    };
}

order!(AppOrder, App, app, {
    app, appprice, volume, tag, datasetrestrict, workerpoolrestrict, requesterrestrict, salt,
});
order!(DatasetOrder, Dataset, dataset, {
    dataset, datasetprice, volume, tag, apprestrict, workerpoolrestrict, requesterrestrict, salt,
});
order!(WorkerpoolOrder, Workerpool, workerpool, {
    workerpool, workerpoolprice, volume, tag, category, trust, apprestrict, datasetrestrict,
    requesterrestrict, salt,
});
order!(RequestOrder, Request, requester, {
    app, appmaxprice, dataset, datasetmaxprice, workerpool, workerpoolmaxprice, requester, volume, tag,
    category, trust, beneficiary, callback, params, salt,
});

/// Amounts in order JSON: written as decimal strings, read from decimal or `0x` strings and from whole numbers.
pub(crate) mod decimal {
    use std::fmt;

    use alloy_primitives::U256;
    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(amount: &U256, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(amount)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
        from.deserialize_any(Amount)
    }

    struct Amount;

    impl Visitor<'_> for Amount {
        type Value = U256;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 0 to 2^256 - 1, bare or as a string")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<U256, E> {
            Ok(U256::from(number))
        }

        fn visit_u128<E: Error>(self, number: u128) -> Result<U256, E> {
            Ok(U256::from(number))
        }

        /// JavaScript writes whole numbers above 2^64 with an exponent; up to 2^53 a double is exact.
        fn visit_f64<E: Error>(self, number: f64) -> Result<U256, E> {
            if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
                return Ok(U256::from(number));
            }
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<U256, E> {
            let (digits, radix) = match text.strip_prefix("0x") {
                Some(digits) => (digits, 16),
                None => (text, 10),
            };
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain
                .then(|| U256::from_str_radix(digits, radix).ok())
                .flatten()
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}
