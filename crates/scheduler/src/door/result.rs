//! The result door: takes a result's bytes from a worker, and believes none of them.
//!
//! Before a byte is read the request must be signed by a worker that has a right to be heard: its claim has won
//! consensus on chain, or the task is its to finish in one step, and nothing is on chain yet. The zip
//! goes to a file of its own first, not to the blob store: only when the digest recomputed from its content is the
//! one on chain (or is kept to be compared with it, where the chain has none yet) does it become a blob. (Storing it first and removing what is wrong would let anybody who revealed one
//! task delete another's result, by uploading that one here.)
//!
//! In the zip lie the files of `/iexec_out` by their paths relative to it, stored, and beside them `stdout.txt` and
//! `stderr.txt`. Which of these bytes the digest covers is the rule's business ([`check`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, Signature};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use protocol::TaskId;
use protocol::result::{
    BadComputed, BadManifest, COMPUTED_JSON, COMPUTED_JSON_LIMIT, Computed, Digest, Manifest,
    ManifestFile, Output, STDERR, STDOUT,
};
use sdk::wire::pool::{
    PinnedBlob, StoredResult, UPLOAD_SHA256_HEADER, UPLOAD_SIGNATURE_HEADER, UPLOAD_WORKER_HEADER,
    upload_digest,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;
use zip::ZipArchive;

use super::Refusal;
use crate::context::Context;
use crate::storage;
use crate::task::{Event, ReplicaState, TaskResult};

/// How long an upload waits for the worker's reveal to be seen here: its node may be ahead of ours.
const REVEAL_SEEN_WITHIN: Duration = Duration::from_secs(10);
/// How long an upload may stand still.
const PIECE_WITHIN: Duration = Duration::from_secs(60);
/// Most files in a result, ours included.
const FILES_MAX: usize = 10_002;

/// `PUT /results/{task}`.
pub(super) async fn put(
    context: &Arc<Context>,
    task: TaskId,
    headers: &HeaderMap,
    body: Body,
) -> Result<StoredResult, Refusal> {
    let claim = Claim::read(task, headers)?;
    let worker = claim.worker;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = context.options.result_limit_bytes;
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    context.caught_up().await;
    let expected = expected(context, task, worker).await?;
    if let Some(stored) = delivered_already(context, task, &claim, &expected) {
        return Ok(stored);
    }
    let _one_at_a_time = Uploading::begin(context, worker, task)?;
    let landing = if expected == Expected::Anything {
        room_for_one_more_try(context, task, worker)?;
        Some(room_for_unproven(context, task, length.unwrap_or(limit)).await?)
    } else {
        None
    };

    let incoming = Incoming::receive(context, &claim, body, limit).await?;
    let path = incoming.path.clone();
    let checked = tokio::task::spawn_blocking(move || check(&path, task, expected))
        .await
        .map_err(|error| Refusal::ours("check the result", &error))?;
    let (digest, callback) = match checked {
        Ok(checked) => checked,
        Err(fault) => {
            tracing::warn!(task.id = %task, %worker, %fault, "a worker's upload is not the result it has claimed");
            context.board.apply(task, Event::UploadFailed { worker });
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!(
                    "the upload is not the result of task {task} that {worker} has claimed: {fault}"
                ),
            ));
        }
    };
    if callback.is_none() && wants_callback(context, task) {
        // Not this worker's fault: whoever computes it right gets the same, and the hub would refuse to finalize.
        let reason =
            "the deal names a contract to call, but the application left no callback-data for it";
        tracing::warn!(task.id = %task, reason, "given up");
        context.board.apply(task, Event::UploadFailed { worker });
        context.board.apply(
            task,
            Event::GivenUp {
                reason: reason.to_owned(),
            },
        );
        return Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason.to_owned(),
        ));
    }
    if let Some(stored) = needs_no_more(context, task, worker, digest)? {
        return Ok(stored);
    }
    let stored = context
        .blobs
        .put_file(&incoming.path)
        .await
        .map_err(|error| full_or_ours("store the result", &error))?;
    // Until it is written down.
    let _held = context.storage.hold(stored.cid).await;
    if !context.blobs.has(stored.cid).await.unwrap_or(false) {
        let again = context.blobs.put_file(&incoming.path).await;
        again.map_err(|error| full_or_ours("store the result", &error))?;
    }
    let blob = PinnedBlob {
        cid: stored.cid.to_string(),
        length: stored.length,
        sha256: B256::from(stored.sha256),
    };
    let result = TaskResult {
        worker,
        digest,
        blob: blob.clone(),
        callback,
    };
    // On the disk before anybody relies on it: the worker, or the chain.
    let kept = context
        .db
        .write_result(task, &result)
        .await
        .map_err(|error| Refusal::ours("write the result down", &error))?;
    let taken = {
        let mut state = context.board.lock();
        // Whoever brought them first, this worker has brought the same.
        let brought = TaskResult {
            worker,
            ..kept.clone()
        };
        let taken = state.apply(task, Event::Stored(brought));
        state.counters.one_step += u64::from(taken && expected == Expected::Anything);
        taken
    };
    context.board.ring();
    if !taken {
        let forgotten = context.db.forget_result(task, &result).await;
        forgotten.map_err(|error| Refusal::ours("take a result back", &error))?;
        return Err(too_late(task, worker));
    }
    if let Some(landing) = landing {
        landing.keep();
    }
    Ok(StoredResult {
        task,
        blob: kept.blob,
    })
}

/// Bytes that nobody has staked anything on count as anybody's uploads do.
async fn room_for_unproven(
    context: &Context,
    task: TaskId,
    length: u64,
) -> Result<storage::Landing<'_>, Refusal> {
    let landing = storage::room_for(context, length).await?;
    landing.ok_or_else(|| {
        // A conflict rather than a full disk: waiting is no help, contributing is.
        Refusal::new(
            StatusCode::CONFLICT,
            format!(
                "this pool has no room for {length} bytes of a result of task {task} before the contribution; contribute first"
            ),
        )
    })
}

fn too_late(task: TaskId, worker: Address) -> Refusal {
    Refusal::new(
        StatusCode::CONFLICT,
        format!("task {task} needs no result (of {worker}) any more"),
    )
}

/// Different results of one worker for one task that are kept while nothing of it is on chain: one, and one more for an
/// application that comes to another result after a restart.
const EARLY_MAX: usize = 2;

/// Nothing is at stake yet for who uploads before it contributes.
fn room_for_one_more_try(context: &Context, task: TaskId, worker: Address) -> Result<(), Refusal> {
    let state = context.board.lock();
    let delivered = state
        .task(task)
        .map_or(0, |task| task.delivered_by(worker).count());
    if delivered < EARLY_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::CONFLICT,
        format!(
            "{worker} has delivered {delivered} different results of task {task} already; contribute one of them"
        ),
    ))
}

/// What is stored already, or why it is not taken any more, before anything of it is kept.
fn needs_no_more(
    context: &Context,
    task: TaskId,
    worker: Address,
    digest: B256,
) -> Result<Option<StoredResult>, Refusal> {
    let stored = {
        let state = context.board.lock();
        let Some(known) = state.task(task).filter(|task| !task.is_closed()) else {
            return Err(too_late(task, worker));
        };
        if !known.may_deliver(worker, digest) {
            return Err(too_late(task, worker));
        }
        known.result_of(digest).cloned()
    };
    let Some(stored) = stored else {
        return Ok(None);
    };
    let blob = stored.blob.clone();
    // It has done its part all the same.
    context
        .board
        .apply(task, Event::Stored(TaskResult { worker, ..stored }));
    Ok(Some(StoredResult { task, blob }))
}

fn full_or_ours(doing: &str, error: &blobs::BlobError) -> Refusal {
    match error {
        blobs::BlobError::DiskFull { .. } => {
            tracing::error!(%error, "cannot {doing}");
            Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("the pool cannot {doing}: its disk is full; try again later"),
            )
        }
        other => Refusal::ours(doing, other),
    }
}

/// Most uploads of one worker at a time: enough for all its slots, too few to fill the disk with.
const UPLOADS_PER_WORKER: usize = 32;

/// An upload under way; of one worker for one task there is one at a time.
struct Uploading<'a> {
    context: &'a Context,
    key: (Address, TaskId),
}

impl<'a> Uploading<'a> {
    fn begin(context: &'a Context, worker: Address, task: TaskId) -> Result<Self, Refusal> {
        let mut all = context
            .uploading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let of_worker = all
            .range((worker, TaskId(B256::ZERO))..=(worker, TaskId(B256::repeat_byte(0xff))))
            .count();
        if of_worker >= UPLOADS_PER_WORKER || !all.insert((worker, task)) {
            return Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("{worker} is uploading already; try again when that has ended"),
            ));
        }
        Ok(Self {
            context,
            key: (worker, task),
        })
    }
}

impl Drop for Uploading<'_> {
    fn drop(&mut self) {
        self.context
            .uploading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// The bytes this worker would bring, if they are here already.
fn delivered_already(
    context: &Context,
    task: TaskId,
    claim: &Claim,
    expected: &Expected,
) -> Option<StoredResult> {
    let state = context.board.lock();
    let known = state.task(task)?;
    let result = match expected {
        Expected::Anything => known
            .delivered_by(claim.worker)
            .find(|result| result.blob.sha256 == claim.sha256),
        // Checked against the chain; whose bytes they are does not matter.
        Expected::Hash(_) | Expected::Digest(_) => known.result(),
    };
    result.map(|result| StoredResult {
        task,
        blob: result.blob.clone(),
    })
}

fn wants_callback(context: &Context, task: TaskId) -> bool {
    let state = context.board.lock();
    let deal = state.task(task).and_then(|task| state.deal(task.deal));
    deal.is_some_and(|deal| deal.deal.has_callback())
}

/// The result, once it is here and the task still open.
pub(super) fn stored(context: &Context, task: TaskId) -> Option<StoredResult> {
    let state = context.board.lock();
    let result = state.task(task)?.result()?;
    Some(StoredResult {
        task,
        blob: result.blob.clone(),
    })
}

/// Who says the body is what.
struct Claim {
    worker: Address,
    sha256: B256,
}

impl Claim {
    fn read(task: TaskId, headers: &HeaderMap) -> Result<Self, Refusal> {
        let refuse = |what: String| Refusal::new(StatusCode::UNAUTHORIZED, what);
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .ok_or_else(|| refuse(format!("an upload needs the header {name}")))
        };
        let bad = |name: &str| refuse(format!("the header {name} cannot be read"));
        let worker: Address = text(UPLOAD_WORKER_HEADER)?
            .parse()
            .map_err(|_| bad(UPLOAD_WORKER_HEADER))?;
        let sha256: B256 = text(UPLOAD_SHA256_HEADER)?
            .parse()
            .map_err(|_| bad(UPLOAD_SHA256_HEADER))?;
        let signature: Bytes = text(UPLOAD_SIGNATURE_HEADER)?
            .parse()
            .map_err(|_| bad(UPLOAD_SIGNATURE_HEADER))?;
        if signer(upload_digest(task, sha256), &signature) != Some(worker) {
            return Err(refuse(format!(
                "the upload of task {task} is not signed by {worker}"
            )));
        }
        Ok(Self { worker, sha256 })
    }
}

/// Who signed this hash as a message (EIP-191).
pub(super) fn signer(hash: B256, signature: &[u8]) -> Option<Address> {
    Signature::from_raw(signature)
        .ok()?
        .recover_address_from_msg(hash)
        .ok()
}

/// What a worker's bytes must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nothing of them is on chain yet; they are compared when it is.
    Anything,
    /// Their digest has this result hash, which won.
    Hash(B256),
    /// This digest, which was revealed.
    Digest(B256),
}

/// What this worker's bytes must come to. Nobody else's are read.
async fn expected(context: &Context, task: TaskId, worker: Address) -> Result<Expected, Refusal> {
    enum Seen {
        Expected(Expected),
        Unknown,
        Stranger,
    }
    let look = |state: &crate::board::State| {
        let Some(known) = state.task(task) else {
            return Some(Seen::Unknown);
        };
        let consensus = known.consensus();
        match known.latest(worker).map(|replica| &replica.state) {
            Some(ReplicaState::Revealed { digest, .. }) => {
                Some(Seen::Expected(Expected::Digest(*digest)))
            }
            Some(ReplicaState::Contributed { hash }) if consensus == Some(*hash) => {
                Some(Seen::Expected(Expected::Hash(*hash)))
            }
            Some(ReplicaState::Assigned | ReplicaState::Computing)
                if state.is_for_one_step(known) =>
            {
                Some(Seen::Expected(Expected::Anything))
            }
            // It may have contributed, or revealed, in a block we have not read yet.
            Some(
                ReplicaState::Assigned
                | ReplicaState::Computing
                | ReplicaState::Contributed { .. }
                | ReplicaState::Lost
                | ReplicaState::Abandoned,
            ) => None,
            Some(
                ReplicaState::Rejected | ReplicaState::Failed(_) | ReplicaState::Declined { .. },
            )
            | None => Some(Seen::Stranger),
        }
    };
    let seen = tokio::time::timeout(REVEAL_SEEN_WITHIN, context.board.wait_for(look)).await;
    match seen {
        Ok(Seen::Expected(expected)) => Ok(expected),
        Ok(Seen::Unknown) => match context.db.task(task).await {
            Ok(Some(_)) => Err(Refusal::new(
                StatusCode::CONFLICT,
                format!("task {task} is over"),
            )),
            Ok(None) => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                format!("no task {task} in this pool"),
            )),
            Err(error) => Err(Refusal::ours("look for the task", &error)),
        },
        Ok(Seen::Stranger) | Err(_) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "{worker} has no claim to task {task} that has won on chain, and only then may upload its result"
            ),
        )),
    }
}

fn too_large(limit: u64) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("a result may have at most {limit} bytes"),
    )
}

/// An upload in a file of its own, gone when dropped.
struct Incoming {
    path: std::path::PathBuf,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What is left is swept at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Incoming {
    async fn receive(
        context: &Context,
        claim: &Claim,
        body: Body,
        limit: u64,
    ) -> Result<Self, Refusal> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Refusal::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the pool's disk is full; try again later".to_owned(),
            ),
            _ => Refusal::ours("write the upload down", &error),
        };
        let name = format!("{:x}.zip", B256::from(rand::random::<[u8; 32]>()));
        let incoming = Self {
            path: context.incoming.join(name),
        };
        let mut file = tokio::fs::File::create_new(&incoming.path)
            .await
            .map_err(failed)?;
        let mut hasher = Sha256::new();
        let mut length: u64 = 0;
        let mut pieces = body.into_data_stream();
        loop {
            let Ok(piece) = tokio::time::timeout(PIECE_WITHIN, pieces.next()).await else {
                return Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format!("no byte came for {} seconds", PIECE_WITHIN.as_secs()),
                ));
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| {
                Refusal::new(
                    StatusCode::BAD_REQUEST,
                    format!("the upload broke off: {error}"),
                )
            })?;
            length += piece.len() as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        let found = B256::from_slice(&hasher.finalize());
        if found != claim.sha256 {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the upload has sha256 {found}, but {} was signed",
                    claim.sha256
                ),
            ));
        }
        Ok(incoming)
    }
}

/// What is wrong with a result's zip.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("not a zip that can be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    #[error("a file in it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("{0} files are too many")]
    TooManyFiles(usize),
    #[error("its files claim more bytes than it has")]
    Inflated,
    #[error("{0:?} is in it twice")]
    Twice(String),
    #[error("{0}")]
    Computed(#[from] BadComputed),
    #[error("computed.json names {0:?}, which is not in it")]
    Missing(String),
    #[error("{0}")]
    Manifest(#[from] BadManifest),
    #[error("its content has the digest {found}, claimed was {expected}")]
    Digest { expected: B256, found: Digest },
    #[error("its directory is not where, or what, its last bytes say")]
    Directory,
}

/// Recomputes the digest of a zip's content and compares. Gives it, and the callback data if the result is such.
fn check(path: &Path, task: TaskId, expected: Expected) -> Result<(B256, Option<Bytes>), Fault> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    census(&mut file, length)?;
    file.seek(io::SeekFrom::Start(0))?;
    let mut zip = Zip::open(ZipArchive::new(io::BufReader::new(file))?, length)?;
    let (found, callback) = zip.digest()?;
    let (claimed, same) = match expected {
        Expected::Anything => (found.0, true),
        Expected::Digest(digest) => (digest, digest == found.0),
        Expected::Hash(hash) => (hash, hash == protocol::contribution::hash(task, found)),
    };
    if same {
        Ok((found.0, callback))
    } else {
        Err(Fault::Digest {
            expected: claimed,
            found,
        })
    }
}

/// Largest directory of a zip: of as many files as are allowed, with names of four hundred bytes.
const DIRECTORY_BYTES: u64 = 10 << 20;

/// Counts a zip's entries by hand before anything is made of each: its reader would build all of them, and a gigabyte
/// of directory is twenty million. No comment, no second directory, nothing between it and the end: so our workers
/// write them.
fn census(file: &mut (impl Read + io::Seek), length: u64) -> Result<(), Fault> {
    const END: usize = 22;
    let mut end = [0_u8; END];
    let directory_end = length.checked_sub(END as u64).ok_or(Fault::Directory)?;
    file.seek(io::SeekFrom::Start(directory_end))?;
    file.read_exact(&mut end)?;
    let word = |at: usize| u64::from(u16::from_le_bytes([end[at], end[at + 1]]));
    let long = |at: usize| word(at) | (word(at + 2) << 16);
    let (entries, size, start, comment) = (word(10), long(12), long(16), word(20));
    if end[..4] != *b"PK\x05\x06" || comment != 0 || start + size != directory_end {
        return Err(Fault::Directory);
    }
    if entries > 2 * FILES_MAX as u64 || size > DIRECTORY_BYTES {
        return Err(Fault::TooManyFiles(
            usize::try_from(entries).unwrap_or(usize::MAX),
        ));
    }
    file.seek(io::SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    file.take(size).read_to_end(&mut directory)?;
    let mut at = 0;
    for _ in 0..entries {
        let header = directory.get(at..at + 46).ok_or(Fault::Directory)?;
        if header[..4] != *b"PK\x01\x02" {
            return Err(Fault::Directory);
        }
        let lengths =
            [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([header[at], header[at + 1]])));
        at += 46 + lengths.iter().sum::<usize>();
    }
    if at == directory.len() {
        Ok(())
    } else {
        Err(Fault::Directory)
    }
}

struct Zip<R> {
    archive: ZipArchive<R>,
    /// Places of the files by their paths; folders are left out.
    files: BTreeMap<Vec<u8>, usize>,
}

impl<R: Read + io::Seek> Zip<R> {
    fn open(mut archive: ZipArchive<R>, length: u64) -> Result<Self, Fault> {
        if archive.len() > 2 * FILES_MAX {
            return Err(Fault::TooManyFiles(archive.len()));
        }
        let mut files = BTreeMap::new();
        let mut bytes: u64 = 0;
        for place in 0..archive.len() {
            let file = archive.by_index_raw(place)?;
            // Stored files cannot be larger than their zip; those that overlap could be read for ever.
            bytes = bytes.saturating_add(file.size());
            if bytes > length {
                return Err(Fault::Inflated);
            }
            let name = file.name_raw().to_vec();
            if name.ends_with(b"/") {
                continue;
            }
            if files.insert(name, place).is_some() {
                return Err(Fault::Twice(
                    String::from_utf8_lossy(file.name_raw()).into_owned(),
                ));
            }
        }
        if files.len() > FILES_MAX {
            return Err(Fault::TooManyFiles(files.len()));
        }
        Ok(Self { archive, files })
    }

    fn digest(&mut self) -> Result<(Digest, Option<Bytes>), Fault> {
        let Some(place) = self.files.get(COMPUTED_JSON.as_bytes()).copied() else {
            return Ok((self.manifest()?.digest(), None));
        };
        let mut text = Vec::new();
        self.archive
            .by_index(place)?
            .take(COMPUTED_JSON_LIMIT as u64 + 1)
            .read_to_end(&mut text)?;
        match Computed::parse(&text)?.output {
            Output::Callback(data) => Ok((Digest::of_callback(&data), Some(data))),
            Output::Path(path) => match self.files.get(path.as_bytes()).copied() {
                Some(place) => Ok((Digest::of_file(self.sha256(place)?), None)),
                None => Ok((self.folder(&path)?, None)),
            },
        }
    }

    /// Everything but standard error, which no digest covers.
    fn manifest(&mut self) -> Result<Manifest, Fault> {
        let mut manifest = Manifest::new();
        for (path, place) in self.files.clone() {
            if path != STDERR.as_bytes() {
                let length = self.archive.by_index(place)?.size();
                manifest.add(
                    path,
                    ManifestFile {
                        length,
                        sha256: self.sha256(place)?,
                    },
                )?;
            }
        }
        Ok(manifest)
    }

    /// The folder rule of existing apps, over the files directly in it. Our own two beside `/iexec_out` do not count.
    fn folder(&mut self, path: &str) -> Result<Digest, Fault> {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let inside: Vec<(Vec<u8>, usize)> = self
            .files
            .iter()
            .filter_map(|(name, place)| {
                Some((name.strip_prefix(prefix.as_bytes())?.to_vec(), *place))
            })
            .collect();
        let mut entries = Vec::new();
        for (name, place) in &inside {
            let ours = path.is_empty() && (name == STDOUT.as_bytes() || name == STDERR.as_bytes());
            if !ours && !name.contains(&b'/') {
                entries.push((name.clone(), Some(self.sha256(*place)?)));
            }
        }
        if inside.is_empty() && !self.has_folder(&prefix) {
            return Err(Fault::Missing(path.to_owned()));
        }
        Ok(Digest::of_folder(entries))
    }

    /// An empty folder leaves an entry of its own.
    fn has_folder(&mut self, prefix: &str) -> bool {
        prefix.is_empty() || self.archive.index_for_name(prefix).is_some()
    }

    fn sha256(&mut self, place: usize) -> Result<B256, Fault> {
        let mut file = self.archive.by_index(place)?;
        let mut hasher = Sha256::new();
        let mut piece = [0_u8; 64 * 1024];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(B256::from_slice(&hasher.finalize()));
            }
            hasher.update(&piece[..length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use protocol::result::sha256;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            if name.ends_with('/') {
                zip.add_directory(name.trim_end_matches('/'), stored)
                    .expect("a folder");
            } else {
                zip.start_file(*name, stored).expect("a file");
                zip.write_all(text.as_bytes()).expect("its bytes");
            }
        }
        zip.finish().expect("a zip").into_inner()
    }

    fn digest(files: &[(&str, &str)]) -> Result<(Digest, Option<Bytes>), Fault> {
        let bytes = zip(files);
        let length = bytes.len() as u64;
        Zip::open(ZipArchive::new(Cursor::new(bytes))?, length)?.digest()
    }

    #[test]
    fn without_computed_json_everything_but_standard_error_counts() {
        let files = [
            ("a/b.txt", "deep"),
            ("a/", ""),
            ("stdout.txt", "said"),
            ("stderr.txt", "1"),
        ];
        let mut manifest = Manifest::new();
        for (name, text) in [("a/b.txt", "deep"), ("stdout.txt", "said")] {
            let file = ManifestFile {
                length: text.len() as u64,
                sha256: sha256(text.as_bytes()),
            };
            manifest.add(name, file).expect("a path");
        }
        assert_eq!(digest(&files).expect("a result").0, manifest.digest());
        let noisy = [
            ("a/b.txt", "deep"),
            ("stdout.txt", "said"),
            ("stderr.txt", "other"),
        ];
        assert_eq!(digest(&noisy).expect("a result").0, manifest.digest());
        let other = [("a/b.txt", "DEEP"), ("stdout.txt", "said")];
        assert_ne!(digest(&other).expect("a result").0, manifest.digest());
    }

    #[test]
    fn computed_json_may_name_a_file_a_folder_or_a_callback() {
        let computed = r#"{"deterministic-output-path":"/iexec_out/r/x.txt"}"#;
        let files = [
            ("computed.json", computed),
            ("r/x.txt", "1"),
            ("r/y.txt", "2"),
            ("r/s/z", "3"),
        ];
        assert_eq!(
            digest(&files).expect("a file").0,
            Digest::of_file(sha256(b"1"))
        );

        let computed = r#"{"deterministic-output-path":"/iexec_out/r"}"#;
        let files = [
            ("computed.json", computed),
            ("r/x.txt", "1"),
            ("r/y.txt", "2"),
            ("r/s/z", "3"),
        ];
        let folder =
            Digest::of_folder([("x.txt", Some(sha256(b"1"))), ("y.txt", Some(sha256(b"2")))]);
        assert_eq!(digest(&files).expect("a folder").0, folder);

        let computed = r#"{"callback-data":"0x0102"}"#;
        let (found, data) = digest(&[("computed.json", computed)]).expect("a callback");
        assert_eq!(
            (found, data),
            (
                Digest::of_callback(&[1, 2]),
                Some(Bytes::from_static(&[1, 2]))
            )
        );
    }

    #[test]
    fn all_of_iexec_out_leaves_our_own_two_files_out() {
        let computed = r#"{"deterministic-output-path":"/iexec_out"}"#;
        let files = [
            ("computed.json", computed),
            ("stderr.txt", "e"),
            ("stdout.txt", "o"),
            ("x", "1"),
        ];
        let folder = Digest::of_folder([
            ("computed.json", Some(sha256(computed.as_bytes()))),
            ("x", Some(sha256(b"1"))),
        ]);
        assert_eq!(digest(&files).expect("a folder").0, folder);
    }

    #[test]
    fn what_is_declared_must_be_there() {
        let computed = r#"{"deterministic-output-path":"/iexec_out/r"}"#;
        let fault = digest(&[("computed.json", computed)]).expect_err("nothing there");
        assert!(matches!(fault, Fault::Missing(_)), "{fault}");
        let empty = [("computed.json", computed), ("r/", "")];
        assert_eq!(
            digest(&empty).expect("an empty folder").0,
            Digest::of_folder::<&str>([])
        );
    }

    #[test]
    fn a_directory_is_counted_before_it_is_read() {
        let count = |bytes: Vec<u8>| {
            let length = bytes.len() as u64;
            census(&mut Cursor::new(bytes), length)
        };
        let good = zip(&[("a", "1"), ("b", "2")]);
        count(good.clone()).expect("as our workers write them");
        let end = good.len() - 22;
        let mut more = good.clone();
        more[end + 10..end + 12].copy_from_slice(&3_u16.to_le_bytes());
        assert!(matches!(count(more), Err(Fault::Directory)));
        let mut many = good.clone();
        many[end + 10..end + 12].copy_from_slice(&60_000_u16.to_le_bytes());
        assert!(matches!(count(many), Err(Fault::TooManyFiles(60_000))));
        let mut longer = good.clone();
        longer.push(0);
        assert!(matches!(count(longer), Err(Fault::Directory)));
        assert!(matches!(count(b"PK".to_vec()), Err(Fault::Directory)));
        let zip64 = [&good[..end], b"PK\x06\x07", &[0; 16], &good[end..]].concat();
        assert!(matches!(count(zip64), Err(Fault::Directory)));
    }

    #[test]
    fn paths_that_climb_and_bytes_that_are_no_zip_are_refused() {
        digest(&[("../x", "1")]).expect_err("it climbs");
        assert!(ZipArchive::new(Cursor::new(b"no zip".to_vec())).is_err());
    }
}
