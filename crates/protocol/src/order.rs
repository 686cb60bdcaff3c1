//! Orders: signed offers of an app, a dataset or a workerpool, and signed requests for work.
//!
//! An order is EIP-712 typed data under the domain ("iExecODB", "5.0.0", chain, hub), so that any wallet can show
//! and sign it. The four structs here are the typed data, field for field and in the order the signature binds;
//! [`Signed`] adds the signature, [`Domain`] hashes. In JSON an order is what existing iExec clients write:
//! lower-case field names, amounts as decimal strings (numbers are read too), `salt`, and `sign` beside them.
//!
//! Whether orders fit each other is [`matching`]: the rules the hub applies, in its order, as plain code. Whether one is
//! still good is [`salt`]: what its signer wrote there beside the typed data.
//! [`Tag`] names the bits of an order's tag. Not here: who may sign (that is the chain's knowledge) and where
//! orders are kept (the market's).

pub mod matching;
pub mod salt;
mod tag;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};

use crate::abi::Hub;
pub use crate::ids::OrderHash;
pub use salt::{MarkedSalt, Salt};
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

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, keccak256};
    use alloy_sol_types::SolValue;

    use super::*;

    const DOMAIN: Domain = Domain {
        chain_id: 134,
        hub: address!("3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f"),
    };

    #[test]
    fn type_hashes_are_those_of_every_iexec_hub() {
        let checks = [
            (
                DOMAIN.eip712().type_hash(),
                b256!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"),
            ),
            (
                AppOrder::default().eip712_type_hash(),
                b256!("60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008"),
            ),
            (
                DatasetOrder::default().eip712_type_hash(),
                b256!("6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c"),
            ),
            (
                WorkerpoolOrder::default().eip712_type_hash(),
                b256!("aa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb"),
            ),
            (
                RequestOrder::default().eip712_type_hash(),
                b256!("f24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0"),
            ),
            (
                AppOrderOperation::default().eip712_type_hash(),
                b256!("0638bb0702457e2b4b01be8a202579b8bf97e587fb4f2cc4d4aad01f21a06ee0"),
            ),
            (
                DatasetOrderOperation::default().eip712_type_hash(),
                b256!("075eb6f7578ff4292c241bd2484cd5c1d5e6ecc2ddd3317e1d8176b5a45865ec"),
            ),
            (
                WorkerpoolOrderOperation::default().eip712_type_hash(),
                b256!("322d980b7d7a6a1f7c39ff0c5445da6ae1d8e0393ff0dd468c8be3e2c8644388"),
            ),
            (
                RequestOrderOperation::default().eip712_type_hash(),
                b256!("0ded7b52c2d77595a40d242eca751df172b18e686326dbbed3f4748828af77c7"),
            ),
        ];
        for (index, (made, known)) in checks.into_iter().enumerate() {
            assert_eq!(made, known, "type {index}");
        }
    }

    #[test]
    fn an_order_hash_is_what_the_standard_spells_out() {
        let order = AppOrder {
            app: Address::repeat_byte(1),
            appprice: U256::from(5),
            volume: U256::from(6),
            tag: Tag::TEE.0,
            salt: B256::repeat_byte(9),
            ..AppOrder::default()
        };
        let separator = keccak256(
            (
                b256!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"),
                keccak256("iExecODB"),
                keccak256("5.0.0"),
                U256::from(134),
                DOMAIN.hub,
            )
                .abi_encode(),
        );
        assert_eq!(DOMAIN.separator(), separator);
        let content = keccak256(
            (
                b256!("60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008"),
                order.app,
                order.appprice,
                order.volume,
                order.tag,
                [Address::ZERO; 3],
                order.salt,
            )
                .abi_encode(),
        );
        let expected =
            keccak256([&[0x19, 0x01], separator.as_slice(), content.as_slice()].concat());
        assert_eq!(order.hash(&DOMAIN).0, expected);
        assert_eq!(
            order.clone().signed(Bytes::from([1])).hash(&DOMAIN).0,
            expected
        );
    }

    #[test]
    fn an_order_of_an_existing_client_is_read_and_written_back() {
        // Amounts as numbers and as strings, addresses with and without checksum.
        let written_by_others = r#"{
            "app": "0xdbd1b69d73f3ab2fd4eb2f6f5a9f5d0a0e4f1a6c",
            "appprice": 1000000000,
            "volume": "9007199254740990",
            "tag": "0x0000000000000000000000000000000000000000000000000000000000000003",
            "datasetrestrict": "0x0000000000000000000000000000000000000000",
            "workerpoolrestrict": "0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f",
            "requesterrestrict": "0x0000000000000000000000000000000000000000",
            "salt": "0x0101010101010101010101010101010101010101010101010101010101010101",
            "sign": "0xabcd"
        }"#;
        let signed: Signed<AppOrder> =
            serde_json::from_str(written_by_others).expect("an order as others write it");
        assert_eq!(signed.order.appprice, U256::from(1_000_000_000));
        assert_eq!(signed.order.tag().to_string(), "tee,scone");
        assert_eq!(signed.sign, Bytes::from([0xab, 0xcd]));

        let json = serde_json::to_value(&signed).expect("plain data");
        assert_eq!(json["appprice"], "1000000000");
        assert_eq!(json["volume"], "9007199254740990");
        assert_eq!(json["sign"], "0xabcd");
        let names: Vec<_> = json
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert_eq!(names.len(), 9);
        assert_eq!(
            serde_json::from_value::<Signed<AppOrder>>(json).expect("as written"),
            signed
        );
    }

    #[test]
    fn amounts_that_are_no_whole_numbers_are_refused() {
        for bad in [
            "-1", "1.5", "\"\"", "\"1e9\"", "\"0x\"", "\"+1\"", "null", "true",
        ] {
            let json = serde_json::to_string(&AppOrder::default())
                .expect("plain data")
                .replace("\"appprice\":\"0\"", &format!("\"appprice\":{bad}"));
            assert!(json.contains(bad));
            assert!(
                serde_json::from_str::<AppOrder>(&json).is_err(),
                "{bad} was read"
            );
        }
        let large = format!("\"{}\"", U256::MAX);
        let json = serde_json::to_string(&AppOrder::default())
            .expect("plain data")
            .replace("\"appprice\":\"0\"", &format!("\"appprice\":{large}"));
        assert_eq!(
            serde_json::from_str::<AppOrder>(&json)
                .expect("fits")
                .appprice,
            U256::MAX
        );
    }

    #[test]
    fn an_order_keeps_every_field_through_the_abi() {
        let signed = RequestOrder {
            app: Address::repeat_byte(1),
            appmaxprice: U256::from(2),
            dataset: Address::repeat_byte(3),
            datasetmaxprice: U256::from(4),
            workerpool: Address::repeat_byte(5),
            workerpoolmaxprice: U256::from(6),
            requester: Address::repeat_byte(7),
            volume: U256::from(8),
            tag: B256::repeat_byte(9),
            category: U256::from(10),
            trust: U256::from(11),
            beneficiary: Address::repeat_byte(12),
            callback: Address::repeat_byte(13),
            params: "{}".to_owned(),
            salt: B256::repeat_byte(14),
        }
        .signed(Bytes::from([15]));
        assert_eq!(Signed::from(Hub::RequestOrder::from(&signed)), signed);
    }
}
