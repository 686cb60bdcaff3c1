//! The test application, compiled from `apps/errand.rs` by this toolchain, once per source.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The module's file. It lies in the target folder under a name that follows from the source, so that the processes of
/// one test run, and the next run, share it.
pub fn errand() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/errand.rs");
        let mut hash = DefaultHasher::new();
        std::fs::read(&source)
            .expect("the source is there")
            .hash(&mut hash);
        let module = folder().join(format!("errand-{:016x}.wasm", hash.finish()));
        if !module.exists() {
            compile(&source, &module);
        }
        module
    })
}

/// `target/apps`, where the test runner has put this very program's folder.
fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own file");
    // target/<profile>/deps/<program>
    let target = program
        .ancestors()
        .nth(3)
        .expect("tests lie in target/<profile>/deps");
    let folder = target.join("apps");
    std::fs::create_dir_all(&folder).expect("a folder for the test application");
    folder
}

fn compile(source: &Path, module: &Path) {
    // Renamed when whole: several processes may be at it.
    let draft = module.with_extension(format!("{}.draft", std::process::id()));
    let output = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "--target",
            "wasm32-wasip1",
            "-C",
            "opt-level=2",
            "-o",
        ])
        .arg(&draft)
        .arg(source)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("rustc runs");
    assert!(
        output.status.success(),
        "errand.rs does not compile: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::rename(&draft, module).expect("the test application can be put in place");
}
