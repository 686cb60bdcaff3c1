//! A worker: takes tasks from one pool and walks each from assigned to revealed, on its owner's terms.
//!
//! It opens connections and accepts none, so it works behind NAT. What the pool says is a hint; before anything that
//! costs money the worker looks at the chain itself.
//!
//! ```text
//! pool ⇄ session ──► desk ──► one journey per task ──► chain (contribute, reveal)
//!                │                  │                └► pool (result)
//!             service            journal
//! ```
//!
//! * `journey`: the stages of one task as a chain of types, `AtAssigned → AtFetched → AtComputed → AtContributed →
//!   AtRevealed → AtUploaded`.
//! * [`journal`]: what of a journey is on disk, so that a restarted worker goes on: it never computes again what it has
//!   contributed, and never contributes twice.
//! * [`conduct`]: how an honest worker and, for demonstrations and tests, other kinds behave.
//!
//! Not here: deciding who works on what (the pool does) and running programs (`runtime` does).

mod cache;
pub mod conduct;
mod desk;
pub mod journal;
mod journey;
mod options;
mod package;
mod service;
mod session;

pub use conduct::{Conduct, Stage};
pub use options::Options;
pub use service::{Handle, Service, WorkerError};
