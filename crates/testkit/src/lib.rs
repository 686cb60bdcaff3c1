//! The whole town in one process, for tests and benches.
//!
//! [`Town::start`] gives what `oxec up` gives, in a temporary folder and on free ports: a real chain, market, pool and
//! workers that meet over HTTP, WebSocket and the chain. [`TownBuilder`] adds workers that lie, dawdle or die. The verbs
//! here are what a test says: publish the [`errand`] application, rent it, wait, look at the money.

mod errand;
mod town;

pub use errand::errand;
pub use town::{Town, TownBuilder};

/// The `oxec` binary beside the running test.
///
/// Cargo tells a package's own tests where its binaries are; this package's tests run another's, so it is built here if
/// the test runner has not, and found in the same target folder.
#[must_use]
pub fn binary() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    // target/<profile>/deps/<test>
    let profile = test
        .ancestors()
        .nth(2)
        .expect("tests lie in target/<profile>/deps");
    let binary = profile.join(format!("oxec{}", std::env::consts::EXE_SUFFIX));
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let mut build =
            std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "oxec",
                "--bin",
                "oxec",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let profile = profile
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match profile.as_str() {
            "debug" => {}
            other => {
                build.args(["--profile", other]);
            }
        }
        assert!(
            build.status().expect("cargo runs").success(),
            "the oxec binary does not build"
        );
    });
    binary
}
