//! The pool's HTTP door: for workers, for requesters, and for people who look.
//!
//! ```text
//! GET  /pool              who we are, and on which chain
//! GET  /worker            WebSocket, see `sdk::wire::pool`
//! GET  /tasks/{task}      what we know of a task beyond the chain
//! GET  /deals/{deal}      the same of a deal
//! PUT  /results/{task}    a worker's result; GET: where it lies
//! GET  /ipfs/{cid}        blobs (and POST /blobs)
//! GET  /metrics           a few numbers, for Prometheus
//! GET  /openapi.json      this list, for machines
//! ```
//!
//! Errors are one sentence in JSON. What went wrong on our side is told to the log, not to strangers.

mod result;
mod worker;

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use protocol::{DealId, TaskId};
use sdk::wire::pool::{ErrorBody, PoolInfo, StoredResult, TaskReport};
use serde::{Deserialize, Serialize};

use crate::board::Pinning;
use crate::context::Context;
use crate::storage;

/// Every route but those of the blob door, for `openapi.json`'s test.
#[cfg(test)]
const ROUTES: [(&str, &[&str]); 7] = [
    ("/pool", &["get"]),
    ("/worker", &["get"]),
    ("/tasks/{task}", &["get"]),
    ("/deals/{deal}", &["get"]),
    ("/results/{task}", &["get", "put"]),
    ("/metrics", &["get"]),
    ("/openapi.json", &["get"]),
];

const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) fn router(context: Arc<Context>) -> Router {
    let blobs = blobs::door(
        context.blobs.clone(),
        blobs::DoorOptions {
            upload_limit_bytes: context
                .options
                .uploads
                .then_some(context.options.upload_limit_bytes),
        },
    );
    let quota = axum::middleware::from_fn_with_state(context.clone(), storage::within_quota);
    let blobs = blobs.layer(quota);
    Router::new()
        .route("/pool", get(pool))
        .route("/worker", get(worker::connect))
        .route("/tasks/{task}", get(task))
        .route("/deals/{deal}", get(deal))
        .route("/results/{task}", get(read_result).put(put_result))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .with_state(context)
        .merge(blobs)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
}

/// An error, as strangers see it.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: String) -> Self {
        Self { status, error }
    }

    /// Our own fault: the log learns why.
    pub(crate) fn ours(doing: &str, error: &dyn Display) -> Self {
        tracing::error!(%error, "cannot {doing}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the pool cannot {doing} for now; its operator finds the reason in the log"),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.error })).into_response()
    }
}

/// `GET /deals/{deal}`: what the pool knows of a deal beyond the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealReport {
    /// Its id.
    pub deal: DealId,
    /// In words: `fetching`, `running`, `given up: …` with the reason, `closed`.
    pub state: String,
    /// How many tasks it has.
    pub tasks: u64,
    /// How many of them are finalized and paid.
    pub completed: u64,
    /// How many were claimed: the requester has that money back.
    pub claimed: u64,
}

async fn pool(State(context): State<Arc<Context>>) -> Json<PoolInfo> {
    let workers = context.board.lock().worker_count();
    Json(PoolInfo {
        workers: u32::try_from(workers).unwrap_or(u32::MAX),
        ..context.info.clone()
    })
}

async fn task(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<TaskReport>, Refusal> {
    let id: TaskId = parse(&id)?;
    let open = context.board.lock().report(id);
    if let Some(report) = open {
        return Ok(Json(report));
    }
    let known = context
        .db
        .task(id)
        .await
        .map_err(|error| Refusal::ours("look for the task", &error))?;
    match known {
        Some(task) => Ok(Json(context.board.lock().report_closed(&task))),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("no task {id} in this pool"),
        )),
    }
}

async fn deal(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<DealReport>, Refusal> {
    let id: DealId = parse(&id)?;
    let open = context.board.lock().deal(id).map(|deal| DealReport {
        deal: id,
        state: state_in_words(&deal.pins, deal.is_closed()),
        tasks: deal.end_index - deal.deal.bot_first.saturating_to::<u64>(),
        completed: deal.completed,
        claimed: deal.claimed,
    });
    if let Some(report) = open {
        return Ok(Json(report));
    }
    match context
        .db
        .deal(id)
        .await
        .map_err(|error| Refusal::ours("look for the deal", &error))?
    {
        Some(deal) => Ok(Json(DealReport {
            deal: id,
            state: state_in_words(&deal.pins, true),
            tasks: deal.completed + deal.claimed,
            completed: deal.completed,
            claimed: deal.claimed,
        })),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("no deal {id} in this pool"),
        )),
    }
}

fn state_in_words(pins: &Pinning, closed: bool) -> String {
    match pins {
        Pinning::Failed(reason) => format!("given up: {reason}"),
        Pinning::Wanted | Pinning::UnderWay | Pinning::Done(_) if closed => "closed".to_owned(),
        Pinning::Wanted | Pinning::UnderWay => "fetching".to_owned(),
        Pinning::Done(_) => "running".to_owned(),
    }
}

async fn put_result(
    State(context): State<Arc<Context>>,
    Path(task): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StoredResult>, Refusal> {
    result::put(&context, parse(&task)?, &headers, body)
        .await
        .map(Json)
}

async fn read_result(
    State(context): State<Arc<Context>>,
    Path(task): Path<String>,
) -> Result<Json<StoredResult>, Refusal> {
    let task: TaskId = parse(&task)?;
    if let Some(stored) = result::stored(&context, task) {
        return Ok(Json(stored));
    }
    let known = context
        .db
        .task(task)
        .await
        .map_err(|error| Refusal::ours("look for the result", &error))?;
    match known.as_ref().and_then(|known| known.result()) {
        Some(result) => Ok(Json(StoredResult {
            task,
            blob: result.blob.clone(),
        })),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("no result of task {task} here (yet)"),
        )),
    }
}

/// Prometheus' text form, by hand: these few numbers need no registry.
async fn metrics(State(context): State<Arc<Context>>) -> Response {
    let state = context.board.lock();
    let counters = state.counters;
    let (used, slots) = state.slot_count();
    let mut text = String::new();
    let gauges = [
        (
            "open_tasks",
            "tasks neither completed nor claimed",
            state.open_count() as u64,
        ),
        ("workers", "workers connected", state.worker_count() as u64),
        ("slots", "slots of connected workers", slots as u64),
        ("slots_used", "slots with a task in them", used as u64),
        ("next_block", "block to be read next", state.next_block()),
        (
            "account_free_nrlc",
            "what the pool's account at the hub has free for stakes of new deals",
            state.account.0,
        ),
        (
            "account_locked_nrlc",
            "the pool's stakes in open deals",
            state.account.1,
        ),
    ];
    let totals = [
        ("deals_total", "deals taken up", counters.deals),
        (
            "tasks_completed_total",
            "tasks finalized and paid",
            counters.completed,
        ),
        ("tasks_claimed_total", "tasks claimed", counters.claimed),
        ("tasks_given_up_total", "tasks given up", counters.given_up),
        (
            "replicas_assigned_total",
            "tasks given to workers",
            counters.assigned,
        ),
        (
            "replicas_lost_total",
            "tasks lost with their workers",
            counters.lost,
        ),
        (
            "replicas_failed_total",
            "tasks that failed on a worker",
            counters.failed,
        ),
        (
            "uploads_refused_total",
            "results that did not come, or were wrong",
            counters.uploads_refused,
        ),
        (
            "transactions_total",
            "turns that ended with a transaction",
            counters.transactions,
        ),
        (
            "transactions_failed_total",
            "of those, refused or lost",
            counters.transactions_failed,
        ),
        (
            "transactions_refused_total",
            "of those, refused by the hub, mostly before anything was sent",
            counters.transactions_refused,
        ),
        (
            "transactions_in_vain_total",
            "transactions of the pool that were mined and did nothing: gas paid in vain",
            context.sender.in_vain(),
        ),
        (
            "transactions_given_up_total",
            "turns not tried again at their stage, since the hub kept refusing",
            counters.turns_ended,
        ),
        (
            "replicas_replaced_total",
            "tasks given to another worker after one was lost",
            counters.replaced,
        ),
        (
            "results_taken_early_total",
            "results checked and kept before anything of them was on chain",
            counters.one_step,
        ),
        (
            "tasks_finished_unchecked_total",
            "tasks finished without this pool holding the bytes of the result",
            counters.finished_unchecked,
        ),
        (
            "pin_failures_total",
            "tries to fetch what a deal needs that failed",
            counters.pin_failures,
        ),
        (
            "write_failures_total",
            "writes the database refused; what they held is written later",
            counters.write_failures,
        ),
        (
            "asked_again_total",
            "questions about the chain's news that node or database did not answer, and that were asked again",
            counters.asked_again,
        ),
    ];
    let all = gauges
        .map(|line| ("gauge", line))
        .into_iter()
        .chain(totals.map(|line| ("counter", line)));
    for (kind, (name, help, value)) in all {
        let name = format!("oxec_scheduler_{name}");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    }
    let name = "oxec_scheduler_queue";
    let _ = writeln!(
        text,
        "# HELP {name} tasks filed under a reconciler\n# TYPE {name} gauge"
    );
    for (what, length) in state.queue_lengths() {
        let _ = writeln!(text, "{name}{{for=\"{what}\"}} {length}");
    }
    drop(state);
    let waiting = context.waiting();
    let name = "oxec_scheduler_tasks_waiting";
    let _ = writeln!(
        text,
        "# HELP {name} open tasks by what they wait for\n# TYPE {name} gauge"
    );
    for (what, count, _) in &waiting {
        let _ = writeln!(text, "{name}{{for=\"{}\"}} {count}", what.word());
    }
    let name = "oxec_scheduler_oldest_waiting_seconds";
    let _ = writeln!(
        text,
        "# HELP {name} how long the oldest of them has waited\n# TYPE {name} gauge"
    );
    for (what, _, age) in &waiting {
        let _ = writeln!(text, "{name}{{for=\"{}\"}} {age}", what.word());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn nothing_here(uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        format!(
            "nothing at {}; GET /openapi.json lists what is here",
            uri.path()
        ),
    )
}

async fn not_so(method: Method, uri: Uri) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", uri.path()),
    )
}

fn parse<T: std::str::FromStr<Err: Display>>(text: &str) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error: T::Err| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_openapi_json_and_nothing_else() {
        let document: serde_json::Value =
            serde_json::from_str(OPENAPI).expect("openapi.json is JSON");
        let mut listed: Vec<(String, String)> = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for method in methods
                .as_object()
                .expect("methods")
                .keys()
                .filter(|key| *key != "parameters")
            {
                listed.push((path.clone(), method.clone()));
            }
        }
        let blobs: [(&str, &[&str]); 2] =
            [("/ipfs/{cid}", &["get", "head"]), ("/blobs", &["post"])];
        let mut routed: Vec<(String, String)> = Vec::new();
        for (path, methods) in ROUTES.iter().chain(&blobs) {
            routed.extend(
                methods
                    .iter()
                    .map(|method| ((*path).to_owned(), (*method).to_owned())),
            );
        }
        listed.sort();
        routed.sort();
        assert_eq!(listed, routed);
    }
}
