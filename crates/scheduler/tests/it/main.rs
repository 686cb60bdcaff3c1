//! The scheduler against a real chain, with scripted workers that send real transactions.

mod pool;
mod script;

mod doors;
mod one_step;
mod restarts;
mod states;
mod troubles;
mod walk;
