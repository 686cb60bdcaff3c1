//! How fast it goes. Prints figures; asserts nothing about them, since other work shares the machine.

use std::time::Instant;

use crate::pool::{Pool, eventually};
use crate::script::Conduct;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, for people; run by name with --nocapture"]
async fn latency_and_throughput() {
    let pool = Pool::start().await;
    let workers: Vec<_> = (0..3)
        .map(|n| pool.worker(n, Conduct::Honest, 16))
        .collect();
    eventually(async || (pool.handle().workers() == 3).then_some(())).await;

    let mut millis = Vec::new();
    for _ in 0..30 {
        let since = Instant::now();
        let deal = pool.request(1, 1, "").await;
        pool.completed(deal).await;
        millis.push(since.elapsed().as_millis());
    }
    millis.sort_unstable();
    println!(
        "request to completed at trust 1: p50 {} ms, worst {} ms",
        millis[15], millis[29]
    );

    for tasks in [100, 400, 3000] {
        let since = Instant::now();
        pool.request(tasks, 1, "").await;
        eventually(async || (pool.handle().open_tasks() > 0).then_some(())).await;
        pool.handle().idle().await;
        let secs = since.elapsed().as_secs_f64();
        println!(
            "a bag of {tasks} at trust 1: {secs:.2} s, {:.0} tasks/s",
            tasks as f64 / secs
        );
    }
    let since = Instant::now();
    let requests = (0..100).map(|_| pool.request(1, 1, ""));
    for deal in futures::future::join_all(requests).await {
        pool.completed(deal).await;
    }
    println!(
        "100 deals of one task: {:.0} tasks/s",
        100.0 / since.elapsed().as_secs_f64()
    );
    drop(workers);
}
