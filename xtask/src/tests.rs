//! What `cargo xtask test` runs, and the chores that share its steps.

use std::time::Instant;

use anyhow::bail;

use crate::{
    arrows,
    run::{Step, contracts as contracts_folder, there},
};

pub(crate) fn all(long: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    Step::cargo(["fmt", "--all", "--check"]).run()?;
    arrows::check()?;
    contracts(long, true)?;
    Step::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
    .run()?;
    rust(long)?;
    eprintln!(
        "\nall tests passed in {} min",
        began.elapsed().as_secs().div_ceil(60)
    );
    Ok(())
}

/// Builds and tests the contracts, compares the committed ABI with a fresh build, and the figures with
/// `contracts/snapshots/`, unless these are to be written anew.
pub(crate) fn contracts(long: bool, keep_figures: bool) -> anyhow::Result<()> {
    contract_tools()?;
    let folder = contracts_folder();
    let runs = if long { "50000" } else { "256" };
    Step::new("npx", ["--no-install", "forge", "test", "--offline"])
        .within(&folder)
        .env("FOUNDRY_FUZZ_RUNS", runs)
        // A changed gas figure is a failure until its snapshot is changed on purpose (`cargo xtask gas`).
        .env(
            "FORGE_SNAPSHOT_CHECK",
            if keep_figures { "true" } else { "false" },
        )
        .run()?;
    Step::new("npm", ["run", "--silent", "artifacts:check"])
        .within(&folder)
        .run()
}

pub(crate) fn write_abi() -> anyhow::Result<()> {
    contract_tools()?;
    Step::new("npm", ["run", "--silent", "artifacts"])
        .within(&contracts_folder())
        .run()
}

pub(crate) fn bench() -> anyhow::Result<()> {
    Step::cargo(["bench", "--package", "oxec-testkit", "--locked"]).run()
}

fn contract_tools() -> anyhow::Result<()> {
    if !there("npm", &["--version"]) {
        bail!(
            "the contract tools (forge, solc, OpenZeppelin) come from npm, and npm is not here: install Node.js 20 or later \
             (Debian: `apt-get install nodejs npm`), then run this again"
        );
    }
    let folder = contracts_folder();
    if !fresh(&folder) {
        Step::new("npm", ["ci", "--no-audit", "--no-fund"])
            .within(&folder)
            .run()?;
    }
    Ok(())
}

/// Whether `node_modules` was made from the present lock file.
fn fresh(folder: &std::path::Path) -> bool {
    let changed = |path: &str| {
        folder
            .join(path)
            .metadata()
            .and_then(|metadata| metadata.modified())
    };
    matches!(
        (changed("node_modules/.package-lock.json"), changed("package-lock.json")),
        (Ok(installed), Ok(locked)) if installed >= locked
    )
}

fn rust(long: bool) -> anyhow::Result<()> {
    let mut tests = if there("cargo", &["nextest", "--version"]) {
        Step::cargo([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ])
    } else {
        eprintln!(
            "cargo-nextest is not here; cargo's own runner serves (`cargo install cargo-nextest --locked` for a quicker one)"
        );
        Step::cargo(["test", "--workspace", "--locked", "--no-fail-fast"])
    };
    if long {
        tests = tests.env("PROPTEST_CASES", "5000");
    }
    tests.run()
}
