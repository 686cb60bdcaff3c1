//! The deterministic sandbox: WASI programs on wasmtime.
//!
//! A run is one thread of its own: compile or take from the cache, build a [`World`], instantiate from the pool of
//! sandboxes, call `_start` (or `wasi:cli/run`), read what was left. The thread is interrupted by the engine's epoch,
//! which a ticker moves on every few milliseconds while anything runs; so a program that loops for ever ends at its
//! deadline, and one that ends by itself is not touched. Instructions are counted as fuel beside it.
//!
//! * [`files`]: the file system it sees. [`preview1`], [`component`]: the two ways of asking.
//! * [`world`]: clock, randomness, streams, meters. [`profile`]: what replicas must share. [`cache`]: compiled modules.
//!
//! Stack overflow, traps and out-of-bounds accesses are the engine's to catch. A panic of ours would end one run as
//! [`Failure::Host`] and nothing else.

mod cache;
mod component;
mod files;
mod preview1;
pub mod profile;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline};

use crate::failure::{Failed, Failure};
use crate::job::{Job, Outcome};
use crate::result;
use crate::wasm::cache::{Cache, Program};
use crate::wasm::world::{Exit, Folder, World};

/// How often a running program is looked at.
const TICK: Duration = Duration::from_millis(5);
/// Stack of a run's thread: the program's, and room for the host's calls below it.
const THREAD_STACK_BYTES: usize = profile::STACK_BYTES + (2 << 20);

/// What an [`Engine`] may use of this machine; none of it changes a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Folder for compiled modules, owned by this engine alone: what lies there is machine code and is run.
    /// `None`: compiled modules are kept in memory only.
    pub cache: Option<PathBuf>,
    /// How many runs at once at most; more wait for a place.
    pub slots: u32,
    /// How many compiled modules are kept in memory.
    pub warm_modules: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache: None,
            slots: 8,
            warm_modules: 16,
        }
    }
}

/// Compiles and runs applications. Cheap to clone; all clones share one compile cache and one pool of sandboxes.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("cache", &self.shared.cache)
            .finish_non_exhaustive()
    }
}

struct Shared {
    engine: wasmtime::Engine,
    cache: Cache,
    slots: Arc<Semaphore>,
    ticker: Arc<Ticker>,
}

/// The engine could not be built on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {reason}")]
pub struct EngineError {
    reason: String,
}

impl Engine {
    /// Reserves address space for `slots` sandboxes at once, and opens the compile cache.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let slots = options.slots.max(1);
        let engine = profile::engine(slots).map_err(|error| EngineError {
            reason: format!("{error:#}"),
        })?;
        let cache = Cache::new(&engine, options.cache, options.warm_modules)
            .map_err(|reason| EngineError { reason })?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| EngineError {
            reason: error.to_string(),
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                cache,
                slots: Arc::new(Semaphore::new(slots as usize)),
                ticker,
            }),
        })
    }

    /// Runs one application to its end. Dropping the future ends the run.
    pub async fn run(&self, job: Job) -> Result<Outcome, Failed> {
        let started = Instant::now();
        let failed = |failure| Failed {
            failure,
            log: String::new(),
            fuel: 0,
            wall: started.elapsed(),
        };
        let cancel = job.cancel.child_token();
        let _ended_when_dropped = cancel.clone().drop_guard();
        let place = tokio::select! {
            place = self.shared.slots.clone().acquire_owned() => {
                place.map_err(|error| failed(Failure::host("waiting for a sandbox", error)))?
            }
            () = cancel.cancelled() => return Err(failed(Failure::Cancelled)),
        };
        // The time limit is for the work, not for the wait.
        let started = Instant::now();
        let limit = job.limits.time;
        let cancelled = cancel.clone();
        let (done, answer) = oneshot::channel();
        let shared = self.shared.clone();
        let thread = thread::Builder::new()
            .name("sandbox".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || {
                let outcome = shared.run(&job, started, cancel);
                drop(place);
                // Nobody listens any more when the run was given up.
                let _ = done.send(outcome);
            });
        if let Err(error) = thread {
            return Err(failed(Failure::host(
                "starting the sandbox's thread",
                error,
            )));
        }
        // The thread ends by itself at its deadline unless it is compiling, which cannot be interrupted: then the
        // task fails in time all the same, and the thread ends when it is through.
        let grace = Duration::from_secs(2);
        tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| {
                Err(failed(Failure::host("running the application", "the sandbox panicked")))
            }),
            () = tokio::time::sleep(limit.saturating_add(grace)) => Err(Failed {
                failure: Failure::DeadlineCrossed { limit }, log: String::new(), fuel: 0, wall: started.elapsed(),
            }),
            () = async { cancelled.cancelled().await; tokio::time::sleep(grace).await } => {
                Err(Failed { failure: Failure::Cancelled, log: String::new(), fuel: 0, wall: started.elapsed() })
            }
        }
    }
}

/// What a program did with its instructions, and how it ended.
struct Ran {
    fuel: u64,
    ended: Result<(), Failure>,
}

impl Shared {
    fn run(
        &self,
        job: &Job,
        started: Instant,
        cancel: CancellationToken,
    ) -> Result<Outcome, Failed> {
        let failed = |failure: Failure, fuel: u64, folder: Option<&Folder>| Failed {
            failure,
            log: folder.map(Folder::log).unwrap_or_default(),
            fuel,
            wall: started.elapsed(),
        };
        let folder = Folder::prepare(&job.folder).map_err(|failure| failed(failure, 0, None))?;
        let world = World::new(job, &folder, started + job.limits.time, cancel)
            .map_err(|failure| failed(failure, 0, None))?;
        let program = self
            .cache
            .program(&job.module)
            .map_err(|failure| failed(failure, 0, None))?;
        world
            .alarm
            .check()
            .map_err(|failure| failed(failure, 0, None))?;

        let (ran, mut world) = self.execute(&program, world, job.limits.fuel);
        let flushed = world.stdout.flush().and(world.stderr.flush());
        let collected = ran.ended.and(flushed).and_then(|()| {
            world.files.materialise(&folder.out)?;
            result::collect(&folder.out, &folder.stdout)
        });
        // The numbered files that have got no name: scratch.
        if folder.store.exists() {
            let _ = std::fs::remove_dir_all(&folder.store);
        }
        match collected {
            Ok(result) => Ok(Outcome {
                result,
                out: folder.out,
                stdout: folder.stdout,
                stderr: folder.stderr,
                fuel: ran.fuel,
                wall: started.elapsed(),
                profile: profile::profile(),
            }),
            Err(failure) => Err(failed(failure, ran.fuel, Some(&folder))),
        }
    }

    /// Calls the program's entry and waits for its end.
    fn execute(&self, program: &Program, world: World, fuel_limit: Option<u64>) -> (Ran, World) {
        let mut store = Store::new(&self.engine, world);
        store.limiter(|world| &mut world.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            context.data().alarm.check().map_err(wasmtime::Error::new)?;
            Ok(UpdateDeadline::Continue(1))
        });
        let given = fuel_limit.unwrap_or(u64::MAX);
        let ended = {
            let _ticking = self.ticker.hold();
            store
                .set_fuel(given)
                .map_err(|error| Failure::host("counting instructions", format!("{error:#}")))
                .and_then(|()| {
                    program
                        .call(&mut store)
                        .or_else(|error| ending(&error, fuel_limit))
                })
        };
        let fuel = given - store.get_fuel().unwrap_or(0);
        (Ran { fuel, ended }, store.into_data())
    }
}

/// Why the frames of a program were unwound.
fn ending(error: &wasmtime::Error, fuel_limit: Option<u64>) -> Result<(), Failure> {
    if let Some(Exit(code)) = error.downcast_ref::<Exit>() {
        return if *code == 0 {
            Ok(())
        } else {
            Err(Failure::ExitCode(*code))
        };
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Err(failure.clone());
    }
    match (error.downcast_ref::<wasmtime::Trap>(), fuel_limit) {
        (Some(wasmtime::Trap::OutOfFuel), Some(limit)) => Err(Failure::FuelCrossed { limit }),
        (Some(trap), _) => Err(Failure::Trap {
            reason: trap.to_string(),
        }),
        // What is left is how the engine says that a program is too large for it, or links wrongly.
        (None, _) => Err(Failure::Trap {
            reason: format!("{:#}", error.root_cause()),
        }),
    }
}

/// Moves the engine's epoch on while anything runs, and sleeps otherwise.
struct Ticker {
    running: AtomicUsize,
    stopped: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let ticked = ticker.clone();
        let thread = thread::Builder::new()
            .name("sandbox ticker".to_owned())
            .spawn(move || {
                while !ticked.stopped.load(Ordering::Acquire) {
                    if ticked.running.load(Ordering::Acquire) == 0 {
                        thread::park();
                    } else {
                        thread::sleep(TICK);
                        engine.increment_epoch();
                    }
                }
            })?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ticks until dropped.
    fn hold(&self) -> impl Drop {
        struct Held<'a>(&'a Ticker);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.running.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.running.fetch_add(1, Ordering::AcqRel);
        self.wake();
        Held(self)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ticker.stopped.store(true, Ordering::Release);
        self.ticker.wake();
    }
}
