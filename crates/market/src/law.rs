//! What the market asks the chain about an order, and what the answers mean for it.
//!
//! Asking is [`Law`]; judging is plain code over the answers ([`Standing::status`]), so that it can be tested by
//! itself and is the same at publication and ever after.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, Bytes, U256};
use futures::future::try_join_all;
use protocol::abi::{
    App, AppRegistry, Dataset, DatasetRegistry, Hub, Workerpool, WorkerpoolRegistry,
};
use protocol::ids::OrderHash;
use protocol::order::OrderKind;
use sdk::chain::{Chain, ChainError};
use sdk::wire::market::OrderStatus;

/// The chain, as far as the market asks it.
#[derive(Debug, Clone)]
pub(crate) struct Law {
    chain: Chain,
}

impl Law {
    pub(crate) fn new(chain: Chain) -> Self {
        Self { chain }
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Who must sign the orders of this kind about `subject`: its owner; a requester himself. `None` if no registry
    /// of the hub knows it.
    pub(crate) async fn owner(
        &self,
        kind: OrderKind,
        subject: Address,
    ) -> Result<Option<Address>, ChainError> {
        let at = self.chain.deployment();
        let (chain, entry) = (&self.chain, subject);
        let owner = match kind {
            OrderKind::Request => subject,
            OrderKind::App => {
                if !chain
                    .call(at.app_registry, AppRegistry::isRegisteredCall { entry })
                    .await?
                {
                    return Ok(None);
                }
                chain.call(entry, App::ownerCall {}).await?
            }
            OrderKind::Dataset => {
                if !chain
                    .call(
                        at.dataset_registry,
                        DatasetRegistry::isRegisteredCall { entry },
                    )
                    .await?
                {
                    return Ok(None);
                }
                chain.call(entry, Dataset::ownerCall {}).await?
            }
            OrderKind::Workerpool => {
                if !chain
                    .call(
                        at.workerpool_registry,
                        WorkerpoolRegistry::isRegisteredCall { entry },
                    )
                    .await?
                {
                    return Ok(None);
                }
                chain.call(entry, Workerpool::ownerCall {}).await?
            }
        };
        Ok(Some(owner))
    }

    /// Whether `signer` signed this, by a key, by a contract (ERC-1271), or beforehand at the hub.
    pub(crate) async fn signed(
        &self,
        signer: Address,
        order: OrderHash,
        signature: Bytes,
    ) -> Result<bool, ChainError> {
        let call = Hub::verifyPresignatureOrSignatureCall {
            identity: signer,
            hash: order.0,
            signature,
        };
        yes(self.chain.hub(call).await)
    }

    /// The same for anything but an order, which nobody can presign.
    pub(crate) async fn signed_text(
        &self,
        signer: Address,
        digest: alloy_primitives::B256,
        signature: Bytes,
    ) -> Result<bool, ChainError> {
        yes(self
            .chain
            .hub(Hub::verifySignatureCall {
                identity: signer,
                hash: digest,
                signature,
            })
            .await)
    }

    pub(crate) async fn consumed(&self, order: OrderHash) -> Result<U256, ChainError> {
        self.chain.hub(Hub::viewConsumedCall { id: order.0 }).await
    }

    pub(crate) async fn consumed_many(
        &self,
        orders: &[OrderHash],
    ) -> Result<Vec<U256>, ChainError> {
        self.chain
            .hub_many(
                orders
                    .iter()
                    .map(|order| Hub::viewConsumedCall { id: order.0 })
                    .collect(),
            )
            .await
    }

    /// What an account has free at the hub.
    pub(crate) async fn free(&self, account: Address) -> Result<U256, ChainError> {
        Ok(self
            .chain
            .hub(Hub::viewAccountCall { account })
            .await?
            .stake)
    }

    /// [`Law::owner`] of many, asked at once.
    pub(crate) async fn owner_many(
        &self,
        assets: BTreeSet<(OrderKind, Address)>,
    ) -> Result<BTreeMap<(OrderKind, Address), Option<Address>>, ChainError> {
        let ask = assets.into_iter().map(async |(kind, subject)| {
            self.owner(kind, subject)
                .await
                .map(|owner| ((kind, subject), owner))
        });
        try_join_all(ask).await.map(BTreeMap::from_iter)
    }

    /// [`Law::free`] of many, asked at once.
    pub(crate) async fn free_many(
        &self,
        accounts: BTreeSet<Address>,
    ) -> Result<BTreeMap<Address, U256>, ChainError> {
        let calls = accounts
            .iter()
            .map(|account| Hub::viewAccountCall { account: *account })
            .collect();
        let answers = self.chain.hub_many(calls).await?;
        Ok(accounts
            .into_iter()
            .zip(answers)
            .map(|(account, answer)| (account, answer.stake))
            .collect())
    }

    /// How many categories there are.
    pub(crate) async fn categories(&self) -> Result<U256, ChainError> {
        self.chain.hub(Hub::countCategoryCall {}).await
    }
}

/// The hub refuses signatures of impossible lengths; for us that is a plain no.
fn yes(answer: Result<bool, ChainError>) -> Result<bool, ChainError> {
    match answer {
        Err(ChainError::Refused { .. }) => Ok(false),
        answer => answer,
    }
}

/// What decides whether an order can be matched now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) signer: Address,
    /// Who would have to sign it now; `None`: nobody knows the asset.
    pub(crate) owner: Option<Address>,
    pub(crate) volume: U256,
    pub(crate) consumed: U256,
    pub(crate) stake_per_task: U256,
    /// What the signer has free at the hub.
    pub(crate) free: U256,
    /// Its signer closed it.
    pub(crate) closed: bool,
}

impl Standing {
    pub(crate) fn remaining(&self) -> U256 {
        self.volume.saturating_sub(self.consumed)
    }

    /// What must be free at the hub for all of what remains to be matched.
    pub(crate) fn stake_needed(&self) -> U256 {
        self.stake_per_task.saturating_mul(self.remaining())
    }

    pub(crate) fn status(&self) -> OrderStatus {
        if self.remaining().is_zero() {
            return if self.closed {
                OrderStatus::Canceled
            } else {
                OrderStatus::Filled
            };
        }
        if self.owner != Some(self.signer) || self.free < self.stake_needed() {
            return OrderStatus::Dead;
        }
        OrderStatus::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_open_exactly_while_it_can_be_matched() {
        let signer = Address::repeat_byte(1);
        let open = Standing {
            signer,
            owner: Some(signer),
            volume: U256::from(10),
            consumed: U256::from(4),
            stake_per_task: U256::from(5),
            free: U256::from(30),
            closed: false,
        };
        let cases = [
            (open, OrderStatus::Open),
            (
                Standing {
                    consumed: U256::from(10),
                    ..open
                },
                OrderStatus::Filled,
            ),
            (
                Standing {
                    consumed: U256::from(99),
                    ..open
                },
                OrderStatus::Filled,
            ),
            (
                Standing {
                    consumed: U256::from(10),
                    closed: true,
                    ..open
                },
                OrderStatus::Canceled,
            ),
            // Closed on a branch of the chain that is no more.
            (
                Standing {
                    closed: true,
                    ..open
                },
                OrderStatus::Open,
            ),
            (
                Standing {
                    owner: Some(Address::repeat_byte(2)),
                    ..open
                },
                OrderStatus::Dead,
            ),
            (
                Standing {
                    owner: None,
                    ..open
                },
                OrderStatus::Dead,
            ),
            (
                Standing {
                    free: U256::from(29),
                    ..open
                },
                OrderStatus::Dead,
            ),
            (
                Standing {
                    consumed: U256::from(5),
                    free: U256::from(25),
                    ..open
                },
                OrderStatus::Open,
            ),
            (
                Standing {
                    stake_per_task: U256::MAX,
                    ..open
                },
                OrderStatus::Dead,
            ),
        ];
        for (standing, status) in cases {
            assert_eq!(standing.status(), status, "{standing:?}");
        }
    }
}
