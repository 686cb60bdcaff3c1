//! Running other programs: where, and what to say when they are missing or fail.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_owned()
}

/// The contracts' folder.
pub(crate) fn contracts() -> PathBuf {
    root().join("contracts")
}

/// Where the chains of others that tests run on are installed.
pub(crate) fn chains() -> PathBuf {
    root().join("crates/testchain")
}

/// A command that tells what it is about to do and fails with what to do next.
pub(crate) struct Step {
    command: Command,
    words: String,
}

impl Step {
    /// `program` with `arguments`, in the workspace's root.
    pub(crate) fn new<A: AsRef<OsStr>>(
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut words = program.to_owned();
        let mut command = Command::new(program);
        command.current_dir(root());
        for argument in arguments {
            words.push(' ');
            words.push_str(&argument.as_ref().to_string_lossy());
            command.arg(argument);
        }
        Self { command, words }
    }

    /// `cargo` with `arguments`.
    pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut step = Self::new("cargo", arguments);
        // Cargo run by cargo would take the outer one's package for its own.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                step.command.env_remove(name);
            }
        }
        step
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it, and says how long that took.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.begin();
        let began = Instant::now();
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot start `{}`: is it installed?", self.words))?;
        self.end(began, status)
    }

    /// Runs it for what it writes; its messages are shown.
    pub(crate) fn output(mut self) -> anyhow::Result<String> {
        self.begin();
        let began = Instant::now();
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start `{}`: is it installed?", self.words))?;
        self.end(began, output.status)?;
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` did not write text", self.words))
    }

    fn begin(&self) {
        eprintln!("\n── {}", self.words);
    }

    fn end(&self, began: Instant, status: ExitStatus) -> anyhow::Result<()> {
        eprintln!("── {:.1} s: {}", began.elapsed().as_secs_f64(), self.words);
        if !status.success() {
            bail!("`{}` failed ({status})", self.words);
        }
        Ok(())
    }
}

/// Whether `program` answers on this machine.
pub(crate) fn there(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What `program` writes, if it is here.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|text| text.trim().to_owned())
}
