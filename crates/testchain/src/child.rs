//! Chains of others, each a process of its own that does not outlive ours.
//!
//! A small shell stands between: it starts the node, then reads from a pipe whose other end only we hold. When we drop
//! that end, or are killed in whatever way, the read ends and the shell kills the node. (The system call that asks for
//! a signal at the parent's death is bound to the thread that started the child, and needs `unsafe`.)

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::{DEFAULT_CHAIN_ID, Engine, Error};

/// Starts the node with the given words, lets go of its output, and kills it when the pipe closes.
const GUARD: &str = r#""$@" & node=$!; exec >/dev/null 2>&1; read -r _; kill -9 $node; wait $node"#;

/// How long a node may take until it serves, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many lines of its output are kept for messages.
const LAST_WORDS: usize = 20;

type Words = Arc<Mutex<VecDeque<String>>>;

/// A running node; dropping it kills it and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Child {
    guard: std::process::Child,
    leash: Option<ChildStdin>,
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Err(error) = self.guard.wait() {
            tracing::warn!(%error, "could not wait for the end of a chain");
        }
    }
}

impl Child {
    /// Starts the engine on a free port and waits until it says which.
    pub(crate) async fn start(
        engine: Engine,
        accounts: usize,
    ) -> Result<(Self, SocketAddr), Error> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).current_dir(folder);
        match engine {
            Engine::Anvil => {
                command.arg(anvil(folder)?);
                command.args(["--host", "127.0.0.1", "--port", "0"]);
                command.args(["--accounts", &accounts.to_string()]);
                command.args(["--chain-id", &DEFAULT_CHAIN_ID.to_string()]);
                command.args(["--gas-limit", "60000000"]);
                // Old states go to a folder that a killed process leaves behind, unless they are given up.
                command.args(["--prune-history", "512"]);
            }
            Engine::Hardhat | Engine::Devchain => {
                installed(engine, folder.join("node_modules/hardhat/package.json"))?;
                command.args(["node", "hardhat-node.cjs", "0"]);
                command.env("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true");
                command.env("HARDHAT_CONFIG", folder.join("hardhat.config.cjs"));
            }
        }
        let not_started = |why: String| Error::NotStarted { engine, why };
        let mut guard = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let leash = guard.stdin.take();
        let words = Words::default();
        let (found, place) = oneshot::channel();
        if let Some(errors) = guard.stderr.take() {
            listen(errors, words.clone(), None);
        }
        if let Some(output) = guard.stdout.take() {
            listen(output, words.clone(), Some(found));
        }
        // From here on, whatever happens, dropping it ends the process.
        let child = Self { guard, leash };
        let last_words = || {
            let words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.iter().cloned().collect::<Vec<_>>().join("\n")
        };
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(address)) => Ok((child, address)),
            Ok(Err(_)) => Err(not_started(format!("it ended: {}", last_words()))),
            Err(_) => Err(not_started(format!(
                "not within {} seconds: {}",
                PATIENCE.as_secs(),
                last_words()
            ))),
        }
    }
}

/// The binary itself rather than npm's wrapper, a process less.
fn anvil(folder: &Path) -> Result<PathBuf, Error> {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let path = folder.join(format!(
        "node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil"
    ));
    installed(Engine::Anvil, path)
}

fn installed(engine: Engine, path: PathBuf) -> Result<PathBuf, Error> {
    if path.exists() {
        return Ok(path);
    }
    Err(Error::NotInstalled {
        engine,
        path: path.display().to_string(),
    })
}

/// Reads all that a node says, so that it never waits for a reader, and looks for the address it serves at.
fn listen(
    output: impl Read + Send + 'static,
    words: Words,
    mut found: Option<oneshot::Sender<SocketAddr>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line)
                && let Some(found) = found.take()
            {
                let _ = found.send(address);
            }
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            words.push_back(line);
        }
    });
}

/// "Listening on 127.0.0.1:40123", "… JSON-RPC server at http://127.0.0.1:40123/".
fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let end = line[start + "127.0.0.1:".len()..]
        .find(|letter: char| !letter.is_ascii_digit())
        .map_or(line.len(), |length| start + "127.0.0.1:".len() + length);
    line[start..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_where_it_serves() {
        let cases = [
            ("Listening on 127.0.0.1:40123", Some(40_123)),
            (
                "\u{1b}[32mStarted HTTP and WebSocket JSON-RPC server at http://127.0.0.1:8545/\u{1b}[39m",
                Some(8_545),
            ),
            ("Chain ID", None),
            ("127.0.0.1:", None),
        ];
        for (line, port) in cases {
            assert_eq!(address_in(line).map(|address| address.port()), port);
        }
    }
}
