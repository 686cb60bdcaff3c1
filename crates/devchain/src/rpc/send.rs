//! Sending transactions, and signing with the dev accounts.

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::transaction::{Recovered, SignerRecoverable};
use alloy::consensus::{SignableTransaction, TxEnvelope, TypedTransaction};
use alloy::dyn_abi::TypedData;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

use super::error::{Answer, invalid, server};
use super::{Arguments, Module, Node, call, guarded, quick, slow, view};
use crate::block::SignedTransaction;
use crate::chain::SUGGESTED_TIP;
use crate::evm;

/// How long `eth_sendRawTransactionSync` waits for a block, unless told otherwise, and at most.
const SYNC_TIMEOUT_MILLIS: u64 = 30_000;
const SYNC_TIMEOUT_LIMIT_MILLIS: u64 = 600_000;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    module.register_async_method("eth_sendRawTransaction", |params, node, _| async move {
        let raw = Arguments::of(&params)?.next()?;
        submit(&node, guarded(|| decode(&raw))?).await
    })?;
    module.register_async_method("eth_sendRawTransactionSync", |params, node, _| async move {
        let (raw, timeout) = {
            let mut arguments = Arguments::of(&params)?;
            let raw: Bytes = arguments.next()?;
            let millis = arguments
                .optional_quantity()?
                .unwrap_or(SYNC_TIMEOUT_MILLIS)
                .min(SYNC_TIMEOUT_LIMIT_MILLIS);
            (raw, Duration::from_millis(millis))
        };
        let mut bell = node.read().subscribe();
        let hash = submit(&node, guarded(|| decode(&raw))?).await?;
        let receipt = async {
            loop {
                let found = node
                    .read()
                    .blocks
                    .of_transaction(hash)
                    .and_then(|(block, index)| view::receipt(block, index));
                if found.is_some() || bell.changed().await.is_err() {
                    return found;
                }
            }
        };
        match tokio::time::timeout(timeout, receipt).await {
            Ok(Some(receipt)) => Answer::Ok(receipt),
            _ => Err(server(format!(
                "the transaction was added to the pool but is in no block yet: {hash}"
            ))),
        }
    })?;
    module.register_async_method("eth_sendTransaction", |params, node, _| async move {
        let request = Arguments::of(&params)?.next()?;
        // One at a time, or two would take the same nonce.
        let _turn = node.signing.lock().await;
        let transaction = guarded(|| sign(&node, request))?;
        submit(&node, transaction).await
    })?;
    module.register_async_method("eth_signTransaction", |params, node, _| async move {
        let request = Arguments::of(&params)?.next()?;
        let transaction = guarded(|| sign(&node, request))?;
        Answer::Ok(raw_and_transaction(&transaction))
    })?;
    slow(module, &["eth_fillTransaction"], |node, arguments| {
        let request = arguments.next()?;
        let sender = sender(node, &request)?;
        // In the form of a signed one, with a signature of zeros.
        let signature = Signature::new(U256::ZERO, U256::ZERO, false);
        let filled = fill(node, sender, request)?.into_signed(signature);
        let transaction = Recovered::new_unchecked(filled.into(), sender);
        Ok(raw_and_transaction(&transaction))
    })?;

    quick(
        module,
        &["eth_accounts", "eth_requestAccounts"],
        |node, _| {
            Ok(node
                .accounts
                .iter()
                .map(|account| account.address)
                .collect::<Vec<_>>())
        },
    )?;
    quick(module, &["eth_sign"], |node, arguments| {
        let address = arguments.next()?;
        let message: Bytes = arguments.next()?;
        sign_message(node, address, &message)
    })?;
    quick(module, &["personal_sign"], |node, arguments| {
        let message: Bytes = arguments.next()?;
        let address = arguments.next()?;
        sign_message(node, address, &message)
    })?;
    quick(
        module,
        &["eth_signTypedData_v4", "eth_signTypedData"],
        |node, arguments| {
            let address = arguments.next()?;
            let value: Value = arguments.next()?;
            // Some wallets send the object, some its text.
            let parsed = match &value {
                Value::String(text) => serde_json::from_str::<TypedData>(text),
                other => serde_json::from_value(other.clone()),
            };
            let hash = parsed
                .map_err(|error| invalid(format!("invalid typed data: {error}")))?
                .eip712_signing_hash()
                .map_err(|error| invalid(format!("invalid typed data: {error}")))?;
            let signature = signer(node, address)?
                .sign_hash_sync(&hash)
                .map_err(server)?;
            Ok(Bytes::from(signature.as_bytes()))
        },
    )?;
    Ok(())
}

fn raw_and_transaction(transaction: &SignedTransaction) -> Value {
    json!({
        "raw": Bytes::from(transaction.inner().encoded_2718()),
        "tx": view::waiting_transaction(transaction),
    })
}

async fn submit(node: &Node, transaction: SignedTransaction) -> Answer<B256> {
    let hash = *transaction.hash();
    node.miner.submit(Arc::new(transaction)).await?;
    Ok(hash)
}

fn decode(raw: &Bytes) -> Answer<SignedTransaction> {
    if raw.is_empty() {
        return Err(invalid("empty transaction data"));
    }
    // Networks carry blob transactions with their blobs, in a form of its own; it need not be understood to be
    // refused.
    if raw[0] == 3 {
        return Err(crate::pool::Refusal::Blobs.into());
    }
    let envelope = TxEnvelope::decode_2718_exact(raw)
        .map_err(|error| invalid(format!("failed to decode signed transaction: {error}")))?;
    let sender = envelope
        .recover_signer()
        .map_err(|error| server(format!("invalid sender: {error}")))?;
    Ok(Recovered::new_unchecked(envelope, sender))
}

fn signer(node: &Node, address: Address) -> Answer<PrivateKeySigner> {
    node.accounts
        .iter()
        .find(|account| account.address == address)
        .and_then(|account| account.signer())
        .ok_or_else(|| invalid(format!("no signer available for account {address}")))
}

fn sign_message(node: &Node, address: Address, message: &[u8]) -> Answer<Bytes> {
    let signature = signer(node, address)?
        .sign_message_sync(message)
        .map_err(server)?;
    Ok(Bytes::from(signature.as_bytes()))
}

/// Fills in what the request leaves open, and signs.
fn sign(node: &Node, request: TransactionRequest) -> Answer<SignedTransaction> {
    let sender = sender(node, &request)?;
    let signer = signer(node, sender)?;
    let unsigned = fill(node, sender, request)?;
    let signature = signer
        .sign_hash_sync(&unsigned.signature_hash())
        .map_err(server)?;
    Ok(Recovered::new_unchecked(
        unsigned.into_signed(signature).into(),
        sender,
    ))
}

fn sender(node: &Node, request: &TransactionRequest) -> Answer<Address> {
    request
        .from
        .or_else(|| node.accounts.first().map(|account| account.address))
        .ok_or_else(|| invalid("missing field 'from'"))
}

/// Fills in what the request leaves open.
fn fill(node: &Node, sender: Address, mut request: TransactionRequest) -> Answer<TypedTransaction> {
    request.from = Some(sender);
    if request.has_eip4844_fields() {
        return Err(crate::pool::Refusal::Blobs.into());
    }
    if request.to.is_none() {
        request.to = Some(TxKind::Create);
    }
    if let (Some(input), Some(data)) = (&request.input.input, &request.input.data)
        && input != data
    {
        return Err(invalid(
            "both 'data' and 'input' are set and not equal: prefer 'input'",
        ));
    }
    request.normalize_input();
    let (chain_id, base_fee, nonce, gas_limit) = {
        let chain = node.read();
        (
            chain.chain_id(),
            chain.base_fee(),
            chain.next_nonce(sender),
            chain.block_gas_limit(),
        )
    };
    match request.chain_id {
        Some(have) if have != chain_id => {
            return Err(crate::pool::Refusal::ChainId {
                have,
                want: chain_id,
            }
            .into());
        }
        _ => request.chain_id = Some(chain_id),
    }
    if request.nonce.is_none() {
        request.nonce = Some(nonce);
    }
    if request.gas_price.is_none() {
        let tip = request
            .max_priority_fee_per_gas
            .unwrap_or(u128::from(SUGGESTED_TIP));
        let fee = request
            .max_fee_per_gas
            .unwrap_or_else(|| (2 * u128::from(base_fee)).saturating_add(tip));
        request.max_priority_fee_per_gas = Some(tip.min(fee));
        request.max_fee_per_gas = Some(fee);
    }
    if request.gas.is_none() {
        let gas = call::estimate(node, request.clone())?;
        request.gas = Some(gas.min(gas_limit).min(evm::TRANSACTION_GAS_CAP));
    }
    request
        .build_consensus_tx()
        .map_err(|error| invalid(format!("incomplete transaction: {}", error.error)))
}
