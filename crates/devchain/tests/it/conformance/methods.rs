//! Which methods there are: `conformance/methods.toml` says it, both nodes are asked whether it is so, and whatever both
//! have is played.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use super::{Anvil, crate_folder, foundry, missing};
use crate::support::*;

/// What begins a method's name.
const FAMILIES: &[&str] = &[
    "anvil_",
    "debug_",
    "eth_",
    "evm_",
    "hardhat_",
    "net_",
    "oxec_",
    "personal_",
    "txpool_",
    "web3_",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Methods {
    /// The anvil the list was made for.
    anvil: String,
    both: BTreeSet<String>,
    only_anvil: Vec<Group>,
    only_devchain: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    methods: BTreeSet<String>,
    reason: String,
}

fn listed() -> Methods {
    let text = std::fs::read_to_string(crate_folder().join("conformance/methods.toml"))
        .expect("the list of methods");
    toml::from_str(&text).expect("the list of methods can be read")
}

fn names(groups: &[Group]) -> BTreeSet<String> {
    for group in groups {
        assert!(!group.reason.is_empty(), "why {:?}?", group.methods);
    }
    groups
        .iter()
        .flat_map(|group| group.methods.iter().cloned())
        .collect()
}

/// What both have was asked of both.
pub(super) fn all_are_played(played: &BTreeSet<String>) {
    let listed = listed();
    let silent = listed.both.difference(played).collect::<Vec<_>>();
    assert!(silent.is_empty(), "nobody plays {silent:?}");
}

/// The methods' names in our own source.
fn ours() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(crate_folder().join("src/rpc")).expect("our source") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        for quoted in text.split('"') {
            let is_name = quoted
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_name && FAMILIES.iter().any(|family| quoted.starts_with(family)) {
                names.insert(quoted.to_owned());
            }
        }
    }
    // The name of what subscribers are told.
    names.remove("eth_subscription");
    names
}

/// Which of these a node knows.
async fn known(address: &str, methods: &BTreeSet<String>) -> BTreeSet<String> {
    let client = Client::at(&format!("http://{address}"));
    let mut known = BTreeSet::new();
    for method in methods {
        // Nothing that any method could act upon.
        let answer = client.ask(method, json!(["?", {}, [], 7, 7, 7, 7])).await;
        if answer.map_or_else(|error| error.code, |_| 0) != -32601 {
            known.insert(method.clone());
        }
    }
    // Methods of a WebSocket alone.
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}"))
        .await
        .expect("the WebSocket opens");
    say(&mut socket, 1, "eth_subscribe", json!(["newHeads"])).await;
    let number = hear(&mut socket).await["result"].take();
    if number.is_string() {
        known.insert("eth_subscribe".to_owned());
    }
    say(&mut socket, 2, "eth_unsubscribe", json!([number])).await;
    if hear(&mut socket).await["result"] == true {
        known.insert("eth_unsubscribe".to_owned());
    }
    known
}

#[tokio::test]
async fn every_method_of_either_node_is_listed() {
    let listed = listed();
    let (anvils, devchains) = (names(&listed.only_anvil), names(&listed.only_devchain));
    let all = listed.both.iter().chain(&anvils).chain(&devchains);
    let all = all.cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        all.len(),
        listed.both.len() + anvils.len() + devchains.len(),
        "a method is listed twice"
    );
    let have = listed
        .both
        .union(&devchains)
        .cloned()
        .collect::<BTreeSet<_>>();
    assert_eq!(ours(), have, "our source and the list");
    let (chain, _client) = fresh().await;
    assert_eq!(
        known(&chain.address().to_string(), &all).await,
        have,
        "devchain and the list"
    );

    let Some(program) = foundry("anvil") else {
        missing("anvil", "npm's anvil is not installed, nobody to ask");
        return;
    };
    let anvil = Anvil::start(&program, 1);
    let version = Client::at(&format!("http://{}", anvil.address))
        .get("web3_clientVersion", json!([]))
        .await;
    assert_eq!(
        version,
        format!("anvil/v{}", listed.anvil),
        "another anvil may have other methods: look for them, and list them"
    );
    let have = listed.both.union(&anvils).cloned().collect::<BTreeSet<_>>();
    let found = known(&anvil.address, &all).await;
    assert_eq!(found, have, "anvil and the list");
}
