//! Programs to run and a bench to run them on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use alloy_primitives::B256;
use runtime::wasm::{Engine, EngineOptions};
use runtime::{Failed, InputFile, Job, Limits, Module, Outcome};
use tokio_util::sync::CancellationToken;

/// A program's bytes.
#[derive(Debug, Clone)]
pub(crate) struct Program(pub(crate) Vec<u8>);

/// `programs/probe.rs` as a WASI preview 1 module. Compiled once per version of its text.
pub(crate) fn probe() -> Program {
    let source = include_bytes!("programs/probe.rs");
    let name = format!("probe-{:x}", protocol::result::sha256(source));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let module = folder.join(format!("{name}.wasm"));
    if !module.exists() {
        // A folder of its own: the compiler leaves intermediate files beside what it makes.
        let workshop = tempfile::tempdir_in(folder).expect("a folder");
        let unfinished = workshop.path().join("probe.wasm");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/probe.rs");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--edition", "2024", "--target", "wasm32-wasip1", "-O", "-o"])
            .arg(&unfinished)
            .arg(program)
            .output()
            .expect("rustc runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::rename(unfinished, &module).expect("the module keeps its name");
    }
    Program(fs::read(module).expect("it was just compiled"))
}

/// The same program as a component.
pub(crate) fn probe_component() -> Program {
    use wasi_preview1_component_adapter_provider as adapter;
    let component = wit_component::ComponentEncoder::default()
        .module(&probe().0)
        .and_then(|encoder| {
            encoder.adapter(
                adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )
        })
        .and_then(|mut encoder| encoder.encode());
    Program(component.expect("a module becomes a component"))
}

/// A program in the text format.
pub(crate) fn wat(text: &str) -> Program {
    Program(wat::parse_str(text).expect("well written"))
}

/// An engine and a folder.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = Engine::new(EngineOptions {
            // Compiling the probe takes a second or two, and each test is a process of its own.
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
            slots: 4,
            ..EngineOptions::default()
        });
        Self {
            engine: engine.expect("an engine"),
            folder,
        }
    }

    /// A job for a program, with nothing special about it.
    pub(crate) fn job(&self, program: &Program, args: &[&str]) -> Job {
        let sha256 = protocol::result::sha256(&program.0);
        let path = self.folder.path().join(format!("{sha256:x}.wasm"));
        fs::write(&path, &program.0).expect("written");
        Job {
            module: Module { path, sha256 },
            args: args.iter().map(ToString::to_string).collect(),
            environment: vec![("IEXEC_OUT".to_owned(), "/iexec_out".to_owned())],
            inputs: Vec::new(),
            folder: self.folder.path().join("run"),
            limits: Limits {
                time: Duration::from_secs(60),
                ..Limits::default()
            },
            start_time_secs: 1_800_000_000,
            random_seed: B256::repeat_byte(7),
            cancel: CancellationToken::new(),
        }
    }

    pub(crate) fn input(&self, text: &str, names: &[&str]) -> InputFile {
        let host_path = self.folder.path().join(format!("input-{}", names[0]));
        fs::write(&host_path, text).expect("written");
        InputFile {
            host_path,
            names: names.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) async fn run(&self, program: &Program, args: &[&str]) -> Result<Outcome, Failed> {
        self.engine.run(self.job(program, args)).await
    }
}

pub(crate) fn text(path: &PathBuf) -> String {
    fs::read_to_string(path).expect("readable")
}
