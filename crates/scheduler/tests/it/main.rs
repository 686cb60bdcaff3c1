//! The scheduler against a real chain, with scripted workers that send real transactions.

mod pool;
mod script;

mod doors;
mod restarts;
mod troubles;
mod walk;
