//! The test application, compiled from `apps/errand.rs` once per process.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The module's file; compiled by this toolchain's `rustc` for WASI at first use.
pub fn errand() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/errand.rs");
        let folder = std::env::temp_dir().join(format!("oxec-errand-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test application");
        let module = folder.join("errand.wasm");
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
            .arg(&module)
            .arg(&source)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("rustc runs");
        assert!(
            output.status.success(),
            "errand.rs does not compile: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        module
    })
}
