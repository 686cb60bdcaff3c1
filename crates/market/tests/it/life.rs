//! Orders' lives in the book.

use alloy_primitives::{Address, B256, Bytes, U256};
use protocol::abi::AppRegistry;
use protocol::order::{AppOrder, OrderKind, RequestOrder, Signed, Tag, WorkerpoolOrder};
use protocol::payment::Nrlc;
use sdk::deal::{self, Orders};
use sdk::wire::market::{OrderQuery, OrderStatus, Unpublish, UnpublishTarget};
use sdk::{order, payment};

use crate::town::{Town, app_order, pool_order, request_order};

#[tokio::test]
async fn an_order_is_listed_from_its_publication_until_its_volume_is_matched() {
    let town = Town::start().await;
    let (developer, scheduler, requester) =
        tokio::join!(town.somebody(0), town.somebody(10), town.somebody(100));
    let (app, pool) = (town.app(&developer).await, town.pool(&scheduler).await);
    let (app_terms, pool_terms) = (app_order(app, 5, 1000), pool_order(pool, 1_000_000_000, 3));
    let request_terms = request_order(requester.address(), &app_terms, &pool_terms, 5);

    let app = town
        .publish(&developer, &app_terms)
        .await
        .expect("published");
    let pool = town
        .publish(&scheduler, &pool_terms)
        .await
        .expect("published");
    let request = town
        .publish(&requester, &request_terms)
        .await
        .expect("published");
    assert_eq!(app.order_hash, app.order.hash(&town.chain.domain()));
    assert_eq!(
        (app.status, app.remaining, app.signer),
        (OrderStatus::Open, U256::from(1000), developer.address())
    );
    assert_eq!(town.all::<AppOrder>().await.orders, vec![app.clone()]);
    assert_eq!(
        town.all::<WorkerpoolOrder>().await.orders,
        vec![pool.clone()]
    );
    assert_eq!(
        town.all::<RequestOrder>().await.orders,
        vec![request.clone()]
    );
    assert_eq!(
        town.client
            .get::<WorkerpoolOrder>(pool.order_hash)
            .await
            .expect("found"),
        pool
    );
    let health = town.client.health().await.expect("well");
    assert_eq!((health.chain_id, health.open_orders), (31_337, 3));

    let orders = Orders {
        app: town.all::<AppOrder>().await.orders[0].order.clone(),
        dataset: None,
        workerpool: pool.order.clone(),
        request: request.order.clone(),
    };
    let matched = deal::match_orders(&requester, &orders)
        .await
        .expect("matched");
    assert_eq!(matched.volume, 3);

    town.until(&pool, |record| {
        record.status == OrderStatus::Filled && record.remaining.is_zero()
    })
    .await;
    town.until(&app, |record| {
        record.status == OrderStatus::Open && record.remaining == U256::from(997)
    })
    .await;
    town.until(&request, |record| {
        record.status == OrderStatus::Open && record.remaining == U256::from(2)
    })
    .await;
    assert_eq!(town.all::<WorkerpoolOrder>().await.count, 0);
    assert_eq!(town.all::<AppOrder>().await.count, 1);

    let refused = town
        .publish(&scheduler, &pool_terms)
        .await
        .expect_err("used up")
        .to_string();
    assert!(
        refused.contains("nothing is left of workerpoolorder"),
        "{refused}"
    );
    town.market.shutdown().await;
}

#[tokio::test]
async fn an_order_closed_on_chain_or_withdrawn_leaves_the_lists() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let app = town.app(&developer).await;
    let mut orders = Vec::new();
    for price in 1..=5 {
        orders.push(
            town.publish(&developer, &app_order(app, price, 10))
                .await
                .expect("published"),
        );
    }
    order::close(&developer, &orders[0].order)
        .await
        .expect("closed");
    town.until(&orders[0], |record| {
        record.status == OrderStatus::Canceled && record.remaining.is_zero()
    })
    .await;
    assert_eq!(town.all::<AppOrder>().await.orders, orders[1..]);

    let (wallet, chain_id) = (developer.wallet(), 31_337);
    let gone = town
        .client
        .withdraw(wallet, chain_id, OrderKind::App, orders[2].order_hash)
        .await
        .expect("withdrawn");
    assert_eq!(gone, [orders[2].order_hash]);
    assert!(
        town.client
            .get::<AppOrder>(orders[2].order_hash)
            .await
            .expect_err("gone")
            .is_not_found()
    );
    let again = town
        .client
        .withdraw(wallet, chain_id, OrderKind::App, orders[2].order_hash)
        .await;
    let again = again.expect_err("gone").to_string();
    assert!(
        again.contains(&format!(
            "apporder with orderHash {} is not published",
            orders[2].order_hash
        )),
        "{again}"
    );

    let last = Unpublish::of(OrderKind::App, app, UnpublishTarget::Last);
    assert_eq!(
        unpublish(&town, &developer, &last).await["unpublished"],
        serde_json::json!([orders[4].order_hash])
    );
    let rest = town
        .client
        .withdraw_all(wallet, chain_id, OrderKind::App, app)
        .await
        .expect("withdrawn");
    assert_eq!(rest, [orders[3].order_hash, orders[1].order_hash]);
    assert_eq!(town.all::<AppOrder>().await.count, 0);
    let none = unpublish(
        &town,
        &developer,
        &Unpublish::of(OrderKind::App, app, UnpublishTarget::All),
    )
    .await;
    let signer = developer.address();
    assert_eq!(
        none["error"],
        format!("no open apporder published by signer {signer} for app {app}")
    );

    // What was only withdrawn is still good, and may come back.
    town.client
        .publish(wallet, town.chain.domain(), &orders[1].order)
        .await
        .expect("published again");
    let stranger = town.somebody(0).await;
    let theft = town
        .client
        .withdraw(
            stranger.wallet(),
            chain_id,
            OrderKind::App,
            orders[1].order_hash,
        )
        .await;
    assert!(
        theft
            .expect_err("not theirs")
            .to_string()
            .contains(&format!("is signed by {signer}"))
    );
}

async fn unpublish(
    town: &Town,
    signer: &sdk::chain::Sender,
    what: &Unpublish,
) -> serde_json::Value {
    let header = crate::bad_input::log_in(town, signer.wallet()).await;
    let url = town.market.url().join("apporders").expect("a URL");
    let request = sdk::tls::client()
        .expect("a client")
        .put(url)
        .header("authorization", header)
        .json(what);
    request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON")
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let town = Town::start().await;
    let (developer, requester) = tokio::join!(town.somebody(0), town.somebody(0));
    let (one, other) = (town.app(&developer).await, town.app(&developer).await);
    let gpu = Tag::GPU.0;
    let mut published = Vec::new();
    for (app, price, tag, restrict) in [
        (one, 30, B256::ZERO, Address::ZERO),
        (one, 10, gpu, Address::ZERO),
        (one, 20, B256::ZERO, requester.address()),
        (other, 5, B256::with_last_byte(1), Address::ZERO),
    ] {
        let order = AppOrder {
            tag,
            requesterrestrict: restrict,
            ..app_order(app, price, 7)
        };
        published.push(
            town.publish(&developer, &order)
                .await
                .expect("published")
                .order_hash,
        );
    }
    let list = async |query: OrderQuery| -> Vec<usize> {
        let answer = town.client.list::<AppOrder>(&query).await.expect("a list");
        let place = |hash| {
            published
                .iter()
                .position(|published| *published == hash)
                .expect("ours")
        };
        answer
            .orders
            .iter()
            .map(|record| place(record.order_hash))
            .collect()
    };
    let query = OrderQuery::default;
    let app = Some(one.into());
    assert_eq!(
        list(query()).await,
        [3, 1, 0],
        "best price first, only those for everybody"
    );
    assert_eq!(list(OrderQuery { app, ..query() }).await, [1, 0]);
    let requester = Some(requester.address().into());
    assert_eq!(
        list(OrderQuery {
            app,
            requester,
            ..query()
        })
        .await,
        [1, 2, 0]
    );
    let strict = Some(true);
    assert_eq!(
        list(OrderQuery {
            app,
            requester,
            is_requester_strict: strict,
            ..query()
        })
        .await,
        [2]
    );
    let none = Some(Tag::NONE);
    assert_eq!(
        list(OrderQuery {
            max_tag: none,
            ..query()
        })
        .await,
        [0]
    );
    assert_eq!(
        list(OrderQuery {
            min_tag: Some(Tag(gpu)),
            ..query()
        })
        .await,
        [1]
    );
    assert_eq!(
        list(OrderQuery {
            max_price: Some(U256::from(10)),
            ..query()
        })
        .await,
        [3, 1]
    );
    assert_eq!(
        list(OrderQuery {
            min_volume: Some(U256::from(8)),
            ..query()
        })
        .await,
        [0_usize; 0]
    );
    assert_eq!(
        list(OrderQuery {
            app_owner: Some(Address::ZERO.into()),
            ..query()
        })
        .await,
        [0_usize; 0]
    );
    assert_eq!(
        list(OrderQuery {
            app_owner: Some(developer.address().into()),
            ..query()
        })
        .await,
        [3, 1, 0]
    );

    let page = |index| OrderQuery {
        page_index: Some(index),
        page_size: Some(2),
        ..query()
    };
    let first = town
        .client
        .list::<AppOrder>(&page(0))
        .await
        .expect("a page");
    assert_eq!(
        (first.orders.len(), first.count, first.next_page),
        (2, 3, Some(1))
    );
    let second = town
        .client
        .list::<AppOrder>(&page(1))
        .await
        .expect("a page");
    assert_eq!(
        (second.orders.len(), second.count, second.next_page),
        (1, 3, None)
    );
    let beyond = town
        .client
        .list::<AppOrder>(&page(u64::MAX))
        .await
        .expect("a page");
    assert_eq!(
        (beyond.orders.len(), beyond.count, beyond.next_page),
        (0, 3, None)
    );
}

#[tokio::test]
async fn an_order_without_signature_enters_once_it_is_presigned() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let app = town.app(&developer).await;
    let bare = Signed {
        order: app_order(app, 1, 1),
        sign: Bytes::new(),
    };
    let publish = || {
        town.client
            .publish(developer.wallet(), town.chain.domain(), &bare)
    };
    let refused = publish().await.expect_err("signed nowhere").to_string();
    assert!(
        refused.contains("it is not presigned at the hub"),
        "{refused}"
    );
    order::presign(&developer, &bare).await.expect("presigned");
    publish().await.expect("published");
}

#[tokio::test]
async fn an_order_dies_with_its_stake_or_its_owner_and_lives_again_with_them() {
    let town = Town::start().await;
    let (developer, scheduler, buyer) =
        tokio::join!(town.somebody(0), town.somebody(10), town.somebody(0));
    let (app, pool) = (town.app(&developer).await, town.pool(&scheduler).await);
    let pool = town
        .publish(&scheduler, &pool_order(pool, 1_000_000_000, 33))
        .await
        .expect("9.9 of 10 RLC needed");
    let app_terms = app_order(app, 1, 1);
    let app_order = town
        .publish(&developer, &app_terms)
        .await
        .expect("published");

    payment::withdraw(&scheduler, Nrlc::rlc(1))
        .await
        .expect("withdrawn");
    town.until(&pool, |record| record.status == OrderStatus::Dead)
        .await;
    assert_eq!(town.all::<WorkerpoolOrder>().await.count, 0);
    payment::deposit(&scheduler, Nrlc::rlc(1))
        .await
        .expect("deposited");
    town.until(&pool, |record| record.status == OrderStatus::Open)
        .await;

    let (registry, token) = (
        town.chain.deployment().app_registry,
        U256::from_be_slice(app.as_slice()),
    );
    let sale = AppRegistry::transferFromCall {
        from: developer.address(),
        to: buyer.address(),
        tokenId: token,
    };
    developer.send(registry, sale).await.expect("sold");
    town.until(&app_order, |record| record.status == OrderStatus::Dead)
        .await;
    let refused = town
        .publish(&developer, &app_terms)
        .await
        .expect_err("sold")
        .to_string();
    assert!(
        refused.contains(&format!("app {app} belongs to {}", buyer.address())),
        "{refused}"
    );
}

#[tokio::test]
async fn a_restart_keeps_the_book_and_catches_up_with_the_chain() {
    let mut town = Town::start().await;
    let developer = town.somebody(0).await;
    let app = town.app(&developer).await;
    let kept = town
        .publish(&developer, &app_order(app, 1, 10))
        .await
        .expect("published");
    let closed = town
        .publish(&developer, &app_order(app, 2, 10))
        .await
        .expect("published");
    town.market.shutdown().await;
    order::close(&developer, &closed.order)
        .await
        .expect("closed");
    town.restart_market().await;
    town.until(&closed, |record| record.status == OrderStatus::Canceled)
        .await;
    assert_eq!(town.all::<AppOrder>().await.orders, [kept]);
}

#[tokio::test]
async fn what_a_reorganised_chain_takes_back_is_taken_back_in_the_book() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let app = town.app(&developer).await;
    let order = town
        .publish(&developer, &app_order(app, 1, 10))
        .await
        .expect("published");
    let before = town.rpc("evm_snapshot", serde_json::json!([])).await;
    order::close(&developer, &order.order)
        .await
        .expect("closed");
    town.until(&order, |record| record.status == OrderStatus::Canceled)
        .await;
    // Its sender would see to it that the order is closed again.
    drop(developer);
    town.rpc("evm_revert", serde_json::json!([before])).await;
    for _ in 0..3 {
        town.rpc("evm_mine", serde_json::json!([])).await;
    }
    let back = town
        .until(&order, |record| record.status == OrderStatus::Open)
        .await;
    assert_eq!(back, order);
}

#[tokio::test]
async fn the_book_of_one_hub_is_not_continued_for_another() {
    let town = Town::start().await;
    town.market.shutdown().await;
    let mut elsewhere = town.chain.deployment().clone();
    std::mem::swap(&mut elsewhere.hub, &mut elsewhere.rlc);
    let chain = sdk::chain::Chain::connect(town.chain.rpc_url(), elsewhere)
        .await
        .expect("some contracts are there");
    let options = market::Options::at(town.folder.path().join("books").join("market.sqlite"));
    let error = market::Service::start(options, chain)
        .await
        .expect_err("another hub")
        .to_string();
    assert!(
        error.contains("is kept for the hub") && error.contains("give each its own file"),
        "{error}"
    );
}

#[tokio::test]
async fn dropping_the_handle_frees_the_port() {
    let town = Town::start().await;
    let url = town.market.url();
    let (host, port) = (
        url.host_str().expect("a host").to_owned(),
        url.port().expect("a port"),
    );
    drop(town);
    let free = async {
        while tokio::net::TcpListener::bind((host.as_str(), port))
            .await
            .is_err()
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), free)
        .await
        .expect("the port stays taken");
}
