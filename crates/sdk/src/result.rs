//! Results: where they lie, fetching them, and checking them against the chain.
//!
//! A finished task names a stored zip by content address. What arrives is trusted for nothing: the address is checked
//! while the bytes stream in, the digest is made again from the zip's files and compared with the one on chain, and
//! the files are unpacked only then, into an empty folder, without links, without paths that lead out, within limits.
//! What the digest does not cover is one worker's word and is marked *unverified*.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, Bytes};
use protocol::ids::TaskId;
use protocol::result::{
    BadComputed, BadLink, BadManifest, COMPUTED_JSON, COMPUTED_JSON_LIMIT, Computed, Digest,
    Manifest, ManifestFile, Output, ResultLink, Rule, STDERR, Storage,
};
use protocol::task::{Task, TaskStatus};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;
use zip::ZipArchive;

use crate::chain::Chain;
use crate::task::{self, TaskError};

/// How large a result may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
}

impl Default for Limits {
    /// What a deal allows, and two output streams.
    fn default() -> Self {
        Self {
            bytes: (1 << 30) + 2 * (16 << 20),
            files: 10_002,
        }
    }
}

/// A file of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultFile {
    /// Path within the result, `/` between names; bytes that are no text are shown as �.
    pub path: String,
    /// Bytes.
    pub length: u64,
    /// sha256 of its bytes.
    pub sha256: B256,
    /// Whether the digest covers its bytes. If not, they are one worker's word.
    pub verified: bool,
}

/// What a zip of a result holds, and the digest it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Which rule makes the digest.
    pub rule: Rule,
    /// The digest.
    pub digest: Digest,
    /// The files, sorted by path.
    pub files: Vec<ResultFile>,
    /// What is meant for the requester's contract.
    pub callback: Option<Bytes>,
}

impl Contents {
    /// Files that the digest does not cover.
    pub fn unverified(&self) -> impl Iterator<Item = &ResultFile> {
        self.files.iter().filter(|file| !file.verified)
    }
}

/// A result that was fetched and agrees with the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchedResult {
    /// Whose result.
    pub task: TaskId,
    /// The digest on chain, which the files come to.
    pub digest: Digest,
    /// Which rule made it.
    pub rule: Rule,
    /// Where the files are; none if everything went to a contract.
    pub folder: Option<PathBuf>,
    /// The files.
    pub files: Vec<ResultFile>,
    /// What went to the requester's contract.
    pub callback: Option<Bytes>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The task could not be looked at.
    #[error("cannot look for the result of task {task}")]
    Task {
        /// The task.
        task: TaskId,
        /// Why not.
        #[source]
        source: Box<TaskError>,
    },
    /// The task is not finished.
    #[error("task {task} has no result: it is {status}")]
    NotCompleted {
        /// The task.
        task: TaskId,
        /// Where it stands.
        status: TaskStatus,
    },
    /// What stands on chain is no link.
    #[error("task {task} does not say where its result lies")]
    BadLink {
        /// The task.
        task: TaskId,
        /// What is wrong.
        #[source]
        source: BadLink,
    },
    /// The result lies somewhere this program does not reach.
    #[error(
        "the result of task {task} lies at {location} in {storage:?}, which this program cannot fetch from"
    )]
    Elsewhere {
        /// The task.
        task: TaskId,
        /// Kind of place.
        storage: Storage,
        /// Where in it.
        location: String,
    },
    /// The door does not give it.
    #[error("cannot fetch the result of task {task} from {door}")]
    Door {
        /// The task.
        task: TaskId,
        /// The pool's door.
        door: String,
        /// Why not.
        #[source]
        source: Box<blobs::BlobError>,
    },
    /// The bytes are not what the consensus was about.
    #[error(
        "the result of task {task} is not the one agreed on: its files come to {found}, the chain says {expected}"
    )]
    WrongDigest {
        /// The task.
        task: TaskId,
        /// On chain.
        expected: Digest,
        /// Of what came.
        found: Digest,
    },
    /// The zip is none, or holds what no result may hold.
    #[error("{} is no result: {why}", path.display())]
    BadZip {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file's path leads out of the result, or is none.
    #[error("{} holds a file with an unsafe path", path.display())]
    UnsafePath {
        /// The zip.
        path: PathBuf,
        /// Which path.
        #[source]
        source: BadManifest,
    },
    /// Its declaration cannot be read.
    #[error("{} declares no result", path.display())]
    BadComputed {
        /// The zip.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: BadComputed,
    },
    /// More than allowed.
    #[error("{} holds more than {limit} {what}", path.display())]
    TooLarge {
        /// The zip.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// "bytes", "files".
        what: &'static str,
    },
    /// The folder is in use.
    #[error("{} is not empty; name a folder that is empty or does not exist yet", folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk refused.
    #[error("cannot {doing} {}", path.display())]
    Disk {
        /// "read", "write".
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ResultError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Task { source, .. } => source.is_transient(),
            Self::Door { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}

/// Where a finished task's result lies.
pub fn link(id: TaskId, task: &Task) -> Result<ResultLink, ResultError> {
    if task.status != TaskStatus::Completed {
        return Err(ResultError::NotCompleted {
            task: id,
            status: task.status,
        });
    }
    ResultLink::parse(&task.results).map_err(|source| ResultError::BadLink { task: id, source })
}

/// Fetches a finished task's result from a pool's blob door, checks it against the chain, and unpacks it into
/// `folder`, which must be empty or not exist. Nothing is left in it unless everything was right.
pub async fn fetch(
    chain: &Chain,
    task: TaskId,
    door: &Url,
    folder: &Path,
    limits: Limits,
) -> Result<FetchedResult, ResultError> {
    let view = task::known(chain, task)
        .await
        .map_err(|source| ResultError::Task {
            task,
            source: Box::new(source),
        })?;
    let link = link(task, &view)?;
    let expected = Digest(view.result_digest);
    if link.storage == Storage::Ethereum {
        return callback_result(task, &view);
    }
    let elsewhere = || ResultError::Elsewhere {
        task,
        storage: link.storage.clone(),
        location: link.location.clone(),
    };
    let cid: blobs::Address = link
        .cid()
        .and_then(|cid| cid.parse().ok())
        .ok_or_else(elsewhere)?;
    empty_or_absent(folder)?;
    let beside = beside(folder)?;
    let zip = beside.path().join("result.zip");
    crate::tls::install();
    blobs::Client::new(door.clone())
        // Names and headers of the zip take some room too.
        .download(
            cid,
            &zip,
            limits
                .bytes
                .saturating_add(limits.files.saturating_mul(1024)),
        )
        .await
        .map_err(|source| ResultError::Door {
            task,
            door: door.to_string(),
            source: Box::new(source),
        })?;
    let (unpacked, target) = (beside.path().join("files"), folder.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        let contents = inspect(&zip, limits)?;
        if contents.digest != expected {
            return Err(ResultError::WrongDigest {
                task,
                expected,
                found: contents.digest,
            });
        }
        extract(&zip, &unpacked, limits)?;
        put_in_place(&unpacked, &target)?;
        drop(beside);
        Ok(contents)
    });
    let contents = match work.await {
        Ok(contents) => contents?,
        // The work was neither cancelled nor does it panic on any input; the runtime is shutting down.
        Err(error) => {
            let source = std::io::Error::other(error);
            return Err(ResultError::Disk {
                doing: "unpack into",
                path: folder.to_owned(),
                source,
            });
        }
    };
    Ok(FetchedResult {
        task,
        digest: contents.digest,
        rule: contents.rule,
        folder: Some(folder.to_owned()),
        files: contents.files,
        callback: contents.callback,
    })
}

/// Checks a result that went to a contract: the chain holds it whole.
fn callback_result(task: TaskId, view: &Task) -> Result<FetchedResult, ResultError> {
    let (expected, found) = (
        Digest(view.result_digest),
        Digest::of_callback(&view.results_callback),
    );
    if expected != found {
        return Err(ResultError::WrongDigest {
            task,
            expected,
            found,
        });
    }
    let callback = Some(view.results_callback.clone());
    Ok(FetchedResult {
        task,
        digest: found,
        rule: Rule::Callback,
        folder: None,
        files: Vec::new(),
        callback,
    })
}

/// Looks through the zip of a result without unpacking it, and makes its digest. Blocks; for a pool to check an
/// upload with.
pub fn inspect(zip: &Path, limits: Limits) -> Result<Contents, ResultError> {
    let mut files: Vec<(Vec<u8>, ManifestFile)> = Vec::new();
    let mut folders: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut computed = None;
    walk(zip, limits, |entry| {
        let Entry { name, body } = entry;
        let Some(body) = body else {
            folders.insert(name);
            return Ok(());
        };
        let keep = name == COMPUTED_JSON.as_bytes();
        let mut kept = Vec::new();
        let (length, sha256) = consume(body, |piece| {
            if keep && kept.len() <= COMPUTED_JSON_LIMIT {
                kept.extend_from_slice(piece);
            }
            Ok(())
        })
        .map_err(|error| bad_zip(zip, error))?;
        if keep {
            computed = Some(kept);
        }
        files.push((name, ManifestFile { length, sha256 }));
        Ok(())
    })?;
    files.sort_by(|(left, _), (right, _)| left.cmp(right));
    conclude(zip, files, &folders, computed)
}

/// Which rule applies, and what it comes to.
fn conclude(
    zip: &Path,
    files: Vec<(Vec<u8>, ManifestFile)>,
    folders: &BTreeSet<Vec<u8>>,
    computed: Option<Vec<u8>>,
) -> Result<Contents, ResultError> {
    let unsafe_path = |source| ResultError::UnsafePath {
        path: zip.to_owned(),
        source,
    };
    let Some(computed) = computed else {
        let mut manifest = Manifest::new();
        for (path, file) in files.iter().filter(|(path, _)| path != STDERR.as_bytes()) {
            manifest.add(path, *file).map_err(unsafe_path)?;
        }
        let digest = manifest.digest();
        let files = shown(files, |path| path != STDERR.as_bytes());
        return Ok(Contents {
            rule: Rule::Manifest,
            digest,
            files,
            callback: None,
        });
    };
    let declared = Computed::parse(&computed).map_err(|source| ResultError::BadComputed {
        path: zip.to_owned(),
        source,
    })?;
    let declared = match declared.output {
        Output::Callback(data) => {
            let digest = Digest::of_callback(&data);
            // The declaration's bytes are not bound, but what counts of it is.
            let files = shown(files, |_| false);
            return Ok(Contents {
                rule: Rule::Callback,
                digest,
                files,
                callback: Some(data),
            });
        }
        Output::Path(path) => path.into_bytes(),
    };
    if let Ok(place) = files.binary_search_by(|(path, _)| path.cmp(&declared)) {
        let digest = Digest::of_file(files[place].1.sha256);
        let files = shown(files, |path| path == declared);
        return Ok(Contents {
            rule: Rule::File,
            digest,
            files,
            callback: None,
        });
    }
    let below = |path: &[u8]| -> Option<Vec<u8>> {
        if declared.is_empty() {
            return Some(path.to_vec());
        }
        path.strip_prefix(declared.as_slice())
            .and_then(|rest| rest.strip_prefix(b"/"))
            .map(<[u8]>::to_vec)
    };
    let direct = |path: &[u8]| below(path).filter(|rest| !rest.contains(&b'/'));
    let there = declared.is_empty()
        || folders.contains(&declared)
        || files.iter().any(|(path, _)| below(path).is_some());
    if !there {
        let shown = String::from_utf8_lossy(&declared).into_owned();
        return Err(ResultError::BadZip {
            path: zip.to_owned(),
            why: format!("its computed.json names {shown:?}, which is not there"),
        });
    }
    // What the worker adds beside the app's own files is no part of its folder.
    let added = |path: &[u8]| {
        declared.is_empty()
            && (path == STDERR.as_bytes() || path == protocol::result::STDOUT.as_bytes())
    };
    let covered = |path: &[u8]| direct(path).is_some() && !added(path);
    let entries: Vec<(Vec<u8>, Option<B256>)> = files
        .iter()
        .filter(|(path, _)| covered(path))
        .map(|(path, file)| (path.clone(), Some(file.sha256)))
        .collect();
    let digest = Digest::of_folder(entries);
    let files = shown(files, covered);
    Ok(Contents {
        rule: Rule::Folder,
        digest,
        files,
        callback: None,
    })
}

fn shown(files: Vec<(Vec<u8>, ManifestFile)>, verified: impl Fn(&[u8]) -> bool) -> Vec<ResultFile> {
    let show = |(path, file): (Vec<u8>, ManifestFile)| ResultFile {
        verified: verified(&path),
        path: String::from_utf8_lossy(&path).into_owned(),
        length: file.length,
        sha256: file.sha256,
    };
    files.into_iter().map(show).collect()
}

/// Unpacks the zip of a result into a folder that is empty or does not exist. Blocks.
pub fn extract(zip: &Path, folder: &Path, limits: Limits) -> Result<(), ResultError> {
    empty_or_absent(folder)?;
    let writing = |path: &Path| {
        let path = path.to_owned();
        move |source| ResultError::Disk {
            doing: "write",
            path,
            source,
        }
    };
    std::fs::create_dir_all(folder).map_err(writing(folder))?;
    walk(zip, limits, |Entry { name, body }| {
        let target = folder.join(as_path(zip, &name)?);
        let Some(body) = body else {
            return std::fs::create_dir_all(&target).map_err(writing(&target));
        };
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(writing(parent))?;
        }
        // Never over something that is there: the folder was empty, so a second file of one name is refused.
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&target)
            .map_err(writing(&target))?;
        let mut file = BufWriter::new(file);
        consume(body, |piece| file.write_all(piece)).map_err(writing(&target))?;
        file.flush().map_err(writing(&target))
    })
}

struct Entry<'a> {
    /// A checked path.
    name: Vec<u8>,
    /// `None` for a folder.
    body: Option<&'a mut dyn Read>,
}

/// Goes through the entries of a zip and refuses what no result may hold.
fn walk(
    zip: &Path,
    limits: Limits,
    mut each: impl FnMut(Entry<'_>) -> Result<(), ResultError>,
) -> Result<(), ResultError> {
    let too_large = |limit, what| ResultError::TooLarge {
        path: zip.to_owned(),
        limit,
        what,
    };
    let file = File::open(zip).map_err(|source| ResultError::Disk {
        doing: "read",
        path: zip.to_owned(),
        source,
    })?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| bad_zip(zip, error))?;
    let mut seen = Manifest::new();
    let mut files = 0_u64;
    let mut bytes_left = limits.bytes;
    for place in 0..archive.len() {
        let mut entry = archive
            .by_index(place)
            .map_err(|error| bad_zip(zip, error))?;
        let name = entry.name_raw().to_vec();
        let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
        let is_folder = name.ends_with(b"/");
        if entry.encrypted()
            || !matches!(kind, 0 | 0o100_000 | 0o040_000)
            || (kind == 0o040_000) != is_folder && kind != 0
        {
            let shown = String::from_utf8_lossy(&name).into_owned();
            return Err(bad_zip(
                zip,
                format!("{shown:?} is neither a plain file nor a folder"),
            ));
        }
        let name = if is_folder {
            name[..name.len() - 1].to_vec()
        } else {
            name
        };
        files += 1;
        // Folders count too: they also take room.
        if files > limits.files.saturating_mul(2) {
            return Err(too_large(limits.files, "files and folders"));
        }
        // The rules of a manifest's paths are those of safe paths: relative, no empty name, no `.`, no `..`.
        seen.add(
            &name,
            ManifestFile {
                length: 0,
                sha256: B256::ZERO,
            },
        )
        .map_err(|source| ResultError::UnsafePath {
            path: zip.to_owned(),
            source,
        })?;
        if is_folder {
            each(Entry { name, body: None })?;
            continue;
        }
        // One byte more than is left tells a file that is too large from one that just fits.
        let mut body = (&mut entry).take(bytes_left.saturating_add(1));
        each(Entry {
            name,
            body: Some(&mut body),
        })?;
        let read = bytes_left.saturating_add(1) - body.limit();
        if read > bytes_left {
            return Err(too_large(limits.bytes, "bytes"));
        }
        bytes_left -= read;
    }
    Ok(())
}

/// Reads to the end, hands on every piece, and gives length and sha256.
fn consume(
    body: &mut dyn Read,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<(u64, B256)> {
    let mut hasher = Sha256::new();
    let mut length = 0_u64;
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => return Ok((length, B256::from_slice(&hasher.finalize()))),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        each(&buffer[..read])?;
        length += read as u64;
    }
}

fn bad_zip(zip: &Path, why: impl std::fmt::Display) -> ResultError {
    ResultError::BadZip {
        path: zip.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(unix)]
fn as_path(_zip: &Path, name: &[u8]) -> Result<PathBuf, ResultError> {
    use std::os::unix::ffi::OsStrExt as _;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
fn as_path(zip: &Path, name: &[u8]) -> Result<PathBuf, ResultError> {
    // Elsewhere names may hold drives, other separators and devices: only plain ones are taken.
    let plain = std::str::from_utf8(name)
        .ok()
        .filter(|name| !name.contains(['\\', ':']));
    plain
        .map(PathBuf::from)
        .ok_or_else(|| bad_zip(zip, "a file's name cannot be used on this system"))
}

fn empty_or_absent(folder: &Path) -> Result<(), ResultError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(ResultError::FolderInUse {
                folder: folder.to_owned(),
            }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ResultError::Disk {
            doing: "look into",
            path: folder.to_owned(),
            source,
        }),
    }
}

/// A temporary folder on the same disk, so that what is done there can be moved into place at once.
fn beside(folder: &Path) -> Result<TemporaryFolder, ResultError> {
    let parent = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let path = parent.join(format!(
        ".oxec-result-{:x}",
        u64::from_be_bytes(B256::random()[..8].try_into().unwrap_or_default())
    ));
    let made = std::fs::create_dir_all(parent).and_then(|()| std::fs::create_dir(&path));
    made.map_err(|source| ResultError::Disk {
        doing: "write",
        path: path.clone(),
        source,
    })?;
    Ok(TemporaryFolder(path))
}

fn put_in_place(unpacked: &Path, folder: &Path) -> Result<(), ResultError> {
    let writing = |source| ResultError::Disk {
        doing: "write",
        path: folder.to_owned(),
        source,
    };
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(writing(error)),
        _ => {}
    }
    std::fs::rename(unpacked, folder).map_err(writing)
}

/// Removed with everything in it when dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nobody is left to tell if it cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
