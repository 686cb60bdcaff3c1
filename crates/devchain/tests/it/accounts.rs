//! The dev accounts: signing and sending without a wallet.

use alloy::dyn_abi::TypedData;
use alloy_primitives::{Address, Bytes, Signature};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn messages_and_typed_data_are_signed_by_the_account_asked_for() {
    let (chain, client) = fresh().await;
    let address = chain.accounts()[3].address;
    let message = Bytes::from_static(b"hello");
    let signer = |signature: serde_json::Value| {
        let bytes: Bytes = serde_json::from_value(signature).unwrap();
        Signature::from_raw(&bytes).unwrap()
    };
    for (method, params) in [
        ("personal_sign", json!([message, address])),
        ("eth_sign", json!([address, message])),
    ] {
        let signature = signer(client.get(method, params).await);
        assert_eq!(
            signature.recover_address_from_msg(&message).unwrap(),
            address
        );
    }
    let typed = json!({
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "Mail": [{"name": "text", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "test"},
        "message": {"text": "hello"},
    });
    let data: TypedData = serde_json::from_value(typed.clone()).unwrap();
    let hash = data.eip712_signing_hash().unwrap();
    for typed in [typed.clone(), json!(typed.to_string())] {
        let signature = signer(
            client
                .get("eth_signTypedData_v4", json!([address, typed]))
                .await,
        );
        assert_eq!(
            signature.recover_address_from_prehash(&hash).unwrap(),
            address
        );
    }
    let error = client
        .refused("eth_sign", json!([stranger(1), message]))
        .await;
    assert_eq!(error.code, -32602);
}

#[tokio::test]
async fn many_sent_at_once_by_one_account_get_a_nonce_each() {
    let (chain, client) = fresh().await;
    let from = chain.accounts()[1].address;
    let sends = (0..30u8).map(|index| {
        let client = client.clone();
        async move {
            client
                .get(
                    "eth_sendTransaction",
                    json!([{"from": from, "to": Address::repeat_byte(100 + index), "value": "0x2"}]),
                )
                .await
        }
    });
    for hash in futures::future::join_all(sends).await {
        assert_eq!(client.receipt(&hash).await["status"], "0x1");
    }
    assert_eq!(
        client
            .number("eth_getTransactionCount", json!([from]))
            .await,
        30
    );
}

#[tokio::test]
async fn a_dev_account_can_create_a_contract() {
    let (chain, client) = fresh().await;
    let from = chain.accounts()[0].address;
    let hash = client
        .get(
            "eth_sendTransaction",
            json!([{"from": from, "data": box_code()}]),
        )
        .await;
    let receipt = client.receipt(&hash).await;
    assert_eq!(receipt["contractAddress"], text(from.create(0)));
    assert_eq!(receipt["to"], serde_json::Value::Null);
}
