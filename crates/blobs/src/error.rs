//! What can go wrong with a blob, always with the address, path or URL it happened to.

use std::io;
use std::path::{Path, PathBuf};

use url::Url;

use crate::Address;

/// A source of bytes failed for its own reasons.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a blob could not be stored, found or brought.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// A text that was meant to be an address and is none, or one of a kind nobody here can check.
    #[error("{text:?} is not the address of a blob: {reason}")]
    BadAddress {
        /// What was handed in, cut to a readable length.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This store does not hold it.
    #[error("no blob {cid} here")]
    NotFound {
        /// The address asked for.
        cid: Address,
    },
    /// More bytes than the caller allowed; nothing was kept.
    #[error("{what} is larger than the {limit_bytes} bytes allowed")]
    TooLarge {
        /// The address, path or URL of the bytes.
        what: String,
        /// The limit that was crossed.
        limit_bytes: u64,
    },
    /// The bytes that came are not the ones that were asked for; they were thrown away.
    #[error("{source_name} sent other bytes than asked for: expected {expected}, found {found}")]
    Mismatch {
        /// Who sent them.
        source_name: String,
        /// The address or sha256 asked for.
        expected: String,
        /// The one of what came.
        found: String,
    },
    /// The disk is full; what was half written has been removed.
    #[error("no space left on the disk of {path}: free some, or move the folder")]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// Verb, as in "cannot read".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes stopped coming; nothing was kept.
    #[error("the bytes to be stored broke off after {received} bytes")]
    Interrupted {
        /// How many had come.
        received: u64,
        /// Why, as the source says.
        #[source]
        source: BoxError,
    },
    /// The other side could not be reached, or the connection broke.
    #[error("cannot {doing} {url}")]
    Unreachable {
        /// Verb, as in "cannot fetch".
        doing: &'static str,
        /// From or to where.
        url: Url,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The other side answered, and refused.
    #[error("{url} answered {status}: {message}")]
    Refused {
        /// Who answered.
        url: Url,
        /// HTTP status.
        status: u16,
        /// Its own words, cut to a readable length.
        message: String,
    },
}

impl BlobError {
    /// Whether the same call may succeed later without anything being changed (connection lost, service busy).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }

    /// Gives an input/output failure its place; a full disk is told apart, since a person can do something about it.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                path: path.to_owned(),
            },
            _ => Self::Io {
                doing,
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// Foreign text in our messages: readable, and never longer than a line or two.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
