//! The SDK against a real chain in this process, with the real contracts.

mod deploy;
mod follow;
mod market;
mod payment;
mod result;
mod sender;
mod town;
mod walk;
mod weather;
