//! What a list's filters mean for each kind of order, as conditions the book can look up.

use alloy_primitives::{Address, U256};
use protocol::order::{OrderKind, Tag};
use sdk::wire::market::{OrderQuery, Whom};

use crate::refusal::{Refusal, kind_name};

const DEFAULT_PAGE_SIZE: u64 = 20;
const LARGEST_PAGE: u64 = 1000;

/// Open orders of one kind that meet every condition, one page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) kind: OrderKind,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) page_index: u64,
    pub(crate) page_size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Is(Party, Address),
    OneOf(Party, [Address; 2]),
    Category(U256),
    AtLeast(Number, U256),
    AtMost(Number, U256),
    TagIncludes(Tag),
    TagWithin(Tag),
    /// No order is meant.
    Never,
}

/// An address in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    App,
    Dataset,
    Workerpool,
    Requester,
    Beneficiary,
    Signer,
}

/// A number in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Price,
    Remaining,
    Trust,
}

/// How an address filter reads for a kind of order.
#[derive(Clone, Copy)]
enum Reading {
    /// The order says exactly who; no filter passes all.
    Exact,
    /// The order may be restricted; no filter passes only orders that are not.
    Restriction(Option<bool>),
    /// The order may be restricted; no filter passes all.
    Choice(Option<bool>),
}

impl Filter {
    pub(crate) fn read(
        kind: OrderKind,
        query: &OrderQuery,
        chain_id: u64,
    ) -> Result<Self, Refusal> {
        if let Some(other) = query.chain_id.filter(|other| *other != chain_id) {
            return Err(wrong_chain(other, chain_id));
        }
        refuse_foreign(kind, query)?;

        let restriction = Reading::Restriction;
        let readings = match kind {
            OrderKind::App => [
                (Party::App, query.app, Reading::Exact),
                (Party::Signer, query.app_owner, Reading::Exact),
                (
                    Party::Dataset,
                    query.dataset,
                    restriction(query.is_dataset_strict),
                ),
                (
                    Party::Workerpool,
                    query.workerpool,
                    restriction(query.is_workerpool_strict),
                ),
                (
                    Party::Requester,
                    query.requester,
                    restriction(query.is_requester_strict),
                ),
            ],
            OrderKind::Dataset => [
                (Party::Dataset, query.dataset, Reading::Exact),
                (Party::Signer, query.dataset_owner, Reading::Exact),
                (Party::App, query.app, restriction(query.is_app_strict)),
                (
                    Party::Workerpool,
                    query.workerpool,
                    restriction(query.is_workerpool_strict),
                ),
                (
                    Party::Requester,
                    query.requester,
                    restriction(query.is_requester_strict),
                ),
            ],
            OrderKind::Workerpool => [
                (Party::Workerpool, query.workerpool, Reading::Exact),
                (Party::Signer, query.workerpool_owner, Reading::Exact),
                (Party::App, query.app, restriction(query.is_app_strict)),
                (
                    Party::Dataset,
                    query.dataset,
                    restriction(query.is_dataset_strict),
                ),
                (
                    Party::Requester,
                    query.requester,
                    restriction(query.is_requester_strict),
                ),
            ],
            OrderKind::Request => [
                (Party::Requester, query.requester, Reading::Exact),
                (Party::Beneficiary, query.beneficiary, Reading::Exact),
                (Party::App, query.app, Reading::Exact),
                (Party::Dataset, query.dataset, Reading::Exact),
                (
                    Party::Workerpool,
                    query.workerpool,
                    Reading::Choice(query.is_workerpool_strict),
                ),
            ],
        };
        let mut conditions: Vec<Condition> = readings
            .into_iter()
            .filter_map(|(party, whom, reading)| condition(party, whom, reading))
            .collect();

        conditions.extend(query.category.map(Condition::Category));
        // Trust 0 and 1 are the same to the hub.
        let min_trust = query.min_trust.filter(|trust| *trust > U256::ONE);
        conditions.extend(min_trust.map(|trust| Condition::AtLeast(Number::Trust, trust)));
        conditions.extend(
            query
                .max_trust
                .map(|trust| Condition::AtMost(Number::Trust, trust)),
        );
        conditions.extend(
            query
                .min_volume
                .map(|volume| Condition::AtLeast(Number::Remaining, volume)),
        );
        conditions.extend(
            query
                .min_price
                .map(|price| Condition::AtLeast(Number::Price, price)),
        );
        conditions.extend(
            query
                .max_price
                .map(|price| Condition::AtMost(Number::Price, price)),
        );
        conditions.extend(
            query
                .min_tag
                .filter(|tag| !tag.is_empty())
                .map(Condition::TagIncludes),
        );
        conditions.extend(query.max_tag.map(Condition::TagWithin));
        conditions.extend(
            query
                .bulk_only
                .filter(|only| *only)
                .map(|_| Condition::Never),
        );

        let page_size = query.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        if !(1..=LARGEST_PAGE).contains(&page_size) {
            return Err(Refusal::Malformed(format!(
                "`pageSize` is {page_size}: pages have 1 to {LARGEST_PAGE} orders"
            )));
        }
        Ok(Self {
            kind,
            conditions,
            page_index: query.page_index.unwrap_or_default(),
            page_size,
        })
    }
}

/// The sentence existing clients know, and what to do.
pub(crate) fn wrong_chain(asked: u64, ours: u64) -> Refusal {
    Refusal::Malformed(format!(
        "chainId {asked} is not supported: this market keeps the book of chain {ours}"
    ))
}

fn condition(party: Party, whom: Option<Whom>, reading: Reading) -> Option<Condition> {
    match (whom, reading) {
        (Some(Whom::Any), _) | (None, Reading::Exact | Reading::Choice(_)) => None,
        (None, Reading::Restriction(_)) => Some(Condition::Is(party, Address::ZERO)),
        (Some(Whom::Only(address)), Reading::Exact) => Some(Condition::Is(party, address)),
        (Some(Whom::Only(address)), Reading::Restriction(strict) | Reading::Choice(strict)) => {
            Some(match strict {
                Some(true) => Condition::Is(party, address),
                _ => Condition::OneOf(party, [address, Address::ZERO]),
            })
        }
    }
}

/// A filter that a kind does not know was meant to narrow the list; passing everything instead would mislead.
fn refuse_foreign(kind: OrderKind, query: &OrderQuery) -> Result<(), Refusal> {
    use OrderKind::{App, Dataset, Request, Workerpool};
    let known: [(&str, bool, &[OrderKind]); 13] = [
        ("appOwner", query.app_owner.is_some(), &[App]),
        ("datasetOwner", query.dataset_owner.is_some(), &[Dataset]),
        (
            "workerpoolOwner",
            query.workerpool_owner.is_some(),
            &[Workerpool],
        ),
        ("beneficiary", query.beneficiary.is_some(), &[Request]),
        ("category", query.category.is_some(), &[Workerpool, Request]),
        (
            "isAppStrict",
            query.is_app_strict.is_some(),
            &[Dataset, Workerpool],
        ),
        (
            "isDatasetStrict",
            query.is_dataset_strict.is_some(),
            &[App, Workerpool],
        ),
        (
            "isWorkerpoolStrict",
            query.is_workerpool_strict.is_some(),
            &[App, Dataset, Request],
        ),
        (
            "isRequesterStrict",
            query.is_requester_strict.is_some(),
            &[App, Dataset, Workerpool],
        ),
        ("minTrust", query.min_trust.is_some(), &[Workerpool]),
        ("maxTrust", query.max_trust.is_some(), &[Request]),
        ("minPrice", query.min_price.is_some(), &[Request]),
        ("bulkOnly", query.bulk_only.is_some(), &[Dataset]),
    ];
    for (name, given, kinds) in known {
        if given && !kinds.contains(&kind) {
            return Err(Refusal::Malformed(format!(
                "`{name}` is no filter of {}s",
                kind_name(kind)
            )));
        }
    }
    if query.max_price.is_some() && kind == Request {
        return Err(Refusal::Malformed(
            "`maxPrice` is no filter of requestorders; they have `minPrice`".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address::repeat_byte(7);

    fn conditions(kind: OrderKind, query: OrderQuery) -> Vec<Condition> {
        Filter::read(kind, &query, 31337)
            .expect("a good query")
            .conditions
    }

    #[test]
    fn without_filters_only_orders_for_everybody_are_listed() {
        let zero = Address::ZERO;
        let restrictions = conditions(OrderKind::App, OrderQuery::default());
        let parties = [Party::Dataset, Party::Workerpool, Party::Requester];
        assert_eq!(
            restrictions,
            parties.map(|party| Condition::Is(party, zero))
        );
        assert_eq!(conditions(OrderKind::Request, OrderQuery::default()), []);
    }

    #[test]
    fn a_restriction_filter_passes_what_lets_that_one_in() {
        let query = |requester, strict| OrderQuery {
            requester,
            is_requester_strict: strict,
            app: Some(Whom::Any),
            dataset: Some(Whom::Any),
            ..OrderQuery::default()
        };
        let of = |requester, strict| conditions(OrderKind::Workerpool, query(requester, strict));
        let only = Some(Whom::Only(ADDRESS));
        assert_eq!(
            of(only, None),
            [Condition::OneOf(Party::Requester, [ADDRESS, Address::ZERO])]
        );
        assert_eq!(
            of(only, Some(false)),
            [Condition::OneOf(Party::Requester, [ADDRESS, Address::ZERO])]
        );
        assert_eq!(
            of(only, Some(true)),
            [Condition::Is(Party::Requester, ADDRESS)]
        );
        assert_eq!(of(Some(Whom::Any), None), []);
    }

    #[test]
    fn trust_of_one_is_no_filter() {
        for trust in [0_u64, 1] {
            let query = OrderQuery {
                min_trust: Some(U256::from(trust)),
                app: Some(Whom::Any),
                dataset: Some(Whom::Any),
                requester: Some(Whom::Any),
                ..OrderQuery::default()
            };
            assert_eq!(conditions(OrderKind::Workerpool, query), []);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let cases = [
            (
                OrderKind::App,
                OrderQuery {
                    chain_id: Some(99),
                    ..OrderQuery::default()
                },
                "chainId 99 is not supported",
            ),
            (
                OrderKind::App,
                OrderQuery {
                    category: Some(U256::ONE),
                    ..OrderQuery::default()
                },
                "`category` is no filter of apporders",
            ),
            (
                OrderKind::Request,
                OrderQuery {
                    max_price: Some(U256::ONE),
                    ..OrderQuery::default()
                },
                "`maxPrice` is no filter",
            ),
            (
                OrderKind::Dataset,
                OrderQuery {
                    page_size: Some(0),
                    ..OrderQuery::default()
                },
                "`pageSize` is 0",
            ),
            (
                OrderKind::Dataset,
                OrderQuery {
                    page_size: Some(1001),
                    ..OrderQuery::default()
                },
                "`pageSize` is 1001",
            ),
        ];
        for (kind, query, start) in cases {
            let refusal = Filter::read(kind, &query, 31337)
                .expect_err("not meant")
                .to_string();
            assert!(refusal.starts_with(start), "{refusal}");
        }
    }
}
