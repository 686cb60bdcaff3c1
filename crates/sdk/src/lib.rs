//! The road everybody drives on.
//!
//! Whoever talks to the chain, to a market or to a pool does so through this crate: the command line, the services
//! and programs of others. It has three layers:
//!
//! * [`wallet`] holds a key and signs; it never prints one. [`chain`] is the only room that knows JSON-RPC: calls of
//!   the hub, one transaction sender per key, a follower of events that survives absences and reorganisations, and
//!   refusals in plain words. [`deploy`] puts the contracts on a chain that has none.
//! * [`wire`] is what services and their clients say to each other over HTTP and WebSocket.
//! * one module of verbs per stage, in the order in which a piece of work meets them:
//!   **[`order`] → [`deal`] → [`task`] → [`contribution`] → consensus → [`result`] → [`payment`]**. (Consensus has no
//!   verbs: the hub reaches it.) Beside them [`app`] and [`workerpool`], the things that orders offer, and [`pool`],
//!   what a pool tells about itself.
//!
//! Not here: rules (they are `protocol`'s), servers, databases, sandboxes.
//!
//! ```no_run
//! # async fn walk() -> Result<(), Box<dyn std::error::Error>> {
//! # let deployment: protocol::deployment::Deployment = unimplemented!();
//! let wallet = sdk::wallet::Wallet::from_env("OXEC_KEY")?;
//! let chain = sdk::chain::Chain::connect(&"http://127.0.0.1:8545".parse()?, deployment).await?;
//! let account = sdk::payment::account(&chain, wallet.address()).await?;
//! println!("{} free, {} in stakes and running deals", account.balance, account.frozen);
//! # Ok(())
//! # }
//! ```

pub mod tls;

pub mod wallet;

pub mod chain;

pub mod deploy;

pub mod wire;

pub mod order;

pub mod deal;

pub mod task;

pub mod contribution;

pub mod result;

pub mod payment;

pub mod app;

pub mod workerpool;

pub mod pool;
