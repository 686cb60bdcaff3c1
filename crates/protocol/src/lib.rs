//! The law in Rust, pure.
//!
//! oxec settles computing on Ethereum; the hub contract is the law. This crate says the same law in Rust, so
//! that every other room can check before it signs, foresee what the hub will decide, and read what it decided.
//! The files follow the seven words, in the order in which a piece of work meets them:
//!
//! **[`order`] → [`deal`] → [`task`] → [`contribution`] → [`consensus`] → [`result`] → [`payment`]**
//!
//! Beside them: [`ids`] (what names what), [`params`] and [`app`] (what the requester and the developer wrote
//! down), [`abi`] and [`deployment`] (the contracts as Rust sees them), and [`model`], the plain twin of the
//! hub: one readable `struct Hub` that refuses, emits and pays exactly as the contract does.
//!
//! Deliberately not here: clocks, sockets, files, databases, keys. Time arrives as an argument (seconds since
//! 1970, as the chain counts), randomness as bytes, signatures as bytes to be checked.
//!
//! Amounts are nRLC (10⁻⁹ RLC) unless a name says otherwise.

pub mod abi;
pub mod deployment;

pub mod ids;

pub mod order;

pub mod deal;

pub mod task;

pub mod contribution;

pub mod consensus;

pub mod result;

pub mod payment;

pub mod app;
pub mod params;

pub mod model;

pub use ids::{DealId, OrderHash, TaskId};
