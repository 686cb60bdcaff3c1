//! The HTTP door, in the form existing clients use. What it says is written down in `openapi.json`, which it serves.

use std::sync::Arc;

use alloy_primitives::Address;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use protocol::ids::OrderHash;
use protocol::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};
use sdk::wire::market::{
    ChallengeAnswer, ErrorAnswer, Health, ListAnswer, Lookup, OrderQuery, Publish, PublishAnswer,
    Unpublish, UnpublishAnswer, orders_path,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::book::Market;
use crate::filter::wrong_chain;
use crate::refusal::Refusal;
use crate::terms::Listed;

/// Every route, as `openapi.json` names them.
pub const ROUTES: [(&str, &str); 19] = [
    ("get", "/health"),
    ("get", "/openapi.json"),
    ("get", "/challenge"),
    ("get", "/apporders"),
    ("post", "/apporders"),
    ("put", "/apporders"),
    ("get", "/apporders/{orderHash}"),
    ("get", "/datasetorders"),
    ("post", "/datasetorders"),
    ("put", "/datasetorders"),
    ("get", "/datasetorders/{orderHash}"),
    ("get", "/workerpoolorders"),
    ("post", "/workerpoolorders"),
    ("put", "/workerpoolorders"),
    ("get", "/workerpoolorders/{orderHash}"),
    ("get", "/requestorders"),
    ("post", "/requestorders"),
    ("put", "/requestorders"),
    ("get", "/requestorders/{orderHash}"),
];

const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) fn router(market: Arc<Market>) -> Router {
    // Anybody's page may use the market: logins are by signature, never by cookie.
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::any())
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    Router::new()
        .route("/health", get(health))
        .route("/openapi.json", get(openapi))
        .route("/challenge", get(challenge))
        .merge(orders::<AppOrder>())
        .merge(orders::<DatasetOrder>())
        .merge(orders::<WorkerpoolOrder>())
        .merge(orders::<RequestOrder>())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(market.options.body_limit_bytes))
        .layer(cors)
        .with_state(market)
}

fn orders<O: Listed>() -> Router<Arc<Market>> {
    let path = orders_path(O::KIND);
    Router::new()
        .route(path, put(unpublish::<O>).post(publish::<O>).get(list::<O>))
        .route(&format!("{path}/{{orderHash}}"), get(find::<O>))
}

type State_ = State<Arc<Market>>;

async fn health(State(market): State_) -> Result<Json<Health>, Refusal> {
    market.health().await.map(Json)
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChallengeQuery {
    chain_id: Option<u64>,
    address: Address,
}

async fn challenge(
    State(market): State_,
    query: Result<Query<ChallengeQuery>, QueryRejection>,
) -> Result<Json<ChallengeAnswer>, Refusal> {
    let ChallengeQuery { chain_id, address } = readable(query)?;
    our_chain(&market, chain_id)?;
    Ok(Json(ChallengeAnswer {
        ok: true,
        data: market.login.challenge(address),
    }))
}

async fn list<O: Listed>(
    State(market): State_,
    query: Result<Query<OrderQuery>, QueryRejection>,
) -> Result<Json<ListAnswer<O>>, Refusal> {
    market.list(&readable(query)?).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChainQuery {
    chain_id: Option<u64>,
}

async fn find<O: Listed>(
    State(market): State_,
    Path(hash): Path<String>,
    query: Result<Query<ChainQuery>, QueryRejection>,
) -> Result<Json<Lookup<O>>, Refusal> {
    our_chain(&market, readable(query)?.chain_id)?;
    let hash: OrderHash = hash
        .parse()
        .map_err(|error| Refusal::Malformed(format!("{error}")))?;
    Ok(Json(Lookup {
        ok: true,
        record: market.find(hash).await?,
    }))
}

async fn publish<O: Listed>(
    State(market): State_,
    query: Result<Query<ChainQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PublishAnswer<O>>, Refusal> {
    our_chain(&market, readable(query)?.chain_id)?;
    let Publish { order } = json(&market, body)?;
    let caller = log_in(&market, &headers).await?;
    Ok(Json(PublishAnswer {
        ok: true,
        published: market.publish::<O>(caller, &order).await?,
    }))
}

async fn unpublish<O: Listed>(
    State(market): State_,
    query: Result<Query<ChainQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<UnpublishAnswer>, Refusal> {
    our_chain(&market, readable(query)?.chain_id)?;
    let what: Unpublish = json(&market, body)?;
    let caller = log_in(&market, &headers).await?;
    Ok(Json(UnpublishAnswer {
        ok: true,
        unpublished: market.unpublish(caller, O::KIND, &what).await?,
    }))
}

async fn no_such_path() -> Response {
    let error = "no such path here; /openapi.json lists what there is".to_owned();
    (
        StatusCode::NOT_FOUND,
        Json(ErrorAnswer { ok: false, error }),
    )
        .into_response()
}

async fn no_such_method(method: Method) -> Response {
    let error = format!("{method} means nothing here; /openapi.json lists what does");
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(ErrorAnswer { ok: false, error }),
    )
        .into_response()
}

async fn log_in(market: &Market, headers: &HeaderMap) -> Result<Address, Refusal> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    market.login.admit(header, &market.law).await
}

fn our_chain(market: &Market, asked: Option<u64>) -> Result<(), Refusal> {
    match asked {
        Some(other) if other != market.chain_id() => Err(wrong_chain(other, market.chain_id())),
        _ => Ok(()),
    }
}

fn readable<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    match query {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Refusal::Malformed(rejection.body_text())),
    }
}

fn json<T: DeserializeOwned>(
    market: &Market,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let limit = market.options.body_limit_bytes;
            Refusal::TooLarge(format!("the body is larger than the {limit} bytes allowed"))
        }
        _ => Refusal::Malformed(rejection.body_text()),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::Malformed(format!("the body cannot be read: {error}")))
}
