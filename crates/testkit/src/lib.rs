//! The whole town in one process, for tests and benches.
//!
//! [`Town::start`] gives what `oxec up` gives, in a temporary folder and on free ports: a real chain, market, pool and
//! workers that meet over HTTP, WebSocket and the chain. [`TownBuilder`] adds workers that lie, dawdle or die. The verbs
//! here are what a test says: publish the [`errand`] application, rent it, wait, look at the money.
//!
//! [`process_town::ProcessTown`] is the same with every role a process of its own, the real binary, so that any of them
//! can be killed; [`process`] keeps the processes, [`line`] and `testchain`'s proxies spoil what they say to each other,
//! [`machine`] what they stand on, and [`audit`] goes through the books afterwards.

mod errand;
mod town;

pub mod audit;
pub mod line;
pub mod machine;
pub mod node;
pub mod process;
pub mod process_town;

pub use errand::errand;
pub use town::{Town, TownBuilder};
