//! How much of the disk strangers get, and what goes when they want more.
//!
//! Anybody may upload, so uploads have a quota: the bytes of all blobs that no open deal needs and that are no result of
//! lately, and of results nobody has staked anything on yet. While there is room nothing is ever removed, since an app that
//! nobody has asked for this month may be asked for tomorrow. When an upload would exceed the quota, the oldest of what
//! nobody needs go; what came within the last hour stays, lest an input went before the deal that names it was made.
//!
//! Age is counted by a clock nobody sets, from when a blob was first seen here; so a start makes everything young again.
//! Whoever is about to rely on a blob, but has not written that down yet, [holds](Storage::hold) it; before each single
//! removal it is asked again whether somebody needs it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as BriefMutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use blobs::{Address, BlobError, Listed};
use tokio::sync::{Mutex, RwLock};

use crate::board::now_secs;
use crate::context::Context;
use crate::db::Kept;
use crate::door::Refusal;
use crate::watch::TOLD_AGAIN;

/// Between two walks through the folder to make room.
const WALK_EVERY: Duration = Duration::from_secs(10);

/// What is known of the quota's use.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// Bytes that count, as of the last walk through the folder.
    idle_bytes: AtomicU64,
    /// What was uploaded since that walk began, or is being uploaded.
    since_bytes: AtomicU64,
    /// Of it, what is being uploaded.
    landing: AtomicU64,
    walked: Mutex<Option<tokio::time::Instant>>,
    /// Blobs somebody is about to rely on, and how many do.
    held: BriefMutex<HashMap<Address, usize>>,
    /// Taken whole while one blob is asked about for the last time and removed.
    removal: RwLock<()>,
    /// When each blob was first seen: by its own word, which a clock set anew may spoil, and by ours.
    seen: BriefMutex<HashMap<Address, (SystemTime, u64)>>,
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

    /// From now on this blob is not removed, if it is here. Look for it afterwards.
    pub(crate) async fn hold(&self, cid: Address) -> Held<'_> {
        let _none_is_removed_now = self.removal.read().await;
        *self.held().entry(cid).or_default() += 1;
        Held { storage: self, cid }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Address, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what is here, and gives since when each of these has been.
    fn note_seen(&self, listed: &[Listed], now: u64) -> HashMap<Address, u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut here = HashMap::with_capacity(listed.len());
        for blob in listed {
            let since = match seen.get(&blob.cid) {
                // The same file; one that was uploaded again is new.
                Some((said, since)) if *said == blob.since => *since,
                _ => now,
            };
            here.insert(blob.cid, (blob.since, since));
        }
        *seen = here;
        seen.iter()
            .map(|(cid, (_, since))| (*cid, *since))
            .collect()
    }
}

/// See [`Storage::hold`].
#[derive(Debug)]
pub(crate) struct Held<'a> {
    storage: &'a Storage,
    cid: Address,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.storage.held();
        if let Some(count) = held.get_mut(&self.cid) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.cid);
            }
        }
    }
}

/// An upload under way; also one whose sender goes away.
pub(crate) struct Landing<'a> {
    storage: &'a Storage,
    announced: u64,
    kept: bool,
}

impl Landing<'_> {
    /// It has landed, and is kept.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.storage
            .landing
            .fetch_sub(self.announced, Ordering::Relaxed);
        if !self.kept {
            // What is not kept takes no room.
            self.storage.give_back(self.announced);
        }
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
    let Some(landing) = room_for(&context, announced).await? else {
        let quota = context.options.uploads_quota_bytes;
        return Err(Refusal::new(
            StatusCode::INSUFFICIENT_STORAGE,
            format!(
                "this pool keeps at most {quota} bytes of uploads that no deal needs, and has no room for {announced} more now; try again in an hour, or elsewhere"
            ),
        ));
    };
    let answer = next.run(request).await;
    if answer.status().is_success() {
        landing.keep();
    }
    Ok(answer)
}

/// Room for so many bytes more, if there is, or can be made.
pub(crate) async fn room_for(
    context: &Context,
    announced: u64,
) -> Result<Option<Landing<'_>>, Refusal> {
    let quota = context.options.uploads_quota_bytes;
    let storage = &context.storage;
    if storage.bytes().saturating_add(announced) > quota {
        let cleared = clear(context, quota.saturating_sub(announced)).await;
        let idle_bytes = cleared.map_err(|error| Refusal::ours("make room for uploads", &error))?;
        if idle_bytes.saturating_add(announced) > quota {
            return Ok(None);
        }
    }
    storage.landing.fetch_add(announced, Ordering::Relaxed);
    storage.since_bytes.fetch_add(announced, Ordering::Relaxed);
    Ok(Some(Landing {
        storage,
        announced,
        kept: false,
    }))
}

/// Counts what is there, from before the start and now and then, so that blobs grow old without being asked for room.
pub(crate) async fn measure(context: Arc<Context>) {
    if !context.caught_up().await {
        return;
    }
    let every = Duration::from_secs((context.options.uploads_keep_secs / 4).max(60));
    loop {
        let counted = {
            let _one_walk = context.storage.walked.lock().await;
            walk(&context, u64::MAX).await
        };
        if let Err(error) = counted {
            tracing::warn!(%error, "cannot count what nobody needs");
        }
        if !context.pause(every).await {
            return;
        }
    }
}

/// Removes what nobody needs, the oldest first, until no more than so many bytes that count are left. Gives what is left.
async fn clear(context: &Context, down_to: u64) -> Result<u64, Unknown> {
    let mut walked = context.storage.walked.lock().await;
    if walked.is_none_or(|at| at.elapsed() >= WALK_EVERY) {
        walk(context, down_to).await?;
        *walked = Some(tokio::time::Instant::now());
    }
    Ok(context.storage.bytes())
}

async fn walk(context: &Context, down_to: u64) -> Result<(), Unknown> {
    let storage = &context.storage;
    // What is landing, or lands from now on, may be counted twice until the next walk, rather than not at all.
    let landed = storage
        .since_bytes
        .load(Ordering::Relaxed)
        .saturating_sub(storage.landing.load(Ordering::Relaxed));
    let (needed, unproven) = needed(context).await?;
    let listed = context.blobs.list().await?;
    let now = now_secs();
    let seen = storage.note_seen(&listed, now);
    let mut bytes: u64 = listed
        .iter()
        .filter(|blob| !needed.contains(&blob.cid) || unproven.contains(&blob.cid))
        .map(|blob| blob.length)
        .sum();
    let mut idle: Vec<(u64, Listed)> = listed
        .into_iter()
        .filter(|blob| !needed.contains(&blob.cid))
        .map(|blob| (seen.get(&blob.cid).copied().unwrap_or(now), blob))
        .collect();
    idle.sort_by_key(|(seen, blob)| (*seen, blob.since));
    for (seen, blob) in idle {
        let fresh = now.saturating_sub(seen) < context.options.uploads_keep_secs;
        if bytes <= down_to || fresh {
            break;
        }
        if remove(context, &blob).await? {
            bytes -= blob.length;
            tracing::info!(cid = %blob.cid, bytes = blob.length, "removed a blob that no deal needs, for want of room");
        }
    }
    storage.idle_bytes.store(bytes, Ordering::Relaxed);
    storage.give_back(landed);
    Ok(())
}

/// Removes one blob, unless somebody has come to need it since it was listed.
async fn remove(context: &Context, blob: &Listed) -> Result<bool, Unknown> {
    let storage = &context.storage;
    let _nobody_takes_hold_now = storage.removal.write().await;
    let cid = blob.cid.to_string();
    let named = |context: &Context| context.board.lock().named_blobs().0.contains(&blob.cid);
    if storage.held().contains_key(&blob.cid)
        || named(context)
        || context.db.needs_blob(&cid, kept(context)).await?
        // What the board has let go meanwhile the database knew by then, and the other way round.
        || named(context)
    {
        return Ok(false);
    }
    let path = match context.blobs.path(blob.cid).await {
        Ok(path) => path,
        Err(BlobError::NotFound { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let again = tokio::fs::metadata(&path)
        .await
        .and_then(|file| file.modified());
    if again.is_ok_and(|since| since != blob.since) {
        // Uploaded once more.
        return Ok(false);
    }
    context.db.forget_bytes(&cid).await?;
    context.blobs.remove(blob.cid).await?;
    context
        .verified
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&blob.cid);
    Ok(true)
}

fn kept(context: &Context) -> Kept {
    let next_block = context.board.lock().next_block();
    Kept {
        since_block: next_block.saturating_sub(TOLD_AGAIN),
        since_secs: now_secs().saturating_sub(context.options.results_keep_secs),
    }
}

/// What open deals need, and results not too old; of these, those that count all the same.
async fn needed(context: &Context) -> Result<(HashSet<Address>, HashSet<Address>), Unknown> {
    let (mut needed, unproven) = context.board.lock().named_blobs();
    let written = context.db.needed_blobs(kept(context)).await?;
    needed.extend(written.iter().filter_map(|cid| cid.parse::<Address>().ok()));
    needed.extend(context.board.lock().named_blobs().0);
    Ok((needed, unproven))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(cid: Address, since: SystemTime) -> Listed {
        Listed {
            cid,
            length: 1,
            since,
        }
    }

    #[test]
    fn age_is_counted_by_our_own_clock_and_anew_for_what_is_uploaded_again() {
        let storage = Storage::default();
        let cid = blobs::Hasher::new().finish().cid;
        let said = SystemTime::UNIX_EPOCH;
        assert_eq!(storage.note_seen(&[listed(cid, said)], 100)[&cid], 100);
        assert_eq!(storage.note_seen(&[listed(cid, said)], 500)[&cid], 100);
        let again = said + Duration::from_secs(1);
        assert_eq!(storage.note_seen(&[listed(cid, again)], 600)[&cid], 600);
        assert!(storage.note_seen(&[], 700).is_empty());
        assert_eq!(storage.note_seen(&[listed(cid, again)], 800)[&cid], 800);
    }

    #[tokio::test]
    async fn what_several_hold_is_held_until_the_last_lets_go() {
        let storage = Storage::default();
        let cid = blobs::Hasher::new().finish().cid;
        let first = storage.hold(cid).await;
        let second = storage.hold(cid).await;
        drop(first);
        assert!(storage.held().contains_key(&cid));
        drop(second);
        assert!(storage.held().is_empty());
    }
}
