//! The client of a market, against a stand-in that writes down what it is asked.

use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, Signature, U256};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use protocol::order::{AppOrder, Domain, Order as _, OrderKind};
use protocol::payment::Nrlc;
use sdk::order::{MarketClient, MarketError, app_order};
use sdk::wallet::Wallet;
use sdk::wire::market::{
    Authorization, ChallengeAnswer, ChallengeDocument, ErrorAnswer, ListAnswer, OrderQuery,
    OrderStatus, PublishAnswer, Record, UnpublishAnswer, challenge_digest,
};

const CHAIN: u64 = 31_337;

type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

async fn stand_in() -> (MarketClient, Asked, tokio::task::JoinHandle<()>) {
    let asked = Asked::default();
    let app = Router::new().fallback(answer).with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/book/", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
    (
        MarketClient::new(crate::town::url(&url)).expect("a client"),
        asked,
        server,
    )
}

fn record(index: u64) -> Record<AppOrder> {
    let order = app_order(Address::repeat_byte(1), Nrlc::rlc(index), 5);
    let domain = Domain {
        chain_id: CHAIN,
        hub: Address::repeat_byte(3),
    };
    Record {
        order_hash: order.hash(&domain),
        order: order.signed(vec![0; 65].into()),
        chain_id: CHAIN,
        remaining: U256::from(5),
        status: OrderStatus::Open,
        signer: Address::repeat_byte(2),
        publication_timestamp: "2026-01-31T12:00:00.000Z".to_owned(),
    }
}

async fn answer(State(asked): State<Asked>, request: Request) -> Response {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let place = request.uri().to_string();
    asked
        .lock()
        .expect("no panic")
        .push((format!("{} {place}", request.method()), header));
    let path = request.uri().path();
    if path.ends_with("/challenge") {
        let data = ChallengeDocument::new(CHAIN, "sign me 1".to_owned());
        return Json(ChallengeAnswer { ok: true, data }).into_response();
    }
    match *request.method() {
        Method::GET if path.ends_with("/apporders") => {
            let second = place.contains("pageIndex=1");
            let (orders, next_page) = if second {
                (vec![record(2)], None)
            } else {
                (vec![record(1)], Some(1))
            };
            Json(ListAnswer {
                ok: true,
                orders,
                count: 2,
                next_page,
            })
            .into_response()
        }
        Method::POST => Json(PublishAnswer {
            ok: true,
            published: record(1),
        })
        .into_response(),
        Method::PUT => Json(UnpublishAnswer {
            ok: true,
            unpublished: vec![],
        })
        .into_response(),
        _ => {
            let error = "no such order".to_owned();
            (
                StatusCode::NOT_FOUND,
                Json(ErrorAnswer { ok: false, error }),
            )
                .into_response()
        }
    }
}

#[tokio::test]
async fn pages_are_joined_and_filters_sent() {
    let (market, asked, server) = stand_in().await;
    let query = OrderQuery {
        app: Some(Address::repeat_byte(1).into()),
        chain_id: Some(CHAIN),
        ..Default::default()
    };
    let orders = market
        .list_all::<AppOrder>(&query, 10)
        .await
        .expect("listed");
    assert_eq!(orders.len(), 2);
    let asked: Vec<String> = asked
        .lock()
        .expect("no panic")
        .iter()
        .map(|(place, _)| place.clone())
        .collect();
    let app = Address::repeat_byte(1);
    assert!(
        asked[0].starts_with("GET /book/apporders?") && asked[0].contains(&format!("app={app}")),
        "{asked:?}"
    );
    assert!(asked[1].contains("pageIndex=1"), "{asked:?}");
    server.abort();
}

#[tokio::test]
async fn publishing_and_withdrawing_prove_the_key() {
    let (market, asked, server) = stand_in().await;
    let wallet = Wallet::random();
    let domain = Domain {
        chain_id: CHAIN,
        hub: Address::repeat_byte(3),
    };
    let order = wallet.sign_order(&app_order(Address::repeat_byte(1), Nrlc::rlc(1), 5), domain);
    market
        .publish(&wallet, domain, &order)
        .await
        .expect("published");
    market
        .withdraw(&wallet, CHAIN, OrderKind::App, order.hash(&domain))
        .await
        .expect("withdrawn");
    let asked = asked.lock().expect("no panic").clone();
    assert_eq!(asked.len(), 4, "a challenge before each: {asked:?}");
    for (place, header) in [&asked[1], &asked[3]] {
        let header: Authorization = header
            .as_deref()
            .expect("a login")
            .parse()
            .expect("readable");
        assert_eq!(
            header.digest,
            challenge_digest(CHAIN, "sign me 1"),
            "{place}"
        );
        let signature = Signature::from_raw(&header.signature).expect("65 bytes");
        let signer = signature
            .recover_address_from_prehash(&header.digest)
            .expect("a signature");
        assert_eq!(
            (signer, header.address),
            (wallet.address(), wallet.address())
        );
    }
    server.abort();
}

#[tokio::test]
async fn its_no_and_its_absence_are_told_apart() {
    let (market, _, server) = stand_in().await;
    let error = market
        .get::<AppOrder>(Default::default())
        .await
        .expect_err("none");
    assert!(error.is_not_found() && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("no such order"), "{error}");
    server.abort();
    let _ = server.await;
    let error = MarketClient::new(crate::town::url("http://127.0.0.1:1"))
        .expect("a client")
        .health()
        .await;
    assert!(
        matches!(&error, Err(MarketError::Unreachable { .. })),
        "{error:?}"
    );
    assert!(error.expect_err("away").is_transient());
}
