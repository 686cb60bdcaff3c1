//! A worker on a real chain, opposite a pool that says whatever the test wants.

extern crate oxec_worker as worker; // as everybody else knows it

mod pool;
mod refusals;
mod resume;
mod town;
mod walk;
