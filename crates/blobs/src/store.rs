//! Blobs in a folder, each one file under its address.
//!
//! ```text
//! <folder>/in-use                     lock: shared by every open store, exclusive while one sweeps
//! <folder>/landing/.landing-<random>  being written; swept when the first store opens the folder again
//! <folder>/blobs/<2 letters>/<cid>    whole blobs, read-only
//! ```
//!
//! Plain files rather than `object_store`'s local one, because the three things that matter here are below its
//! door: hashing on the way in before the name is known, fsync of file and folder before a put counts, and a path
//! that the sandbox can open. Whole files rather than IPFS blocks, because everyone here reads files. A blob never
//! changes, so readers need no locks: a put replaces a file by an equal one, and a file removed while being read
//! stays readable for those who opened it.

use std::fs::{self, File, TryLockError};
use std::io::SeekFrom;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::BoxError;
use crate::landing::{Landing, TEMPORARY_PREFIX};
use crate::{Address, BlobError, Hasher, Stored};

/// Bytes per piece when streaming out.
const READ_BYTES: usize = 64 * 1024;
/// Nobody writes to a blob again, not even its keeper.
const READ_ONLY: u32 = 0o444;

/// A folder of blobs. Clones share it; several processes may open the same one.
#[derive(Debug, Clone)]
pub struct Store {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    blobs: PathBuf,
    landing: PathBuf,
    /// Holds the shared lock for as long as any clone lives.
    _in_use: File,
}

impl Store {
    /// Opens `folder`, creating it where missing. What a killed process left half written is removed, unless another
    /// process has the folder open at this moment.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self, BlobError> {
        let folder = folder.as_ref();
        let blobs = folder.join("blobs");
        let landing = folder.join("landing");
        for path in [&blobs, &landing] {
            fs::create_dir_all(path)
                .map_err(|error| BlobError::io("create the folder", path, error))?;
        }
        let lock = folder.join("in-use");
        let locking = |error| BlobError::io("lock", &lock, error);
        let in_use = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(locking)?;
        match in_use.try_lock() {
            Ok(()) => {
                sweep(&landing)?;
                in_use.unlock().map_err(locking)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(locking(error)),
        }
        in_use.lock_shared().map_err(locking)?;
        Ok(Self {
            folder: Arc::new(Folder {
                blobs,
                landing,
                _in_use: in_use,
            }),
        })
    }

    /// Where the bytes of a blob not yet known go; [`Writer::finish`] gives them their address.
    pub async fn writer(&self, limit_bytes: Option<u64>) -> Result<Writer, BlobError> {
        let landing =
            Landing::in_folder(&self.folder.landing, "the blob".to_owned(), limit_bytes).await?;
        Ok(Writer {
            store: self.clone(),
            landing,
        })
    }

    /// Stores a stream to its end. If it fails, breaks off or is dropped, nothing is kept.
    pub async fn put<E: Into<BoxError>>(
        &self,
        stream: impl Stream<Item = Result<Bytes, E>>,
        limit_bytes: Option<u64>,
    ) -> Result<Stored, BlobError> {
        let mut writer = self.writer(limit_bytes).await?;
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| BlobError::Interrupted {
                received: writer.received(),
                source: error.into(),
            })?;
            writer.write(&piece).await?;
        }
        writer.finish().await
    }

    /// Stores what `reader` gives.
    pub async fn put_reader(
        &self,
        reader: impl AsyncRead,
        limit_bytes: Option<u64>,
    ) -> Result<Stored, BlobError> {
        self.put(ReaderStream::with_capacity(reader, READ_BYTES), limit_bytes)
            .await
    }

    /// Stores a copy of a file.
    pub async fn put_file(&self, path: impl AsRef<Path>) -> Result<Stored, BlobError> {
        let path = path.as_ref();
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|error| BlobError::io("read", path, error))?;
        self.put_reader(file, None).await
    }

    /// Stores bytes at hand.
    pub async fn put_bytes(&self, bytes: &[u8]) -> Result<Stored, BlobError> {
        let mut writer = self.writer(None).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Opens a blob for reading.
    pub async fn open(&self, cid: Address) -> Result<Blob, BlobError> {
        let path = self.place(cid);
        let file = tokio::fs::File::open(&path)
            .await
            .map_err(|error| missing_or_io(cid, &path, error))?;
        let metadata = file
            .metadata()
            .await
            .map_err(|error| BlobError::io("read", &path, error))?;
        Ok(Blob {
            cid,
            length: metadata.len(),
            file,
            path,
        })
    }

    /// A whole blob of at most `limit_bytes`.
    pub async fn get(&self, cid: Address, limit_bytes: u64) -> Result<Bytes, BlobError> {
        let mut blob = self.open(cid).await?;
        if blob.length > limit_bytes {
            return Err(BlobError::TooLarge {
                what: cid.to_string(),
                limit_bytes,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(blob.length).unwrap_or_default());
        blob.file
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| BlobError::io("read", &blob.path, error))?;
        Ok(bytes.into())
    }

    /// The file that holds a blob: for those who must hand a path on (a sandbox, a copy). Never write to it.
    pub async fn path(&self, cid: Address) -> Result<PathBuf, BlobError> {
        let path = self.place(cid);
        tokio::fs::metadata(&path)
            .await
            .map_err(|error| missing_or_io(cid, &path, error))?;
        Ok(path)
    }

    /// Whether a blob is here.
    pub async fn has(&self, cid: Address) -> Result<bool, BlobError> {
        match self.path(cid).await {
            Ok(_) => Ok(true),
            Err(BlobError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets a blob; false if it was not here.
    pub async fn remove(&self, cid: Address) -> Result<bool, BlobError> {
        let path = self.place(cid);
        match tokio::fs::remove_file(&path).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io("remove", &path, error)),
        }
    }

    /// Every blob here, in no order. Walks the whole folder.
    pub async fn list(&self) -> Result<Vec<Listed>, BlobError> {
        let folder = self.folder.clone();
        let listing = tokio::task::spawn_blocking(move || list(&folder.blobs));
        listing.await.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            Err(BlobError::io("list", &self.folder.blobs, source))
        })
    }

    /// Reads a blob again and compares: a disk may rot. One that is no longer its address is removed.
    pub async fn verify(&self, cid: Address) -> Result<Stored, BlobError> {
        let mut stream = std::pin::pin!(self.open(cid).await?.stream());
        let mut hasher = Hasher::new();
        while let Some(piece) = stream.next().await {
            hasher.update(&piece.map_err(|error| BlobError::io("read", &self.place(cid), error))?);
        }
        let found = hasher.finish();
        if found.cid == cid {
            return Ok(found);
        }
        self.remove(cid).await?;
        Err(BlobError::Mismatch {
            source_name: self.place(cid).display().to_string(),
            expected: cid.to_string(),
            found: found.cid.to_string(),
        })
    }

    fn place(&self, cid: Address) -> PathBuf {
        let name = cid.to_string();
        // The last letter carries few bits of the hash; the two before it are evenly spread over 1,024 folders.
        let shelf = &name[name.len() - 3..name.len() - 1];
        self.folder.blobs.join(shelf).join(&name)
    }
}

/// A blob in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its address.
    pub cid: Address,
    /// Bytes.
    pub length: u64,
    /// When it came in.
    pub since: std::time::SystemTime,
}

fn list(blobs: &Path) -> Result<Vec<Listed>, BlobError> {
    let failed = |error| BlobError::io("list", blobs, error);
    let mut found = Vec::new();
    for shelf in fs::read_dir(blobs).map_err(failed)? {
        for entry in fs::read_dir(shelf.map_err(failed)?.path()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(cid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One removed meanwhile is none.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            found.push(Listed {
                cid,
                length: metadata.len(),
                since: metadata.modified().map_err(failed)?,
            });
        }
    }
    Ok(found)
}

/// A blob on its way in. Dropped before [`Writer::finish`], it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    landing: Landing,
}

impl Writer {
    /// The next bytes. After an error only dropping is left.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.landing.write(bytes).await
    }

    /// How many bytes came so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.landing.received()
    }

    /// The end: once this returns, the blob is on the disk under its address.
    pub async fn finish(self) -> Result<Stored, BlobError> {
        self.finish_if(|_| Ok(())).await
    }

    /// As [`Writer::finish`], but only if `expected` agrees with what came; else nothing is kept.
    pub async fn finish_if(
        self,
        expected: impl FnOnce(&Stored) -> Result<(), BlobError>,
    ) -> Result<Stored, BlobError> {
        let landed = self.landing.finish().await?;
        expected(&landed.stored)?;
        let place = self.store.place(landed.stored.cid);
        if let Some(shelf) = place.parent() {
            tokio::fs::create_dir_all(shelf)
                .await
                .map_err(|error| BlobError::io("create the folder", shelf, error))?;
        }
        landed.name(&place, READ_ONLY).await
    }
}

/// A blob opened for reading.
#[derive(Debug)]
pub struct Blob {
    cid: Address,
    length: u64,
    file: tokio::fs::File,
    path: PathBuf,
}

impl Blob {
    /// Its address.
    #[must_use]
    pub fn cid(&self) -> Address {
        self.cid
    }

    /// Bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of it.
    pub fn stream(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
        ReaderStream::with_capacity(self.file, READ_BYTES)
    }

    /// The bytes of `range`, as far as there are any.
    pub async fn range(
        mut self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>, BlobError> {
        self.file
            .seek(SeekFrom::Start(range.start))
            .await
            .map_err(|error| BlobError::io("read", &self.path, error))?;
        let length = range.end.saturating_sub(range.start);
        Ok(ReaderStream::with_capacity(
            self.file.take(length),
            READ_BYTES,
        ))
    }

    /// As something to read and seek in.
    #[must_use]
    pub fn reader(self) -> tokio::fs::File {
        self.file
    }
}

fn missing_or_io(cid: Address, path: &Path, error: std::io::Error) -> BlobError {
    match error.kind() {
        std::io::ErrorKind::NotFound => BlobError::NotFound { cid },
        _ => BlobError::io("read", path, error),
    }
}

fn sweep(landing: &Path) -> Result<(), BlobError> {
    let sweeping = |error| BlobError::io("sweep", landing, error);
    for entry in fs::read_dir(landing).map_err(sweeping)? {
        let entry = entry.map_err(sweeping)?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            fs::remove_file(entry.path())
                .map_err(|error| BlobError::io("remove", &entry.path(), error))?;
            tracing::info!(path = %entry.path().display(), "removed a blob that was never finished");
        }
    }
    Ok(())
}
