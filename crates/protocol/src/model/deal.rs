//! Deals in the twin: matching orders.

use alloy_primitives::{Address, U256};

use super::order::Asset;
use super::{Call, Hub, Outcome, Refusal, emit, refusal, refuse, require};
use crate::deal::{Deal, Resource, scheduler_stake};
use crate::ids::{DealId, OrderHash};
use crate::order::matching::{Match, Mismatch, Party};
use crate::order::{AppOrder, DatasetOrder, RequestOrder, Signed, Tag, WorkerpoolOrder};
use crate::payment::{Nrlc, worker_stake};

/// The greatest price of an order and stake of a worker, in nRLC: 64 bits.
const PRICE_LIMIT: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);
/// The most a worker can be asked to stake, in percent of the price. A workerpool takes no greater ratio, but one of a
/// registry before these may have it.
const STAKE_RATIO_LIMIT: U256 = U256::from_limbs([1_000, 0, 0, 0]);
/// The greatest trust of a deal, and the greatest index of a task: 32 bits.
const U32_LIMIT: U256 = U256::from_limbs([u32::MAX as u64, 0, 0, 0]);
/// The most bytes of `params`: what fits in a contract's code beside the rest of the deal.
const PARAMS_LIMIT: usize = 24_575 - 305;

impl Hub {
    /// Makes a deal of four orders; the requester pays. Anyone may call.
    pub fn match_orders(
        &mut self,
        call: Call,
        app: Signed<AppOrder>,
        dataset: Signed<DatasetOrder>,
        workerpool: Signed<WorkerpoolOrder>,
        request: Signed<RequestOrder>,
    ) -> Outcome {
        let payer = request.order.requester;
        self.atomically(|hub| {
            hub.make_deal(call.time, payer, &app, &dataset, &workerpool, &request)
                .map(drop)
        })
    }

    /// The same, but the caller pays.
    pub fn sponsor_match_orders(
        &mut self,
        call: Call,
        app: Signed<AppOrder>,
        dataset: Signed<DatasetOrder>,
        workerpool: Signed<WorkerpoolOrder>,
        request: Signed<RequestOrder>,
    ) -> Outcome {
        self.atomically(|hub| {
            let deal = hub.make_deal(
                call.time,
                call.sender,
                &app,
                &dataset,
                &workerpool,
                &request,
            )?;
            emit!(
                hub,
                DealSponsored {
                    dealId: deal.0,
                    sponsor: call.sender
                }
            );
            Ok(())
        })
    }

    /// Whether a dataset could be lent to a deal that was made without one; changes nothing.
    pub fn assert_dataset_fits(
        &self,
        call: Call,
        dataset: &Signed<DatasetOrder>,
        id: DealId,
    ) -> Outcome {
        let order = &dataset.order;
        let hash = dataset.hash(&self.domain);
        let consumed = self.consumed(hash);
        require!(
            consumed < order.volume,
            DatasetOrderConsumed {
                orderHash: hash.0,
                consumed,
                volume: order.volume
            }
        );
        let Some(entry) = self.entries.datasets.get(&order.dataset) else {
            return refuse!(DatasetNotRegistered {
                dataset: order.dataset
            });
        };
        require!(
            self.is_signed(entry.owner, hash, &dataset.sign)?,
            InvalidDatasetOrderSignature {
                orderHash: hash.0,
                owner: entry.owner
            }
        );
        let asset = Asset {
            address: order.dataset,
            epoch: entry.epoch,
            ..Asset::default()
        };
        self.require_good(call.time, order, hash, entry.owner, asset)?;

        let Some(deal) = self.deals.get(&id) else {
            return refuse!(UnknownDeal { dealid: id.0 });
        };
        require!(
            deal.dataset.pointer.is_zero(),
            DealHasDataset {
                dealid: id.0,
                dataset: deal.dataset.pointer
            }
        );
        let lets_in = |restriction: Address, account: Address| {
            restriction.is_zero() || restriction == account || self.is_member(restriction, account)
        };
        let (restriction, account) = (order.apprestrict, deal.app.pointer);
        require!(
            lets_in(restriction, account),
            AppRestrictedByDataset {
                restriction,
                account
            }
        );
        let (restriction, account) = (order.workerpoolrestrict, deal.workerpool.pointer);
        require!(
            lets_in(restriction, account),
            WorkerpoolRestrictedByDataset {
                restriction,
                account
            }
        );
        let (restriction, account) = (order.requesterrestrict, deal.requester);
        require!(
            lets_in(restriction, account),
            RequesterRestrictedByDataset {
                restriction,
                account
            }
        );
        let asked = Tag(order.tag).without_framework();
        require!(
            deal.tag.includes(asked),
            TagNotOffered {
                tag: asked.0,
                workerpoolTag: deal.tag.0
            }
        );
        Ok(Vec::new())
    }

    pub(super) fn make_deal(
        &mut self,
        time: u64,
        sponsor: Address,
        app: &Signed<AppOrder>,
        dataset: &Signed<DatasetOrder>,
        workerpool: &Signed<WorkerpoolOrder>,
        request: &Signed<RequestOrder>,
    ) -> Result<DealId, Refusal> {
        let orders = Match {
            app: &app.order,
            dataset: &dataset.order,
            workerpool: &workerpool.order,
            request: &request.order,
        };
        let has_dataset = orders.has_dataset();

        // Rules 00 to 1b: what the orders say of each other.
        orders.check(U256::from(self.categories.len()), |group, account| {
            self.is_member(group, account)
        })?;

        // Rules 20 to 50: registered, signed by who owns it now, and good on the terms its salt names.
        let domain = self.domain;
        let app_hash = app.hash(&domain);
        let Some(app_entry) = self.entries.apps.get(&app.order.app).copied() else {
            return refuse!(AppNotRegistered { app: app.order.app });
        };
        require!(
            self.is_signed(app_entry.owner, app_hash, &app.sign)?,
            InvalidAppOrderSignature {
                orderHash: app_hash.0,
                owner: app_entry.owner
            }
        );
        let asset = Asset {
            address: app.order.app,
            epoch: app_entry.epoch,
            ..Asset::default()
        };
        self.require_good(time, &app.order, app_hash, app_entry.owner, asset)?;
        let (dataset_hash, dataset_owner) = if has_dataset {
            let hash = dataset.hash(&domain);
            let Some(entry) = self.entries.datasets.get(&dataset.order.dataset).copied() else {
                return refuse!(DatasetNotRegistered {
                    dataset: dataset.order.dataset
                });
            };
            require!(
                self.is_signed(entry.owner, hash, &dataset.sign)?,
                InvalidDatasetOrderSignature {
                    orderHash: hash.0,
                    owner: entry.owner
                }
            );
            let asset = Asset {
                address: dataset.order.dataset,
                epoch: entry.epoch,
                ..Asset::default()
            };
            self.require_good(time, &dataset.order, hash, entry.owner, asset)?;
            (hash, entry.owner)
        } else {
            (OrderHash::default(), Address::ZERO)
        };
        let workerpool_hash = workerpool.hash(&domain);
        let Some(pool) = self
            .entries
            .workerpools
            .get(&workerpool.order.workerpool)
            .copied()
        else {
            return refuse!(WorkerpoolNotRegistered {
                workerpool: workerpool.order.workerpool
            });
        };
        require!(
            self.is_signed(pool.owner, workerpool_hash, &workerpool.sign)?,
            InvalidWorkerpoolOrderSignature {
                orderHash: workerpool_hash.0,
                owner: pool.owner
            }
        );
        let asset = Asset {
            address: workerpool.order.workerpool,
            epoch: pool.epoch,
            policy: (pool.worker_stake_ratio, pool.scheduler_reward_ratio),
        };
        self.require_good(time, &workerpool.order, workerpool_hash, pool.owner, asset)?;
        let request_hash = request.hash(&domain);
        let requester = request.order.requester;
        require!(
            self.is_signed(requester, request_hash, &request.sign)?,
            InvalidRequestOrderSignature {
                orderHash: request_hash.0,
                requester
            }
        );
        let none = Asset::default();
        self.require_good(time, &request.order, request_hash, requester, none)?;

        // Rule 60: something is left of every order.
        let left_app = self.left(&app.order, app_hash)?;
        let left_dataset = if has_dataset {
            self.left(&dataset.order, dataset_hash)?
        } else {
            U256::MAX
        };
        let left_workerpool = self.left(&workerpool.order, workerpool_hash)?;
        let left_request = self.left(&request.order, request_hash)?;
        let volume = left_app
            .min(left_dataset)
            .min(left_workerpool)
            .min(left_request);
        require!(
            !volume.is_zero(),
            OrdersConsumed {
                app: left_app,
                dataset: left_dataset,
                workerpool: left_workerpool,
                request: left_request,
            }
        );
        let first = self.consumed(request_hash);
        let price = Nrlc(workerpool.order.workerpoolprice);
        let stake = worker_stake(price, pool.worker_stake_ratio);

        let deal = Deal {
            app: Resource {
                pointer: app.order.app,
                owner: app_entry.owner,
                price: Nrlc(app.order.appprice),
            },
            dataset: Resource {
                pointer: dataset.order.dataset,
                owner: dataset_owner,
                price: if has_dataset {
                    Nrlc(dataset.order.datasetprice)
                } else {
                    Nrlc::ZERO
                },
            },
            workerpool: Resource {
                pointer: workerpool.order.workerpool,
                owner: pool.owner,
                price,
            },
            trust: orders.trust(),
            category: request.order.category,
            tag: orders.tag(),
            requester,
            beneficiary: request.order.beneficiary,
            callback: request.order.callback,
            params: request.order.params.clone(),
            start_time: time,
            bot_first: first,
            bot_size: volume,
            worker_stake: stake,
            scheduler_reward_ratio: pool.scheduler_reward_ratio,
            sponsor,
        };
        check_bounds(&deal, pool.worker_stake_ratio)?;
        let id = DealId::derive(request_hash, first);

        *self.consumed.entry(app_hash).or_default() += volume;
        if has_dataset {
            *self.consumed.entry(dataset_hash).or_default() += volume;
        }
        *self.consumed.entry(workerpool_hash).or_default() += volume;
        *self.consumed.entry(request_hash).or_default() += volume;

        self.lock(sponsor, deal.price().0 * volume)?;
        self.lock(pool.owner, scheduler_stake(price).0 * volume)?;
        self.deals.insert(id, deal);

        emit!(
            self,
            SchedulerNotice {
                workerpool: workerpool.order.workerpool,
                dealid: id.0,
            }
        );
        emit!(
            self,
            OrdersMatched {
                dealid: id.0,
                appHash: app_hash.0,
                datasetHash: dataset_hash.0,
                workerpoolHash: workerpool_hash.0,
                requestHash: request_hash.0,
                volume,
            }
        );
        Ok(id)
    }
}

/// The bounds of this hub, narrower than PoCo's because deals are packed.
fn check_bounds(deal: &Deal, stake_ratio: U256) -> Result<(), Refusal> {
    for Nrlc(price) in [deal.app.price, deal.dataset.price, deal.workerpool.price] {
        require_price(price)?;
    }
    require!(
        stake_ratio <= STAKE_RATIO_LIMIT,
        StakeRatioTooHigh {
            workerpool: deal.workerpool.pointer,
            ratio: stake_ratio,
            limit: STAKE_RATIO_LIMIT
        }
    );
    require_price(deal.worker_stake.0)?;
    require!(
        deal.trust <= U32_LIMIT,
        TrustTooHigh {
            trust: deal.trust,
            limit: U32_LIMIT
        }
    );
    let (first, size) = (deal.bot_first, deal.bot_size);
    require!(
        first.saturating_add(size) <= U32_LIMIT,
        TooManyTasks {
            first,
            size,
            limit: U32_LIMIT
        }
    );
    let length = deal.params.len();
    require!(
        length <= PARAMS_LIMIT,
        ParamsTooLong {
            length: U256::from(length),
            limit: U256::from(PARAMS_LIMIT)
        }
    );
    Ok(())
}

fn require_price(price: U256) -> Result<(), Refusal> {
    require!(
        price <= PRICE_LIMIT,
        PriceTooLarge {
            price,
            limit: PRICE_LIMIT
        }
    );
    Ok(())
}

/// Each broken rule is an error of its own.
impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Category { requested, offered } => {
                refusal!(CategoryMismatch { requested, offered })
            }
            Mismatch::UnknownCategory { category, count } => {
                refusal!(UnknownCategory { category, count })
            }
            Mismatch::Trust { requested, offered } => {
                refusal!(InsufficientTrust { requested, offered })
            }
            Mismatch::AppPrice { price, max } => refusal!(AppOverpriced {
                price,
                maxPrice: max
            }),
            Mismatch::DatasetPrice { price, max } => {
                refusal!(DatasetOverpriced {
                    price,
                    maxPrice: max
                })
            }
            Mismatch::WorkerpoolPrice { price, max } => {
                refusal!(WorkerpoolOverpriced {
                    price,
                    maxPrice: max
                })
            }
            Mismatch::WorkerpoolTag { demanded, offered } => {
                refusal!(TagNotOffered {
                    tag: demanded.0,
                    workerpoolTag: offered.0
                })
            }
            Mismatch::AppTag { demanded, app } => {
                refusal!(AppNotConfidential {
                    tag: demanded.0,
                    appTag: app.0
                })
            }
            Mismatch::App { requested, offered } => refusal!(AppMismatch { requested, offered }),
            Mismatch::Dataset { requested, offered } => {
                refusal!(DatasetMismatch { requested, offered })
            }
            Mismatch::Restricted {
                by,
                of,
                restriction,
                account,
            } => match (by, of) {
                (Party::Requester, _) => {
                    refusal!(WorkerpoolRestrictedByRequest {
                        restriction,
                        account
                    })
                }
                (Party::App, Party::App | Party::Dataset) => {
                    refusal!(DatasetRestrictedByApp {
                        restriction,
                        account
                    })
                }
                (Party::App, Party::Workerpool) => {
                    refusal!(WorkerpoolRestrictedByApp {
                        restriction,
                        account
                    })
                }
                (Party::App, Party::Requester) => {
                    refusal!(RequesterRestrictedByApp {
                        restriction,
                        account
                    })
                }
                (Party::Dataset, Party::App | Party::Dataset) => {
                    refusal!(AppRestrictedByDataset {
                        restriction,
                        account
                    })
                }
                (Party::Dataset, Party::Workerpool) => {
                    refusal!(WorkerpoolRestrictedByDataset {
                        restriction,
                        account
                    })
                }
                (Party::Dataset, Party::Requester) => {
                    refusal!(RequesterRestrictedByDataset {
                        restriction,
                        account
                    })
                }
                (Party::Workerpool, Party::App) => {
                    refusal!(AppRestrictedByWorkerpool {
                        restriction,
                        account
                    })
                }
                (Party::Workerpool, Party::Dataset | Party::Workerpool) => {
                    refusal!(DatasetRestrictedByWorkerpool {
                        restriction,
                        account
                    })
                }
                (Party::Workerpool, Party::Requester) => {
                    refusal!(RequesterRestrictedByWorkerpool {
                        restriction,
                        account
                    })
                }
            },
        }
    }
}
