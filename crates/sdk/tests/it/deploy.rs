//! Deploying, interrupted and not, on whatever node `OXEC_TEST_CHAIN` names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::{Address, Bytes, U64, U256, keccak256};
use alloy_sol_types::SolCall;
use protocol::abi::{AppRegistry, Hub};
use protocol::deployment::{Deployment, Plan, Proof, plan, proxy};
use sdk::deploy::{DeployError, Deployed, Progress, deploy, deploy_telling, verify};
use sdk::wallet::Wallet;
use serde_json::{Value, json};
use testchain::{Answer, FaultProxy, Faults, Lag, Mining, Options, Refusal, TestChain};
use tokio::sync::Notify;
use url::Url;

use crate::town::url;

/// A chain without contracts.
async fn bare() -> TestChain {
    testchain::start(Options::default().bare())
        .await
        .expect("a chain")
}

fn at(node: &TestChain) -> Url {
    url(&node.http_url())
}

async fn chain_id(node: &TestChain) -> u64 {
    node.rpc::<U64>("eth_chainId", json!([]))
        .await
        .expect("a chain id")
        .to()
}

async fn sent_by(node: &TestChain, address: Address) -> u64 {
    node.rpc::<U64>("eth_getTransactionCount", json!([address, "latest"]))
        .await
        .expect("a nonce")
        .to()
}

/// Sends from a dev account, and says whether it succeeded.
async fn send(node: &TestChain, from: Address, to: Address, input: Bytes) -> bool {
    let transaction = json!({ "from": from, "to": to, "data": input, "gas": "0xe00000" });
    let sent: Result<Value, _> = node.rpc("eth_sendTransaction", json!([transaction])).await;
    let Ok(hash) = sent else { return false };
    // Anvil answers before it mines.
    let mut receipt = Value::Null;
    while receipt.is_null() {
        receipt = node
            .rpc("eth_getTransactionReceipt", json!([hash]))
            .await
            .expect("a receipt");
        tokio::task::yield_now().await;
    }
    receipt["status"] == "0x1"
}

/// The plan of account 0, and as much of it done as `wanted` says.
async fn begun(node: &TestChain, wanted: impl Fn(&str) -> bool) -> Plan {
    let owner = node.wallet(0).address();
    let plan = plan(chain_id(node).await, owner);
    put_proxy(node).await;
    for step in plan.steps.iter().filter(|step| wanted(&step.label)) {
        let to = step.to.expect("every step calls something");
        assert!(
            send(node, owner, to, step.input.clone()).await,
            "{}",
            step.label
        );
    }
    plan
}

async fn put_proxy(node: &TestChain) {
    node.rpc::<Value>(
        "hardhat_setCode",
        json!([proxy::ADDRESS, Bytes::from(proxy::CODE.to_vec())]),
    )
    .await
    .expect("code");
}

async fn deployed(node: &TestChain) -> Result<Deployed, DeployError> {
    deploy_telling(&at(node), &node.wallet(0), None, |_| {}).await
}

/// What a deployment says of the thing that is not as it should be.
async fn difference(node: &TestChain) -> (String, Address, String) {
    match deployed(node).await {
        Err(DeployError::Foreign {
            what,
            address,
            difference,
            ..
        }) => (what, address, difference),
        other => panic!("{other:?}"),
    }
}

/// A node behind a line that lets so many transactions through, and is dead from the next one on.
struct Cut {
    url: Url,
    is_cut: Arc<Notify>,
    server: tokio::task::JoinHandle<()>,
}

struct Line {
    node: String,
    left: AtomicUsize,
    is_cut: Arc<Notify>,
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cut {
    async fn after(transactions: usize, node: &TestChain) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = url(&format!("http://{}", listener.local_addr().expect("bound")));
        let is_cut = Arc::new(Notify::new());
        let line = Arc::new(Line {
            node: node.http_url(),
            left: AtomicUsize::new(transactions),
            is_cut: is_cut.clone(),
        });
        let router = axum::Router::new().fallback(move |body: axum::body::Bytes| {
            let line = line.clone();
            async move { line.pass(&body).await }
        });
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            url,
            is_cut,
            server,
        }
    }
}

impl Line {
    /// The node's answer; none for ever once a transaction is withheld, also for the part of the message that went
    /// through.
    async fn pass(&self, body: &[u8]) -> Result<axum::Json<Value>, axum::http::StatusCode> {
        use axum::http::StatusCode;
        // Whatever is no JSON asks for a WebSocket.
        let message: Value =
            serde_json::from_slice(body).map_err(|_| StatusCode::METHOD_NOT_ALLOWED)?;
        let (calls, is_batch) = match message {
            Value::Array(calls) => (calls, true),
            call => (vec![call], false),
        };
        let asked = calls.len();
        let passed: Vec<Value> = calls
            .into_iter()
            .filter(|call| call["method"] != "eth_sendRawTransaction" || self.takes_one())
            .collect();
        let is_whole = passed.len() == asked;
        let mut answer = Value::Null;
        if !passed.is_empty() {
            let message = match is_batch {
                true => Value::Array(passed),
                false => passed.into_iter().next().unwrap_or_default(),
            };
            let client = reqwest::Client::new();
            let sent = client.post(&self.node).json(&message).send().await;
            let sent = sent.map_err(|_| StatusCode::BAD_GATEWAY)?;
            answer = sent.json().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        }
        if !is_whole {
            self.is_cut.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(axum::Json(answer))
    }

    fn takes_one(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
    }
}

#[tokio::test]
async fn a_deployment_killed_after_any_transaction_goes_on_where_it_was() {
    let node = bare().await;
    let owner = node.wallet(0);
    let mut untouched = node.snapshot().await.expect("a snapshot");
    let whole = deployed(&node).await.expect("deployed");
    let needed = sent_by(&node, owner.address()).await;
    assert!(needed >= 17, "{needed}");
    let mut cuts = 0;
    loop {
        node.revert(&untouched)
            .await
            .expect("back to the beginning");
        untouched = node.snapshot().await.expect("a snapshot");
        let cut = Cut::after(cuts, &node).await;
        let work = tokio::spawn({
            let (rpc, owner) = (cut.url.clone(), owner.clone());
            async move { deploy(&rpc, &owner).await }
        });
        let is_over = tokio::select! {
            () = cut.is_cut.notified() => false,
            () = async { while !work.is_finished() { tokio::task::yield_now().await } } => true,
        };
        // As by kill -9: nothing is finished, nothing written down.
        work.abort();
        drop(cut);

        let mut besides = 0;
        let resumed = deploy_telling(&at(&node), &owner, None, |done| {
            besides += u64::from(done.label == "see the end of what was sent before");
        })
        .await
        .unwrap_or_else(|error| panic!("cut after {cuts} transactions: {error:?}"));
        assert!(resumed.deployment.same_contracts(&whole.deployment));
        assert_eq!(
            sent_by(&node, owner.address()).await,
            needed + besides,
            "cut after {cuts} transactions, nothing is sent twice"
        );
        assert!(besides <= 1, "{besides}");
        assert_eq!(is_over, resumed.transactions == 0);
        verify(&at(&node), &resumed.deployment)
            .await
            .expect("as planned");
        assert_eq!(resumed.deployment.block, hub_made_in(&node, &resumed).await);
        if is_over {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 17, "it was cut after each of {cuts} transactions");
}

/// The block of the hub's first event, by asking for each block.
async fn hub_made_in(node: &TestChain, deployed: &Deployed) -> u64 {
    let filter =
        json!({ "fromBlock": "0x0", "toBlock": "latest", "address": deployed.deployment.hub });
    let logs: Vec<Value> = node
        .rpc("eth_getLogs", json!([filter]))
        .await
        .expect("logs");
    let number: U64 = serde_json::from_value(logs[0]["blockNumber"].clone()).expect("a number");
    number.to()
}

#[tokio::test]
async fn a_second_deployment_sends_nothing_and_tells_the_same() {
    let node = bare().await;
    let first = deployed(&node).await.expect("deployed");
    assert!(first.transactions >= 17 && first.gas_used > 10_000_000);
    let sent = sent_by(&node, node.wallet(0).address()).await;
    let mut told: Vec<Progress> = Vec::new();
    let second = deploy_telling(&at(&node), &node.wallet(0), None, |step| told.push(step))
        .await
        .expect("stands");
    assert_eq!(second.deployment, first.deployment);
    assert_eq!((second.transactions, second.gas_used), (0, 0));
    assert_eq!(sent_by(&node, node.wallet(0).address()).await, sent);
    let numbers: Vec<usize> = told.iter().map(|step| step.step).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
    assert!(told.iter().all(|step| step.gas_used.is_none()));
}

#[tokio::test]
async fn the_same_owner_has_the_same_addresses_whatever_the_chain_and_whatever_was_sent_before() {
    let node = bare().await;
    let owner = node.wallet(0);
    let here = deploy(&at(&node), &owner).await.expect("deployed");
    let other = devchain::Config {
        chain_id: 5,
        ..devchain::Config::default()
    };
    let other = devchain::spawn(other).await.expect("another chain");
    let there = url(&other.http_url());
    // Another owner first, and then this one with a nonce used up.
    let stranger = deploy(&there, &node.wallet(1)).await.expect("deployed");
    let chain = sdk::chain::Chain::connect(&there, stranger.clone())
        .await
        .expect("connected");
    let sender = chain.sender(&owner);
    sender
        .send_ether(owner.address(), U256::ONE)
        .await
        .expect("sent");
    let there = deploy(&there, &owner).await.expect("deployed");
    assert_eq!((here.chain_id, there.chain_id), (chain_id(&node).await, 5));
    assert_eq!(
        (here.rlc, here.hub, here.app_registry),
        (there.rlc, there.hub, there.app_registry)
    );
    assert_eq!(
        (here.dataset_registry, here.workerpool_registry),
        (there.dataset_registry, there.workerpool_registry)
    );
    assert_ne!(stranger.hub, there.hub);
}

#[tokio::test]
async fn a_stranger_who_creates_the_contracts_first_only_pays_for_them() {
    let node = bare().await;
    let plan = plan(chain_id(&node).await, node.wallet(0).address());
    put_proxy(&node).await;
    let stranger = node.wallet(1).address();
    for step in &plan.steps {
        let to = step.to.expect("every step calls something");
        let is_creation = matches!(step.proof, Some(Proof::Stands(_)));
        // Creations anybody may send; all else is refused to the stranger.
        assert_eq!(
            send(&node, stranger, to, step.input.clone()).await,
            is_creation,
            "{}",
            step.label
        );
    }
    let deployed = deployed(&node).await.expect("the owner goes on");
    assert_eq!(deployed.transactions, 3 + 1 + 5 + 1);
    assert!(deployed.deployment.same_contracts(&plan.deployment));
}

#[tokio::test]
async fn every_contract_that_was_tampered_with_is_named() {
    let node = bare().await;
    deployed(&node).await.expect("deployed");
    let plan = plan(chain_id(&node).await, node.wallet(0).address());
    let mut contracts = 0;
    for step in &plan.steps {
        let Some(Proof::Stands(stands)) = &step.proof else {
            continue;
        };
        for standing in stands {
            contracts += 1;
            let code: Bytes = node
                .rpc("eth_getCode", json!([standing.address, "latest"]))
                .await
                .expect("code");
            assert_eq!(keccak256(&code), standing.code_hash);
            let mut tampered = code.to_vec();
            let last = tampered.len() - 1;
            tampered[last] ^= 1;
            for code in [Bytes::from(tampered), Bytes::from_static(&[0]), code] {
                let is_ours = keccak256(&code) == standing.code_hash;
                node.rpc::<Value>("hardhat_setCode", json!([standing.address, code]))
                    .await
                    .expect("set");
                if is_ours {
                    break;
                }
                let (what, address, difference) = difference(&node).await;
                assert_eq!((what.as_str(), address), (standing.what, standing.address));
                assert!(difference.contains("its code is"), "{difference}");
            }
        }
    }
    assert_eq!(contracts, 10);
    assert_eq!(deployed(&node).await.expect("mended").transactions, 0);
}

#[tokio::test]
async fn a_proxy_that_is_another_program_is_refused() {
    let node = bare().await;
    node.rpc::<Value>("hardhat_setCode", json!([proxy::ADDRESS, "0x00"]))
        .await
        .expect("set");
    let (what, address, _) = difference(&node).await;
    assert_eq!(
        (what.as_str(), address),
        ("the deployment proxy", proxy::ADDRESS)
    );
}

#[tokio::test]
async fn a_half_configuration_that_is_not_ours_is_named_exactly() {
    let creations = |label: &str| label.starts_with("create the") && !label.contains("category");

    let node = bare().await;
    let untouched = node.snapshot().await.expect("a snapshot");
    let plan = begun(&node, creations).await;
    let owner = node.wallet(0).address();
    let foreign = Address::repeat_byte(0xee);
    let hub = plan.deployment.hub;
    let mut made = node.snapshot().await.expect("a snapshot");
    let configure = Hub::configureCall {
        token: foreign,
        name: "Staked RLC".to_owned(),
        symbol: "SRLC".to_owned(),
        decimals: 9,
        appregistry: plan.deployment.app_registry,
        datasetregistry: plan.deployment.dataset_registry,
        workerpoolregistry: plan.deployment.workerpool_registry,
        v3hub: Address::ZERO,
    };
    let other_scores = Hub::configureCall {
        token: plan.deployment.rlc,
        v3hub: foreign,
        ..configure.clone()
    };
    let other_symbol = Hub::configureCall {
        token: plan.deployment.rlc,
        symbol: "XRLC".to_owned(),
        ..configure.clone()
    };
    let other_registry = Hub::configureCall {
        token: plan.deployment.rlc,
        datasetregistry: foreign,
        ..configure.clone()
    };
    let category = Hub::createCategoryCall {
        name: "S".to_owned(),
        description: String::new(),
        workClockTimeRef: U256::from(7),
    };
    let cases: Vec<(Address, Vec<u8>, &str, &str)> = vec![
        (
            plan.deployment.dataset_registry,
            AppRegistry::initializeCall { previous_: foreign }.abi_encode(),
            "the registry of datasets",
            "it continues the registry 0xEeeeeEee",
        ),
        (
            plan.deployment.workerpool_registry,
            AppRegistry::transferOwnershipCall { newOwner: foreign }.abi_encode(),
            "the registry of workerpools",
            "it belongs to 0xEeeeeEee",
        ),
        (
            hub,
            Hub::transferOwnershipCall { newOwner: foreign }.abi_encode(),
            "the hub",
            "it belongs to 0xEeeeeEee",
        ),
        (
            hub,
            configure.abi_encode(),
            "the hub",
            "its token is 0xEeeeeEee",
        ),
        (
            hub,
            other_symbol.abi_encode(),
            "the hub",
            "its symbol is XRLC",
        ),
        (
            hub,
            other_registry.abi_encode(),
            "the hub",
            "its registry of datasets is 0xEeeeeEee",
        ),
        (
            hub,
            other_scores.abi_encode(),
            "the hub",
            "its hub before it is 0xEeeeeEee",
        ),
        (
            hub,
            category.abi_encode(),
            "the hub",
            "its category 0 is \"S\" of 7 s",
        ),
    ];
    for (to, input, named, said) in cases {
        assert!(send(&node, owner, to, input.into()).await, "{said}");
        let (what, address, difference) = difference(&node).await;
        assert_eq!((what.as_str(), address), (named, to));
        assert!(difference.contains(said), "{difference}");
        node.revert(&made).await.expect("back");
        made = node.snapshot().await.expect("a snapshot");
    }
    deployed(&node).await.expect("without them it goes on");
    drop(untouched);
}

#[tokio::test]
async fn verifying_names_what_is_missing_and_a_file_that_was_changed() {
    let node = bare().await;
    let plan = begun(&node, |label| label != "create the category XL").await;
    let missing = verify(&at(&node), &plan.deployment).await;
    assert!(
        matches!(&missing, Err(DeployError::Unfinished { label, .. }) if label == "create the category XL"),
        "{missing:?}"
    );
    let whole = deployed(&node).await.expect("deployed");
    // The category, and before it the transaction after which all former ones are seen.
    assert_eq!(whole.transactions, 2);
    verify(&at(&node), &whole.deployment).await.expect("whole");

    let mut changed = whole.deployment.clone();
    changed.rlc = changed.hub;
    let refused = verify(&at(&node), &changed).await;
    assert!(
        matches!(
            refused,
            Err(DeployError::Elsewhere {
                what: "the token",
                ..
            })
        ),
        "{refused:?}"
    );
    let mut changed = whole.deployment;
    changed.chain_id += 1;
    let refused = verify(&at(&node), &changed).await;
    assert!(
        matches!(refused, Err(DeployError::Chain { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_owner_without_ether_is_told_what_it_takes_before_anything_is_sent() {
    let node = bare().await;
    let refused = deploy(&at(&node), &Wallet::random()).await;
    match refused {
        Err(DeployError::Poor { balance, gas, .. }) => {
            assert!(balance.is_zero() && gas > 15_000_000);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_chain_on_which_the_proxy_can_never_be_made_says_so() {
    let node = bare().await;
    node.rpc::<Value>("hardhat_setCode", json!([proxy::ADDRESS, "0x"]))
        .await
        .expect("set");
    node.rpc::<Value>("hardhat_setNonce", json!([proxy::SIGNER, "0x1"]))
        .await
        .expect("set");
    let refused = deployed(&node).await;
    assert!(
        matches!(&refused, Err(DeployError::ProxyRefused { why, .. }) if why.contains("before")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_hub_that_is_not_sealed_is_not_verified() {
    let node = bare().await;
    let plan = begun(&node, |label| label != "seal the hub").await;
    let open = verify(&at(&node), &plan.deployment).await;
    assert!(
        matches!(&open, Err(DeployError::Unfinished { label, .. }) if label == "seal the hub"),
        "{open:?}"
    );
    let sealed = deployed(&node).await.expect("deployed");
    assert_eq!(sealed.transactions, 1);
    verify(&at(&node), &sealed.deployment).await.expect("whole");
}

#[tokio::test]
async fn what_the_owner_changed_afterwards_is_named() {
    let node = bare().await;
    let untouched = node.snapshot().await.expect("a snapshot");
    let owner = node.wallet(0).address();
    let broker = Hub::setTeeBrokerCall {
        teebroker: Address::repeat_byte(0xee),
    };
    let gas = Hub::setCallbackGasCall {
        callbackgas: U256::from(1_000_000),
    };
    let named =
        async |deployment: &Deployment, said: &str| match verify(&at(&node), deployment).await {
            Err(DeployError::Foreign { difference, .. }) => {
                assert!(difference.contains(said), "{difference}");
            }
            other => panic!("{other:?}"),
        };

    // A broker can be named as long as the hub is not sealed, and is named for ever if it then is.
    let plan = begun(&node, |label| label != "seal the hub").await;
    let hub = plan.deployment.hub;
    assert!(send(&node, owner, hub, broker.abi_encode().into()).await);
    assert!(send(&node, owner, hub, Hub::sealCall {}.abi_encode().into()).await);
    named(&plan.deployment, "its broker of enclaves is 0xEeeeeEee").await;
    node.revert(&untouched).await.expect("back");

    let whole = deployed(&node).await.expect("deployed");
    assert!(!send(&node, owner, hub, broker.abi_encode().into()).await);
    verify(&at(&node), &whole.deployment).await.expect("whole");
    assert!(send(&node, owner, hub, gas.abi_encode().into()).await);
    named(&whole.deployment, "its gas for callbacks is 1000000").await;
}

#[tokio::test]
async fn a_node_that_is_behind_makes_no_category_be_created_twice() {
    let node = bare().await;
    let done = |label: &str| {
        !["category M", "category L", "category XL"]
            .map(|end| label.ends_with(end))
            .contains(&true)
    };
    begun(&node, done).await;
    let behind = FaultProxy::start(&node.http_url(), 1)
        .await
        .expect("a proxy");
    // It knows of none of the categories that stand, and catches up block by block.
    behind.set(Faults {
        lag: Lag::Behind(2),
        ..Faults::default()
    });
    let every = std::time::Duration::from_millis(500);
    node.set_mining(Mining::Interval(every))
        .await
        .expect("blocks");
    let deployment = deploy(&behind.http_url(), &node.wallet(0))
        .await
        .expect("deployed");
    verify(&at(&node), &deployment).await.expect("as planned");
    let count = Hub::countCategoryCall {}.abi_encode();
    let call = json!({ "to": deployment.hub, "data": Bytes::from(count) });
    let count: U256 = node
        .rpc("eth_call", json!([call, "latest"]))
        .await
        .expect("an answer");
    assert_eq!(count, U256::from(5));
}

/// A chain that nobody put the proxy on.
async fn without_proxy() -> TestChain {
    let node = bare().await;
    for (method, value) in [("hardhat_setCode", "0x"), ("hardhat_setNonce", "0x0")] {
        let address = match method {
            "hardhat_setCode" => proxy::ADDRESS,
            _ => proxy::SIGNER,
        };
        node.rpc::<Value>(method, json!([address, value]))
            .await
            .expect("set");
    }
    node
}

async fn balance(node: &TestChain, address: Address) -> U256 {
    node.rpc("eth_getBalance", json!([address, "latest"]))
        .await
        .expect("a balance")
}

#[tokio::test]
async fn a_node_that_does_not_take_the_proxy_is_not_paid_for_it() {
    let node = without_proxy().await;
    let owner = node.wallet(0).address();
    let had = balance(&node, owner).await;
    let strict = FaultProxy::start(&node.http_url(), 1)
        .await
        .expect("a proxy");
    let answer = Answer::error("only replay-protected (EIP-155) transactions allowed over RPC");
    strict.set(Faults {
        refusals: vec![Refusal::of("eth_sendRawTransaction", answer)],
        ..Faults::default()
    });
    let refused = deploy(&strict.http_url(), &node.wallet(0)).await;
    assert!(
        matches!(&refused, Err(DeployError::ProxyRefused { why, .. }) if why.contains("replay-protected")),
        "{refused:?}"
    );
    assert_eq!(strict.counts().of("eth_sendRawTransaction"), 1);

    // Nor one whose gas costs more than the proxy's creation pays.
    node.set_next_base_fee(200_000_000_000).await.expect("set");
    node.mine(1).await.expect("mined");
    let refused = deployed(&node).await;
    assert!(
        matches!(&refused, Err(DeployError::ProxyRefused { why, .. }) if why.contains("200 gwei")),
        "{refused:?}"
    );
    assert_eq!(balance(&node, owner).await, had);
    assert!(balance(&node, proxy::SIGNER).await.is_zero());
}

#[tokio::test]
async fn an_owner_who_cannot_pay_for_the_proxy_too_is_told_before_it_is_paid() {
    let node = without_proxy().await;
    let owner = Wallet::random();
    let price: U256 = node.rpc("eth_gasPrice", json!([])).await.expect("a price");
    let needed = match deploy(&at(&node), &owner).await {
        Err(DeployError::Poor { needed, gas, .. }) => {
            assert_eq!(
                needed,
                price * U256::from(gas) + U256::from(proxy::COST_WEI)
            );
            needed
        }
        other => panic!("{other:?}"),
    };
    let almost = needed - U256::from(1);
    node.set_balance(owner.address(), almost)
        .await
        .expect("set");
    let refused = deploy(&at(&node), &owner).await;
    assert!(
        matches!(refused, Err(DeployError::Poor { .. })),
        "{refused:?}"
    );
    assert_eq!(balance(&node, owner.address()).await, almost);
}
