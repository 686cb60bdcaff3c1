//! Runs an untrusted application and says what came out.
//!
//! An application is a stranger's program on a worker's machine. It sees what its deal gives it and nothing else:
//! its arguments, its environment, its inputs under `/iexec_in`, and an empty `/iexec_out` to write its result to.
//! What it may use up is bounded by the deal, never by the machine: whoever crosses a limit ends, and is never told
//! "memory full" or "disk full", since it could go on and compute another answer.
//!
//! ```text
//! Job ──► wasm::Engine::run ──► Outcome   digest, exit code 0, streams, fuel
//!                          └──► Failed    which Failure, the end of its log
//! ```
//!
//! [`wasm`] is the deterministic sandbox: the same module, arguments and inputs give the same bytes and the same fuel on
//! every machine that shares a [`profile`]. [`result`] reads the folder an application left and makes its digest.
//!
//! Deliberately not here: fetching anything, knowing of chains, keys or pools. A job names files that are already on
//! this machine.

mod failure;
mod job;
pub mod result;
pub mod wasm;

pub use failure::{Failed, Failure};
pub use job::{InputFile, Job, Limits, Module, Outcome};
pub use result::Collected;
pub use wasm::profile::{RuntimeProfile, profile};
