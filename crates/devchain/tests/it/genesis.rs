//! What a new chain begins with.

use devchain::{Config, Error, Step};
use serde_json::json;

use crate::support::*;

fn step(
    label: &str,
    to: Option<alloy_primitives::Address>,
    input: alloy_primitives::Bytes,
) -> Step {
    Step {
        label: label.to_owned(),
        to,
        input,
        proof: None,
    }
}

#[tokio::test]
async fn the_steps_of_genesis_are_played_by_account_0_and_not_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let deployer = alloy_primitives::address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    let contract = deployer.create(0);
    let config = Config {
        genesis: vec![
            step("the box", None, box_code()),
            step("its content", Some(contract), put(42)),
        ],
        ..Config::default().kept_in(folder.path())
    };
    for _ in 0..2 {
        let (chain, client) = started(config.clone()).await;
        let value = client
            .get("eth_getStorageAt", json!([contract, "0x0"]))
            .await;
        assert!(value.as_str().unwrap().ends_with("2a"));
        assert_eq!(
            client
                .number("eth_getTransactionCount", json!([deployer]))
                .await,
            2
        );
        chain.shutdown().await;
    }
}

#[tokio::test]
async fn a_step_that_fails_is_named() {
    let config = Config {
        genesis: vec![step("the bad one", None, alloy_primitives::bytes!("fe"))],
        ..Config::default()
    };
    match devchain::spawn(config).await {
        Err(Error::Genesis { label, reason }) => {
            assert_eq!(label, "the bad one");
            assert!(reason.contains("invalid"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_chain_with_contracts_says_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::default().with_contracts().kept_in(folder.path());
    let (chain, client) = started(config.clone()).await;
    let deployment = chain.deployment().expect("a deployment").clone();
    assert_eq!(deployment.chain_id, chain.chain_id());
    assert_eq!(deployment.deployer, chain.accounts()[0].address);
    // Two blocks for the deployment proxy, six for what the hub is built on.
    assert_eq!(deployment.block, 9);
    for address in [
        deployment.rlc,
        deployment.hub,
        deployment.app_registry,
        deployment.dataset_registry,
        deployment.workerpool_registry,
    ] {
        assert_ne!(
            client.get("eth_getCode", json!([address])).await,
            "0x",
            "{deployment:?}"
        );
    }
    chain.shutdown().await;
    let (chain, _client) = started(config).await;
    assert_eq!(chain.deployment(), Some(&deployment));
}
