//! Figures of the whole walk, in one process on free ports: `cargo xtask bench`.
//!
//! Prints medians beside the target and, where a figure is published, the peer's. Timings are those of this machine at
//! this moment; nothing fails when one is missed.

use std::time::{Duration, Instant};

use protocol::{payment::Nrlc, task::TaskStatus};
use runtime::{
    Job, Limits, Module,
    wasm::{Engine, EngineOptions},
};
use testkit::{Town, errand};
use worker::Conduct;

struct Figure {
    what: &'static str,
    ours: String,
    target: &'static str,
    peer: &'static str,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure())?;
    println!("\n| figure | ours | target | peer |\n|---|---:|---:|---|");
    for Figure {
        what,
        ours,
        target,
        peer,
    } in figures
    {
        println!("| {what} | {ours} | {target} | {peer} |");
    }
    Ok(())
}

async fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();

    let mut starts = Vec::new();
    for _ in 0..3 {
        let at = Instant::now();
        let town = Town::start().await?;
        starts.push(at.elapsed());
        town.shutdown().await?;
    }
    figures.push(Figure {
        what: "town start (chain, contracts, market, pool, three workers), s",
        ours: format!("{:.2}", median(&mut starts).as_secs_f64()),
        target: "≤ 3",
        peer: "about 13 containers for one iExec pool",
    });

    let town = Town::builder().honest(3).slots(4).start().await?;
    figures.push(Figure {
        what: "resident memory of the idle town, MB",
        ours: format!("{:.0}", resident_mb()),
        target: "≤ 250",
        peer: "iExec advises two hosts of 16 GB",
    });

    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let mut walks = Vec::new();
    for number in 0..40 {
        let word = number.to_string();
        let at = Instant::now();
        let rented = town.rent(app, 1, 1, &["write", &word]).await?;
        town.wait(&rented).await?;
        town.fetch(rented.tasks[0]).await?;
        // The first few compile the module and open connections.
        if number >= 5 {
            walks.push(at.elapsed());
        }
    }
    figures.push(Figure {
        what: "request → verified result, trust 1, p50, ms",
        ours: format!("{:.0}", millis(median(&mut walks))),
        target: "≤ 300",
        peer: "40–60 s for a trivial iExec task on 5 s blocks",
    });

    let mut walks = Vec::new();
    for number in 0..20 {
        let word = number.to_string();
        let at = Instant::now();
        let rented = town.rent(app, 1, 8, &["write", "three", &word]).await?;
        town.wait(&rented).await?;
        walks.push(at.elapsed());
    }
    figures.push(Figure {
        what: "request → paid, three workers, p50, ms",
        ours: format!("{:.0}", millis(median(&mut walks))),
        target: "≤ 700",
        peer: "",
    });

    let mut rates = Vec::new();
    for round in 0..3 {
        let word = round.to_string();
        let tasks = 300;
        let at = Instant::now();
        let rented = town
            .rent(app, tasks, 1, &["write", "{index}", &word])
            .await?;
        let statuses = town.wait(&rented).await?;
        anyhow::ensure!(
            statuses
                .iter()
                .all(|status| *status == TaskStatus::Completed),
            "not every task completed"
        );
        rates.push(tasks as f64 / at.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    figures.push(Figure {
        what: "tasks settled per second, one by one (bags of 300, trust 1)",
        ours: format!("{:.0}", rates[rates.len() / 2]),
        target: "≥ 80",
        peer: "iExec: one transaction per block by default",
    });
    town.shutdown().await?;
    figures.push(replacement().await?);
    figures.push(warm_run().await?);
    Ok(figures)
}

/// From the death of a worker that computes to its task in another's hands: its connection breaks, so it is known lost at
/// once.
async fn replacement() -> anyhow::Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut town = Town::builder()
            .worker("slow", Conduct::Slow(Duration::from_secs(600)))
            .start()
            .await?;
        let app = town.publish(errand(), Nrlc::ZERO).await?;
        let rented = town.rent(app, 1, 1, &["write", "replaced"]).await?;
        let pool = town.running().file().pool.clone();
        let tries = async || {
            let report = sdk::pool::report(&pool, rented.tasks[0]).await;
            report.map(|report| report.replicas.len()).unwrap_or(0)
        };
        while tries().await < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        town.add_worker("quick", Conduct::Honest).await?;
        let at = Instant::now();
        let slow = town.running().workers()[0].handle.clone();
        let (assigned, ()) = tokio::join!(
            async {
                while tries().await < 2 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                at.elapsed()
            },
            slow.kill(),
        );
        times.push(assigned);
        town.shutdown().await?;
    }
    Ok(Figure {
        what: "worker dies → its task with another, p50, ms",
        ours: format!("{:.0}", millis(median(&mut times))),
        target: "≤ 2000",
        peer: "",
    })
}

/// What the sandbox costs a task whose module is compiled: instantiate, file system, a file written, its digest.
async fn warm_run() -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::new(EngineOptions::default())?;
    let job = Job {
        module: Module {
            path: errand().to_owned(),
            sha256: protocol::result::sha256(&std::fs::read(errand())?),
        },
        args: ["write", "warm"].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        inputs: Vec::new(),
        folder: folder.path().join("run"),
        limits: Limits::default(),
        start_time_secs: 1_700_000_000,
        random_seed: Default::default(),
        cancel: Default::default(),
    };
    let mut runs = Vec::new();
    for number in 0..210 {
        let at = Instant::now();
        engine.run(job.clone()).await?;
        if number >= 10 {
            runs.push(at.elapsed());
        }
    }
    Ok(Figure {
        what: "warm WASI task, sandbox alone (writes a file), p50, ms",
        ours: format!("{:.2}", millis(median(&mut runs))),
        target: "≤ 5",
        peer: "docker about 200 ms, runc 71, bubblewrap 17",
    })
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What this process occupies, from /proc; nothing on other systems.
fn resident_mb() -> f64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        })
        .map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}
