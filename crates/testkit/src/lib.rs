//! The whole town in one process, for tests and benches.
//!
//! [`Town::start`] gives what `oxec up` gives, in a temporary folder and on free ports: a real chain, market, pool and
//! workers that meet over HTTP, WebSocket and the chain. [`TownBuilder`] adds workers that lie, dawdle or die. The verbs
//! here are what a test says: publish the [`errand`] application, rent it, wait, look at the money.

mod errand;
mod town;

pub use errand::errand;
pub use town::{Town, TownBuilder};
