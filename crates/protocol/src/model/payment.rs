//! Money in the twin: deposits, the hub's own token, and the six moves the protocol makes.
//!
//! What is locked moves to the hub's own balance and counts as frozen; a seizure takes from frozen only, its value
//! stays with the hub until a reward pays it out. So at every step: all balances add up to the supply, the supply is
//! what the hub holds of the token, and what is frozen does not exceed the hub's own balance.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use serde::{Deserialize, Serialize};

use super::{Call, Hub, Outcome, Refusal, emit, refuse, require};
use crate::abi::{Hub as abi, RLC};
use crate::payment::{BURNT, KITTY};

/// What an account has in the hub, in nRLC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Free to use or to withdraw.
    pub balance: U256,
    /// Frozen in deals and contributions.
    pub frozen: U256,
}

/// The most money the hub counts, in nRLC: 2^96 - 1.
const AMOUNT_LIMIT: U256 = U256::from_limbs([u64::MAX, u32::MAX as u64, 0, 0]);

/// The token, outside the hub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Token {
    /// Who holds how much, in nRLC.
    pub balances: BTreeMap<Address, U256>,
    /// Who lets whom spend how much, by (owner, spender); the greatest number is never used up.
    pub allowances: BTreeMap<(Address, Address), U256>,
}

impl Token {
    /// All there ever is, in nRLC: 87 million RLC.
    pub const SUPPLY: U256 = U256::from_limbs([87_000_000_000_000_000, 0, 0, 0]);

    /// A token just deployed.
    #[must_use]
    pub fn new(deployer: Address) -> Self {
        Self {
            balances: BTreeMap::from([(deployer, Self::SUPPLY)]),
            allowances: BTreeMap::new(),
        }
    }

    /// What an account holds.
    #[must_use]
    pub fn balance(&self, account: Address) -> U256 {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    /// `approve` of the token.
    pub fn approve(
        &mut self,
        owner: Address,
        spender: Address,
        amount: U256,
    ) -> Result<(), Refusal> {
        if spender.is_zero() {
            return Err(token(RLC::RLCErrors::ERC20InvalidSpender(
                RLC::ERC20InvalidSpender { spender },
            )));
        }
        self.allowances.insert((owner, spender), amount);
        Ok(())
    }

    /// `transfer` of the token.
    pub fn transfer(&mut self, from: Address, to: Address, amount: U256) -> Result<(), Refusal> {
        if to.is_zero() {
            return Err(token(RLC::RLCErrors::ERC20InvalidReceiver(
                RLC::ERC20InvalidReceiver { receiver: to },
            )));
        }
        let balance = self.balance(from);
        let Some(rest) = balance.checked_sub(amount) else {
            return Err(token(RLC::RLCErrors::ERC20InsufficientBalance(
                RLC::ERC20InsufficientBalance {
                    sender: from,
                    balance,
                    needed: amount,
                },
            )));
        };
        self.balances.insert(from, rest);
        *self.balances.entry(to).or_default() += amount;
        Ok(())
    }

    /// `transferFrom` of the token, called by `spender`.
    pub fn transfer_from(
        &mut self,
        spender: Address,
        from: Address,
        to: Address,
        amount: U256,
    ) -> Result<(), Refusal> {
        let allowance = self
            .allowances
            .get(&(from, spender))
            .copied()
            .unwrap_or_default();
        if allowance != U256::MAX {
            let Some(rest) = allowance.checked_sub(amount) else {
                return Err(token(RLC::RLCErrors::ERC20InsufficientAllowance(
                    RLC::ERC20InsufficientAllowance {
                        spender,
                        allowance,
                        needed: amount,
                    },
                )));
            };
            self.allowances.insert((from, spender), rest);
        }
        self.transfer(from, to, amount)
    }
}

/// Who a call of `matchOrders` that cannot be decoded seems to be for: the seventh word of its fourth argument, or
/// nobody where the call is shorter.
fn requester_of(data: &Bytes) -> Address {
    let word = |at: usize| {
        let end = at.checked_add(32)?;
        data.get(at..end).map(U256::from_be_slice)
    };
    let order = word(4 + 96).map(|offset| offset.saturating_to::<usize>());
    let requester = order.and_then(|order| word(order.saturating_add(4 + 192)));
    Address::from_word(requester.unwrap_or_default().into())
}

fn token(error: RLC::RLCErrors) -> Refusal {
    Refusal::Token(Box::new(error))
}

/// Deposits, withdrawals and the hub's own token.
impl Hub {
    /// Pays in for oneself. The token must let the hub spend it.
    pub fn deposit(&mut self, call: Call, amount: U256) -> Outcome {
        self.deposit_for(call, amount, call.sender)
    }

    /// Pays in for somebody else.
    pub fn deposit_for(&mut self, call: Call, amount: U256, target: Address) -> Outcome {
        self.atomically(|hub| hub.pull(call.sender, amount, target))
    }

    /// Pays in for several others.
    pub fn deposit_for_array(
        &mut self,
        call: Call,
        amounts: &[U256],
        targets: &[Address],
    ) -> Outcome {
        self.atomically(|hub| {
            require!(
                amounts.len() == targets.len(),
                LengthMismatch {
                    left: U256::from(amounts.len()),
                    right: U256::from(targets.len())
                }
            );
            amounts
                .iter()
                .zip(targets)
                .try_for_each(|(amount, target)| hub.pull(call.sender, *amount, *target))
        })
    }

    /// Pays in through `approveAndCall` of the token, and, with the calldata of `matchOrders`, matches at once.
    pub fn deposit_by_approval(&mut self, call: Call, amount: U256, data: &Bytes) -> Outcome {
        self.atomically(|hub| {
            let address = hub.address();
            hub.token.approve(call.sender, address, amount)?;
            hub.pull(call.sender, amount, call.sender)?;
            if data.is_empty() {
                return Ok(());
            }
            let mut selector = [0_u8; 4];
            for (to, from) in selector.iter_mut().zip(data.iter()) {
                *to = *from;
            }
            require!(
                data.len() >= 4 && selector == abi::matchOrdersCall::SELECTOR,
                UnsupportedOperation {
                    selector: selector.into()
                }
            );
            let orders = abi::matchOrdersCall::abi_decode(data).ok();
            let requester = orders.as_ref().map_or_else(
                || requester_of(data),
                |orders| orders.requestorder.requester,
            );
            require!(
                requester == call.sender,
                CallerIsNotTheRequester {
                    caller: call.sender,
                    requester
                }
            );
            let Some(orders) = orders else {
                return refuse!(OperationFailed {});
            };
            hub.make_deal(
                call.time,
                requester,
                &orders.apporder.into(),
                &orders.datasetorder.into(),
                &orders.workerpoolorder.into(),
                &orders.requestorder.into(),
            )
            .map(drop)
        })
    }

    /// Takes free money out.
    pub fn withdraw(&mut self, call: Call, amount: U256) -> Outcome {
        self.withdraw_to(call, amount, call.sender)
    }

    /// Takes free money out, to somebody else.
    pub fn withdraw_to(&mut self, call: Call, amount: U256, target: Address) -> Outcome {
        self.atomically(|hub| {
            hub.require_spender(target)?;
            hub.debit(call.sender, amount)?;
            hub.supply -= amount;
            emit!(
                hub,
                Transfer {
                    from: call.sender,
                    to: Address::ZERO,
                    value: amount
                }
            );
            let address = hub.address();
            hub.token.transfer(address, target, amount)
        })
    }

    /// Credits the owner with token that came in without a deposit.
    pub fn recover(&mut self, call: Call) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            hub.require_open()?;
            let delta = hub.token.balance(hub.address()).saturating_sub(hub.supply);
            hub.mint(hub.owner, delta)
        })
    }

    /// Moves free money to somebody else.
    pub fn transfer(&mut self, call: Call, to: Address, amount: U256) -> Outcome {
        self.atomically(|hub| hub.give(call.sender, to, amount))
    }

    /// Moves free money of somebody who allowed it.
    pub fn transfer_from(
        &mut self,
        call: Call,
        from: Address,
        to: Address,
        amount: U256,
    ) -> Outcome {
        self.atomically(|hub| {
            let allowance = hub.allowance(from, call.sender);
            let Some(rest) = allowance.checked_sub(amount) else {
                return refuse!(InsufficientAllowance {
                    owner: from,
                    spender: call.sender,
                    allowance,
                    needed: amount,
                });
            };
            hub.give(from, to, amount)?;
            hub.allow(from, call.sender, rest)
        })
    }

    /// Allows somebody to move so much.
    pub fn approve(&mut self, call: Call, spender: Address, amount: U256) -> Outcome {
        self.atomically(|hub| hub.allow(call.sender, spender, amount))
    }

    /// Allows somebody to move so much more.
    pub fn increase_allowance(&mut self, call: Call, spender: Address, added: U256) -> Outcome {
        self.atomically(|hub| {
            let allowance = hub.allowance(call.sender, spender);
            let amount = allowance.checked_add(added).ok_or(Refusal::Overflow)?;
            hub.allow(call.sender, spender, amount)
        })
    }

    /// Allows somebody to move so much less.
    pub fn decrease_allowance(
        &mut self,
        call: Call,
        spender: Address,
        subtracted: U256,
    ) -> Outcome {
        self.atomically(|hub| {
            let allowance = hub.allowance(call.sender, spender);
            let Some(amount) = allowance.checked_sub(subtracted) else {
                return refuse!(InsufficientAllowance {
                    owner: call.sender,
                    spender,
                    allowance,
                    needed: subtracted,
                });
            };
            hub.allow(call.sender, spender, amount)
        })
    }

    /// Allows a contract to move so much, and tells it. None the twin knows of takes it: the hub itself listens to the
    /// token alone, and other contracts do not know the question.
    pub fn approve_and_call(&mut self, call: Call, spender: Address, amount: U256) -> Outcome {
        self.atomically(|hub| {
            let address = hub.address();
            hub.allow(call.sender, spender, amount)?;
            require!(
                spender != address,
                NotTheToken {
                    sender: address,
                    token: address
                }
            );
            Err(Refusal::Silent)
        })
    }

    fn allowance(&self, owner: Address, spender: Address) -> U256 {
        self.allowances
            .get(&(owner, spender))
            .copied()
            .unwrap_or_default()
    }

    fn allow(&mut self, owner: Address, spender: Address, amount: U256) -> Result<(), Refusal> {
        require!(!spender.is_zero(), ZeroAddress {});
        self.allowances.insert((owner, spender), amount);
        emit!(
            self,
            Approval {
                owner,
                spender,
                value: amount
            }
        );
        Ok(())
    }

    fn give(&mut self, from: Address, to: Address, amount: U256) -> Result<(), Refusal> {
        self.require_spender(to)?;
        require!(!from.is_zero() && !to.is_zero(), ZeroAddress {});
        self.debit(from, amount)?;
        self.credit(to, amount);
        emit!(
            self,
            Transfer {
                from,
                to,
                value: amount
            }
        );
        Ok(())
    }

    /// Token from `payer` to the hub, hub money to `target`.
    fn pull(&mut self, payer: Address, amount: U256, target: Address) -> Result<(), Refusal> {
        self.require_spender(target)?;
        let address = self.address();
        self.token.transfer_from(address, payer, address, amount)?;
        self.mint(target, amount)
    }

    /// Neither the hub nor the kitty can spend what it has, so nobody gives them anything: it would be lost.
    fn require_spender(&self, account: Address) -> Result<(), Refusal> {
        require!(
            account != self.address() && account != KITTY,
            AccountCannotSpend { account }
        );
        Ok(())
    }

    fn mint(&mut self, account: Address, amount: U256) -> Result<(), Refusal> {
        require!(!account.is_zero(), ZeroAddress {});
        let room = AMOUNT_LIMIT - self.supply;
        require!(
            amount <= room,
            AmountTooLarge {
                amount,
                limit: room
            }
        );
        self.supply += amount;
        self.credit(account, amount);
        emit!(
            self,
            Transfer {
                from: Address::ZERO,
                to: account,
                value: amount
            }
        );
        Ok(())
    }
}

/// The moves the protocol makes. No balance can outgrow the supply, so sums need no check.
impl Hub {
    /// From an account's balance to its frozen part.
    pub(super) fn lock(&mut self, account: Address, amount: U256) -> Result<(), Refusal> {
        self.debit(account, amount)?;
        self.credit(self.address(), amount);
        self.accounts.entry(account).or_default().frozen += amount;
        emit!(
            self,
            Transfer {
                from: account,
                to: self.address(),
                value: amount
            }
        );
        emit!(
            self,
            Lock {
                owner: account,
                amount
            }
        );
        Ok(())
    }

    /// The reverse.
    pub(super) fn unlock(&mut self, account: Address, amount: U256) -> Result<(), Refusal> {
        self.unfreeze(account, amount)?;
        self.debit(self.address(), amount)?;
        self.credit(account, amount);
        emit!(
            self,
            Transfer {
                from: self.address(),
                to: account,
                value: amount
            }
        );
        emit!(
            self,
            Unlock {
                owner: account,
                amount
            }
        );
        Ok(())
    }

    /// An account loses what it had frozen; the hub keeps it until it is paid out.
    pub(super) fn seize(
        &mut self,
        account: Address,
        amount: U256,
        why: B256,
    ) -> Result<(), Refusal> {
        self.unfreeze(account, amount)?;
        emit!(
            self,
            Seize {
                owner: account,
                amount,
                r#ref: why
            }
        );
        Ok(())
    }

    /// Pays out of what was seized.
    pub(super) fn reward(
        &mut self,
        account: Address,
        amount: U256,
        why: B256,
    ) -> Result<(), Refusal> {
        self.debit(self.address(), amount)?;
        self.credit(account, amount);
        emit!(
            self,
            Transfer {
                from: self.address(),
                to: account,
                value: amount
            }
        );
        emit!(
            self,
            Reward {
                owner: account,
                amount,
                r#ref: why
            }
        );
        Ok(())
    }

    /// Hands what was just seized to the kitty, where it is frozen.
    pub(super) fn feed_kitty(&mut self, amount: U256, why: B256) {
        self.accounts.entry(KITTY).or_default().frozen += amount;
        emit!(
            self,
            Reward {
                owner: KITTY,
                amount,
                r#ref: why
            }
        );
        emit!(
            self,
            Lock {
                owner: KITTY,
                amount
            }
        );
    }

    /// Pays out to nobody, of what was seized. Nothing is no payment.
    pub(super) fn burn(&mut self, amount: U256, why: B256) -> Result<(), Refusal> {
        if amount.is_zero() {
            return Ok(());
        }
        self.reward(BURNT, amount, why)
    }

    fn unfreeze(&mut self, account: Address, amount: U256) -> Result<(), Refusal> {
        let entry = self.accounts.entry(account).or_default();
        let frozen = entry.frozen;
        let Some(rest) = frozen.checked_sub(amount) else {
            return refuse!(InsufficientFrozen {
                account,
                frozen,
                needed: amount
            });
        };
        entry.frozen = rest;
        Ok(())
    }

    fn debit(&mut self, account: Address, amount: U256) -> Result<(), Refusal> {
        let entry = self.accounts.entry(account).or_default();
        let balance = entry.balance;
        let Some(rest) = balance.checked_sub(amount) else {
            return refuse!(InsufficientBalance {
                account,
                balance,
                needed: amount
            });
        };
        entry.balance = rest;
        Ok(())
    }

    fn credit(&mut self, account: Address, amount: U256) {
        self.accounts.entry(account).or_default().balance += amount;
    }
}
