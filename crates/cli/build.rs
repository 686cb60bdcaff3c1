//! Builds the demo's application: the published command line of `resvg`, unmodified, as a WASI module.
//!
//! It comes from crates.io with its own lock file, so that what `oxec demo` rents out is a program written by others
//! and compiled here, not a binary kept in the repository. The module is built once per target folder and embedded by
//! `demo`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const CRATE: &str = "resvg";
const VERSION: &str = "0.49.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // target/<profile>/build/<package>/out: debug and release share one build of the module.
    let target = out
        .ancestors()
        .nth(4)
        .expect("OUT_DIR lies four levels below the target folder");
    let module = build(&target.join("apps"));
    fs::copy(&module, out.join("resvg.wasm")).expect("the module was just built");
}

fn build(folder: &Path) -> PathBuf {
    let root = folder.join(format!("{CRATE}-{VERSION}"));
    let module = root.join("bin").join(format!("{CRATE}.wasm"));
    if module.exists() {
        return module;
    }
    let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
    let mut install = Command::new(cargo);
    install
        .args([
            "install",
            CRATE,
            "--version",
            VERSION,
            "--locked",
            "--target",
            "wasm32-wasip1",
        ])
        .arg("--root")
        .arg(&root)
        .arg("--target-dir")
        .arg(folder.join("build"))
        .args(["--quiet", "--no-track"]);
    // The flags and wrappers of the outer build are for this machine, not for WebAssembly.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        install.env_remove(name);
    }
    let status = install.status().expect("cargo runs cargo");
    assert!(
        status.success() && module.exists(),
        "cannot build {CRATE} {VERSION} for wasm32-wasip1 ({status}): is the target there? \
         `rustup target add wasm32-wasip1` adds it; the crate comes from crates.io"
    );
    module
}
