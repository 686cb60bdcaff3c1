//! What a new chain begins with: the contracts, put there as `protocol`'s plan says, by account 0, and whatever else the
//! configuration lists. All of it is really executed, so that it looks as it does on any other chain.

use std::sync::Arc;

use alloy::consensus::transaction::{Recovered, SignerRecoverable};
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::signers::SignerSync;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use protocol::deployment::{Deployment, Plan, Proof, Step, plan, proxy};

use crate::Error;
use crate::accounts::DevAccount;
use crate::block::SignedTransaction;
use crate::chain::Chain;
use crate::config::Config;
use crate::evm::{self, TRANSACTION_GAS_CAP};

/// Plays what the configuration asks for; says where the contracts stand.
pub(crate) fn play(
    chain: &mut Chain,
    config: &Config,
    accounts: &[DevAccount],
) -> Result<Option<Deployment>, Error> {
    let mut deployment = None;
    if config.contracts {
        deployment = Some(deploy(chain, first(accounts)?)?);
    }
    for step in &config.genesis {
        take(chain, first(accounts)?, step)?;
    }
    Ok(deployment)
}

/// Plays the plan of the contracts.
fn deploy(chain: &mut Chain, owner: &DevAccount) -> Result<Deployment, Error> {
    put_proxy(chain, owner)?;
    let Plan {
        mut deployment,
        steps,
    } = plan(chain.chain_id(), owner.address);
    for step in &steps {
        take(chain, owner, step)?;
        if makes(step, deployment.hub) {
            deployment.block = chain.head().number();
        }
    }
    Ok(deployment)
}

/// Whether this step creates the contract at `address`.
fn makes(step: &Step, address: Address) -> bool {
    match &step.proof {
        Some(Proof::Stands(stands)) => stands.iter().any(|standing| standing.address == address),
        _ => false,
    }
}

/// Puts the deployment proxy on the chain, as on any chain: its one-time sender gets its gas, and says what it signed.
fn put_proxy(chain: &mut Chain, owner: &DevAccount) -> Result<(), Error> {
    let label = "create the deployment proxy";
    let failed = |reason: String| Error::Genesis {
        label: label.to_owned(),
        reason,
    };
    let gas = Call {
        to: TxKind::Call(proxy::SIGNER),
        input: Bytes::new(),
        value: U256::from(proxy::COST_WEI),
    };
    let funding = sign(chain, owner, gas).map_err(failed)?;
    execute(chain, label, funding)?;
    let creation = TxEnvelope::decode_2718_exact(&proxy::TRANSACTION)
        .map_err(|error| failed(error.to_string()))?;
    let sender = creation
        .recover_signer()
        .map_err(|error| failed(error.to_string()))?;
    execute(chain, label, Recovered::new_unchecked(creation, sender))
}

fn first(accounts: &[DevAccount]) -> Result<&DevAccount, Error> {
    accounts.first().ok_or_else(|| Error::Genesis {
        label: "genesis".to_owned(),
        reason: "there is no dev account to send from".to_owned(),
    })
}

fn take(chain: &mut Chain, sender: &DevAccount, step: &Step) -> Result<(), Error> {
    let call = Call {
        to: step.to.map_or(TxKind::Create, TxKind::Call),
        input: step.input.clone(),
        value: U256::ZERO,
    };
    let transaction = sign(chain, sender, call).map_err(|reason| Error::Genesis {
        label: step.label.clone(),
        reason,
    })?;
    execute(chain, &step.label, transaction)
}

/// Makes a block with this transaction, which must succeed.
fn execute(chain: &mut Chain, label: &str, transaction: SignedTransaction) -> Result<(), Error> {
    let failed = |reason: String| Error::Genesis {
        label: label.to_owned(),
        reason,
    };
    let transaction = Arc::new(transaction);
    chain
        .admit(transaction.clone())
        .map_err(|refusal| failed(refusal.to_string()))?;
    let made = chain.make_block(false)?;
    if let Some((_, refusal)) = made.refused.into_iter().next() {
        return Err(failed(refusal.to_string()));
    }
    let Some((block, index)) = chain.blocks.of_transaction(*transaction.hash()) else {
        return Err(failed("it is in no block".to_owned()));
    };
    if !block.played[index].receipt.status() {
        let gas_used = block.played[index].gas_used;
        return Err(failed(format!(
            "it failed after {gas_used} gas: {}",
            why(chain, &transaction)
        )));
    }
    Ok(())
}

/// What a transaction of genesis does.
struct Call {
    to: TxKind,
    input: Bytes,
    value: U256,
}

fn sign(chain: &Chain, sender: &DevAccount, call: Call) -> Result<SignedTransaction, String> {
    let Call { to, input, value } = call;
    let transaction = TxEip1559 {
        chain_id: chain.chain_id(),
        nonce: chain.next_nonce(sender.address),
        gas_limit: TRANSACTION_GAS_CAP.min(chain.block_gas_limit()),
        max_fee_per_gas: u128::from(chain.base_fee()),
        to,
        input,
        value,
        ..TxEip1559::default()
    };
    let signer = sender.signer().ok_or("the dev account has no key")?;
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .map_err(|error| error.to_string())?;
    Ok(Recovered::new_unchecked(
        transaction.into_signed(signature).into(),
        sender.address,
    ))
}

/// Runs a failed transaction again, to see what it says.
fn why(chain: &Chain, transaction: &SignedTransaction) -> String {
    use revm::ExecuteEvm;
    use revm::context::result::ExecutionResult;
    let overlay = crate::ledger::Overlay::default();
    let mut machine = evm::machine(
        revm::database_interface::WrapDatabaseRef(chain.view(&overlay)),
        chain.chain_id(),
        evm::surroundings(&chain.next_header()),
        evm::Strictness::Call,
    );
    match machine.transact(evm::environment(transaction)) {
        Ok(outcome) => match outcome.result {
            ExecutionResult::Success { .. } => "it succeeds when tried again".to_owned(),
            ExecutionResult::Revert { output, .. } => {
                format!("reverted with {}", hex::encode_prefixed(output))
            }
            ExecutionResult::Halt { reason, .. } => reason.to_string(),
        },
        Err(error) => error.to_string(),
    }
}
