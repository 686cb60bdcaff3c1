//! Matching: the rules under which a request meets an offer of an app, of a dataset and of a workerpool.
//!
//! These are rules 00 to 1b of the hub's `matchOrders`, in the hub's order: what the orders say about each other.
//! The rules after them (registered, signed, volume left) ask the chain; the market, the SDK and
//! [`model`](crate::model) each ask it their own way. With no dataset in the request the "dataset order" is
//! whatever the caller sends, usually [`DatasetOrder::default`]: nobody signed it, so its tag counts for nothing, and its
//! restrictions can only keep the caller's own match from being made.

use alloy_primitives::{Address, U256};

use super::{AppOrder, DatasetOrder, RequestOrder, Tag, WorkerpoolOrder};

/// The four orders of one match.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    /// The offer of the app.
    pub app: &'a AppOrder,
    /// The offer of the dataset, or the empty order.
    pub dataset: &'a DatasetOrder,
    /// The offer of the machines.
    pub workerpool: &'a WorkerpoolOrder,
    /// The request.
    pub request: &'a RequestOrder,
}

/// A reason why orders do not fit, one per rule, in the order in which the hub looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Rule 00.
    #[error("the request asks for category {requested}, the workerpool offers {offered}")]
    Category {
        /// Category of the request.
        requested: U256,
        /// Category of the workerpool order.
        offered: U256,
    },
    /// Rule 01.
    #[error("category {category} does not exist, there are {count}")]
    UnknownCategory {
        /// Category of the request.
        category: U256,
        /// Number of categories of the hub.
        count: U256,
    },
    /// Rule 02.
    #[error("the request asks for trust {requested}, the workerpool offers at most {offered}")]
    Trust {
        /// Trust of the request.
        requested: U256,
        /// Trust of the workerpool order.
        offered: U256,
    },
    /// Rule 03.
    #[error("the app costs {price} nRLC a task, the request pays at most {max}")]
    AppPrice {
        /// Price of the app order.
        price: U256,
        /// Most the request pays.
        max: U256,
    },
    /// Rule 04.
    #[error("the dataset costs {price} nRLC a task, the request pays at most {max}")]
    DatasetPrice {
        /// Price of the dataset order.
        price: U256,
        /// Most the request pays.
        max: U256,
    },
    /// Rule 05.
    #[error("the workerpool costs {price} nRLC a task, the request pays at most {max}")]
    WorkerpoolPrice {
        /// Price of the workerpool order.
        price: U256,
        /// Most the request pays.
        max: U256,
    },
    /// Rule 06.
    #[error("the orders demand the tag {demanded}, the workerpool offers {offered}")]
    WorkerpoolTag {
        /// What app, dataset and request demand together.
        demanded: Tag,
        /// What the workerpool order offers.
        offered: Tag,
    },
    /// Rule 07.
    #[error(
        "the orders demand an enclave (tag {demanded}), the app is not made for one (tag {app})"
    )]
    AppTag {
        /// What app, dataset and request demand together.
        demanded: Tag,
        /// Tag of the app order.
        app: Tag,
    },
    /// Rule 10.
    #[error("the request names app {requested}, the order offers {offered}")]
    App {
        /// App of the request.
        requested: Address,
        /// App of the app order.
        offered: Address,
    },
    /// Rule 11.
    #[error("the request names dataset {requested}, the order offers {offered}")]
    Dataset {
        /// Dataset of the request, zero for none.
        requested: Address,
        /// Dataset of the dataset order.
        offered: Address,
    },
    /// Rules 12 to 1b: an order lets only one address, or a group, in.
    #[error("{by} lets in only {restriction} as {of}, not {account}")]
    Restricted {
        /// Whose restriction it is.
        by: Party,
        /// Whom it restricts.
        of: Party,
        /// The address or group let in.
        restriction: Address,
        /// Who is not of it.
        account: Address,
    },
}

/// A party to a match, as restrictions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The app, or its order.
    App,
    /// The dataset, or its order.
    Dataset,
    /// The workerpool, or its order.
    Workerpool,
    /// The requester, or the request.
    Requester,
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::App => "app",
            Self::Dataset => "dataset",
            Self::Workerpool => "workerpool",
            Self::Requester => "requester",
        })
    }
}

impl Mismatch {
    /// The two-digit number PoCo gave the rule.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        use Party::{App, Dataset, Requester, Workerpool};
        match self {
            Self::Category { .. } => "00",
            Self::UnknownCategory { .. } => "01",
            Self::Trust { .. } => "02",
            Self::AppPrice { .. } => "03",
            Self::DatasetPrice { .. } => "04",
            Self::WorkerpoolPrice { .. } => "05",
            Self::WorkerpoolTag { .. } => "06",
            Self::AppTag { .. } => "07",
            Self::App { .. } => "10",
            Self::Dataset { .. } => "11",
            Self::Restricted { by, of, .. } => match (by, of) {
                (Requester, _) => "12",
                (App, App | Dataset) => "13",
                (App, Workerpool) => "14",
                (App, Requester) => "15",
                (Dataset, App | Dataset) => "16",
                (Dataset, Workerpool) => "17",
                (Dataset, Requester) => "18",
                (Workerpool, App) => "19",
                (Workerpool, Dataset | Workerpool) => "1a",
                (Workerpool, Requester) => "1b",
            },
        }
    }
}

impl Match<'_> {
    /// What the deal will demand of the machine: the tags of app, dataset and request together, without the
    /// dataset's framework bits. An order that offers no dataset demands nothing.
    #[must_use]
    pub fn tag(&self) -> Tag {
        let of_dataset = if self.has_dataset() {
            Tag(self.dataset.tag).without_framework()
        } else {
            Tag::NONE
        };
        Tag(self.app.tag) | of_dataset | Tag(self.request.tag)
    }

    /// The trust of the deal: what the request asks for, at least 1.
    #[must_use]
    pub fn trust(&self) -> U256 {
        self.request.trust.max(U256::ONE)
    }

    /// Whether a dataset is part of the deal.
    #[must_use]
    pub fn has_dataset(&self) -> bool {
        !self.request.dataset.is_zero()
    }

    /// Applies rules 00 to 1b and names the first that is broken.
    ///
    /// `categories` is how many the hub knows. `in_group(group, account)` answers for restrictions that are
    /// neither zero nor the account itself: whether a contract at `group` counts the account as a member
    /// (ERC-734, purpose 4). Who knows no groups answers `false`.
    pub fn check(
        &self,
        categories: U256,
        in_group: impl Fn(Address, Address) -> bool,
    ) -> Result<(), Mismatch> {
        let Self {
            app,
            dataset,
            workerpool,
            request,
        } = *self;
        let ensure = |holds: bool, mismatch: Mismatch| if holds { Ok(()) } else { Err(mismatch) };

        ensure(
            request.category == workerpool.category,
            Mismatch::Category {
                requested: request.category,
                offered: workerpool.category,
            },
        )?;
        ensure(
            request.category < categories,
            Mismatch::UnknownCategory {
                category: request.category,
                count: categories,
            },
        )?;
        ensure(
            request.trust <= workerpool.trust,
            Mismatch::Trust {
                requested: request.trust,
                offered: workerpool.trust,
            },
        )?;
        ensure(
            app.appprice <= request.appmaxprice,
            Mismatch::AppPrice {
                price: app.appprice,
                max: request.appmaxprice,
            },
        )?;
        ensure(
            dataset.datasetprice <= request.datasetmaxprice,
            Mismatch::DatasetPrice {
                price: dataset.datasetprice,
                max: request.datasetmaxprice,
            },
        )?;
        ensure(
            workerpool.workerpoolprice <= request.workerpoolmaxprice,
            Mismatch::WorkerpoolPrice {
                price: workerpool.workerpoolprice,
                max: request.workerpoolmaxprice,
            },
        )?;
        let demanded = self.tag();
        ensure(
            Tag(workerpool.tag).includes(demanded),
            Mismatch::WorkerpoolTag {
                demanded,
                offered: Tag(workerpool.tag),
            },
        )?;
        ensure(
            !demanded.needs_enclave() || Tag(app.tag).needs_enclave(),
            Mismatch::AppTag {
                demanded,
                app: Tag(app.tag),
            },
        )?;
        ensure(
            request.app == app.app,
            Mismatch::App {
                requested: request.app,
                offered: app.app,
            },
        )?;
        ensure(
            request.dataset == dataset.dataset,
            Mismatch::Dataset {
                requested: request.dataset,
                offered: dataset.dataset,
            },
        )?;

        let (pool, requester) = (workerpool.workerpool, request.requester);
        let restrictions = [
            (
                Party::Requester,
                Party::Workerpool,
                request.workerpool,
                pool,
            ),
            (
                Party::App,
                Party::Dataset,
                app.datasetrestrict,
                dataset.dataset,
            ),
            (Party::App, Party::Workerpool, app.workerpoolrestrict, pool),
            (
                Party::App,
                Party::Requester,
                app.requesterrestrict,
                requester,
            ),
            (Party::Dataset, Party::App, dataset.apprestrict, app.app),
            (
                Party::Dataset,
                Party::Workerpool,
                dataset.workerpoolrestrict,
                pool,
            ),
            (
                Party::Dataset,
                Party::Requester,
                dataset.requesterrestrict,
                requester,
            ),
            (
                Party::Workerpool,
                Party::App,
                workerpool.apprestrict,
                app.app,
            ),
            (
                Party::Workerpool,
                Party::Dataset,
                workerpool.datasetrestrict,
                dataset.dataset,
            ),
            (
                Party::Workerpool,
                Party::Requester,
                workerpool.requesterrestrict,
                requester,
            ),
        ];
        for (by, of, restriction, account) in restrictions {
            let let_in =
                restriction.is_zero() || restriction == account || in_group(restriction, account);
            ensure(
                let_in,
                Mismatch::Restricted {
                    by,
                    of,
                    restriction,
                    account,
                },
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    /// Orders that fit in every respect, to break one thing at a time.
    #[derive(Clone, Default)]
    struct Orders {
        app: AppOrder,
        dataset: DatasetOrder,
        workerpool: WorkerpoolOrder,
        request: RequestOrder,
    }

    fn fitting() -> Orders {
        let address = Address::repeat_byte;
        let mut orders = Orders::default();
        orders.app.app = address(0xa);
        orders.dataset.dataset = address(0xd);
        orders.workerpool.workerpool = address(0xb);
        orders.workerpool.trust = U256::from(5);
        orders.request.app = address(0xa);
        orders.request.dataset = address(0xd);
        orders.request.requester = address(0xe);
        orders
    }

    fn check(orders: &Orders) -> Result<(), &'static str> {
        Match {
            app: &orders.app,
            dataset: &orders.dataset,
            workerpool: &orders.workerpool,
            request: &orders.request,
        }
        .check(U256::from(5), |group, account| {
            group == Address::repeat_byte(0x99) && account == Address::repeat_byte(0xe)
        })
        .map_err(|mismatch| mismatch.rule())
    }

    #[test]
    fn each_broken_rule_is_named() {
        let one = U256::ONE;
        let stranger = Address::repeat_byte(0x77);
        type Break = fn(&mut Orders, U256, Address);
        let breaks: [(&str, Break); 20] = [
            ("00", |orders, one, _| orders.request.category = one),
            ("01", |orders, _, _| {
                orders.request.category = U256::from(5);
                orders.workerpool.category = U256::from(5);
            }),
            ("02", |orders, one, _| {
                orders.request.trust = orders.workerpool.trust + one
            }),
            ("03", |orders, one, _| orders.app.appprice = one),
            ("04", |orders, one, _| orders.dataset.datasetprice = one),
            ("05", |orders, one, _| {
                orders.workerpool.workerpoolprice = one
            }),
            ("06", |orders, _, _| orders.request.tag = Tag::GPU.0),
            ("07", |orders, _, _| {
                orders.request.tag = Tag::TEE.0;
                orders.workerpool.tag = Tag::TEE.0;
            }),
            ("10", |orders, _, stranger| orders.request.app = stranger),
            ("11", |orders, _, stranger| {
                orders.request.dataset = stranger
            }),
            ("12", |orders, _, stranger| {
                orders.request.workerpool = stranger
            }),
            ("13", |orders, _, stranger| {
                orders.app.datasetrestrict = stranger
            }),
            ("14", |orders, _, stranger| {
                orders.app.workerpoolrestrict = stranger
            }),
            ("15", |orders, _, stranger| {
                orders.app.requesterrestrict = stranger
            }),
            ("16", |orders, _, stranger| {
                orders.dataset.apprestrict = stranger
            }),
            ("17", |orders, _, stranger| {
                orders.dataset.workerpoolrestrict = stranger
            }),
            ("18", |orders, _, stranger| {
                orders.dataset.requesterrestrict = stranger
            }),
            ("19", |orders, _, stranger| {
                orders.workerpool.apprestrict = stranger
            }),
            ("1a", |orders, _, stranger| {
                orders.workerpool.datasetrestrict = stranger
            }),
            ("1b", |orders, _, stranger| {
                orders.workerpool.requesterrestrict = stranger
            }),
        ];
        assert_eq!(check(&fitting()), Ok(()));
        for (rule, broken) in breaks {
            let mut orders = fitting();
            broken(&mut orders, one, stranger);
            assert_eq!(check(&orders), Err(rule));
        }
    }

    #[test]
    fn a_restriction_lets_in_the_account_itself_and_members_of_a_group() {
        let mut orders = fitting();
        orders.app.requesterrestrict = orders.request.requester;
        assert_eq!(check(&orders), Ok(()));
        orders.app.requesterrestrict = Address::repeat_byte(0x99);
        assert_eq!(check(&orders), Ok(()));
        orders.request.requester = Address::repeat_byte(0x98);
        assert_eq!(check(&orders), Err("15"));
    }

    #[test]
    fn framework_bits_count_except_in_a_datasets_tag() {
        let scone = (Tag::TEE | Tag::SCONE).0;
        let mut orders = fitting();
        orders.app.tag = Tag::TEE.0;
        orders.workerpool.tag = Tag::TEE.0;
        orders.dataset.tag = scone;
        assert_eq!(check(&orders), Ok(()));
        orders.dataset.tag = B256::ZERO;
        orders.request.tag = scone;
        assert_eq!(check(&orders), Err("06"));
    }

    #[test]
    fn a_restricted_dataset_forces_one() {
        let mut orders = fitting();
        orders.app.datasetrestrict = Address::repeat_byte(0xd);
        assert_eq!(check(&orders), Ok(()));
        orders.request.dataset = Address::ZERO;
        orders.dataset = DatasetOrder::default();
        assert_eq!(check(&orders), Err("13"));
    }
}
