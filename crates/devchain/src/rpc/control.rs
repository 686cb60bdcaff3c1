//! What a test may do to a dev chain and nobody to a real one: time, mining, snapshots, balances, reorganisations.
//!
//! Names and forms are those of anvil and Hardhat; the one of our own is `oxec_reorganise`.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Answer, invalid};
use super::{Arguments, Module, Node, quick, slow};
use crate::chain::SUGGESTED_TIP;
use crate::config::Mining;

/// The most blocks one call may make.
const MINE_LIMIT: u64 = 100_000;

/// The longest time between two blocks, in seconds: a day.
const INTERVAL_LIMIT_SECS: u64 = 86_400;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    time(module)?;
    mining(module)?;
    state(module)?;

    slow(module, &["evm_snapshot", "anvil_snapshot"], |node, _| {
        Ok(U64::from(node.write().snapshot()?))
    })?;
    slow(
        module,
        &["evm_revert", "anvil_revert"],
        |node, arguments| {
            let number = arguments.quantity()?;
            let reverted = node.write().revert(number)?;
            node.miner.look_again();
            Ok(reverted)
        },
    )?;
    slow(module, &["oxec_reorganise"], |node, arguments| {
        let depth = arguments.quantity()?;
        let options: Reorganise = arguments.optional()?.unwrap_or_default();
        node.write().reorganise(depth, !options.forget)?;
        node.miner.look_again();
        Ok(Value::Null)
    })?;
    slow(
        module,
        &["anvil_dropTransaction", "hardhat_dropTransaction"],
        |node, arguments| {
            let hash: B256 = arguments.next()?;
            Ok(node.write().drop_transaction(hash)?.then_some(hash))
        },
    )?;
    slow(module, &["anvil_dropAllTransactions"], |node, _| {
        node.write().drop_all()?;
        Ok(Value::Null)
    })?;
    quick(module, &["anvil_nodeInfo"], |node, _| {
        let chain = node.read();
        Ok(json!({
            "currentBlockNumber": U64::from(chain.head().number()),
            "currentBlockTimestamp": chain.head().timestamp(),
            "currentBlockHash": chain.head().hash(),
            "hardFork": "Osaka",
            "transactionOrder": "fees",
            "environment": {
                "baseFee": U64::from(chain.base_fee()),
                "chainId": chain.chain_id(),
                "gasLimit": U64::from(chain.block_gas_limit()),
                "gasPrice": U64::from(chain.base_fee().saturating_add(SUGGESTED_TIP)),
            },
            "forkConfig": {
                "forkUrl": Value::Null,
                "forkBlockNumber": Value::Null,
                "forkRetryBackoff": Value::Null,
            },
        }))
    })?;
    Ok(())
}

/// How `oxec_reorganise` is to treat the undone blocks' transactions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Reorganise {
    /// They are lost rather than waiting again.
    forget: bool,
}

fn time(module: &mut Module) -> Result<(), RegisterMethodError> {
    quick(
        module,
        &["evm_increaseTime", "anvil_increaseTime"],
        |node, arguments| {
            let secs = arguments.quantity()?;
            let secs = i64::try_from(secs).map_err(|_| invalid("too far into the future"))?;
            Ok(node.write().increase_time(secs)?)
        },
    )?;
    quick(
        module,
        &["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"],
        |node, arguments| {
            let secs = arguments.quantity()?;
            node.write().set_next_timestamp(secs)?;
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &["anvil_setBlockTimestampInterval"],
        |node, arguments| {
            let secs = arguments.quantity()?;
            node.write().set_timestamp_interval(Some(secs))?;
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &["anvil_removeBlockTimestampInterval"],
        |node, _| Ok(node.write().set_timestamp_interval(None)?),
    )?;
    quick(
        module,
        &["evm_setTime", "anvil_setTime"],
        |node, arguments| {
            let secs = arguments.quantity()?;
            node.write().set_time(secs)?;
            Ok(U64::from(secs))
        },
    )?;
    Ok(())
}

fn mining(module: &mut Module) -> Result<(), RegisterMethodError> {
    slow(module, &["evm_mine"], |node, arguments| {
        // A timestamp, or an object with one.
        let timestamp = match arguments.optional::<Value>()? {
            None => None,
            Some(Value::Object(options)) => options.get("timestamp").cloned(),
            Some(plain) => Some(plain),
        };
        let timestamp = match timestamp {
            None | Some(Value::Null) => None,
            Some(value) => Some(
                serde_json::from_value::<U256>(value)
                    .ok()
                    .and_then(|value| u64::try_from(value).ok())
                    .ok_or_else(|| invalid("the timestamp is not a number of seconds"))?,
            ),
        };
        let mut chain = node.write();
        if let Some(timestamp) = timestamp {
            chain.set_next_timestamp(timestamp)?;
        }
        chain.make_block(true)?;
        Ok("0x0")
    })?;
    slow(
        module,
        &["anvil_mine", "hardhat_mine"],
        |node, arguments| {
            let count = arguments.optional_quantity()?.unwrap_or(1);
            let interval = arguments.optional_quantity()?;
            if count > MINE_LIMIT {
                return Err(invalid(format!(
                    "at most {MINE_LIMIT} blocks can be mined at once"
                )));
            }
            let mut chain = node.write();
            for made in 0..count {
                if let (Some(interval), 1..) = (interval, made) {
                    let next = chain.head().timestamp().saturating_add(interval);
                    chain.set_next_timestamp(next)?;
                }
                chain.make_block(true)?;
            }
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &["evm_setAutomine", "anvil_setAutomine"],
        |node, arguments| {
            let on: bool = arguments.next()?;
            set_mining(node, if on { Mining::Instant } else { Mining::Manual });
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &["anvil_getAutomine", "hardhat_getAutomine"],
        |node, _| Ok(node.read().mining == Mining::Instant),
    )?;
    quick(module, &["anvil_getIntervalMining"], |node, _| {
        Ok(match node.read().mining {
            Mining::Interval(interval) => Some(interval.as_secs()),
            Mining::Instant | Mining::Manual => None,
        })
    })?;
    // In seconds, as anvil has it.
    quick(
        module,
        &["evm_setIntervalMining", "anvil_setIntervalMining"],
        |node, arguments| {
            let secs = arguments.quantity()?;
            if secs > INTERVAL_LIMIT_SECS {
                return Err(invalid(format!(
                    "at most {INTERVAL_LIMIT_SECS} seconds can be between two blocks"
                )));
            }
            set_mining(
                node,
                match secs {
                    0 => Mining::Manual,
                    secs => Mining::Interval(Duration::from_secs(secs)),
                },
            );
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &[
            "anvil_setNextBlockBaseFeePerGas",
            "hardhat_setNextBlockBaseFeePerGas",
        ],
        |node, arguments| {
            let base_fee = arguments.quantity()?;
            node.write().set_next_base_fee(base_fee)?;
            Ok(Value::Null)
        },
    )?;
    quick(
        module,
        &["evm_setBlockGasLimit", "anvil_setBlockGasLimit"],
        |node, arguments| {
            let limit = arguments.quantity()?;
            node.write().set_block_gas_limit(limit)?;
            Ok(true)
        },
    )?;
    Ok(())
}

fn set_mining(node: &Node, mining: Mining) {
    node.write().mining = mining;
    node.miner.look_again();
}

fn state(module: &mut Module) -> Result<(), RegisterMethodError> {
    quick(
        module,
        &["anvil_setBalance", "hardhat_setBalance"],
        |node, arguments| {
            let address: Address = arguments.next()?;
            let balance: U256 = arguments.next()?;
            edit(node, |ledger| {
                ledger.edit(address, |account| account.balance = balance);
            })
        },
    )?;
    quick(
        module,
        &["anvil_setNonce", "hardhat_setNonce", "evm_setAccountNonce"],
        |node, arguments| {
            let address: Address = arguments.next()?;
            let nonce = arguments.quantity()?;
            edit(node, |ledger| {
                ledger.edit(address, |account| account.nonce = nonce);
            })
        },
    )?;
    quick(
        module,
        &["anvil_setCode", "hardhat_setCode"],
        |node, arguments| {
            let address: Address = arguments.next()?;
            let code: Bytes = arguments.next()?;
            edit(node, |ledger| ledger.edit_code(address, code))
        },
    )?;
    quick(
        module,
        &["anvil_setStorageAt", "hardhat_setStorageAt"],
        |node, arguments: &mut Arguments<'_>| {
            let address: Address = arguments.next()?;
            let key: U256 = arguments.next()?;
            let value: U256 = arguments.next()?;
            edit(node, |ledger| ledger.edit_slot(address, key, value)).map(|_| true)
        },
    )?;
    Ok(())
}

fn edit(node: &Node, edit: impl FnOnce(&mut crate::ledger::Ledger)) -> Answer<Value> {
    node.write().edit(edit)?;
    node.miner.look_again();
    Ok(Value::Null)
}
