//! What `cargo xtask test` runs, and the chores that share its steps.

use std::{path::Path, time::Instant};

use anyhow::bail;

use crate::{
    arrows,
    run::{Step, chains as chains_folder, contracts as contracts_folder, root, there},
};

/// Chains of others that the tests run on once more, as `OXEC_TEST_CHAIN` names them.
const OTHER_CHAINS: [&str; 2] = ["anvil", "hardhat"];

/// Packages all of whose integration tests need a chain and little else: these run on every chain, every time.
const CHAIN_TESTS: &[&str] = &["oxec-testchain", "oxec-sdk"];

/// Packages some of whose integration tests need a chain: these run on every chain by `--long`.
const LONG_CHAIN_TESTS: &[&str] = &["oxec-market", "oxec-scheduler", "oxec-worker"];

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
    // The walk in one process, a pool's restart, and all roles as processes on slow chains.
    for (package, bench) in [
        ("oxec-devchain", "transactions"),
        ("oxec-testkit", "walk"),
        ("oxec-scheduler", "restart"),
        ("oxec", "blocks"),
    ] {
        Step::cargo(["bench", "--package", package, "--bench", bench, "--locked"]).run()?;
    }
    Ok(())
}

fn contract_tools() -> anyhow::Result<()> {
    from_npm(
        &contracts_folder(),
        "the contract tools (forge, solc, OpenZeppelin)",
    )
}

/// Installs what a folder's lock file names, unless that is there already.
fn from_npm(folder: &Path, what: &str) -> anyhow::Result<()> {
    if !there("npm", &["--version"]) {
        bail!(
            "{what} come from npm, and npm is not here: install Node.js 20 or later \
             (Debian: `apt-get install nodejs npm`), then run this again"
        );
    }
    if !fresh(folder) {
        Step::new("npm", ["ci", "--no-audit", "--no-fund"])
            .within(folder)
            .run()?;
    }
    Ok(())
}

/// Installs web3.py for the devchain's conformance test, in a folder of its own. Without Python that client is skipped,
/// and the test says so.
fn python_client() -> anyhow::Result<()> {
    let wanted = root().join("crates/devchain/conformance/requirements.txt");
    let folder = root().join("target/python");
    let installed = folder.join("requirements.txt");
    let text = std::fs::read_to_string(&wanted)?;
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == text) {
        return Ok(());
    }
    if !there("python3", &["-m", "pip", "--version"]) {
        eprintln!(
            "python3 with pip is not here (Debian: `apt-get install python3-pip`): web3.py will be skipped"
        );
        return Ok(());
    }
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    let (folder, wanted) = (folder.display().to_string(), wanted.display().to_string());
    Step::new(
        "python3",
        [
            "-m", "pip", "install", "--quiet", "--target", &folder, "-r", &wanted,
        ],
    )
    .run()?;
    std::fs::write(installed, text)?;
    Ok(())
}

/// Whether `node_modules` was made from the present lock file.
fn fresh(folder: &Path) -> bool {
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
    from_npm(&chains_folder(), "the chains tests run on (anvil, hardhat)")?;
    python_client()?;
    let mut tests = runner(["--workspace"]);
    if long {
        tests = tests
            .env("PROPTEST_CASES", "5000")
            // Of the twin and the contracts: crates/protocol/tests/it/seeds.rs.
            .env("OXEC_LIVES", "100000");
    }
    tests.run()?;
    for chain in OTHER_CHAINS {
        on_chain(chain, long)?;
    }
    Ok(())
}

/// Runs the tests that need a chain on another one than ours.
fn on_chain(chain: &str, long: bool) -> anyhow::Result<()> {
    let more: &[&str] = if long { LONG_CHAIN_TESTS } else { &[] };
    let packages: Vec<&str> = CHAIN_TESTS.iter().chain(more).copied().collect();
    eprintln!("\non {chain}:");
    // Integration tests only: the rest never sees a chain.
    let tests = if nextest() {
        // The whole workspace, filtered, is built already; single packages would be built anew with other features.
        let packages: Vec<String> = packages
            .iter()
            .map(|package| format!("package({package})"))
            .collect();
        let filter = format!("kind(test) & ({})", packages.join(" | "));
        runner(["--workspace", "-E", &filter])
    } else {
        let packages = packages
            .iter()
            .flat_map(|package| ["--package", package])
            .chain(["--test", "it"]);
        runner(packages)
    };
    tests.env("OXEC_TEST_CHAIN", chain).run()
}

fn nextest() -> bool {
    there("cargo", &["nextest", "--version"])
}

/// A run of tests: nextest's if it is here, else cargo's.
fn runner<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Step {
    let verb: &[&str] = if nextest() {
        &["nextest", "run"]
    } else {
        eprintln!(
            "cargo-nextest is not here; cargo's own runner serves (`cargo install cargo-nextest --locked` for a quicker one)"
        );
        &["test"]
    };
    let words: Vec<&str> = verb
        .iter()
        .copied()
        .chain(["--locked", "--no-fail-fast"])
        .chain(arguments)
        .collect();
    Step::cargo(words)
}
