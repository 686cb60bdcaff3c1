//! What a new chain begins with: the transactions of account 0 that put the contracts there, really executed.

use std::sync::Arc;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::signers::SignerSync;
use alloy_primitives::{TxKind, hex};
use protocol::deployment::{Deployment, Step, plan};

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
    let mut steps = Vec::new();
    let mut deployment = None;
    if config.contracts {
        let deployer = first(accounts)?;
        let plan = plan(
            chain.chain_id(),
            deployer.address,
            chain.next_nonce(deployer.address),
        );
        steps.extend(plan.steps);
        deployment = Some(Deployment {
            // The block of the first step: nothing of the hub is older.
            block: chain.head().number() + 1,
            ..plan.deployment
        });
    }
    steps.extend(config.genesis.iter().cloned());
    for step in &steps {
        take(chain, first(accounts)?, step)?;
    }
    Ok(deployment)
}

fn first(accounts: &[DevAccount]) -> Result<&DevAccount, Error> {
    accounts.first().ok_or_else(|| Error::Genesis {
        label: "genesis".to_owned(),
        reason: "there is no dev account to send from".to_owned(),
    })
}

fn take(chain: &mut Chain, sender: &DevAccount, step: &Step) -> Result<(), Error> {
    let failed = |reason: String| Error::Genesis {
        label: step.label.clone(),
        reason,
    };
    let transaction = Arc::new(sign(chain, sender, step).map_err(failed)?);
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

fn sign(chain: &Chain, sender: &DevAccount, step: &Step) -> Result<SignedTransaction, String> {
    let transaction = TxEip1559 {
        chain_id: chain.chain_id(),
        nonce: chain.next_nonce(sender.address),
        gas_limit: TRANSACTION_GAS_CAP.min(chain.block_gas_limit()),
        max_fee_per_gas: u128::from(chain.base_fee()),
        to: step.to.map_or(TxKind::Create, TxKind::Call),
        input: step.input.clone(),
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
