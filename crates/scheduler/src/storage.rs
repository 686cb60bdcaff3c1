//! How much of the disk strangers get, and what goes when they want more.
//!
//! Anybody may upload, so uploads have a quota: the bytes of all blobs that no open deal needs and that are no result of
//! lately. While there is room nothing is ever removed, since an app that nobody has asked for this month may be asked for
//! tomorrow. When an upload would exceed the quota, the oldest of them go; what came within the last hour stays, lest an
//! input went before the deal that names it was made.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use blobs::{Address, BlobError, Listed};
use protocol::params::DealParams;
use tokio::sync::Mutex;

use crate::board::now_secs;
use crate::context::Context;
use crate::door::Refusal;

/// What came in so lately stays.
const FRESH: Duration = Duration::from_secs(3600);
/// Between two walks through the folder.
const WALK_EVERY: Duration = Duration::from_secs(10);

/// What is known of the quota's use.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// Bytes nobody needs, as of the last walk through the folder.
    idle_bytes: AtomicU64,
    /// What was uploaded since that walk began, or is being uploaded.
    since_bytes: AtomicU64,
    /// Of it, what is being uploaded.
    landing: AtomicU64,
    walked: Mutex<Option<tokio::time::Instant>>,
}

impl Storage {
    fn bytes(&self) -> u64 {
        self.idle_bytes
            .load(Ordering::Relaxed)
            .saturating_add(self.since_bytes.load(Ordering::Relaxed))
    }

    fn give_back(&self, bytes: u64) {
        // Never fails: the closure always gives a value.
        let _ = self
            .since_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |since| {
                Some(since.saturating_sub(bytes))
            });
    }
}

/// An upload under way; also one whose sender goes away.
struct Landing<'a> {
    storage: &'a Storage,
    announced: u64,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.storage
            .landing
            .fetch_sub(self.announced, Ordering::Relaxed);
    }
}

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error("cannot ask the database what is needed: {0}")]
    Database(#[from] sqlx::Error),
}

/// Lets an upload in if there is room for it.
pub(crate) async fn within_quota(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if request.method() != Method::POST {
        return Ok(next.run(request).await);
    }
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or(context.options.upload_limit_bytes)
        .min(context.options.upload_limit_bytes);
    let quota = context.options.uploads_quota_bytes;
    let storage = &context.storage;
    if storage.bytes().saturating_add(announced) > quota {
        let cleared = clear(&context, quota.saturating_sub(announced)).await;
        let idle_bytes = cleared.map_err(|error| Refusal::ours("make room for uploads", &error))?;
        if idle_bytes.saturating_add(announced) > quota {
            return Err(Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                format!(
                    "this pool keeps at most {quota} bytes of uploads that no deal needs, and has no room for {announced} more now; try again in an hour, or elsewhere"
                ),
            ));
        }
    }
    storage.landing.fetch_add(announced, Ordering::Relaxed);
    storage.since_bytes.fetch_add(announced, Ordering::Relaxed);
    let landing = Landing { storage, announced };
    let answer = next.run(request).await;
    drop(landing);
    if !answer.status().is_success() {
        // What is not kept takes no room.
        storage.give_back(announced);
    }
    Ok(answer)
}

/// Counts what is there from before the start.
pub(crate) async fn measure(context: Arc<Context>) {
    if !context.caught_up().await {
        return;
    }
    if let Err(error) = clear(&context, u64::MAX).await {
        tracing::warn!(%error, "cannot count what nobody needs");
    }
}

/// Removes what nobody needs, the oldest first, until no more than so many bytes of it are left. Gives what is left.
async fn clear(context: &Context, down_to: u64) -> Result<u64, Unknown> {
    let mut walked = context.storage.walked.lock().await;
    if walked.is_some_and(|at| at.elapsed() < WALK_EVERY) {
        return Ok(context.storage.bytes());
    }
    // What is landing, or lands from now on, may be counted twice until the next walk, rather than not at all.
    let landed = context
        .storage
        .since_bytes
        .load(Ordering::Relaxed)
        .saturating_sub(context.storage.landing.load(Ordering::Relaxed));
    let needed = needed(context).await?;
    let mut idle: Vec<Listed> = context.blobs.list().await?;
    idle.retain(|blob| !needed.contains(&blob.cid));
    idle.sort_by_key(|blob| blob.since);
    let mut bytes: u64 = idle.iter().map(|blob| blob.length).sum();
    let now = SystemTime::now();
    for blob in idle {
        // A clock that was set back makes blobs of the future: those are fresh too.
        let fresh = now.duration_since(blob.since).is_ok_and(|age| age >= FRESH);
        if bytes <= down_to || !fresh {
            break;
        }
        context.blobs.remove(blob.cid).await?;
        context
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&blob.cid);
        bytes -= blob.length;
        tracing::info!(cid = %blob.cid, bytes = blob.length, "removed a blob that no deal needs, for want of room");
    }
    context.storage.idle_bytes.store(bytes, Ordering::Relaxed);
    context.storage.give_back(landed);
    *walked = Some(tokio::time::Instant::now());
    Ok(context.storage.bytes())
}

/// What open deals need, and results not too old.
async fn needed(context: &Context) -> Result<HashSet<Address>, Unknown> {
    let since = now_secs().saturating_sub(context.options.results_keep_secs);
    let mut needed: HashSet<Address> = context
        .db
        .needed_blobs(since)
        .await?
        .iter()
        .filter_map(|cid| cid.parse().ok())
        .collect();
    // Deals whose pins are not written yet.
    let apps = context
        .apps
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .values()
        .filter_map(|pinned| pinned.cid.parse::<Address>().ok())
        .collect::<Vec<_>>();
    needed.extend(apps);
    let state = context.board.lock();
    for deal in state.deals() {
        let Ok(params) = DealParams::parse(&deal.deal.params) else {
            continue;
        };
        let cids = params.input_files.iter().filter_map(|input| {
            let url: url::Url = input.url().parse().ok()?;
            url.path().strip_prefix("/ipfs/")?.parse::<Address>().ok()
        });
        needed.extend(cids);
    }
    Ok(needed)
}
