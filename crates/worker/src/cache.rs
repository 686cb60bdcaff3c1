//! Fetched bytes, kept by content address: modules and inputs of tasks past and present.
//!
//! A bag's tasks share their module and often their inputs; each is fetched once. When the folder outgrows its quota,
//! what was used longest ago goes first, and nothing that a running task holds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use alloy_primitives::B256;
use sdk::wire::pool::PinnedBlob;
use tokio::sync::Mutex as AsyncMutex;

/// A folder of fetched blobs.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    quota_bytes: u64,
    held: Mutex<HashMap<String, Weak<Held>>>,
}

/// A blob in the cache; it stays there as long as this is held.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    /// One fetches, the others wait.
    fetched: AsyncMutex<bool>,
}

impl Held {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A blob that did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{cid:?} is no content address")]
    BadAddress { cid: String },
    #[error("cannot fetch {cid} from the pool")]
    Door {
        cid: String,
        #[source]
        source: blobs::BlobError,
    },
    #[error("{cid} has {found} bytes, the pool said {expected}")]
    Length {
        cid: String,
        expected: u64,
        found: u64,
    },
    #[error("{cid} has sha256 {found}, expected {expected}")]
    Checksum {
        cid: String,
        expected: B256,
        found: B256,
    },
    #[error("cannot use the cache {}", path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the same may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Door { source, .. } => source.is_transient(),
            Self::BadAddress { .. }
            | Self::Length { .. }
            | Self::Checksum { .. }
            | Self::Disk { .. } => false,
        }
    }
}

impl Cache {
    pub(crate) fn open(folder: PathBuf, quota_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        // Downloads that were cut off leave temporary files, which bear no address.
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_str()
                .is_none_or(|name| name.parse::<blobs::Address>().is_err())
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self {
            folder,
            quota_bytes,
            held: Mutex::default(),
        })
    }

    /// Brings a blob, unless it is there; checked against its address and its sha256 on the way in.
    pub(crate) async fn get(
        &self,
        door: &blobs::Client,
        blob: &PinnedBlob,
    ) -> Result<Arc<Held>, FetchError> {
        let cid: blobs::Address = blob.cid.parse().map_err(|_| FetchError::BadAddress {
            cid: blob.cid.clone(),
        })?;
        let held = self.hold(&cid.to_string());
        let mut fetched = held.fetched.lock().await;
        if !*fetched {
            let disk = |source| FetchError::Disk {
                path: held.path.clone(),
                source,
            };
            match fs::metadata(&held.path) {
                Ok(metadata) if metadata.len() == blob.length => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk(error)),
                _ => self.download(door, cid, blob, &held.path).await?,
            }
            // The moment of the last use.
            let touched = File::options().append(true).open(&held.path);
            touched
                .and_then(|file| file.set_modified(SystemTime::now()))
                .map_err(disk)?;
            *fetched = true;
        }
        drop(fetched);
        Ok(held)
    }

    async fn download(
        &self,
        door: &blobs::Client,
        cid: blobs::Address,
        blob: &PinnedBlob,
        to: &Path,
    ) -> Result<(), FetchError> {
        let stored = door
            .download(cid, to, blob.length)
            .await
            .map_err(|source| FetchError::Door {
                cid: blob.cid.clone(),
                source,
            })?;
        let wrong = if stored.length != blob.length {
            FetchError::Length {
                cid: blob.cid.clone(),
                expected: blob.length,
                found: stored.length,
            }
        } else if stored.sha256 != blob.sha256.0 {
            FetchError::Checksum {
                cid: blob.cid.clone(),
                expected: blob.sha256,
                found: B256::from(stored.sha256),
            }
        } else {
            self.sweep();
            return Ok(());
        };
        let _ = fs::remove_file(to);
        Err(wrong)
    }

    fn hold(&self, cid: &str) -> Arc<Held> {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, held| held.strong_count() > 0);
        if let Some(held) = all.get(cid).and_then(Weak::upgrade) {
            return held;
        }
        let held = Arc::new(Held {
            path: self.folder.join(cid),
            fetched: AsyncMutex::new(false),
        });
        all.insert(cid.to_owned(), Arc::downgrade(&held));
        held
    }

    /// Removes what was used longest ago until the rest fits the quota.
    fn sweep(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = |name: &str| held.get(name).is_some_and(|held| held.strong_count() > 0);
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<(SystemTime, PathBuf, u64, bool)> = entries
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                let used = entry.file_name().to_str().is_some_and(in_use);
                Some((
                    metadata.modified().ok()?,
                    entry.path(),
                    metadata.len(),
                    used,
                ))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, _, length, _)| length).sum();
        for (_, path, length, used) in files {
            if total <= self.quota_bytes {
                break;
            }
            if !used && fs::remove_file(&path).is_ok() {
                total -= length;
            }
        }
    }
}
