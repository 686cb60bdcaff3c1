//! A file that is written under a temporary name, hashed on the way, and only gets its real name when whole.
//!
//! Both ways in lead through here (the store's writer and the client's download), so that a crash, a full disk or a
//! cut connection can leave a temporary file at worst, never half a blob under a whole blob's name.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::{BlobError, Hasher, Stored};

/// Bytes gathered before they are hashed and written on a thread of their own: large enough that hopping threads
/// costs nothing, small enough for hundreds of uploads at once.
const PIECE_BYTES: usize = 256 * 1024;

/// How temporary files are named; the store sweeps by this prefix.
pub(crate) const TEMPORARY_PREFIX: &str = ".landing-";

#[derive(Debug)]
pub(crate) struct Landing {
    /// Removes the file when dropped.
    temporary: TempPath,
    /// Away while a piece is being written; stays away if that was abandoned.
    sink: Option<Sink>,
    gathered: Vec<u8>,
    received: u64,
    limit_bytes: Option<u64>,
    /// What to call it in messages.
    what: String,
}

#[derive(Debug)]
struct Sink {
    file: File,
    hasher: Hasher,
    path: PathBuf,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|error| BlobError::io("write to", &self.path, error))
    }
}

impl Landing {
    pub(crate) async fn in_folder(
        folder: &Path,
        what: String,
        limit_bytes: Option<u64>,
    ) -> Result<Self, BlobError> {
        let folder = folder.to_owned();
        let (file, temporary) = blocking(move || {
            tempfile::Builder::new()
                .prefix(TEMPORARY_PREFIX)
                .tempfile_in(&folder)
                .map(tempfile::NamedTempFile::into_parts)
                .map_err(|error| BlobError::io("create a file in", &folder, error))
        })
        .await?;
        let sink = Sink {
            file,
            hasher: Hasher::new(),
            path: temporary.to_path_buf(),
        };
        Ok(Self {
            temporary,
            sink: Some(sink),
            gathered: Vec::new(),
            received: 0,
            limit_bytes,
            what,
        })
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        self.received += bytes.len() as u64;
        if let Some(limit_bytes) = self.limit_bytes
            && self.received > limit_bytes
        {
            return Err(BlobError::TooLarge {
                what: self.what.clone(),
                limit_bytes,
            });
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.len() == PIECE_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let mut sink = self.sink()?;
        let mut piece = std::mem::take(&mut self.gathered);
        let (sink, piece) = blocking(move || {
            sink.write(&piece)?;
            piece.clear();
            Ok((sink, piece))
        })
        .await?;
        self.sink = Some(sink);
        self.gathered = piece;
        Ok(())
    }

    /// All bytes are in: they are on the disk when this returns, still under the temporary name.
    pub(crate) async fn finish(mut self) -> Result<Landed, BlobError> {
        let mut sink = self.sink()?;
        let piece = std::mem::take(&mut self.gathered);
        let temporary = self.temporary;
        blocking(move || {
            sink.write(&piece)?;
            sink.file
                .sync_all()
                .map_err(|error| BlobError::io("write to", &sink.path, error))?;
            Ok(Landed {
                stored: sink.hasher.finish(),
                temporary,
            })
        })
        .await
    }

    /// An earlier failure or an abandoned write took the file away; nothing more can land here.
    fn sink(&mut self) -> Result<Sink, BlobError> {
        self.sink.take().ok_or_else(|| BlobError::Io {
            doing: "go on writing to",
            path: self.temporary.to_path_buf(),
            source: std::io::Error::other("an earlier write was not finished"),
        })
    }
}

/// Whole, on the disk, hashed; not yet named.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) stored: Stored,
    pub(crate) temporary: TempPath,
}

impl Landed {
    /// Gives the file its name at once or not at all; whatever bore that name before is gone.
    pub(crate) async fn name(self, to: &Path, readable_mode: u32) -> Result<Stored, BlobError> {
        let to = to.to_owned();
        blocking(move || {
            set_mode(&self.temporary, readable_mode)?;
            self.temporary
                .persist(&to)
                .map_err(|error| BlobError::io("create", &to, error.error))?;
            sync_folder_of(&to)?;
            Ok(self.stored)
        })
        .await
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<(), BlobError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| BlobError::io("change the mode of", path, error))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> Result<(), BlobError> {
    Ok(())
}

/// A rename is only on the disk once its folder is.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> Result<(), BlobError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| BlobError::io("write to", folder, error))
}

#[cfg(not(unix))]
fn sync_folder_of(_path: &Path) -> Result<(), BlobError> {
    Ok(())
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(cancelled) => Err(BlobError::Interrupted {
            received: 0,
            source: Box::new(cancelled),
        }),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_as_such() {
        let path = PathBuf::from("/dev/full");
        let file = File::options()
            .write(true)
            .open(&path)
            .expect("every Linux has it");
        let mut sink = Sink {
            file,
            hasher: Hasher::new(),
            path,
        };
        let error = sink.write(b"x").expect_err("it is always full");
        assert_eq!(
            error.to_string(),
            "no space left on the disk of /dev/full: free some, or move the folder"
        );
    }
}
