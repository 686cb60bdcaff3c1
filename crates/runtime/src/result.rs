//! From the folder an application left to the digest a worker contributes.
//!
//! The rules are `protocol::result`'s; here the files are read, streamed and hashed. Links and anything else that is
//! neither file nor folder are refused wherever they lie: no application of ours can make one, but a container's can.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, Bytes};
use protocol::result::{
    COMPUTED_JSON, COMPUTED_JSON_LIMIT, Computed, Digest, Manifest, ManifestFile, Output, Rule,
    STDERR, STDOUT,
};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// A result read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// What is contributed and revealed.
    pub digest: Digest,
    /// By which rule the digest was made.
    pub rule: Rule,
    /// The bytes for the requester's contract, if the result is a callback.
    pub callback: Option<Bytes>,
}

/// Reads what an application left in `out` (its `/iexec_out`) and in `stdout`.
pub fn collect(out: &Path, stdout: &Path) -> Result<Collected, Failure> {
    let entries = walk(out)?;
    match computed_json(out)? {
        None => everything(&entries, stdout),
        Some(Computed {
            output: Output::Callback(data),
            ..
        }) => Ok(Collected {
            digest: Digest::of_callback(&data),
            rule: Rule::Callback,
            callback: Some(data),
        }),
        Some(Computed {
            output: Output::Path(path),
            ..
        }) => declared(out, &path, &entries),
    }
}

/// A file or folder under `/iexec_out`.
struct Entry {
    /// Relative to `/iexec_out`, `/` between names; bytes, since a name need not be text.
    name: Vec<u8>,
    path: PathBuf,
    is_folder: bool,
}

/// Everything under a folder, in no particular order.
fn walk(out: &Path) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    let mut folders = vec![(out.to_path_buf(), Vec::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let unreadable =
            |error: io::Error| Failure::host(format!("listing {}", folder.display()), error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let mut name = prefix.clone();
            name.extend_from_slice(entry.file_name().as_bytes());
            if !kind.is_dir() && !kind.is_file() {
                return Err(Failure::Link {
                    path: String::from_utf8_lossy(&name).into_owned(),
                });
            }
            if kind.is_dir() {
                let mut prefix = name.clone();
                prefix.push(b'/');
                folders.push((entry.path(), prefix));
            }
            entries.push(Entry {
                name,
                path: entry.path(),
                is_folder: kind.is_dir(),
            });
        }
    }
    Ok(entries)
}

fn computed_json(out: &Path) -> Result<Option<Computed>, Failure> {
    let path = out.join(COMPUTED_JSON);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::host("reading computed.json", error)),
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_dir()) => {
            return Err(Failure::BadComputedJson {
                reason: "it is a folder".to_owned(),
            });
        }
        Ok(file) => {
            // One more than may be, so that the limit is seen to be crossed.
            let read = file
                .take(COMPUTED_JSON_LIMIT as u64 + 1)
                .read_to_end(&mut bytes);
            read.map_err(|error| Failure::host("reading computed.json", error))?;
        }
    }
    use protocol::result::BadComputed;
    Computed::parse(&bytes)
        .map(Some)
        .map_err(|error| match error {
            BadComputed::PathOutside { path } | BadComputed::PathClimbs { path } => {
                Failure::EscapingPath { path }
            }
            other => Failure::BadComputedJson {
                reason: other.to_string(),
            },
        })
}

/// The manifest rule: all files, and the standard output.
fn everything(entries: &[Entry], stdout: &Path) -> Result<Collected, Failure> {
    let mut manifest = Manifest::new();
    let listed = |error: protocol::result::BadManifest| Failure::BadComputedJson {
        reason: error.to_string(),
    };
    refuse_taken_names(entries)?;
    for entry in entries.iter().filter(|entry| !entry.is_folder) {
        manifest
            .add(&entry.name, hash(&entry.path)?)
            .map_err(listed)?;
    }
    manifest.add(STDOUT, hash(stdout)?).map_err(listed)?;
    Ok(Collected {
        digest: manifest.digest(),
        rule: Rule::Manifest,
        callback: None,
    })
}

/// The worker puts the program's streams beside its files, under two names that must be free then.
fn refuse_taken_names(entries: &[Entry]) -> Result<(), Failure> {
    let taken = |entry: &&Entry| entry.name == STDOUT.as_bytes() || entry.name == STDERR.as_bytes();
    match entries.iter().find(taken) {
        Some(entry) => Err(Failure::TakenName {
            path: String::from_utf8_lossy(&entry.name).into_owned(),
        }),
        None => Ok(()),
    }
}

/// The rules of existing applications: one file, or the direct files of a folder.
fn declared(out: &Path, path: &str, entries: &[Entry]) -> Result<Collected, Failure> {
    let found = entries.iter().find(|entry| entry.name == path.as_bytes());
    if let Some(file) = found.filter(|entry| !entry.is_folder) {
        let digest = Digest::of_file(hash(&file.path)?.sha256);
        return Ok(Collected {
            digest,
            rule: Rule::File,
            callback: None,
        });
    }
    if found.is_none() && !path.is_empty() {
        return Err(Failure::MissingPath {
            path: format!("/iexec_out/{path}"),
        });
    }
    if path.is_empty() {
        // All of /iexec_out: the streams the worker adds beside it would count or not, depending on who looks.
        refuse_taken_names(entries)?;
    }
    let folder = if path.is_empty() {
        out.to_path_buf()
    } else {
        out.join(path)
    };
    let mut direct = Vec::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.path.parent() == Some(&folder))
    {
        let sha256 = if entry.is_folder {
            None
        } else {
            Some(hash(&entry.path)?.sha256)
        };
        direct.push((entry.name.as_slice(), sha256));
    }
    Ok(Collected {
        digest: Digest::of_folder(direct),
        rule: Rule::Folder,
        callback: None,
    })
}

fn hash(path: &Path) -> Result<ManifestFile, Failure> {
    let unreadable = |error: io::Error| Failure::host(format!("hashing {}", path.display()), error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
    Ok(ManifestFile {
        length,
        sha256: B256::from_slice(&hasher.finalize()),
    })
}
