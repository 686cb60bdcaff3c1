//! Starting and stopping a market.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use alloy_primitives::Address;
use sdk::chain::{Chain, ChainError};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::book::Market;
use crate::db::{Db, Identity};
use crate::law::Law;
use crate::login::Login;
use crate::truth::TOLD_AGAIN;
use crate::{Options, door};

/// The market; see [`Service::start`].
#[derive(Debug)]
pub struct Service;

/// Why a market cannot start.
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
    /// The folder of the book cannot be made.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The book is broken, or of a later version.
    #[error("cannot use the book {}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The book holds orders for other contracts.
    #[error(
        "the book {} is kept for the hub {} on chain {}, not for the hub {hub} on chain {chain_id}: \
         give each its own file",
        path.display(), of.1, of.0
    )]
    AnotherHub {
        /// Which file.
        path: PathBuf,
        /// Chain id and hub it is kept for.
        of: (u64, Address),
        /// The chain at hand.
        chain_id: u64,
        /// The hub at hand.
        hub: Address,
    },
    /// The chain does not answer.
    #[error("cannot ask the chain for its newest block")]
    Chain(#[source] ChainError),
}

impl Service {
    /// Opens the book, compares it with the chain, opens the door and starts following.
    ///
    /// # Errors
    /// When the address is taken, the book unusable or kept for another hub, or the chain away.
    pub async fn start(options: Options, chain: Chain) -> Result<Handle, Error> {
        let db = open(&options.database).await?;
        let broken = |source| Error::Database {
            path: options.database.clone(),
            source,
        };
        let deployment = chain.deployment().clone();
        let newest = chain.block().await.map_err(Error::Chain)?.number;
        let followed = match db.identity().await.map_err(broken)? {
            Some(book) if (book.chain_id, book.hub) != (deployment.chain_id, deployment.hub) => {
                return Err(Error::AnotherHub {
                    path: options.database,
                    of: (book.chain_id, book.hub),
                    chain_id: deployment.chain_id,
                    hub: deployment.hub,
                });
            }
            Some(book) => book.followed_block.min(newest),
            None => {
                let (chain_id, hub) = (deployment.chain_id, deployment.hub);
                db.set_identity(Identity {
                    chain_id,
                    hub,
                    followed_block: newest,
                })
                .await
                .map_err(broken)?;
                newest
            }
        };

        db.none_changed_after(newest).await.map_err(broken)?;

        let address = options.listen;
        let listening = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;

        let market = Arc::new(Market {
            db,
            login: Login::new(deployment.chain_id),
            law: Law::new(chain.clone()),
            counting: Mutex::new(()),
            followed_block: AtomicU64::new(followed),
            options,
        });
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();

        let events = chain.follow(followed.saturating_sub(TOLD_AGAIN).max(deployment.block));
        let (keeper, keeper_stop) = (market.clone(), stop.clone());
        tasks.spawn(async move {
            keeper_stop
                .run_until_cancelled(keeper.keep_true(events))
                .await
        });

        let router = door::router(market.clone());
        let serving = market.options.serving;
        tasks.spawn(blobs::serve(listener, router, serving, stop.clone()));
        tasks.close();
        tracing::info!(%address, chain.id = deployment.chain_id, hub = %deployment.hub, "market open");
        Ok(Handle {
            running: Arc::new(Running {
                market,
                address,
                stop,
                tasks,
            }),
        })
    }
}

async fn open(path: &Path) -> Result<Db, Error> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source,
        })?;
    }
    Db::open(path).await.map_err(|source| Error::Database {
        path: path.to_owned(),
        source,
    })
}

/// A running market. Cheap to clone; when the last one is dropped, it stops.
#[derive(Debug, Clone)]
pub struct Handle {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    market: Arc<Market>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Handle {
    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> Url {
        let text = format!("http://{}/", self.running.address);
        text.parse().expect("an address and a port make a URL")
    }

    /// Stops: the door closes, requests under way are finished, the book is closed.
    pub async fn shutdown(&self) {
        self.running.stop.cancel();
        self.running.tasks.wait().await;
        self.running.market.db.close().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
