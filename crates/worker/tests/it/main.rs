//! A worker on a real chain, opposite a pool that says whatever the test wants.

mod one_step;
mod pool;
mod refusals;
mod resume;
mod stakes;
mod town;
mod walk;
