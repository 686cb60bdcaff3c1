//! How long a pool with ten thousand open tasks takes from its start until its door is open and every task is at hand.
//!
//! `cargo bench -p oxec-scheduler --bench restart [-- <tasks>]`. The tasks are really on chain, and really in the pool's
//! database: a pool without workers puts them there first, which takes longer than what is measured.

#![allow(dead_code, reason = "the tests' town has more than a bench needs")]

#[path = "../tests/it/pool.rs"]
mod pool;
#[path = "../tests/it/script.rs"]
mod script;

use std::time::Instant;

use crate::pool::Pool;

/// Tasks of one deal, at most.
const BAG: u64 = 500;

#[tokio::main]
async fn main() {
    let tasks: u64 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(10_000);
    let mut pool = Pool::start().await;
    let mut left = tasks;
    while left > 0 {
        let bag = left.min(BAG);
        pool.request(bag, 1, "").await;
        left -= bag;
    }
    pool::eventually_within(std::time::Duration::from_secs(1800), async || {
        (pool.waiting("worker").await == tasks).then_some(())
    })
    .await;
    let handle = pool.handle.take().expect("it runs");
    handle.shutdown().await;
    drop(handle);
    for round in 1..=3 {
        let began = Instant::now();
        pool.open().await;
        let open = began.elapsed();
        assert!(pool.handle().caught_up().await);
        let at_hand = began.elapsed();
        assert_eq!(pool.waiting("worker").await, tasks);
        println!(
            "restart {round} with {tasks} open tasks: the door is open after {open:.2?}, all tasks are at hand after {at_hand:.2?}"
        );
        let handle = pool.handle.take().expect("it runs");
        handle.shutdown().await;
    }
}
