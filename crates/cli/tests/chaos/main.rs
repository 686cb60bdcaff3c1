//! Anything may be killed: the roles as processes of their own, and what must be true whatever happens to them.
//!
//! [`chaos`] throws everything at once at a bag of 200 tasks, by a seed; [`alone`] takes one misfortune at a time, at a
//! moment of its choosing; [`elsewhere`] runs all roles on somebody else's chain.

mod alone;
mod chaos;
mod elsewhere;

use std::path::Path;

use testkit::process_town::{ProcessTown, ProcessTownOptions, Settled, WorkerWish, new_folder};
use tokio::sync::{Mutex, MutexGuard};

/// The binary that cargo built for these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_oxec"))
}

/// A dozen processes are enough for one machine: tests of this program come one after the other.
async fn alone_on_the_machine() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

fn options(seed: u64) -> ProcessTownOptions {
    ProcessTownOptions {
        program: program().to_owned(),
        settled: Settled::OnItsOwn { block_secs: None },
        seed,
        scheduler_clock: None,
        scheduler_disk: None,
    }
}

/// A town with so many honest workers of two slots.
async fn town(workers: usize) -> anyhow::Result<ProcessTown> {
    let mut town = ProcessTown::start(new_folder()?, options(1)).await?;
    for number in 1..=workers {
        add(&mut town, &format!("honest-{number}"), "honest").await?;
    }
    Ok(town)
}

/// One more worker.
async fn add(town: &mut ProcessTown, name: &str, conduct: &str) -> anyhow::Result<()> {
    let wish = WorkerWish {
        conduct,
        slots: 2,
        ..WorkerWish::default()
    };
    town.add_worker(name, wish).await
}
