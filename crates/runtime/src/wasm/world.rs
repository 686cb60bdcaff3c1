//! What one run of an application lives in: its arguments, files, streams, clock and randomness, and the meters that
//! end it. The store of every sandbox holds one [`World`]; preview 1 and components are two ways of asking it.
//!
//! Nothing here depends on the host but by ending the run. A clock shows the start of the deal plus a fixed step per
//! call; to sleep is to set it forward. Randomness is sha256 over the task's id and a counter.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use alloy_primitives::B256;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use wasmtime::ResourceLimiter;

use crate::failure::{Failed, Failure};
use crate::job::{Job, Limits};
use crate::wasm::component::Handles;
use crate::wasm::files::{Answer, Files};
use crate::wasm::preview1::Descriptors;

/// What every look at a clock adds to it, nanoseconds. A program that waits by looking waits a thousand looks a second.
pub(crate) const CLOCK_STEP_NANOS: u64 = 1_000_000;
/// Elements of all tables together: a table is memory too, but counted apart since its elements are not bytes.
pub(crate) const TABLE_ELEMENTS: usize = 1_000_000;
/// Core instances, memories and tables of one run; a component may be made of several modules.
pub(crate) const INSTANCES: usize = 32;
pub(crate) const MEMORIES: usize = 8;
pub(crate) const TABLES: usize = 32;
/// Bytes of arguments and environment together.
const WORDS_BYTES: usize = 1 << 20;

/// The state of one run.
pub(crate) struct World {
    /// With the program's own name in front.
    pub(crate) args: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) files: Files,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    /// Open descriptors of a preview 1 module.
    pub(crate) descriptors: Descriptors,
    /// Resources of a component.
    pub(crate) handles: Handles,
    pub(crate) meter: Meter,
    pub(crate) alarm: Alarm,
}

/// The application has ended itself; travels as an error through the frames of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("exit code {0}")]
pub(crate) struct Exit(pub(crate) i32);

/// The folder of a run and what lies in it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) out: PathBuf,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    pub(crate) store: PathBuf,
}

impl Folder {
    /// An empty folder with the places of a run in it.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Failure> {
        let folder = Self {
            out: path.join("iexec_out"),
            stdout: path.join("stdout.txt"),
            stderr: path.join("stderr.txt"),
            store: path.join("files"),
        };
        let done = (|| -> io::Result<()> {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir_all(&folder.out)
        })();
        done.map_err(|error| {
            Failure::host(format!("making the folder {}", path.display()), error)
        })?;
        Ok(folder)
    }

    /// The end of both streams, for people.
    pub(crate) fn log(&self) -> String {
        let mut log = tail(&self.stderr, Failed::LOG_BYTES / 2);
        let out = tail(&self.stdout, Failed::LOG_BYTES / 2);
        if !log.is_empty() && !out.is_empty() && !log.ends_with('\n') {
            log.push('\n');
        }
        log.push_str(&out);
        // Lossy decoding may lengthen it: three bytes for each that is no UTF-8.
        while log.len() > Failed::LOG_BYTES {
            let cut = (log.len() - Failed::LOG_BYTES..)
                .find(|at| log.is_char_boundary(*at))
                .unwrap_or(log.len());
            log.drain(..cut);
        }
        log
    }
}

fn tail(path: &Path, bytes: usize) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes as u64)))?;
        let mut tail = Vec::new();
        file.take(bytes as u64).read_to_end(&mut tail)?;
        Ok(tail)
    };
    // A log is a help, not a result: if it cannot be read there is none.
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

impl World {
    pub(crate) fn new(
        job: &Job,
        folder: &Folder,
        deadline: Instant,
        cancel: CancellationToken,
    ) -> Result<Self, Failure> {
        let words = job.args.iter().map(String::len).sum::<usize>()
            + job
                .environment
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2)
                .sum::<usize>();
        if words > WORDS_BYTES {
            return Err(Failure::BadInputs {
                reason: format!(
                    "arguments and environment have {words} bytes, more than {WORDS_BYTES}"
                ),
            });
        }
        let has_nul = job.args.iter().any(|arg| arg.contains('\0'))
            || job
                .environment
                .iter()
                .any(|(name, value)| name.contains(['\0', '=']) || value.contains('\0'));
        if has_nul {
            return Err(Failure::BadInputs {
                reason: "an argument or environment variable contains a NUL".to_owned(),
            });
        }
        let mut args = vec!["app".to_owned()];
        args.extend(job.args.iter().cloned());
        Ok(Self {
            args,
            environment: job.environment.clone(),
            files: Files::new(folder.store.clone(), &job.inputs, &job.limits)?,
            clock: Clock::new(job.start_time_secs),
            random: Random::new(job.random_seed),
            stdout: Stream::new("output", &folder.stdout, job.limits.stream_bytes)?,
            stderr: Stream::new("error", &folder.stderr, job.limits.stream_bytes)?,
            descriptors: Descriptors::new(),
            handles: Handles::new(),
            meter: Meter::new(&job.limits),
            alarm: Alarm {
                deadline,
                limit: job.limits.time,
                cancel,
            },
        })
    }
}

/// When the run ends whether it is ready or not. Asked between instructions and within long host calls.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    deadline: Instant,
    limit: std::time::Duration,
    cancel: CancellationToken,
}

impl Alarm {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Failure::DeadlineCrossed { limit: self.limit });
        }
        Ok(())
    }
}

/// One clock behind every name a program may ask for.
#[derive(Debug)]
pub(crate) struct Clock {
    start_nanos: u64,
    /// Since the start.
    elapsed_nanos: u64,
}

impl Clock {
    fn new(start_secs: u64) -> Self {
        Self {
            start_nanos: start_secs.saturating_mul(1_000_000_000),
            elapsed_nanos: 0,
        }
    }

    /// A look at the time since the start.
    pub(crate) fn monotonic(&mut self) -> u64 {
        self.elapsed_nanos = self.elapsed_nanos.saturating_add(CLOCK_STEP_NANOS);
        self.elapsed_nanos
    }

    /// A look at the time of day, nanoseconds since 1970.
    pub(crate) fn wall(&mut self) -> u64 {
        let elapsed = self.monotonic();
        self.start_nanos.saturating_add(elapsed)
    }

    /// The time of every file, nanoseconds since 1970.
    pub(crate) fn start(&self) -> u64 {
        self.start_nanos
    }

    /// Sleeps until a time since the start.
    pub(crate) fn sleep_until(&mut self, monotonic_nanos: u64) {
        self.elapsed_nanos = self.elapsed_nanos.max(monotonic_nanos);
    }

    /// A time of day as time since the start.
    pub(crate) fn since_start(&self, wall_nanos: u64) -> u64 {
        wall_nanos.saturating_sub(self.start_nanos)
    }
}

/// Numbers that look random and are the same for every worker of a task: sha256("oxec randomness" ‖ seed ‖ counter).
#[derive(Debug)]
pub(crate) struct Random {
    seed: B256,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    fn new(seed: B256) -> Self {
        Self {
            seed,
            counter: 0,
            block: [0; 32],
            used: 32,
        }
    }

    pub(crate) fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.used == self.block.len() {
                let mut hasher = Sha256::new();
                hasher.update(b"oxec randomness");
                hasher.update(self.seed);
                hasher.update(self.counter.to_be_bytes());
                self.block = hasher.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            let taken = bytes.len().min(self.block.len() - self.used);
            let (now, later) = bytes.split_at_mut(taken);
            now.copy_from_slice(&self.block[self.used..self.used + taken]);
            self.used += taken;
            bytes = later;
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// Standard output or error: a file that may not grow beyond a limit.
#[derive(Debug)]
pub(crate) struct Stream {
    name: &'static str,
    file: BufWriter<File>,
    written: u64,
    limit: u64,
}

impl Stream {
    fn new(name: &'static str, path: &Path, limit: u64) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::host(format!("making {}", path.display()), error))?;
        Ok(Self {
            name,
            file: BufWriter::with_capacity(16 * 1024, file),
            written: 0,
            limit,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Answer<()> {
        let written = self.written.saturating_add(bytes.len() as u64);
        // What fits is kept: the log of a program that prints without end shows what it printed.
        let fits = usize::try_from(self.limit - self.written)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.file
            .write_all(&bytes[..fits])
            .map_err(|error| Failure::host(format!("keeping standard {}", self.name), error))?;
        self.written += fits as u64;
        if written > self.limit {
            return Err(Failure::StreamCrossed {
                stream: self.name,
                limit: self.limit,
            }
            .into());
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .map_err(|error| Failure::host(format!("keeping standard {}", self.name), error))
    }
}

/// Counts what the sandbox allocates, and ends the run rather than refuse: a program that is told "no memory" may go
/// on with another answer.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_bytes: u64,
    memory_limit: u64,
    table_elements: usize,
}

impl Meter {
    fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_limit: limits.memory_bytes,
            table_elements: 0,
        }
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let total = self.memory_bytes.saturating_add(growth);
        if total > self.memory_limit {
            return Err(wasmtime::Error::new(Failure::MemoryCrossed {
                limit: self.memory_limit,
            }));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // The module's own declared maximum: the same answer everywhere.
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let error = format!("{error:#}");
        if error.contains("memory type's limits") {
            // More than 32 bits can address; not even asked about above.
            return Err(wasmtime::Error::new(Failure::MemoryCrossed {
                limit: self.memory_limit,
            }));
        }
        // Not a refusal of ours: the machine has no memory left. Another worker may.
        Err(wasmtime::Error::new(Failure::host(
            "giving the application memory",
            error,
        )))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS {
            return Err(wasmtime::Error::new(Failure::Trap {
                reason: format!("its tables have more than {TABLE_ELEMENTS} elements"),
            }));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Failure::host(
            "giving the application a table",
            format!("{error:#}"),
        )))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
