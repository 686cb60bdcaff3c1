//! Turns deals into finished tasks: the pool's side of the walk.
//!
//! Strangers match orders on chain and name this pool; from then on everything a task needs until it is paid is
//! started here. The chain is the truth and workers' messages are hints, so the scheduler never *reacts*: events and
//! messages only change what is known, and **reconcilers** compare what is known with what should be and do the next
//! thing. A restart, a lost message and a reorganised chain are then one and the same path.
//!
//! ```text
//! chain ──follow──► watch ─┐                       ┌─► deal          read, pin app and inputs, open tasks
//!                          ├─► board (task.apply) ─┼─► task          initialize
//! workers ──ws───► door ───┘    │       ▲          ├─► contribution  assign and authorize, give up
//!                               ▼       └──────────┼─► consensus     ask for reveals, reopen
//!                               db                 ├─► result        ask for uploads, finalize
//!                                                  └─► payment       claim, settle
//! ```
//!
//! Deliberately not here: running apps (workers do), matching orders (anybody does), any word about which result is
//! true (the hub does).

mod options;

pub use options::Options;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::Address;
use sdk::chain::{Chain, ChainError};
use sdk::wallet::Wallet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// What a scheduler stands on.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The chain its deals are made on.
    pub chain: Chain,
    /// The key of the workerpool's owner: signs authorizations, sends transactions.
    pub wallet: Wallet,
    /// Apps, inputs and results.
    pub blobs: blobs::Store,
}

/// The scheduler; see [`Service::start`].
#[derive(Debug)]
pub struct Service;

/// Why a scheduler cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The door's address is taken, or not ours.
    #[error("cannot listen on {address}: choose another address, or stop the program that holds it")]
    Listen {
        /// As the options say.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder for the database or for uploads cannot be made.
    #[error("cannot create the folder {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database is broken, or of a later version.
    #[error("cannot use the database {path}")]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The chain does not answer as it should.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why.
        #[source]
        source: ChainError,
    },
    /// Authorizations of this wallet would be worth nothing.
    #[error("the wallet {wallet} does not own the workerpool {workerpool}: its owner is {owner}")]
    NotTheOwner {
        /// The pool of the options.
        workerpool: Address,
        /// Who owns it on chain.
        owner: Address,
        /// Whose key was handed in.
        wallet: Address,
    },
}

impl Service {
    /// Opens the database, compares it with the chain, opens the door and starts the reconcilers.
    ///
    /// # Errors
    /// When the address is taken, the database unusable, the chain away, or the wallet not the pool's owner.
    pub async fn start(options: Options, deps: Deps) -> Result<Handle, Error> {
        let _ = (options, deps);
        std::future::pending().await
    }
}

/// A running scheduler. Cheap to clone; when the last one is dropped, it stops as if killed (nothing is lost by that).
#[derive(Debug, Clone)]
pub struct Handle {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    url: Url,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Handle {
    /// Where workers and requesters reach the pool.
    #[must_use]
    pub fn url(&self) -> Url {
        self.running.url.clone()
    }

    /// Tasks that are neither completed nor claimed.
    #[must_use]
    pub fn open_tasks(&self) -> usize {
        0
    }

    /// Workers connected at this moment.
    #[must_use]
    pub fn workers(&self) -> usize {
        0
    }

    /// Stops: the door closes, workers are told by the closing connection, transactions on their way are awaited for a
    /// moment, what is known is written down.
    pub async fn shutdown(&self) {
        self.running.stop.cancel();
        self.running.tasks.close();
        self.running.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
