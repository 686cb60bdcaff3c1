//! What goes into a run and what comes out.

use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::B256;
use tokio_util::sync::CancellationToken;

use crate::result::Collected;
use crate::wasm::profile::RuntimeProfile;

/// One run of one application.
#[derive(Debug, Clone)]
pub struct Job {
    pub module: Module,
    /// The arguments after the program's own name; `argv[0]` is always `app`.
    pub args: Vec<String>,
    /// All of the environment: nothing of the host's is added. Given to the application in this order.
    pub environment: Vec<(String, String)>,
    /// The files of `/iexec_in`, read-only.
    pub inputs: Vec<InputFile>,
    /// This run's own folder on the host: created if absent, and emptied. Afterwards it holds `iexec_out/`,
    /// `stdout.txt` and `stderr.txt`.
    pub folder: PathBuf,
    pub limits: Limits,
    /// What the application's clock shows when it starts (seconds since 1970): the deal's start.
    pub start_time_secs: u64,
    /// Where the application's randomness comes from: the task id. Public, so no secret may be made of it.
    pub random_seed: B256,
    /// Ends the run as [`Failure::Cancelled`](crate::Failure::Cancelled). Dropping the future of the run does so too.
    pub cancel: CancellationToken,
}

/// The application's code: a WASI preview 1 module or a component.
#[derive(Debug, Clone)]
pub struct Module {
    pub path: PathBuf,
    /// Checked against the file before anything is compiled; the key of the compile cache.
    pub sha256: B256,
}

/// A file of `/iexec_in`.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Where its bytes lie on the host; never written to.
    pub host_path: PathBuf,
    /// The names it has in `/iexec_in` (the same file under each); plain names, no `/`. A name that was given before
    /// is refused.
    pub names: Vec<String>,
}

/// What a run may use. Limits belong to the deal: every worker of a task applies the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time from start to end, compilation included.
    pub time: Duration,
    /// Bytes of all linear memories and tables together.
    pub memory_bytes: u64,
    /// Bytes of all files the application makes (`/iexec_out` and `/tmp` together).
    pub output_bytes: u64,
    /// Files and folders it makes (`/iexec_out` and `/tmp` together).
    pub output_files: u64,
    /// Bytes of standard output, and as many of standard error.
    pub stream_bytes: u64,
    /// WebAssembly instructions, as the engine counts them; `None`: counted, not bounded.
    pub fuel: Option<u64>,
}

impl Default for Limits {
    /// The limits of the smallest category.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(300),
            memory_bytes: 1 << 30,
            output_bytes: 1 << 30,
            output_files: 10_000,
            stream_bytes: 16 << 20,
            fuel: None,
        }
    }
}

/// A run that ended well: exit code 0, within its limits, with a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result and its digest.
    pub result: Collected,
    /// `/iexec_out` on the host.
    pub out: PathBuf,
    /// File with its standard output.
    pub stdout: PathBuf,
    /// File with its standard error.
    pub stderr: PathBuf,
    /// Instructions counted; equal on every machine of the same [`RuntimeProfile`].
    pub fuel: u64,
    /// From start to end on this machine.
    pub wall: Duration,
    pub profile: RuntimeProfile,
}
