//! Why a run gave no result.

use std::time::Duration;

/// A run that gave no result.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Failed {
    #[source]
    pub failure: Failure,
    /// The end of its standard error and output, lossy UTF-8, at most [`Failed::LOG_BYTES`] bytes.
    pub log: String,
    /// Instructions counted until then.
    pub fuel: u64,
    /// From start to end on this machine.
    pub wall: Duration,
}

impl Failed {
    /// The longest log kept, bytes.
    pub const LOG_BYTES: usize = 8 * 1024;
}

/// What went wrong, as a sentence for the requester.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the application is not a WebAssembly program this sandbox runs: {reason}")]
    NotWasm { reason: String },
    #[error("the application's file has sha256 {found}, not {expected}")]
    WrongChecksum { expected: String, found: String },
    #[error("the application asks for {import}, which the sandbox does not give")]
    Import { import: String },
    #[error("the application trapped: {reason}")]
    Trap { reason: String },
    #[error("the application ended with exit code {0}")]
    ExitCode(i32),
    #[error("the application ran longer than its {} s", limit.as_secs_f64())]
    DeadlineCrossed { limit: Duration },
    #[error("the application used more than its {limit} instructions")]
    FuelCrossed { limit: u64 },
    #[error("the application used more memory than its {limit} bytes")]
    MemoryCrossed { limit: u64 },
    #[error("the application wrote more than its {limit} bytes of files")]
    OutputCrossed { limit: u64 },
    #[error("the application made more than its {limit} files")]
    FilesCrossed { limit: u64 },
    #[error("the application printed more than its {limit} bytes to standard {stream}")]
    StreamCrossed { stream: &'static str, limit: u64 },
    #[error("the result names {path:?}, which is not inside /iexec_out")]
    EscapingPath { path: String },
    #[error("the result names {path:?}, which the application did not make")]
    MissingPath { path: String },
    #[error("/iexec_out holds {path:?}, which is neither a file nor a folder")]
    Link { path: String },
    #[error("/iexec_out holds {path:?}, a name kept for the application's own streams")]
    TakenName { path: String },
    #[error("computed.json is not what the contract asks for: {reason}")]
    BadComputedJson { reason: String },
    #[error("the inputs cannot be given to the application: {reason}")]
    BadInputs { reason: String },
    #[error("the run was cancelled")]
    Cancelled,
    #[error("this worker failed while {doing}: {reason}")]
    Host { doing: String, reason: String },
}

impl Failure {
    /// Whether the application, its arguments or its inputs are at fault, so that it will most likely fail everywhere;
    /// else it is this machine, and another may do better.
    #[must_use]
    pub fn is_applications(&self) -> bool {
        match self {
            Self::NotWasm { .. }
            | Self::WrongChecksum { .. }
            | Self::Import { .. }
            | Self::Trap { .. }
            | Self::ExitCode(_)
            | Self::DeadlineCrossed { .. }
            | Self::FuelCrossed { .. }
            | Self::MemoryCrossed { .. }
            | Self::OutputCrossed { .. }
            | Self::FilesCrossed { .. }
            | Self::StreamCrossed { .. }
            | Self::EscapingPath { .. }
            | Self::MissingPath { .. }
            | Self::Link { .. }
            | Self::TakenName { .. }
            | Self::BadComputedJson { .. }
            | Self::BadInputs { .. } => true,
            Self::Cancelled | Self::Host { .. } => false,
        }
    }

    pub(crate) fn host(doing: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Host {
            doing: doing.into(),
            reason: error.to_string(),
        }
    }
}
