//! Processes that may be killed: started, killed with no warning, started again, as a machine's service manager would.
//!
//! What ends by itself is started again too (a role that finds its chain away at the start says so and ends), and
//! counted. Everything a process says on standard error goes to `<logs>/<name>.log`; the last line of JSON it said on
//! standard output since its start is its [`Process::serving`].
//!
//! No process outlives the test, however that ends: all are started by one thread (the [`Keeper`]'s), and each asks the
//! kernel, through `setpriv --pdeathsig`, to be killed when that thread is gone.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
    time::timeout,
};

/// How long a role may take to serve, on a machine that is busy with everybody else's start.
const SERVING_WITHIN: Duration = Duration::from_secs(60);
/// How long a role may take to stop in order.
const STOPPING_WITHIN: Duration = Duration::from_secs(30);
/// Before what has ended by itself is started again.
const RESTART_AFTER: Duration = Duration::from_millis(300);

/// How to start a process.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    /// The process whose mounts it shares, a [`Disk`](crate::machine::Disk)'s.
    pub mounts_of: Option<u32>,
}

impl Plan {
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn arguments(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(words.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        // Each of these replaces itself by the next, so the process keeps its id.
        let mut command = match self.mounts_of {
            None => Command::new("setpriv"),
            Some(id) => {
                let mut command = Command::new("nsenter");
                command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
                command.arg(id.to_string()).arg("setpriv");
                command
            }
        };
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(&self.program).args(&self.arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OXEC_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The thread that all processes are children of.
#[derive(Debug)]
pub struct Keeper {
    logs: PathBuf,
    begin: Option<mpsc::UnboundedSender<Begin>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

type Begin = (
    Plan,
    File,
    mpsc::UnboundedReceiver<Order>,
    Arc<watch::Sender<Status>>,
);

impl Keeper {
    /// A keeper whose processes write their logs to `logs`.
    pub fn new(logs: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let logs = logs.into();
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let (begin, mut begun) = mpsc::unbounded_channel::<Begin>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let mut lives = tokio::task::JoinSet::new();
                    while let Some((plan, log, orders, status)) = begun.recv().await {
                        lives.spawn(live(plan, log, orders, status));
                    }
                });
            })?;
        Ok(Self {
            logs,
            begin: Some(begin),
            thread: Some(thread),
        })
    }

    /// Starts a process, and keeps it running until told otherwise.
    pub fn start(&self, plan: Plan) -> anyhow::Result<Process> {
        let log = self.logs.join(format!("{}.log", plan.name));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let (order, orders) = mpsc::unbounded_channel();
        let (status, seen) = watch::channel(Status::default());
        let name = plan.name.clone();
        self.begin
            .as_ref()
            .context("the keeper is gone")?
            .send((plan, file, orders, Arc::new(status)))
            .ok()
            .context("the keeper is gone")?;
        Ok(Process {
            name,
            log,
            order,
            seen,
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.begin.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A process that is kept running.
#[derive(Debug, Clone)]
pub struct Process {
    name: String,
    log: PathBuf,
    order: mpsc::UnboundedSender<Order>,
    seen: watch::Receiver<Status>,
}

/// What is seen of a process.
#[derive(Debug, Clone, Default)]
struct Status {
    /// Of the life that runs now.
    id: Option<u32>,
    /// How often it was started.
    starts: u32,
    /// What it said on standard output, once it serves.
    says: Option<Value>,
    /// How often it ended although nobody asked it to.
    ended_by_itself: u32,
    /// How the last life ended.
    exit: Option<ExitStatus>,
}

#[derive(Debug)]
enum Order {
    Signal(Signal),
    /// kill -9; start again after this, or when told to.
    Kill(Option<Duration>),
    /// Start again what was killed or stopped.
    Start,
    /// SIGTERM, and do not start again.
    Stop,
}

impl Process {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it said when it began to serve, this time.
    pub async fn serving(&self) -> anyhow::Result<Value> {
        let mut seen = self.seen.clone();
        let status = timeout(
            SERVING_WITHIN,
            seen.wait_for(|status| status.says.is_some()),
        )
        .await
        .map_err(|_| {
            anyhow::anyhow!(
                "{} does not serve within {SERVING_WITHIN:?}; {}",
                self.name,
                self.last_words()
            )
        })?
        .with_context(|| format!("{} is gone", self.name))?;
        status.says.clone().context("it serves")
    }

    /// kill -9, now; started again after `back_after`, or by [`Process::start`].
    pub fn kill(&self, back_after: Option<Duration>) {
        let _ = self.order.send(Order::Kill(back_after));
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill_for_good(&self) -> anyhow::Result<()> {
        self.kill(None);
        let mut seen = self.seen.clone();
        seen.wait_for(|status| status.id.is_none()).await?;
        Ok(())
    }

    /// Starts what was killed or stopped.
    pub fn start(&self) {
        let _ = self.order.send(Order::Start);
    }

    /// Stops it where it is, as a machine that sleeps; [`Process::wake`] lets it go on.
    pub fn freeze(&self) {
        let _ = self.order.send(Order::Signal(Signal::STOP));
    }

    pub fn wake(&self) {
        let _ = self.order.send(Order::Signal(Signal::CONT));
    }

    /// Stops it in order, and says how it ended.
    pub async fn stop(&self) -> anyhow::Result<ExitStatus> {
        let _ = self.order.send(Order::Stop);
        let mut seen = self.seen.clone();
        let ended = timeout(
            STOPPING_WITHIN,
            seen.wait_for(|status| status.id.is_none() && status.exit.is_some()),
        )
        .await;
        let status = ended
            .map_err(|_| {
                anyhow::anyhow!(
                    "{} does not stop within {STOPPING_WITHIN:?}; {}",
                    self.name,
                    self.last_words()
                )
            })?
            .with_context(|| format!("{} is gone", self.name))?;
        status.exit.context("it has ended")
    }

    /// How often it ended although nobody asked it to.
    pub fn ended_by_itself(&self) -> u32 {
        self.seen.borrow().ended_by_itself
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.seen.borrow().starts
    }

    /// Whether it runs at this moment.
    pub fn is_running(&self) -> bool {
        self.seen.borrow().id.is_some()
    }

    /// Its process id, as long as it runs.
    pub fn id(&self) -> Option<u32> {
        self.seen.borrow().id
    }

    /// Everything it has written to its log.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(8)..];
        format!("its log {} ends:\n{}", self.log.display(), last.join("\n"))
    }
}

/// One process, from its first start until nobody holds its [`Process`] any more.
async fn live(
    plan: Plan,
    mut log: File,
    mut orders: mpsc::UnboundedReceiver<Order>,
    status: Arc<watch::Sender<Status>>,
) {
    let mut child = spawn(&plan, &mut log, &status);
    let mut restart: Option<tokio::time::Instant> = None;
    loop {
        let ended = async {
            match &mut child {
                Some(child) => child.wait().await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match restart {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                None => return, // Dropping the child kills it.
                Some(Order::Signal(signal)) => send(child.as_ref(), signal),
                Some(Order::Start) => restart = Some(tokio::time::Instant::now()),
                Some(Order::Kill(back_after)) => {
                    end(&mut child, &mut log, Signal::KILL, &status).await;
                    restart = back_after.map(|pause| tokio::time::Instant::now() + pause);
                }
                Some(Order::Stop) => {
                    restart = None;
                    if child.is_none() {
                        status.send_modify(|status| status.exit = status.exit.or(Some(ExitStatus::default())));
                    }
                    end(&mut child, &mut log, Signal::TERM, &status).await;
                }
            },
            exit = ended => {
                child = None;
                let exit = exit.ok();
                note(&mut log, &format!("ended by itself: {exit:?}"));
                status.send_modify(|status| {
                    *status = Status { id: None, says: None, exit, ended_by_itself: status.ended_by_itself + 1, ..*status };
                });
                restart = Some(tokio::time::Instant::now() + RESTART_AFTER);
            }
            () = due => {
                restart = None;
                if child.is_none() {
                    child = spawn(&plan, &mut log, &status);
                }
            }
        }
    }
}

fn spawn(plan: &Plan, log: &mut File, status: &Arc<watch::Sender<Status>>) -> Option<Child> {
    note(log, "starting");
    let started = log.try_clone().and_then(|log| {
        plan.command()
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
    });
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            note(log, &format!("cannot be started: {error}"));
            return None;
        }
    };
    let starts = status.borrow().starts + 1;
    status.send_modify(|status| {
        *status = Status {
            id: child.id(),
            starts,
            says: None,
            exit: None,
            ..*status
        };
    });
    if let Some(output) = child.stdout.take() {
        let status = status.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            let mut text = String::new();
            // Its answer may take several lines; what follows is read so that it is never held up.
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&line);
                if let Ok(says) = serde_json::from_str::<Value>(&text) {
                    text.clear();
                    if says.get("error").is_none() {
                        status.send_if_modified(|status| {
                            let this_life = status.starts == starts && status.id.is_some();
                            if this_life {
                                status.says = Some(says);
                            }
                            this_life
                        });
                    }
                }
            }
        });
    }
    Some(child)
}

/// Ends a process by a signal; one that does not go by a gentle one is killed.
async fn end(
    child: &mut Option<Child>,
    log: &mut File,
    signal: Signal,
    status: &watch::Sender<Status>,
) {
    let Some(mut ending) = child.take() else {
        return;
    };
    note(log, &format!("ending it by {signal:?}"));
    // What is frozen hears nothing.
    send(Some(&ending), Signal::CONT);
    send(Some(&ending), signal);
    let exit = match timeout(STOPPING_WITHIN, ending.wait()).await {
        Ok(exit) => exit.ok(),
        Err(_) => {
            note(log, "it does not end; killing it");
            let _ = ending.kill().await;
            None
        }
    };
    note(log, &format!("ended: {exit:?}"));
    status.send_modify(|status| {
        *status = Status {
            id: None,
            says: None,
            exit,
            ..*status
        };
    });
}

fn send(child: Option<&Child>, signal: Signal) {
    let id = child
        .and_then(Child::id)
        .and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}

fn note(log: &mut File, what: &str) {
    let _ = writeln!(log, "── {what}");
}

/// Processes that still run and have `word` in their command line: none should, after a test.
pub fn left_over(word: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let folder = entry?.path();
        let Some(id) = folder
            .file_name()
            .and_then(OsStr::to_str)
            .filter(|id| id.bytes().all(|digit| digit.is_ascii_digit()))
        else {
            continue;
        };
        // Gone meanwhile, or not ours to read.
        let Ok(line) = fs::read(folder.join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(word) {
            found.push(format!("{id}: {line}"));
        }
    }
    Ok(found)
}

/// A free port outside of the range that outgoing connections take theirs from: a role that is killed finds it again.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..200 {
        let port = rand::random_range(15_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port was found")
}
