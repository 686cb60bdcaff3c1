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

// What is known, and how it comes to be known.
mod board;
mod context;
mod db;
mod memory;
mod task;
mod waiting;
mod watch;

// Next steps, by stage, and the doors through which news comes in.
mod reconcile;

mod door;
mod storage;

pub use door::DealReport;
pub use options::Options;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::Address;
use protocol::abi::Workerpool;
use sdk::chain::{Chain, ChainError};
use sdk::wallet::Wallet;
use sdk::wire::pool::PoolInfo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::board::Board;
use crate::context::Context;
use crate::db::{Db, Identity};
use crate::storage::Storage;
use crate::watch::{TOLD_AGAIN, Watch};

/// How long a shutdown waits for what is under way.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

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
    #[error(
        "cannot listen on {address}: choose another address, or stop the program that holds it"
    )]
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
        sdk::tls::install();
        let Deps {
            chain,
            wallet,
            blobs,
        } = deps;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|source| Error::Listen {
                address: options.listen,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: options.listen,
            source,
        })?;
        let url = public_url(&options, address);
        let info = pool_info(&options, &chain, &wallet).await?;
        let incoming = incoming_folder(&options.database)?;
        let head = asked(chain.block(), || {
            "ask the chain for its newest block".to_owned()
        })
        .await?
        .number;
        let database = |source| Error::Database {
            path: options.database.clone(),
            source,
        };
        let (db, next_block) = open_database(&options, &chain, head)
            .await
            .map_err(database)?;

        let (recheck, to_recheck) = mpsc::unbounded_channel();
        let (caught_up, ready) = tokio::sync::watch::channel(false);
        let stop = CancellationToken::new();
        let context = Arc::new(Context {
            board: Board::new(&options, next_block),
            transactions: Semaphore::new(options.transactions_in_flight.max(1)),
            sender: chain.sender(&wallet),
            apps: Mutex::new(HashMap::new()),
            verified: Mutex::new(HashMap::new()),
            storage: Storage::default(),
            waiting: Mutex::default(),
            uploading: Mutex::default(),
            fetches: Semaphore::new(options.fetches_at_once.max(1)),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            options: options.clone(),
            chain,
            wallet,
            blobs,
            db,
            info,
            incoming,
            recheck,
            ready,
        });
        watch::restore(&context).await.map_err(database)?;

        let tasks = &context.tasks;
        tasks.spawn(Watch::new(context.clone(), to_recheck, caught_up, head).run());
        tasks.spawn(memory::run(context.clone()));
        tasks.spawn(memory::sweep(context.clone()));
        tasks.spawn(storage::measure(context.clone()));
        reconcile::start(&context);
        let router = door::router(context.clone());
        let serving = context.options.serving;
        tasks.spawn(blobs::serve(listener, router, serving, stop.clone()));
        tracing::info!(%url, workerpool = %context.options.workerpool, next_block, "the pool is open");
        Ok(Handle {
            running: Arc::new(Running { url, context }),
        })
    }
}

fn public_url(options: &Options, address: SocketAddr) -> Url {
    options.public_url.clone().unwrap_or_else(|| {
        format!("http://{address}")
            .parse()
            .expect("a socket address is a URL's host and port")
    })
}

async fn asked<T>(
    asking: impl Future<Output = Result<T, ChainError>>,
    doing: impl FnOnce() -> String,
) -> Result<T, Error> {
    asking.await.map_err(|source| Error::Chain {
        doing: doing(),
        source,
    })
}

/// What the pool says of itself, and the proof that this wallet speaks for it.
async fn pool_info(options: &Options, chain: &Chain, wallet: &Wallet) -> Result<PoolInfo, Error> {
    let workerpool = options.workerpool;
    let doing = || format!("read the workerpool {workerpool} on chain");
    let owner = asked(chain.call(workerpool, Workerpool::ownerCall {}), doing).await?;
    if owner != wallet.address() {
        return Err(Error::NotTheOwner {
            workerpool,
            owner,
            wallet: wallet.address(),
        });
    }
    let description = asked(
        chain.call(workerpool, Workerpool::m_workerpoolDescriptionCall {}),
        doing,
    )
    .await?;
    Ok(PoolInfo {
        workerpool,
        owner,
        description,
        deployment: chain.deployment().clone(),
        rpc: options.rpc.clone(),
        runtime_profile: options.runtime_profile.clone(),
        workers: 0,
    })
}

/// The folder for uploads, emptied of what a killed process left.
fn incoming_folder(database: &Path) -> Result<PathBuf, Error> {
    let beside = database
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let path = beside.join("incoming");
    let failed = |source| Error::Folder {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(&path).map_err(failed)?;
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        let left = entry.map_err(failed)?.path();
        if left.extension().is_some_and(|extension| extension == "zip") {
            std::fs::remove_file(&left).map_err(failed)?;
        }
    }
    Ok(path)
}

/// Opens the database; one of another pool, or of a chain that began anew, is started afresh.
async fn open_database(
    options: &Options,
    chain: &Chain,
    head: u64,
) -> Result<(Db, u64), sqlx::Error> {
    let deployment = chain.deployment();
    let identity = Identity {
        chain_id: deployment.chain_id,
        hub: deployment.hub,
        workerpool: options.workerpool,
    };
    let db = Db::open(&options.database).await?;
    match db.next_block(identity).await? {
        // A node that lags a little behind the one before is no other chain.
        Some(next_block) if next_block <= head + 1 + TOLD_AGAIN => Ok((db, next_block)),
        known => {
            if let Some(next_block) = known {
                tracing::warn!(
                    next_block,
                    head,
                    "the chain is shorter than remembered; everything is read anew"
                );
            }
            db.begin(identity, deployment.block).await?;
            Ok((db, deployment.block))
        }
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
    context: Arc<Context>,
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
        self.running.context.board.lock().open_count()
    }

    /// Workers connected at this moment.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.running.context.board.lock().worker_count()
    }

    /// Waits until everything that happened before the start is known, and every open task has been compared with the
    /// chain and is at hand; false when it was stopped before.
    pub async fn caught_up(&self) -> bool {
        self.running.context.caught_up().await
    }

    /// Waits until no task is open, for as long as it takes.
    pub async fn idle(&self) {
        self.running
            .context
            .board
            .wait_for(|state| (state.open_count() == 0).then_some(()))
            .await;
    }

    /// Stops: the door closes, reconcilers end (a transaction on its way is found on chain at the next start), and
    /// what is known is written down.
    pub async fn shutdown(&self) {
        let context = &self.running.context;
        context.stop.cancel();
        context.tasks.close();
        if tokio::time::timeout(SHUTDOWN_WITHIN, context.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("something does not end; the rest is written down all the same");
        }
        memory::write(context).await;
        context.db.close().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.context.stop.cancel();
    }
}
