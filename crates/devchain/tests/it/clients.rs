//! The library oxec itself uses: alloy's provider, over HTTP and WebSocket.

use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::providers::{Provider, ProviderBuilder, WsConnect};
use alloy::rpc::types::{BlockNumberOrTag, Filter, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::U256;
use futures::StreamExt;

use crate::support::*;

#[tokio::test]
async fn alloy_over_http_sends_waits_reads_and_decodes_errors() {
    let (chain, _client) = fresh().await;
    let signer = PrivateKeySigner::from_bytes(&chain.accounts()[2].key).unwrap();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::new(signer.clone()))
        .connect_http(chain.http_url().parse().unwrap());
    assert_eq!(provider.get_chain_id().await.unwrap(), chain.chain_id());
    let receipt = provider
        .send_transaction(
            TransactionRequest::default()
                .with_to(stranger(1))
                .with_value(U256::from(9)),
        )
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    assert!(receipt.status());
    assert_eq!(
        provider.get_balance(stranger(1)).await.unwrap(),
        U256::from(9)
    );
    let receipt = provider
        .send_transaction(TransactionRequest::default().with_deploy_code(box_code()))
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    let contract = receipt.contract_address.unwrap();
    let block = provider
        .get_block_by_number(BlockNumberOrTag::Latest)
        .full()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(block.header.hash, block.header.inner.hash_slow());
    let error = provider
        .call(
            TransactionRequest::default()
                .with_to(contract)
                .with_input(call_data(verb::REVERT, &[1, 2, 3, 4])),
        )
        .await
        .unwrap_err();
    let payload = error.as_error_resp().unwrap();
    assert_eq!(payload.code, 3);
    assert_eq!(payload.as_revert_data().unwrap().to_vec(), [1, 2, 3, 4]);
    let fees = provider.estimate_eip1559_fees().await.unwrap();
    assert!(fees.max_fee_per_gas > 0);
}

#[tokio::test]
async fn alloy_over_websocket_follows_blocks_and_logs() {
    let (chain, client) = fresh().await;
    let provider = ProviderBuilder::new()
        .connect_ws(WsConnect::new(chain.ws_url()))
        .await
        .unwrap();
    let mut sender = Sender::of(&chain, 0);
    let contract = deploy_box(&client, &mut sender).await;
    let mut blocks = provider.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = provider
        .subscribe_logs(&Filter::new().address(contract))
        .await
        .unwrap()
        .into_stream();
    client.send(sender.sign(contract.into(), 0, put(1))).await;
    let header = blocks.next().await.unwrap();
    assert_eq!(header.number, 2);
    let log = logs.next().await.unwrap();
    assert_eq!(log.block_hash, Some(header.hash));
    assert_eq!(log.topics()[0], TOPIC);
}
