//! What `cargo xtask test` runs, and the chores that share its steps.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use serde_json::Value;

use crate::{
    arrows, gas,
    run::{Step, chains as chains_folder, contracts as contracts_folder, root, said, there},
};

/// Chains of others that the tests run on once more, as `OXEC_TEST_CHAIN` names them.
const OTHER_CHAINS: [&str; 2] = ["anvil", "hardhat"];

/// Packages whose integration tests need a chain: these run on every chain, every time. (All roles as processes of
/// their own meet both chains in `crates/cli/tests/chaos`.)
const CHAIN_TESTS: &[&str] = &[
    "oxec-testchain",
    "oxec-sdk",
    "oxec-market",
    "oxec-scheduler",
    "oxec-worker",
];

/// Tells tests that what npm brings is installed: who misses it then fails instead of being skipped.
const MUST_NOT_SKIP: &str = "OXEC_MUST_NOT_SKIP";

/// The oldest Node.js that the tools from npm run on.
const NODE: u32 = 20;

pub(crate) fn all(long: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    Step::cargo(["fmt", "--all", "--check"]).run()?;
    arrows::check()?;
    contracts(long, true)?;
    gas::check(&contracts_folder())?;
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
    let (fuzz, invariant) = if long {
        ("50000", "256")
    } else {
        ("1000", "16")
    };
    Step::new("npx", ["--no-install", "forge", "test", "--offline"])
        .within(&folder)
        .env("FOUNDRY_FUZZ_RUNS", fuzz)
        .env("FOUNDRY_INVARIANT_RUNS", invariant)
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
            "{what} come from npm, and npm is not here: install Node.js {NODE} or later \
             (Debian 13: `apt-get install nodejs npm`), then run this again"
        );
    }
    let version = said("node", &["--version"]).unwrap_or_default();
    if node_major(&version).is_none_or(|major| major < NODE) {
        bail!(
            "{what} need Node.js {NODE} or later, and `node --version` says {version:?}: \
             install a newer one (https://nodejs.org), then run this again"
        );
    }
    if !fresh(folder) {
        Step::new("npm", ["ci", "--no-audit", "--no-fund"])
            .within(folder)
            .run()?;
    }
    Ok(())
}

/// 20 of "v20.20.2".
fn node_major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Installs web3.py for the devchain's conformance test, in a folder of its own. Where that cannot be done (no Python, or one
/// too old for it) that client is skipped, and the test says so too.
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
            "SKIPPED: web3.py: python3 with pip is not here (Debian: `apt-get install python3-pip`)"
        );
        return Ok(());
    }
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder)?;
    }
    let (target, wanted) = (folder.display().to_string(), wanted.display().to_string());
    let arguments = ["-m", "pip", "install", "--quiet", "--target", &target];
    // Nothing is built here: that would run strangers' code and want compilers.
    let binaries = ["--only-binary", ":all:", "-r", &wanted];
    match Step::new("python3", arguments.into_iter().chain(binaries)).run() {
        Ok(()) => std::fs::write(installed, text)?,
        Err(error) => {
            eprintln!("\nSKIPPED: web3.py: {error:#} (a Python older than 3.10?)\n");
            if folder.is_dir() {
                std::fs::remove_dir_all(&folder)?;
            }
        }
    }
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
    let mut tests = runner(["--workspace"]).env(MUST_NOT_SKIP, "1");
    if long {
        tests = tests
            .env("PROPTEST_CASES", "5000")
            // Of the twin and the contracts: crates/protocol/tests/it/seeds.rs.
            .env("OXEC_LIVES", "100000");
    }
    tests.run()?;
    for chain in OTHER_CHAINS {
        eprintln!("\non {chain}:");
        for tests in chain_tests()? {
            tests
                .env(MUST_NOT_SKIP, "1")
                .env("OXEC_TEST_CHAIN", chain)
                .run()?;
        }
    }
    Ok(())
}

/// The tests that need a chain; integration tests only, the rest never sees one.
///
/// All of the workspace is built already. To ask cargo for single packages would build them anew with other features, so
/// nextest is asked for the workspace, filtered; without it, what cargo has built is run without cargo.
fn chain_tests() -> anyhow::Result<Vec<Step>> {
    if nextest() {
        let packages: Vec<String> = CHAIN_TESTS
            .iter()
            .map(|package| format!("package({package})"))
            .collect();
        let filter = format!("kind(test) & ({})", packages.join(" | "));
        return Ok(vec![runner(["--workspace", "-E", &filter])]);
    }
    let built = Step::cargo([
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--message-format",
        "json",
    ])
    .output()?;
    let programs = test_programs(&built);
    for wanted in CHAIN_TESTS {
        if !programs.iter().any(|(package, ..)| package == wanted) {
            bail!("cargo built no integration test of {wanted}");
        }
    }
    let programs = programs
        .into_iter()
        .filter(|(package, ..)| CHAIN_TESTS.contains(&&**package));
    Ok(programs
        .map(|(_, folder, program)| {
            let nothing: [&str; 0] = [];
            // As cargo would run it.
            Step::new(&program, nothing)
                .within(&folder)
                .env("CARGO_MANIFEST_DIR", &folder.display().to_string())
        })
        .collect())
}

/// Package, its folder and the program of each integration test among cargo's messages.
fn test_programs(messages: &str) -> Vec<(String, PathBuf, String)> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact"
                && message["target"]["kind"] == serde_json::json!(["test"])
        })
        .filter_map(|message| {
            let package = package_of(message["package_id"].as_str()?);
            let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
            let program = message["executable"].as_str()?;
            Some((package.to_owned(), folder.to_owned(), program.to_owned()))
        })
        .collect()
}

/// The name in `path+file:///somewhere/crates/sdk#oxec-sdk@0.1.0`, or `…/oxec-sdk#0.1.0` where the folder is called so.
fn package_of(id: &str) -> &str {
    let (place, rest) = id.rsplit_once('#').unwrap_or(("", id));
    match rest.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
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

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn the_version_of_node_is_understood() {
        let cases = [
            ("v20.20.2\n", Some(20)),
            ("v8.0.0", Some(8)),
            ("20.1.0", None),
            ("", None),
        ];
        for (version, major) in cases {
            assert_eq!(node_major(version), major, "{version:?}");
        }
    }

    #[test]
    fn integration_tests_are_found_among_what_cargo_built() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"registry+https://github.com/rust-lang/crates.io-index#serde@1.0.0","manifest_path":"/r/serde/Cargo.toml","target":{"kind":["lib"],"name":"serde"},"executable":null}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/sdk#oxec-sdk@0.1.0","manifest_path":"/w/crates/sdk/Cargo.toml","target":{"kind":["lib"],"name":"sdk"},"executable":"/w/target/debug/deps/sdk-1"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/sdk#oxec-sdk@0.1.0","manifest_path":"/w/crates/sdk/Cargo.toml","target":{"kind":["test"],"name":"it"},"executable":"/w/target/debug/deps/it-2"}
{"reason":"compiler-artifact","package_id":"path+file:///w/xtask#0.1.0","manifest_path":"/w/xtask/Cargo.toml","target":{"kind":["test"],"name":"it"},"executable":"/w/target/debug/deps/it-3"}
{"reason":"build-finished","success":true}"#;
        let found = test_programs(messages);
        let expected = [
            ("oxec-sdk", "/w/crates/sdk", "/w/target/debug/deps/it-2"),
            ("xtask", "/w/xtask", "/w/target/debug/deps/it-3"),
        ]
        .map(|(package, folder, program)| (package.to_owned(), folder.into(), program.to_owned()));
        assert_eq!(found, expected);
    }
}
