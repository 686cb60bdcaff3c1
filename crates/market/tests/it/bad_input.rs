//! Whatever is wrong gets the right status and one helpful sentence.

use alloy_primitives::{Address, B256, Bytes, U256};
use protocol::order::{AppOrder, OrderKind, Signed, WorkerpoolOrder};
use reqwest::Method;
use sdk::chain::Sender;
use sdk::order::MarketError;
use sdk::wallet::Wallet;
use sdk::wire::market::{Authorization, ChallengeAnswer, challenge_digest};
use serde_json::{Value, json};

use crate::town::{Town, app_order, pool_order, request_order};

/// An answered challenge.
pub(crate) async fn log_in(town: &Town, wallet: &Wallet) -> String {
    let url = town
        .market
        .url()
        .join(&format!("challenge?address={}", wallet.address()))
        .expect("a URL");
    let client = sdk::tls::client().expect("a client");
    let answer: ChallengeAnswer = client
        .get(url)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let digest = challenge_digest(31_337, &answer.data.message.challenge);
    Authorization {
        digest,
        signature: wallet.sign_hash(digest),
        address: wallet.address(),
    }
    .to_string()
}

async fn ask(
    town: &Town,
    method: Method,
    path: &str,
    header: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let url = town.market.url().join(path).expect("a URL");
    let mut request = sdk::tls::client()
        .expect("a client")
        .request(method, url)
        .body(body);
    if let Some(header) = header {
        request = request.header("authorization", header);
    }
    let answer = request.send().await.expect("an answer");
    (
        answer.status().as_u16(),
        answer.json().await.expect("JSON, always"),
    )
}

fn refusal<T: std::fmt::Debug>(result: Result<T, MarketError>) -> (u16, String) {
    match result {
        Err(MarketError::Refused { status, why, .. }) => (status, why),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

async fn app_of(town: &Town, developer: &Sender) -> AppOrder {
    app_order(town.app(developer).await, 1, 10)
}

#[tokio::test]
async fn an_order_the_hub_would_refuse_is_refused_with_the_reason() {
    let town = Town::start().await;
    let (developer, stranger, scheduler) =
        tokio::join!(town.somebody(0), town.somebody(0), town.somebody(1));
    let good = app_of(&town, &developer).await;
    let pool = town.pool(&scheduler).await;
    let (me, domain) = (developer.address(), town.chain.domain());
    let publish = async |signer: &Sender, signed: &Signed<AppOrder>| {
        refusal(town.client.publish(signer.wallet(), domain, signed).await)
    };

    let (status, why) = publish(&stranger, &town.sign(&developer, &good)).await;
    assert_eq!(status, 403);
    assert!(
        why.contains(&format!(
            "belongs to {me} and you are logged in as {}",
            stranger.address()
        )),
        "{why}"
    );

    let forged = town.sign(&stranger, &good);
    let hash = forged.hash(&domain);
    let (status, why) = publish(&developer, &forged).await;
    assert_eq!(status, 403);
    assert!(
        why.starts_with(&format!(
            "the signature of apporder {hash} is not that of {me}"
        )),
        "{why}"
    );
    for sign in [
        "0x",
        "0x1234",
        &format!("0x{}", "00".repeat(65)),
        &format!("0x{}", "ff".repeat(64)),
    ] {
        let sign: Bytes = sign.parse().expect("bytes");
        assert_eq!(
            publish(
                &developer,
                &Signed {
                    order: good.clone(),
                    sign
                }
            )
            .await
            .0,
            403
        );
    }
    // Signed for the same hub on another chain.
    let elsewhere = protocol::order::Domain {
        chain_id: 1,
        ..domain
    };
    assert_eq!(
        publish(&developer, &developer.wallet().sign_order(&good, elsewhere))
            .await
            .0,
        403
    );

    let nowhere = AppOrder {
        app: Address::repeat_byte(9),
        ..good.clone()
    };
    let (status, why) = publish(&developer, &town.sign(&developer, &nowhere)).await;
    assert_eq!(
        (status, why),
        (
            403,
            format!("no app is registered at {} on chain 31337", nowhere.app)
        )
    );
    let pool_as_app = AppOrder {
        app: pool,
        ..good.clone()
    };
    assert_eq!(
        publish(&scheduler, &town.sign(&scheduler, &pool_as_app))
            .await
            .0,
        403
    );

    let empty = AppOrder {
        volume: U256::ZERO,
        ..good.clone()
    };
    assert_eq!(
        publish(&developer, &town.sign(&developer, &empty)).await.0,
        400
    );
    let dear = AppOrder {
        appprice: U256::MAX,
        ..good.clone()
    };
    assert_eq!(
        publish(&developer, &town.sign(&developer, &dear)).await.0,
        400
    );

    town.publish(&developer, &good).await.expect("published");
    let (status, why) = publish(&developer, &town.sign(&developer, &good)).await;
    assert_eq!(
        (status, why.ends_with("is already published")),
        (403, true),
        "{why}"
    );

    let uncovered = pool_order(pool, 1_000_000_000, 4);
    let (status, why) = refusal(town.publish(&scheduler, &uncovered).await);
    assert_eq!(status, 403);
    assert!(
        why.contains("has 1000000000 nRLC free at the hub, but this workerpoolorder with 4 left")
            && why.contains("1200000000"),
        "{why}"
    );
    let unknown = WorkerpoolOrder {
        category: U256::from(77),
        ..pool_order(pool, 0, 4)
    };
    let (status, why) = refusal(town.publish(&scheduler, &unknown).await);
    assert_eq!(
        (status, why.as_str()),
        (403, "there is no category 77: the hub has 0 to 4")
    );
    let poor = request_order(stranger.address(), &good, &pool_order(pool, 5, 1), 1);
    let (status, why) = refusal(town.publish(&stranger, &poor).await);
    assert_eq!(
        (status, why.contains("needs 6 nRLC (the most it may cost)")),
        (403, true),
        "{why}"
    );
    let (status, why) = refusal(town.publish(&developer, &poor).await);
    assert_eq!(
        (status, why.contains("only the requester publishes it")),
        (403, true),
        "{why}"
    );
}

#[tokio::test]
async fn nobody_fills_the_book_alone() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let good = app_of(&town, &developer).await;
    for _ in 0..50 {
        let order = AppOrder {
            salt: B256::random(),
            ..good.clone()
        };
        town.publish(&developer, &order).await.expect("published");
    }
    let (status, why) = refusal(town.publish(&developer, &good).await);
    assert_eq!(
        (
            status,
            why.contains("has 50 open apporders, and no more than 50 are allowed")
        ),
        (403, true),
        "{why}"
    );
}

#[tokio::test]
async fn a_login_is_good_once_and_only_for_its_signer() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let good = app_of(&town, &developer).await;
    let body = json!({ "order": town.sign(&developer, &good) }).to_string();
    let post = async |header: Option<&str>| {
        ask(&town, Method::POST, "apporders", header, body.clone()).await
    };

    for header in [None, Some(""), Some("Bearer x"), Some("0x_0x_0x")] {
        let (status, answer) = post(header).await;
        assert_eq!((status, answer["ok"].as_bool()), (403, Some(false)));
        assert!(
            answer["error"]
                .as_str()
                .expect("a sentence")
                .starts_with("invalid authorization: "),
            "{answer}"
        );
    }
    let header = log_in(&town, developer.wallet()).await;
    assert_eq!(
        header,
        log_in(&town, developer.wallet()).await,
        "one challenge until it is used"
    );
    let stolen = header.replace(
        &developer.address().to_string(),
        &Wallet::random().address().to_string(),
    );
    assert_eq!(post(Some(&stolen)).await.0, 403);
    let mut parts: Vec<_> = header.split('_').map(str::to_owned).collect();
    parts[1] = Wallet::random()
        .sign_hash(parts[0].parse().expect("a hash"))
        .to_string();
    assert_eq!(post(Some(&parts.join("_"))).await.0, 403);

    let (status, answer) = post(Some(&header)).await;
    assert_eq!(
        (status, answer["ok"].as_bool()),
        (200, Some(true)),
        "{answer}"
    );
    assert_eq!(answer["published"]["order"]["appprice"], "1");
    assert_eq!(answer["published"]["remaining"], 10);
    let (status, answer) = post(Some(&header)).await;
    assert_eq!(status, 403);
    assert!(
        answer["error"]
            .as_str()
            .expect("a sentence")
            .contains("used"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_said_so_and_never_breaks_the_market() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let signed = town.sign(&developer, &app_of(&town, &developer).await);
    let good = json!({ "order": signed });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body["order"][field] = value;
        body.to_string()
    };
    let without = |field: &str| {
        let mut body = good.clone();
        body["order"]
            .as_object_mut()
            .expect("an object")
            .remove(field);
        body.to_string()
    };
    let mut bodies = vec![
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "{\"order\":null}".to_owned(),
        "\u{0}\u{1}".to_owned(),
        "[".repeat(60_000),
        format!(
            "{{\"order\":{}1{}}}",
            "[".repeat(20_000),
            "]".repeat(20_000)
        ),
        with("volume", json!("-1")),
        with("volume", json!(-1)),
        with("volume", json!(1.5)),
        with("volume", json!(1e300)),
        with("volume", json!("1e3")),
        with(
            "volume",
            json!(
                "99999999999999999999999999999999999999999999999999999999999999999999999999999999"
            ),
        ),
        with("appprice", json!("ten")),
        with("app", json!("0x12")),
        with("app", json!(12)),
        with("tag", json!("0x1")),
        with("salt", Value::Null),
        with("sign", json!("hello")),
    ];
    bodies.extend(
        [
            "app",
            "appprice",
            "volume",
            "tag",
            "requesterrestrict",
            "salt",
            "sign",
        ]
        .map(without),
    );
    for body in bodies {
        for path in ["apporders", "requestorders"] {
            let (status, answer) =
                ask(&town, Method::POST, path, Some("0x_0x_0x"), body.clone()).await;
            let sentence = answer["error"].as_str().expect("a sentence");
            assert_eq!(
                (status, answer["ok"].as_bool()),
                (400, Some(false)),
                "{sentence}"
            );
            assert!(
                sentence.starts_with("the body cannot be read: ") && sentence.len() < 400,
                "{sentence}"
            );
        }
    }
    let huge = "x".repeat(5_000_000);
    let (status, answer) = ask(&town, Method::POST, "apporders", None, huge).await;
    assert_eq!(
        (status, &answer["error"]),
        (
            413,
            &json!("the body is larger than the 65536 bytes allowed")
        )
    );

    for (method, path, status) in [
        (Method::GET, "apporders?pageSize=many", 400),
        (Method::GET, "apporders?pageSize=0", 400),
        (Method::GET, "apporders?pageIndex=-1", 400),
        (Method::GET, "apporders?app=nobody", 400),
        (Method::GET, "apporders?colour=blue", 400),
        (Method::GET, "apporders?maxTag=1", 400),
        (Method::GET, "apporders?minVolume=1e9", 400),
        (Method::GET, "apporders?chainId=99", 400),
        (Method::GET, "apporders?app=any&app=any", 400),
        (Method::GET, "workerpoolorders?category=small", 400),
        (Method::GET, "apporders/0x12", 400),
        (
            Method::GET,
            &format!("apporders/{}?chainId=99", B256::ZERO),
            400,
        ),
        (Method::GET, &format!("apporders/{}", B256::ZERO), 404),
        (Method::GET, "challenge", 400),
        (Method::GET, "challenge?address=me", 400),
        (
            Method::GET,
            "challenge?chainId=99&address=0x0000000000000000000000000000000000000001",
            400,
        ),
        (Method::GET, "elsewhere", 404),
        (Method::DELETE, "apporders", 405),
    ] {
        let (found, answer) = ask(&town, method.clone(), path, None, "").await;
        assert_eq!(
            (found, answer["ok"].as_bool()),
            (status, Some(false)),
            "{method} {path}: {answer}"
        );
        assert!(
            answer["error"]
                .as_str()
                .is_some_and(|error| error.len() > 10),
            "{method} {path}: {answer}"
        );
    }
    let bodies = [
        "{}",
        "{\"target\":\"everything\"}",
        "{\"target\":\"unpublish_all\"}",
        "{\"target\":\"unpublish_orderHash\"}",
    ];
    for (body, status) in bodies.into_iter().zip([400, 400, 400, 400]) {
        let header = log_in(&town, developer.wallet()).await;
        assert_eq!(
            ask(&town, Method::PUT, "apporders", Some(&header), body)
                .await
                .0,
            status,
            "{body}"
        );
    }
    assert_eq!(town.client.health().await.expect("unharmed").open_orders, 0);
}

#[tokio::test]
async fn numbers_are_read_as_strings_and_as_numbers() {
    let town = Town::start().await;
    let developer = town.somebody(0).await;
    let order = app_of(&town, &developer).await;
    let mut body = json!({ "order": town.sign(&developer, &order) });
    body["order"]["volume"] = json!(10);
    body["order"]["appprice"] = json!("0x1");
    let header = log_in(&town, developer.wallet()).await;
    let (status, answer) = ask(
        &town,
        Method::POST,
        "apporders?chainId=31337",
        Some(&header),
        body.to_string(),
    )
    .await;
    assert_eq!(
        (status, answer["published"]["orderHash"].as_str()),
        (200, Some(order_hash(&town, &order).as_str()))
    );
}

fn order_hash(town: &Town, order: &AppOrder) -> String {
    town.chain.domain().hash(order).to_string()
}

#[tokio::test]
async fn every_route_is_in_openapi_json_and_the_other_way_round() {
    let town = Town::start().await;
    let (_, document) = ask(&town, Method::GET, "openapi.json", None, "").await;
    let mut written: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        written.extend(
            methods
                .as_object()
                .expect("methods")
                .keys()
                .map(|method| (method.clone(), path.clone())),
        );
    }
    let mut routes: Vec<_> = market::ROUTES
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .into();
    written.sort();
    routes.sort();
    assert_eq!(written, routes);
    for (method, path) in market::ROUTES {
        let path = path.replace("{orderHash}", &B256::ZERO.to_string());
        let method: Method = method.to_uppercase().parse().expect("a method");
        let (_, answer) = ask(&town, method.clone(), &path, None, "").await;
        let nothing = answer["error"]
            .as_str()
            .is_some_and(|error| error.contains("/openapi.json lists what"));
        assert!(!nothing, "{method} {path} is no route: {answer}");
    }
    // Every kind of order has its routes.
    for kind in [
        OrderKind::App,
        OrderKind::Dataset,
        OrderKind::Workerpool,
        OrderKind::Request,
    ] {
        let path = sdk::wire::market::orders_path(kind);
        assert_eq!(
            market::ROUTES
                .iter()
                .filter(|(_, route)| *route == path)
                .count(),
            3
        );
    }
}

#[tokio::test]
async fn a_browser_of_another_origin_is_let_in() {
    let town = Town::start().await;
    let url = town.market.url().join("apporders").expect("a URL");
    let request = sdk::tls::client()
        .expect("a client")
        .request(Method::OPTIONS, url);
    let request = request
        .header("origin", "https://example.org")
        .header("access-control-request-method", "POST");
    let answer = request
        .header("access-control-request-headers", "authorization")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let methods = answer.headers()["access-control-allow-methods"]
        .to_str()
        .expect("text");
    assert!(
        methods.contains("POST") && methods.contains("PUT"),
        "{methods}"
    );
}
