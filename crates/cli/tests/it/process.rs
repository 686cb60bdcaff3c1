//! The binary as processes: asked, started, signalled, and gone when the test is.

use std::{
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;

/// The binary that cargo built for these tests.
fn oxec(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oxec"));
    command
        .arg("--json")
        .arg("--data")
        .arg(data)
        .stdin(Stdio::null());
    for name in [
        "OXEC_DATA",
        "OXEC_WALLET",
        "OXEC_RPC",
        "OXEC_MARKET",
        "OXEC_POOL",
        "OXEC_DEPLOYMENT",
        "OXEC_PRIVATE_KEY",
        "OXEC_PASSWORD",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command that must fail, with a raw key in the environment; gives what it says.
pub(crate) fn fail_with_key(data: &Path, key: &str, words: &[&str]) -> anyhow::Result<String> {
    let output = oxec(data)
        .args(words)
        .env("OXEC_PRIVATE_KEY", key)
        .output()?;
    ensure!(
        !output.status.success(),
        "`oxec {}` succeeded",
        words.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(crate) fn output(data: &Path, words: &[&str]) -> anyhow::Result<Output> {
    oxec(data)
        .args(words)
        .output()
        .context("the binary does not start")
}

/// Runs a command that must succeed; gives its answer.
pub(crate) fn ask(data: &Path, words: &[&str]) -> anyhow::Result<Value> {
    let output = output(data, words)?;
    ensure!(
        output.status.success(),
        "`oxec {}` failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

/// Runs a command that must fail; gives what it says.
pub(crate) fn fail(data: &Path, words: &[&str]) -> anyhow::Result<String> {
    let output = output(data, words)?;
    ensure!(
        !output.status.success(),
        "`oxec {}` succeeded",
        words.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A process that runs until told to stop.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it and waits for its JSON answer.
    pub(crate) fn start(data: &Path, words: &[&str]) -> anyhow::Result<(Self, Value)> {
        // A file, not a pipe: nobody reads it while the process runs, and a full pipe would stop it.
        let mut errors = tempfile::tempfile()?;
        let mut child = oxec(data)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::from(errors.try_clone()?))
            .spawn()?;
        let mut text = String::new();
        let out = BufReader::new(child.stdout.take().context("no output")?);
        for line in out.lines() {
            text.push_str(&line?);
            if let Ok(value) = serde_json::from_str(&text) {
                return Ok((Self(child), value));
            }
        }
        child.wait()?;
        let mut said = String::new();
        errors.seek(SeekFrom::Start(0))?;
        errors.read_to_string(&mut said)?;
        anyhow::bail!("`oxec {}` ended: {said}", words.join(" "))
    }

    /// Ctrl-C; gives the exit.
    pub(crate) fn interrupt(self) -> anyhow::Result<std::process::ExitStatus> {
        self.stop("-INT")
    }

    /// What a service manager sends; gives the exit.
    pub(crate) fn terminate(self) -> anyhow::Result<std::process::ExitStatus> {
        self.stop("-TERM")
    }

    fn stop(mut self, signal: &str) -> anyhow::Result<std::process::ExitStatus> {
        let status = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status()?;
        ensure!(status.success(), "cannot signal the process");
        Ok(self.0.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
