//! An order by itself: what the book sorts and filters by, and whether anybody could ever match it.

use alloy_primitives::{Address, U256};
use protocol::order::{AppOrder, DatasetOrder, Order, OrderKind, RequestOrder, WorkerpoolOrder};
use protocol::payment::SCHEDULER_STAKE_PERCENT;

use crate::refusal::{Refusal, subject_name};

/// All the RLC there is, in nRLC: a higher price was never meant.
const PRICE_LIMIT: U256 = U256::from_limbs([87_000_000 * 1_000_000_000, 0, 0, 0]);
/// The hub counts volumes in 96 bits.
const VOLUME_LIMIT: U256 = U256::from_limbs([u64::MAX, u32::MAX as u64, 0, 0]);
/// The hub keeps trust in 32 bits.
const TRUST_LIMIT: U256 = U256::from_limbs([u32::MAX as u64, 0, 0, 0]);
/// Bytes of parameters that fit a deal at the hub.
const PARAMS_LIMIT: usize = 24_575 - 305;

/// What the book knows of an order without reading it again.
///
/// `app`, `dataset`, `workerpool`, `requester`: of the one on offer (or asking) itself, of the others whom the order
/// is restricted to, zero for nobody in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) app: Address,
    pub(crate) dataset: Address,
    pub(crate) workerpool: Address,
    pub(crate) requester: Address,
    pub(crate) beneficiary: Address,
    /// What one task costs; of a request, the most it pays the workerpool.
    pub(crate) price: U256,
    /// Category and trust: of workerpool and request orders.
    pub(crate) category: Option<U256>,
    pub(crate) trust: Option<U256>,
    /// What a match locks of the signer's account for each task.
    pub(crate) stake_per_task: U256,
}

impl Terms {
    /// Sorts orders best first by ascending rank: cheap offers, generous requests.
    pub(crate) fn rank(&self, kind: OrderKind) -> U256 {
        match kind {
            OrderKind::App | OrderKind::Dataset | OrderKind::Workerpool => self.price,
            OrderKind::Request => U256::MAX - self.price,
        }
    }
}

/// An order the book can hold.
pub(crate) trait Listed: Order + 'static {
    fn terms(&self) -> Terms;

    /// Every price in the order, by its field's name.
    fn prices(&self) -> Vec<(&'static str, U256)>;

    /// The length of its parameters, bytes.
    fn params_length(&self) -> usize {
        0
    }
}

impl Listed for AppOrder {
    fn terms(&self) -> Terms {
        Terms {
            app: self.app,
            dataset: self.datasetrestrict,
            workerpool: self.workerpoolrestrict,
            requester: self.requesterrestrict,
            beneficiary: Address::ZERO,
            price: self.appprice,
            category: None,
            trust: None,
            stake_per_task: U256::ZERO,
        }
    }

    fn prices(&self) -> Vec<(&'static str, U256)> {
        vec![("appprice", self.appprice)]
    }
}

impl Listed for DatasetOrder {
    fn terms(&self) -> Terms {
        Terms {
            app: self.apprestrict,
            dataset: self.dataset,
            workerpool: self.workerpoolrestrict,
            requester: self.requesterrestrict,
            beneficiary: Address::ZERO,
            price: self.datasetprice,
            category: None,
            trust: None,
            stake_per_task: U256::ZERO,
        }
    }

    fn prices(&self) -> Vec<(&'static str, U256)> {
        vec![("datasetprice", self.datasetprice)]
    }
}

impl Listed for WorkerpoolOrder {
    fn terms(&self) -> Terms {
        let percent = U256::from(SCHEDULER_STAKE_PERCENT);
        Terms {
            app: self.apprestrict,
            dataset: self.datasetrestrict,
            workerpool: self.workerpool,
            requester: self.requesterrestrict,
            beneficiary: Address::ZERO,
            price: self.workerpoolprice,
            category: Some(self.category),
            trust: Some(self.trust),
            stake_per_task: self.workerpoolprice.saturating_mul(percent) / U256::from(100),
        }
    }

    fn prices(&self) -> Vec<(&'static str, U256)> {
        vec![("workerpoolprice", self.workerpoolprice)]
    }
}

impl Listed for RequestOrder {
    fn terms(&self) -> Terms {
        // Without a dataset the hub takes no price for one.
        let dataset = if self.dataset.is_zero() {
            U256::ZERO
        } else {
            self.datasetmaxprice
        };
        Terms {
            app: self.app,
            dataset: self.dataset,
            workerpool: self.workerpool,
            requester: self.requester,
            beneficiary: self.beneficiary,
            price: self.workerpoolmaxprice,
            category: Some(self.category),
            trust: Some(self.trust),
            stake_per_task: self
                .appmaxprice
                .saturating_add(dataset)
                .saturating_add(self.workerpoolmaxprice),
        }
    }

    fn prices(&self) -> Vec<(&'static str, U256)> {
        vec![
            ("appmaxprice", self.appmaxprice),
            ("datasetmaxprice", self.datasetmaxprice),
            ("workerpoolmaxprice", self.workerpoolmaxprice),
        ]
    }

    fn params_length(&self) -> usize {
        self.params.len()
    }
}

/// Whether the hub could ever match an order, whatever the chain says.
pub(crate) fn check<O: Listed>(order: &O) -> Result<(), Refusal> {
    let bad = |sentence: String| Err(Refusal::Malformed(sentence));
    let terms = order.terms();
    if order.subject().is_zero() {
        let name = subject_name(O::KIND);
        return bad(format!(
            "`{name}` is the zero address: name the {name} the order is about"
        ));
    }
    if O::KIND == OrderKind::Request && terms.app.is_zero() {
        return bad("`app` is the zero address: a request must name the app to run".to_owned());
    }
    if order.volume().is_zero() {
        return bad("`volume` is 0: an order must be good for at least one task".to_owned());
    }
    if order.volume() > VOLUME_LIMIT {
        return bad(format!(
            "`volume` is {}: the hub counts no further than {VOLUME_LIMIT}",
            order.volume()
        ));
    }
    for (field, price) in order.prices() {
        if price > PRICE_LIMIT {
            return bad(format!(
                "`{field}` is {price} nRLC per task, more than all the RLC there is ({PRICE_LIMIT} nRLC); prices are in nRLC, 10^-9 RLC"
            ));
        }
    }
    if let Some(trust) = terms.trust
        && trust > TRUST_LIMIT
    {
        return bad(format!(
            "`trust` is {trust}: the hub takes no more than {TRUST_LIMIT}"
        ));
    }
    let params = order.params_length();
    if params > PARAMS_LIMIT {
        return bad(format!(
            "`params` has {params} bytes: a deal at the hub has room for {PARAMS_LIMIT}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> WorkerpoolOrder {
        WorkerpoolOrder {
            workerpool: Address::repeat_byte(1),
            workerpoolprice: U256::from(1_000_000_001),
            volume: U256::ONE,
            trust: U256::from(8),
            ..WorkerpoolOrder::default()
        }
    }

    fn request() -> RequestOrder {
        RequestOrder {
            app: Address::repeat_byte(2),
            requester: Address::repeat_byte(3),
            volume: U256::ONE,
            appmaxprice: U256::from(5),
            datasetmaxprice: U256::from(70),
            workerpoolmaxprice: U256::from(600),
            ..RequestOrder::default()
        }
    }

    fn sentence<O: Listed>(order: &O) -> String {
        check(order).expect_err("cannot be matched").to_string()
    }

    #[test]
    fn each_way_not_to_be_matchable_is_named() {
        check(&offer()).expect("fine");
        check(&request()).expect("fine");
        let huge = VOLUME_LIMIT + U256::ONE;
        assert_eq!(
            sentence(&WorkerpoolOrder {
                workerpool: Address::ZERO,
                ..offer()
            }),
            "`workerpool` is the zero address: name the workerpool the order is about"
        );
        assert_eq!(
            sentence(&RequestOrder {
                app: Address::ZERO,
                ..request()
            }),
            "`app` is the zero address: a request must name the app to run"
        );
        assert_eq!(
            sentence(&WorkerpoolOrder {
                volume: U256::ZERO,
                ..offer()
            }),
            "`volume` is 0: an order must be good for at least one task"
        );
        assert!(
            sentence(&WorkerpoolOrder {
                volume: huge,
                ..offer()
            })
            .starts_with("`volume` is 79228162514264337593543950336: ")
        );
        assert!(
            sentence(&RequestOrder {
                datasetmaxprice: U256::MAX,
                ..request()
            })
            .starts_with("`datasetmaxprice` is ")
        );
        assert!(
            sentence(&WorkerpoolOrder {
                trust: U256::MAX,
                ..offer()
            })
            .starts_with("`trust` is ")
        );
        let params = "x".repeat(PARAMS_LIMIT + 1);
        assert_eq!(
            sentence(&RequestOrder {
                params,
                ..request()
            }),
            "`params` has 24271 bytes: a deal at the hub has room for 24270"
        );
    }

    #[test]
    fn a_match_locks_what_the_hub_locks() {
        assert_eq!(
            offer().terms().stake_per_task,
            U256::from(300_000_000),
            "30 %, rounded down"
        );
        assert_eq!(
            request().terms().stake_per_task,
            U256::from(605),
            "no dataset, no price for it"
        );
        let with_dataset = RequestOrder {
            dataset: Address::repeat_byte(9),
            ..request()
        };
        assert_eq!(with_dataset.terms().stake_per_task, U256::from(675));
    }

    #[test]
    fn cheap_offers_and_generous_requests_come_first() {
        let rank = |price: u64| {
            let order = WorkerpoolOrder {
                workerpoolprice: U256::from(price),
                ..offer()
            };
            order.terms().rank(OrderKind::Workerpool)
        };
        assert!(rank(1) < rank(2));
        let rank = |price: u64| {
            let order = RequestOrder {
                workerpoolmaxprice: U256::from(price),
                ..request()
            };
            order.terms().rank(OrderKind::Request)
        };
        assert!(rank(2) < rank(1));
    }
}
