//! An order's whole walk, by hand: every signature, every transaction, and the bill.

use alloy_primitives::{Address, B256, Bytes, U256};
use protocol::abi::Hub;
use protocol::contribution::ContributionStatus;
use protocol::ids::TaskId;
use protocol::payment::Nrlc;
use protocol::result::{Digest, ResultLink};
use protocol::task::TaskStatus;
use sdk::app::{self, AppError, NewApp};
use sdk::chain::Sender;
use sdk::contribution::{self, Enclave};
use sdk::deal::{self, DealError, Orders};
use sdk::order;
use sdk::payment::{Flow, Role, bill};
use sdk::result::{Limits, ResultError};
use sdk::{task, workerpool};

use crate::town::Town;

struct People {
    developer: Sender,
    scheduler: Sender,
    requester: Sender,
    workers: Vec<Sender>,
}

async fn people(town: &Town, workers: usize) -> People {
    let mut crew = Vec::new();
    for _ in 0..workers {
        crew.push(town.with_account(Nrlc::rlc(10)).await);
    }
    People {
        developer: town.somebody(Nrlc::ZERO).await,
        scheduler: town.with_account(Nrlc::rlc(10)).await,
        requester: town.with_account(Nrlc::rlc(100)).await,
        workers: crew,
    }
}

/// Signed orders for a bag of `tasks` at `trust`: the app costs 0.1 RLC, the machines 1 RLC.
async fn orders(town: &Town, people: &People, tasks: u64, trust: u64) -> Orders {
    let domain = town.chain.domain();
    let new = NewApp::wasm(
        "echo",
        "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        B256::repeat_byte(1),
    );
    let app = app::publish(&people.developer, &new)
        .await
        .expect("published");
    assert_eq!(
        app::publish(&people.developer, &new).await.expect("again"),
        app,
        "publishing twice is once"
    );
    let shown = app::show(&town.chain, app).await.expect("shown");
    assert_eq!(
        (shown.owner, shown.checksum),
        (people.developer.address(), new.checksum)
    );
    assert_eq!(shown.location, new.location);
    let pool = workerpool::create(&people.scheduler, "a pool")
        .await
        .expect("created");
    workerpool::change_policy(&people.scheduler, pool, 50, 10)
        .await
        .expect("changed");
    let shown = workerpool::show(&town.chain, pool).await.expect("shown");
    assert_eq!(
        (shown.worker_stake_ratio, shown.scheduler_reward_ratio),
        (50, 10)
    );

    let app_order = order::app_order(app, "0.1".parse().expect("an amount"), 1000);
    let pool_order = order::workerpool_order(pool, Nrlc::rlc(1), 1000, 0, 100);
    let mut request = order::request_order(people.requester.address(), app, tasks);
    request.appmaxprice = app_order.appprice;
    request.workerpoolmaxprice = pool_order.workerpoolprice;
    request.trust = U256::from(trust);
    Orders {
        app: people.developer.wallet().sign_order(&app_order, domain),
        dataset: None,
        workerpool: people.scheduler.wallet().sign_order(&pool_order, domain),
        request: people.requester.wallet().sign_order(&request, domain),
    }
}

async fn contribute(people: &People, worker: usize, task: TaskId, digest: Digest) {
    let worker = &people.workers[worker];
    let leave = contribution::authorize(
        people.scheduler.wallet(),
        worker.address(),
        task,
        Address::ZERO,
    );
    contribution::contribute(worker, task, digest, leave, Enclave::default())
        .await
        .expect("contributed");
}

#[tokio::test]
async fn orders_become_a_deal_a_task_a_result_and_a_bill() {
    let town = Town::start().await;
    let people = people(&town, 3).await;
    let orders = orders(&town, &people, 2, 4).await;
    let matched = deal::match_orders(&people.requester, &orders)
        .await
        .expect("matched");
    assert_eq!(matched.volume, 2);
    let view = deal::view(&town.chain, matched.deal).await.expect("a deal");
    assert_eq!(view.price().to_string(), "1.1 RLC");
    assert_eq!(
        order::remaining(&town.chain, &orders.app)
            .await
            .expect("counted"),
        U256::from(998)
    );
    let mut watch = task::watch(&town.chain, matched.deal)
        .await
        .expect("watched");

    let (id, _) = task::initialize(&people.scheduler, matched.deal, 0)
        .await
        .expect("initialized");
    let (truth, lie) = (Digest(B256::repeat_byte(7)), Digest(B256::repeat_byte(8)));
    // The liar comes between the two who agree.
    contribute(&people, 0, id, truth).await;
    contribute(&people, 2, id, lie).await;
    contribute(&people, 1, id, truth).await;
    // Trust 4 against a liar takes more than two; a third honest worker of no history would do. Here it is a neighbour.
    let mut honest = vec![0, 1];
    let mut people = people;
    while task::view(&town.chain, id).await.expect("a task").status == TaskStatus::Active {
        people.workers.push(town.with_account(Nrlc::rlc(10)).await);
        let newest = people.workers.len() - 1;
        contribute(&people, newest, id, truth).await;
        honest.push(newest);
    }
    for worker in &honest {
        contribution::reveal(&people.workers[*worker], id, truth)
            .await
            .expect("revealed");
    }
    let liar = people.workers[2].address();
    let contributed = contribution::view(&town.chain, id, liar)
        .await
        .expect("viewed");
    assert_eq!(contributed.status, ContributionStatus::Contributed);
    let link = ResultLink::ipfs("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
    task::finalize(&people.scheduler, id, &link, Bytes::new())
        .await
        .expect("finalized");

    // The other task: one worker alone cannot finalize at trust 4, and says so.
    let (second, _) = task::initialize(&people.scheduler, matched.deal, 1)
        .await
        .expect("initialized");
    let worker = &people.workers[0];
    let leave = contribution::authorize(
        people.scheduler.wallet(),
        worker.address(),
        second,
        Address::ZERO,
    );
    let alone = contribution::contribute_and_finalize(
        worker,
        second,
        truth,
        link.to_bytes(),
        Bytes::new(),
        leave,
        Enclave::default(),
    );
    let error = alone.await.expect_err("trust 4");
    let contribution::ContributionError::Chain { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        source
            .refusal()
            .is_some_and(|refusal| refusal.is::<Hub::TrustNotOne>()),
        "{source}"
    );
    for worker in 0..3 {
        let worker = if worker == 2 { 3 } else { worker };
        if task::view(&town.chain, second)
            .await
            .expect("a task")
            .status
            == TaskStatus::Active
        {
            contribute(&people, worker, second, truth).await;
        }
    }
    for worker in task::view(&town.chain, second)
        .await
        .expect("a task")
        .contributors
    {
        let worker = people
            .workers
            .iter()
            .find(|known| known.address() == worker)
            .expect("one of ours");
        contribution::reveal(worker, second, truth)
            .await
            .expect("revealed");
    }
    task::finalize(&people.scheduler, second, &link, Bytes::new())
        .await
        .expect("finalized");

    // The watch told it all, and ends.
    let mut last = Vec::new();
    while let Some(state) = watch.next().await {
        last.push((state.index, state.task.status));
    }
    assert_eq!(last.first(), Some(&(0, TaskStatus::Unset)));
    assert!(
        last.contains(&(0, TaskStatus::Completed)) && last.contains(&(1, TaskStatus::Completed)),
        "{last:?}"
    );
    let done = task::known(&town.chain, id).await.expect("there");
    assert_eq!(done.result_digest, truth.0);
    assert_eq!(sdk::result::link(id, &done).expect("a link"), link);

    let bill = bill(&town.chain, matched.deal).await.expect("a bill");
    let sum = |role: Role, flow: Flow| -> U256 {
        bill.lines
            .iter()
            .filter(|line| line.role == role && line.flow == flow)
            .map(|line| line.amount.0)
            .sum()
    };
    let rlc = |text: &str| text.parse::<Nrlc>().expect("an amount").0;
    assert_eq!(sum(Role::Requester, Flow::Spent), rlc("2.2"));
    assert_eq!(sum(Role::AppOwner, Flow::Earned), rlc("0.2"));
    assert_eq!(
        sum(Role::Worker, Flow::Spent),
        rlc("0.5"),
        "the liar's stake"
    );
    let lost: Vec<_> = bill
        .lines
        .iter()
        .filter(|line| line.role == Role::Worker && line.flow == Flow::Spent)
        .collect();
    assert_eq!(
        (lost[0].who, lost[0].task, lost[0].index),
        (liar, Some(id), Some(0))
    );
    assert_eq!(
        sum(Role::Worker, Flow::Earned) + sum(Role::Scheduler, Flow::Earned),
        rlc("2.5"),
        "two prices and the liar's stake"
    );
    for role in [Role::Requester, Role::Scheduler, Role::Worker] {
        assert_eq!(
            sum(role, Flow::Frozen),
            sum(role, Flow::Freed) + sum(role, Flow::Spent),
            "{role}: all is settled"
        );
    }
    let accurate = bill.scores.iter().filter(|change| change.accurate).count();
    assert_eq!(bill.scores.len() - accurate, 1, "one fault");
    // The bill and the accounts agree.
    for total in bill.totals() {
        assert!(total.frozen.is_zero(), "{total:?}");
        let started_with = match total.role {
            Role::AppOwner => U256::ZERO,
            Role::Requester => Nrlc::rlc(100).0,
            _ => Nrlc::rlc(10).0,
        };
        let account = town.account(total.who).await;
        assert!(account.frozen.is_zero());
        assert_eq!(
            account.balance.0,
            started_with + total.earned.0 - total.spent.0,
            "{total:?}"
        );
    }
}

#[tokio::test]
async fn a_lone_worker_at_trust_one_ends_its_task_and_is_paid() {
    let town = Town::start().await;
    let people = people(&town, 1).await;
    let orders = orders(&town, &people, 1, 1).await;
    let matched = deal::match_orders(&people.requester, &orders)
        .await
        .expect("matched");
    let (id, _) = task::initialize(&people.scheduler, matched.deal, 0)
        .await
        .expect("initialized");
    let worker = &people.workers[0];
    let digest = Digest(B256::repeat_byte(7));
    let leave = contribution::authorize(
        people.scheduler.wallet(),
        worker.address(),
        id,
        Address::ZERO,
    );
    let link =
        ResultLink::ipfs("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy").to_bytes();
    contribution::contribute_and_finalize(
        worker,
        id,
        digest,
        link,
        Bytes::new(),
        leave,
        Enclave::default(),
    )
    .await
    .expect("done in one");
    let bill = bill(&town.chain, matched.deal).await.expect("a bill");
    let earned: Vec<_> = bill
        .lines
        .iter()
        .filter(|line| line.flow == Flow::Earned)
        .map(|line| (line.role, line.who, line.amount.to_string()))
        .collect();
    assert_eq!(
        earned,
        [
            (
                Role::AppOwner,
                people.developer.address(),
                "0.1 RLC".to_owned()
            ),
            (Role::Worker, worker.address(), "0.9 RLC".to_owned()),
            (
                Role::Scheduler,
                people.scheduler.address(),
                "0.1 RLC".to_owned()
            ),
        ]
    );
}

#[tokio::test]
async fn the_hub_says_why_it_will_not_match() {
    let town = Town::start().await;
    let people = people(&town, 0).await;
    let good = orders(&town, &people, 1, 1).await;
    let domain = town.chain.domain();
    let refusal = async |orders: &Orders| match deal::match_orders(&people.requester, orders).await
    {
        Err(DealError::Chain { source, .. }) => {
            source.refusal().expect("the hub's own no").to_string()
        }
        other => panic!("{other:?}"),
    };

    let mut poor = good.clone();
    poor.request.order.volume = U256::from(200);
    poor.request = people
        .requester
        .wallet()
        .sign_order(&poor.request.order, domain);
    let who = people.requester.address();
    let said = refusal(&poor).await;
    assert_eq!(
        said,
        format!("the hub account of {who} holds 100 RLC, and 220 RLC is needed; deposit first")
    );

    let mut forged = good.clone();
    forged.app = people
        .requester
        .wallet()
        .sign_order(&forged.app.order, domain);
    let said = refusal(&forged).await;
    assert!(said.contains("is not signed by the app's owner"), "{said}");

    let mut stingy = good.clone();
    stingy.request.order.appmaxprice = U256::ZERO;
    stingy.request = people
        .requester
        .wallet()
        .sign_order(&stingy.request.order, domain);
    assert_eq!(
        refusal(&stingy).await,
        "the app costs 0.1 RLC per task, and the request pays at most 0 RLC"
    );

    order::close(&people.developer, &good.app)
        .await
        .expect("closed");
    let said = refusal(&good).await;
    assert!(
        said.starts_with("nothing is left of the app order"),
        "{said}"
    );
}

#[tokio::test]
async fn ids_that_nothing_answers_to_are_named() {
    let town = Town::start().await;
    let nothing = B256::repeat_byte(9);
    let error = deal::view(&town.chain, nothing.into())
        .await
        .expect_err("no deal");
    assert!(error.to_string().contains(&nothing.to_string()), "{error}");
    let error = task::known(&town.chain, nothing.into())
        .await
        .expect_err("no task");
    assert!(error.to_string().contains(&nothing.to_string()), "{error}");
    let nobody = Address::repeat_byte(9);
    let error = app::show(&town.chain, nobody).await.expect_err("no app");
    assert!(matches!(error, AppError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn depositing_and_matching_is_one_transaction() {
    let town = Town::start().await;
    let mut people = people(&town, 0).await;
    people.requester = town.somebody(Nrlc::rlc(3)).await;
    let orders = orders(&town, &people, 2, 1).await;
    let matched = deal::deposit_and_match(&people.requester, Nrlc::rlc(3), &orders)
        .await
        .expect("matched");
    assert_eq!(matched.volume, 2);
    let account = town.account(people.requester.address()).await;
    assert_eq!(
        (account.balance.to_string(), account.frozen.to_string()),
        ("0.8 RLC".into(), "2.2 RLC".into())
    );
}

#[tokio::test]
async fn the_contracts_can_be_put_on_an_empty_chain() {
    let node = testchain::start(testchain::Options::default().bare())
        .await
        .expect("a chain");
    let wallet = node.wallet(0);
    let rpc = crate::town::url(&node.http_url());
    let deployment = sdk::deploy::deploy(&rpc, &wallet).await.expect("deployed");
    let chain = sdk::chain::Chain::connect(&rpc, deployment)
        .await
        .expect("they stand");
    let supply = sdk::payment::wallet_balance(&chain, wallet.address())
        .await
        .expect("a balance");
    assert_eq!(supply, Nrlc::rlc(87_000_000));
    assert_eq!(deal::categories(&chain).await.expect("counted"), 5);
    assert_eq!(deal::category(&chain, 1).await.expect("S").time_secs, 1_200);
}

#[tokio::test]
async fn a_result_is_fetched_only_if_it_is_the_one_agreed_on() {
    let town = Town::start().await;
    let people = people(&town, 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let good = crate::result::zip_of(
        folder.path(),
        &[("picture.png", b"pixels"), ("stderr.txt", b"noise")],
    );
    let digest = sdk::result::inspect(&good, Limits::default())
        .expect("a result")
        .digest;
    let store = blobs::Store::folder(folder.path().join("blobs")).expect("a store");
    let right = store.put_file(&good).await.expect("stored");
    let bad = crate::result::zip_of(folder.path(), &[("picture.png", b"other pixels")]);
    let wrong = store.put_file(&bad).await.expect("stored");
    let door = blobs::door(store, blobs::DoorOptions::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = crate::town::url(&format!("http://{}", listener.local_addr().expect("bound")));
    let door = tokio::spawn(async move { axum::serve(listener, door).await });

    let orders = orders(&town, &people, 2, 1).await;
    let deal = deal::match_orders(&people.requester, &orders)
        .await
        .expect("matched")
        .deal;
    let worker = &people.workers[0];
    let mut tasks = Vec::new();
    for (index, stored) in [(0, right), (1, wrong)] {
        let (id, _) = task::initialize(&people.scheduler, deal, index)
            .await
            .expect("initialized");
        let error = sdk::result::fetch(
            &town.chain,
            id,
            &url,
            &folder.path().join("early"),
            Limits::default(),
        )
        .await;
        assert!(
            matches!(error, Err(ResultError::NotCompleted { .. })),
            "{error:?}"
        );
        let leave = contribution::authorize(
            people.scheduler.wallet(),
            worker.address(),
            id,
            Address::ZERO,
        );
        let link = ResultLink::ipfs(stored.cid).to_bytes();
        contribution::contribute_and_finalize(
            worker,
            id,
            digest,
            link,
            Bytes::new(),
            leave,
            Enclave::default(),
        )
        .await
        .expect("done in one");
        tasks.push(id);
    }

    let target = folder.path().join("result");
    let fetched = sdk::result::fetch(&town.chain, tasks[0], &url, &target, Limits::default())
        .await
        .expect("fetched");
    assert_eq!(fetched.digest, digest);
    let verified: Vec<_> = fetched
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.verified))
        .collect();
    assert_eq!(verified, [("picture.png", true), ("stderr.txt", false)]);
    assert_eq!(
        std::fs::read(target.join("picture.png")).expect("there"),
        b"pixels"
    );

    let target = folder.path().join("forged");
    let error = sdk::result::fetch(&town.chain, tasks[1], &url, &target, Limits::default()).await;
    assert!(
        matches!(error, Err(ResultError::WrongDigest { .. })),
        "{error:?}"
    );
    assert!(!target.exists());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("readable")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    door.abort();
}
