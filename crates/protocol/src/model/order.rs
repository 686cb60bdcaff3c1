//! Orders in the twin: signing on chain, closing, taking all back at once, and whether an order is signed and good at all.

use alloy_primitives::{Address, B256, U256};

use super::{Call, Event, Hub, Outcome, Refusal, emit, refuse, require};
use crate::abi::Hub as abi;
use crate::ids::OrderHash;
use crate::order::salt::{Lapse, Today, require_good};
use crate::order::{
    AppOrder, AppOrderOperation, DatasetOrder, DatasetOrderOperation, Order, OrderKind,
    RequestOrder, RequestOrderOperation, Signed, WorkerpoolOrder, WorkerpoolOrderOperation,
};

/// The greatest volume of an order: 2^96 - 1.
pub(super) const VOLUME_LIMIT: U256 = U256::from_limbs([u64::MAX, u32::MAX as u64, 0, 0]);

/// What to do with an order: sign (0) or close (1).
const CLOSE: u8 = 1;

/// What somebody said of all orders it ever signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch {
    /// Orders that name another epoch are over.
    pub number: u64,
    /// Whether orders that name none are refused.
    pub unmarked_refused: bool,
}

/// The asset an order is about, as the order's marks see it. A request is about none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asset {
    pub(super) address: Address,
    pub(super) epoch: u64,
    /// Of a workerpool: what a worker stakes and what the scheduler keeps, in percent.
    pub(super) policy: (U256, U256),
}

impl Hub {
    /// Takes back all orders of the caller that name its epoch, and, once asked to, refuses for ever all that name none.
    pub fn raise_epoch(&mut self, call: Call, refuse_unmarked: bool) -> Outcome {
        self.atomically(|hub| {
            let signer = call.sender;
            let epoch = hub.epochs.entry(signer).or_default();
            epoch.number += 1;
            epoch.unmarked_refused |= refuse_unmarked;
            let Epoch {
                number,
                unmarked_refused,
            } = *epoch;
            emit!(
                hub,
                EpochRaised {
                    signer,
                    epoch: U256::from(number),
                    unmarkedRefused: unmarked_refused
                }
            );
            Ok(())
        })
    }

    /// Signs an app order on chain, or closes it.
    pub fn manage_app_order(&mut self, call: Call, operation: abi::AppOrderOperation) -> Outcome {
        let order = Signed::<AppOrder>::from(operation.order).order;
        let owner = self.entries.apps.get(&order.app).map(|entry| entry.owner);
        let typed = AppOrderOperation {
            order: order.clone(),
            operation: U256::from(operation.operation),
        };
        let hash = self.domain.hash(&typed).0;
        self.manage_order(
            call,
            &order,
            operation.operation,
            owner,
            hash,
            &operation.sign,
        )
    }

    /// Signs a dataset order on chain, or closes it.
    pub fn manage_dataset_order(
        &mut self,
        call: Call,
        operation: abi::DatasetOrderOperation,
    ) -> Outcome {
        let order = Signed::<DatasetOrder>::from(operation.order).order;
        let owner = self
            .entries
            .datasets
            .get(&order.dataset)
            .map(|entry| entry.owner);
        let typed = DatasetOrderOperation {
            order: order.clone(),
            operation: U256::from(operation.operation),
        };
        let hash = self.domain.hash(&typed).0;
        self.manage_order(
            call,
            &order,
            operation.operation,
            owner,
            hash,
            &operation.sign,
        )
    }

    /// Signs a workerpool order on chain, or closes it.
    pub fn manage_workerpool_order(
        &mut self,
        call: Call,
        operation: abi::WorkerpoolOrderOperation,
    ) -> Outcome {
        let order = Signed::<WorkerpoolOrder>::from(operation.order).order;
        let owner = self
            .entries
            .workerpools
            .get(&order.workerpool)
            .map(|entry| entry.owner);
        let typed = WorkerpoolOrderOperation {
            order: order.clone(),
            operation: U256::from(operation.operation),
        };
        let hash = self.domain.hash(&typed).0;
        self.manage_order(
            call,
            &order,
            operation.operation,
            owner,
            hash,
            &operation.sign,
        )
    }

    /// Signs a request order on chain, or closes it.
    pub fn manage_request_order(
        &mut self,
        call: Call,
        operation: abi::RequestOrderOperation,
    ) -> Outcome {
        let order = Signed::<RequestOrder>::from(operation.order).order;
        let owner = Some(order.requester);
        let typed = RequestOrderOperation {
            order: order.clone(),
            operation: U256::from(operation.operation),
        };
        let hash = self.domain.hash(&typed).0;
        self.manage_order(
            call,
            &order,
            operation.operation,
            owner,
            hash,
            &operation.sign,
        )
    }

    /// `owner` is who may do it, by sending it or by having signed `operation_hash`.
    fn manage_order<O: Order>(
        &mut self,
        call: Call,
        order: &O,
        operation: u8,
        owner: Option<Address>,
        operation_hash: B256,
        sign: &[u8],
    ) -> Outcome {
        let hash = order.hash(&self.domain);
        self.atomically(|hub| {
            let Some(owner) = owner else {
                // An entry of an unknown registry cannot be told from an account here.
                return refuse!(AssetWithoutOwner {
                    asset: order.subject()
                });
            };
            require!(
                call.sender == owner || hub.is_signer(owner, operation_hash, sign)?,
                OperationNotAuthorized {
                    orderHash: hash.0,
                    owner,
                    sender: call.sender
                }
            );
            if operation == CLOSE {
                let volume = order.volume();
                require!(
                    volume <= VOLUME_LIMIT,
                    VolumeTooLarge {
                        volume,
                        limit: VOLUME_LIMIT
                    }
                );
                hub.consumed.insert(hash, volume);
                hub.emit_closed(O::KIND, hash);
            } else {
                hub.presigned.insert(hash, owner);
                hub.emit_signed(O::KIND, hash);
            }
            Ok(())
        })
    }

    /// Tells everybody of an order, unchecked.
    pub(super) fn broadcast(&mut self, event: Event) -> Outcome {
        Ok(vec![event])
    }

    fn emit_signed(&mut self, kind: OrderKind, OrderHash(hash): OrderHash) {
        match kind {
            OrderKind::App => emit!(self, SignedAppOrder { appHash: hash }),
            OrderKind::Dataset => emit!(self, SignedDatasetOrder { datasetHash: hash }),
            OrderKind::Workerpool => emit!(
                self,
                SignedWorkerpoolOrder {
                    workerpoolHash: hash
                }
            ),
            OrderKind::Request => emit!(self, SignedRequestOrder { requestHash: hash }),
        }
    }

    fn emit_closed(&mut self, kind: OrderKind, OrderHash(hash): OrderHash) {
        match kind {
            OrderKind::App => emit!(self, ClosedAppOrder { appHash: hash }),
            OrderKind::Dataset => emit!(self, ClosedDatasetOrder { datasetHash: hash }),
            OrderKind::Workerpool => emit!(
                self,
                ClosedWorkerpoolOrder {
                    workerpoolHash: hash
                }
            ),
            OrderKind::Request => emit!(self, ClosedRequestOrder { requestHash: hash }),
        }
    }

    /// Whether `owner` signed the order, on chain or beside it.
    pub(super) fn is_signed(
        &self,
        owner: Address,
        hash: OrderHash,
        sign: &[u8],
    ) -> Result<bool, Refusal> {
        if !owner.is_zero() && self.presigned.get(&hash) == Some(&owner) {
            return Ok(true);
        }
        self.is_signer(owner, hash.0, sign)
    }

    /// What is left of an order.
    pub(super) fn left<O: Order>(&self, order: &O, hash: OrderHash) -> Result<U256, Refusal> {
        let volume = order.volume();
        require!(
            volume <= VOLUME_LIMIT,
            VolumeTooLarge {
                volume,
                limit: VOLUME_LIMIT
            }
        );
        Ok(volume.saturating_sub(self.consumed(hash)))
    }

    /// What the order's salt says still holds.
    pub(super) fn require_good<O: Order>(
        &self,
        time: u64,
        order: &O,
        hash: OrderHash,
        signer: Address,
        asset: Asset,
    ) -> Result<(), Refusal> {
        let epoch = self.epoch(signer);
        let today = Today {
            time,
            signer_epoch: epoch.number,
            refuses_unmarked: epoch.unmarked_refused,
            asset_epoch: asset.epoch,
            policy: asset.policy,
        };
        let Err(lapse) = require_good(order.salt(), O::KIND, &today) else {
            return Ok(());
        };
        let hash = hash.0;
        match lapse {
            Lapse::Unknown(unknown) => refuse!(UnknownSalt {
                orderHash: hash,
                salt: unknown.salt
            }),
            Lapse::Expired { expiry, time } => refuse!(OrderExpired {
                orderHash: hash,
                expiry: U256::from(expiry),
                time: U256::from(time)
            }),
            Lapse::EpochPassed { signed, current } => refuse!(OrderEpochPassed {
                orderHash: hash,
                signer,
                signedEpoch: U256::from(signed),
                currentEpoch: U256::from(current)
            }),
            Lapse::UnmarkedRefused => refuse!(UnmarkedOrderRefused {
                orderHash: hash,
                signer
            }),
            Lapse::AssetTransferred { signed, current } => refuse!(AssetTransferred {
                orderHash: hash,
                asset: asset.address,
                signedEpoch: U256::from(signed),
                currentEpoch: U256::from(current)
            }),
            Lapse::PolicyChanged {
                worker_stake_ratio,
                scheduler_reward_ratio,
            } => refuse!(PolicyChanged {
                orderHash: hash,
                workerpool: asset.address,
                stakeRatio: worker_stake_ratio,
                rewardRatio: scheduler_reward_ratio
            }),
        }
    }
}
