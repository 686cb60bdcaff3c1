//! What an order book and its clients say to each other over HTTP; the form existing iExec clients use.
//!
//! ```text
//! GET  /{app,dataset,workerpool,request}orders?…       OrderQuery        → ListAnswer     best price first
//! GET  /{…}orders/{orderHash}                                            → Lookup
//! POST /{…}orders                     Publish, authorization             → PublishAnswer
//! PUT  /{…}orders                     Unpublish, authorization           → UnpublishAnswer
//! GET  /challenge?chainId=&address=                                      → ChallengeAnswer
//! anything that goes wrong                                               → ErrorAnswer, with a fitting status
//! ```
//!
//! **Logging in.** Whoever publishes or withdraws first fetches a challenge, signs its EIP-712 hash
//! ([`challenge_digest`]) and sends [`Authorization`] as the `authorization` header of one request. A challenge is good
//! for one successful use, for five minutes. The order's own signature is what makes an order; the login only keeps
//! others from filling or emptying the book in somebody's name.
//!
//! Orders read and print as [`protocol::order`] has them: amounts as decimal strings, also read from numbers.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use protocol::ids::OrderHash;
use protocol::order::{OrderKind, Signed, Tag};
use serde::{Deserialize, Serialize};

/// The path of a kind's orders: `/apporders` and so on.
#[must_use]
pub fn orders_path(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "/apporders",
        OrderKind::Dataset => "/datasetorders",
        OrderKind::Workerpool => "/workerpoolorders",
        OrderKind::Request => "/requestorders",
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// In the lists; can be matched.
    Open,
    /// Its whole volume was matched.
    Filled,
    /// Its owner closed it on chain.
    Canceled,
    /// It can no longer be matched: the asset changed hands, or no stake covers it any more. May be published again.
    Dead,
}

/// An order in the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<O> {
    /// The order's EIP-712 hash.
    pub order_hash: OrderHash,
    /// The order and its signature, ready to be matched.
    pub order: Signed<O>,
    /// The chain it is for.
    pub chain_id: u64,
    /// Tasks it is still good for. A number in JSON while JavaScript can count it, else a decimal string.
    #[serde(with = "count")]
    pub remaining: U256,
    /// Where it stands.
    pub status: OrderStatus,
    /// Who signed: the asset's owner, or the requester.
    pub signer: Address,
    /// When it entered the book, `2026-01-31T12:00:00.000Z`.
    pub publication_timestamp: String,
}

/// Body of `POST /…orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish<O> {
    /// The signed order; `sign` may be empty (`0x`) if it is presigned on chain.
    pub order: Signed<O>,
}

/// Answer of `POST /…orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishAnswer<O> {
    /// Always true.
    pub ok: bool,
    /// The order as it stands in the book now.
    pub published: Record<O>,
}

/// Answer of `GET /…orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAnswer<O> {
    /// Always true.
    pub ok: bool,
    /// This page: open orders, best price first, then the older one first.
    pub orders: Vec<Record<O>>,
    /// How many open orders pass the filters, on all pages.
    pub count: u64,
    /// The index of the next page, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<u64>,
}

/// Answer of `GET /…orders/{orderHash}`; also of orders that are no longer open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup<O> {
    /// Always true.
    pub ok: bool,
    /// The order.
    #[serde(flatten)]
    pub record: Record<O>,
}

/// Body of `PUT /…orders`: takes orders out of the book. (Closing an order for good is a transaction at the hub.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpublish {
    /// Which ones.
    pub target: UnpublishTarget,
    /// With [`UnpublishTarget::OrderHash`]: this one.
    #[serde(default, rename = "orderHash", skip_serializing_if = "Option::is_none")]
    pub order_hash: Option<OrderHash>,
    /// With the other targets on `/apporders`: of this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Address>,
    /// … on `/datasetorders`: of this dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Address>,
    /// … on `/workerpoolorders`: of this workerpool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workerpool: Option<Address>,
    /// … on `/requestorders`: of this requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Address>,
}

impl Unpublish {
    /// Takes out one order.
    #[must_use]
    pub fn one(order: OrderHash) -> Self {
        Self {
            target: UnpublishTarget::OrderHash,
            order_hash: Some(order),
            app: None,
            dataset: None,
            workerpool: None,
            requester: None,
        }
    }

    /// Takes out the last one published, or all, of an asset (or requester).
    #[must_use]
    pub fn of(kind: OrderKind, subject: Address, target: UnpublishTarget) -> Self {
        let only = |this: OrderKind| (kind == this).then_some(subject);
        Self {
            target,
            order_hash: None,
            app: only(OrderKind::App),
            dataset: only(OrderKind::Dataset),
            workerpool: only(OrderKind::Workerpool),
            requester: only(OrderKind::Request),
        }
    }
}

/// Which orders leave the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnpublishTarget {
    /// One, by its hash.
    #[serde(rename = "unpublish_orderHash")]
    OrderHash,
    /// The one published last.
    #[serde(rename = "unpublish_last")]
    Last,
    /// All of them.
    #[serde(rename = "unpublish_all")]
    All,
}

/// Answer of `PUT /…orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpublishAnswer {
    /// Always true.
    pub ok: bool,
    /// What left the book.
    pub unpublished: Vec<OrderHash>,
}

/// What went wrong, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// Always false.
    pub ok: bool,
    /// The sentence.
    pub error: String,
}

/// Answer of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Always true; a market that cannot answer does not.
    pub ok: bool,
    /// The chain it keeps the book of.
    pub chain_id: u64,
    /// The hub on that chain.
    pub hub: Address,
    /// The block up to which the book is true.
    pub block: u64,
    /// Open orders of all kinds.
    pub open_orders: u64,
}

/// An address to filter by, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whom {
    /// Whatever the order says.
    Any,
    /// This one.
    Only(Address),
}

impl From<Address> for Whom {
    fn from(address: Address) -> Self {
        Self::Only(address)
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(address) => address.fmt(f),
        }
    }
}

impl FromStr for Whom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        text.parse().map(Self::Only).map_err(|_| {
            format!("{text:?} is neither an address (0x and 40 hexadecimal digits) nor `any`")
        })
    }
}

/// The filters of `GET /…orders`. All may be left out; one that the kind of order does not know is refused.
///
/// An app, dataset or workerpool order may *restrict* with whom it deals. Of those restrictions the filters `app`,
/// `dataset`, `workerpool`, `requester` speak, where they do not name the asset on offer itself: left out, they pass
/// only orders without that restriction; an address passes orders restricted to it or not at all (`is…Strict=true`:
/// to it alone); `any` passes all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OrderQuery {
    /// The chain meant; a market of another one refuses.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// The app: of app orders the one on offer, of request orders the one asked for.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub app: Option<Whom>,
    /// App orders: who signed.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub app_owner: Option<Whom>,
    /// The dataset: of dataset orders the one on offer, of request orders the one asked for.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Whom>,
    /// Dataset orders: who signed.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub dataset_owner: Option<Whom>,
    /// The workerpool: of workerpool orders the one on offer, of request orders one that may serve it.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub workerpool: Option<Whom>,
    /// Workerpool orders: who signed.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub workerpool_owner: Option<Whom>,
    /// The requester: of request orders who asks, else one the order must let in.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub requester: Option<Whom>,
    /// Request orders: who gets the result.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub beneficiary: Option<Whom>,
    /// Workerpool and request orders: the category.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub category: Option<U256>,
    /// Only orders restricted to `app`.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub is_app_strict: Option<bool>,
    /// Only orders restricted to `dataset`.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub is_dataset_strict: Option<bool>,
    /// Only orders restricted to `workerpool`.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub is_workerpool_strict: Option<bool>,
    /// Only orders restricted to `requester`.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub is_requester_strict: Option<bool>,
    /// Every bit of this tag must be set.
    #[serde(with = "tag", skip_serializing_if = "Option::is_none")]
    pub min_tag: Option<Tag>,
    /// No bit outside this tag may be set.
    #[serde(with = "tag", skip_serializing_if = "Option::is_none")]
    pub max_tag: Option<Tag>,
    /// Workerpool orders: offers at least this trust; 0 and 1 are the same.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub min_trust: Option<U256>,
    /// Request orders: asks for at most this trust.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub max_trust: Option<U256>,
    /// At least so many tasks remain.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub min_volume: Option<U256>,
    /// Request orders: pays the workerpool at least this, nRLC per task.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub min_price: Option<U256>,
    /// Offers: costs at most this, nRLC per task.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub max_price: Option<U256>,
    /// Dataset orders: only those meant for bulk processing. None is, for now.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub bulk_only: Option<bool>,
    /// Page, from 0. Default: 0.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub page_index: Option<u64>,
    /// Orders per page, 1 to 1000. Default: 20.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u64>,
}

/// Answer of `GET /challenge`: what to sign, as a document any wallet can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeAnswer {
    /// Always true.
    pub ok: bool,
    /// The EIP-712 document.
    pub data: ChallengeDocument,
}

/// The EIP-712 document of a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeDocument {
    /// Always `EIP712Domain(string name,string version,uint256 chainId)` and `Challenge(string challenge)`.
    pub types: serde_json::Value,
    /// For which market.
    pub domain: ChallengeDomain,
    /// Always `Challenge`.
    pub primary_type: String,
    /// What is signed.
    pub message: ChallengeMessage,
}

/// The domain of a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeDomain {
    /// `iExec Gateway`: the name existing clients' users see, and part of the hash.
    pub name: String,
    /// `1`.
    pub version: String,
    /// The market's chain.
    pub chain_id: u64,
}

/// The message of a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeMessage {
    /// A sentence that ends in something never asked before.
    pub challenge: String,
}

impl ChallengeDocument {
    /// The document for a challenge's text.
    #[must_use]
    pub fn new(chain_id: u64, challenge: String) -> Self {
        Self {
            types: serde_json::json!({
                "EIP712Domain": [
                    { "name": "name", "type": "string" },
                    { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" },
                ],
                "Challenge": [{ "name": "challenge", "type": "string" }],
            }),
            domain: ChallengeDomain {
                name: CHALLENGE_NAME.to_owned(),
                version: CHALLENGE_VERSION.to_owned(),
                chain_id,
            },
            primary_type: "Challenge".to_owned(),
            message: ChallengeMessage { challenge },
        }
    }
}

const CHALLENGE_NAME: &str = "iExec Gateway";
const CHALLENGE_VERSION: &str = "1";

mod typed_data {
    alloy_sol_types::sol! {
        struct Challenge {
            string challenge;
        }
    }
}

/// The EIP-712 hash to be signed. Clients compute it themselves from the challenge's text, so that a dishonest market
/// cannot have anything else signed.
#[must_use]
pub fn challenge_digest(chain_id: u64, challenge: &str) -> B256 {
    let domain = Eip712Domain::new(
        Some(CHALLENGE_NAME.into()),
        Some(CHALLENGE_VERSION.into()),
        Some(U256::from(chain_id)),
        None,
        None,
    );
    typed_data::Challenge {
        challenge: challenge.to_owned(),
    }
    .eip712_signing_hash(&domain)
}

/// The `authorization` header: `<digest>_<signature>_<address>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// [`challenge_digest`] of the challenge answered.
    pub digest: B256,
    /// The signature over it.
    pub signature: Bytes,
    /// Who signed.
    pub address: Address,
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}_{}_{}", self.digest, self.signature, self.address)
    }
}

impl FromStr for Authorization {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "expected <digest>_<signature>_<address>, each in 0x hexadecimal".to_owned();
        let mut parts = text.trim().split('_');
        let (Some(digest), Some(signature), Some(address), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            digest: digest.parse().map_err(|_| bad())?,
            signature: signature.parse().map_err(|_| bad())?,
            address: address.parse().map_err(|_| bad())?,
        })
    }
}

/// Query values: text, read by `FromStr`, written by `Display`.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        text.parse()
            .map(Some)
            .map_err(|why| D::Error::custom(format_args!("{text:?} cannot be read: {why}")))
    }
}

/// Tags in queries: hexadecimal numbers, also shortened as in `0x9`.
mod tag {
    use alloy_primitives::{B256, U256};
    use protocol::order::Tag;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(tag: &Option<Tag>, to: S) -> Result<S::Ok, S::Error> {
        match tag {
            Some(tag) => to.serialize_str(&format!("{:#x}", tag.0)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tag>, D::Error> {
        let text = String::deserialize(from)?;
        let bits = text
            .strip_prefix("0x")
            .and_then(|digits| U256::from_str_radix(digits, 16).ok());
        match bits {
            Some(bits) => Ok(Some(Tag(B256::from(bits)))),
            None => Err(D::Error::custom(format_args!(
                "{text:?} is not a tag: expected 0x and up to 64 hexadecimal digits"
            ))),
        }
    }
}

/// Counts in answers: numbers as long as JavaScript counts exactly, then decimal strings; both are read.
mod count {
    use alloy_primitives::U256;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const JAVASCRIPT_COUNTS_TO: u64 = (1 << 53) - 1;

    pub(super) fn serialize<S: Serializer>(count: &U256, to: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(*count) {
            Ok(count) if count <= JAVASCRIPT_COUNTS_TO => to.serialize_u64(count),
            _ => to.collect_str(count),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(from)? {
            Either::Number(number) => Ok(U256::from(number)),
            Either::Text(text) => U256::from_str_radix(&text, 10).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::order::AppOrder;

    use super::*;

    #[test]
    fn a_record_reads_back_as_it_prints() {
        for remaining in [U256::from(3), U256::MAX] {
            let record = Lookup {
                ok: true,
                record: Record {
                    order_hash: OrderHash(B256::repeat_byte(1)),
                    order: Signed {
                        order: AppOrder {
                            volume: U256::MAX,
                            ..AppOrder::default()
                        },
                        sign: Bytes::new(),
                    },
                    chain_id: 31337,
                    remaining,
                    status: OrderStatus::Open,
                    signer: Address::repeat_byte(2),
                    publication_timestamp: "2026-01-31T12:00:00.000Z".to_owned(),
                },
            };
            let text = serde_json::to_string(&record).expect("plain data");
            assert_eq!(
                serde_json::from_str::<Lookup<AppOrder>>(&text).expect("as written"),
                record
            );
        }
    }

    #[test]
    fn an_authorization_reads_back_as_it_prints_and_nothing_else_does() {
        let authorization = Authorization {
            digest: B256::repeat_byte(1),
            signature: Bytes::from(vec![7; 65]),
            address: Address::repeat_byte(2),
        };
        assert_eq!(authorization.to_string().parse(), Ok(authorization));
        for text in ["", "_", "__", "0x01_0x02_0x03", "a_b_c_d"] {
            assert!(text.parse::<Authorization>().is_err(), "{text}");
        }
    }
}
