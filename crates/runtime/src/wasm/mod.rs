//! The deterministic sandbox: WASI programs on wasmtime.

pub mod profile;

use std::path::PathBuf;

use crate::failure::{Failed, Failure};
use crate::job::{Job, Outcome};

/// What an [`Engine`] may use of this machine; none of it changes a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Folder for compiled modules, owned by this engine alone: what lies there is machine code and is run.
    /// `None`: compiled modules are kept in memory only.
    pub cache: Option<PathBuf>,
    /// How many runs at once at most; more wait for a place.
    pub slots: u32,
    /// How many compiled modules are kept in memory.
    pub warm_modules: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { cache: None, slots: 8, warm_modules: 16 }
    }
}

/// Compiles and runs applications. Cheap to clone; all clones share one compile cache and one pool of sandboxes.
#[derive(Debug, Clone)]
pub struct Engine {}

/// The engine could not be built on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {reason}")]
pub struct EngineError {
    reason: String,
}

impl Engine {
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let _ = options;
        Ok(Self {})
    }

    /// Runs one application to its end.
    pub async fn run(&self, job: Job) -> Result<Outcome, Failed> {
        let _ = job;
        Err(Failed {
            failure: Failure::host("starting the sandbox", "not built yet"),
            log: String::new(),
            fuel: 0,
            wall: std::time::Duration::ZERO,
        })
    }
}
