//! The dev node answers as anvil does, but for the differences listed in `conformance/differences.toml`.
//!
//! Five clients (requests written out here, ethers, viem, web3.py and cast) each play their scenario twice, on a fresh
//! devchain and on a fresh anvil, through a [`recorder`]. Then every answer is [`compare`]d with its counterpart. A
//! difference that is not listed fails the test, and so does a listed one that a client meets more or less often than
//! the list says: what is excused for one answer is not excused for the next.
//!
//! What there is to compare is listed in `conformance/methods.toml`: every method of both nodes is played by the
//! requests written out, and a method that only one of them has is there with a reason.
//!
//! Programs of others come from npm and PyPI (`cargo xtask test` installs them). Where one is missing, its client is
//! skipped, and said to be; where `OXEC_MUST_NOT_SKIP` is set, one of npm's missing is a failure (Python need not be there).
//! What the other clients meet is checked all the same.

mod compare;
mod methods;
mod raw;
mod recorder;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use devchain::{Config, Devchain};
use serde_json::json;

use self::compare::{Call, Finding, List};
use self::recorder::Recorder;
use crate::support::*;

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn node_modules() -> PathBuf {
    crate_folder().join("../testchain/node_modules")
}

fn python_packages() -> PathBuf {
    crate_folder().join("../../target/python")
}

/// Foundry's own program in npm's package for this machine; the one in `.bin` is a script that starts it.
fn foundry(tool: &str) -> Option<PathBuf> {
    let packages = std::fs::read_dir(node_modules().join("@foundry-rs")).ok()?;
    packages
        .flatten()
        .map(|package| package.path().join("bin").join(tool))
        .find(|program| program.is_file())
}

/// A running anvil, killed when dropped.
struct Anvil {
    child: Child,
    address: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    /// With the same first block as the devchain, as far as that can be asked for.
    fn start(program: &Path, genesis_secs: u64) -> Anvil {
        let mut child = Command::new(program)
            .args(["--port", "0", "--hardfork", "osaka", "--accounts", "20"])
            .args(["--gas-limit", "60000000", "--enable-tx-gas-limit"])
            .args(["--timestamp", &genesis_secs.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        // What it logs has to be read, or it stops when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Anvil { child, address }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Raw,
    Ethers,
    Viem,
    Web3Py,
    Cast,
}

impl Asking {
    const ALL: [Asking; 5] = [
        Asking::Raw,
        Asking::Ethers,
        Asking::Viem,
        Asking::Web3Py,
        Asking::Cast,
    ];

    fn name(self) -> &'static str {
        match self {
            Asking::Raw => "raw",
            Asking::Ethers => "ethers",
            Asking::Viem => "viem",
            Asking::Web3Py => "web3.py",
            Asking::Cast => "cast",
        }
    }

    /// The program to run with its script, or what is missing.
    fn command(self) -> Result<Option<Command>, String> {
        let scripts = crate_folder().join("conformance");
        let with_node = |library: &str, script: &str| {
            if !node_modules().join(library).is_dir() {
                return Err(format!("npm's {library} is not installed"));
            }
            let mut command = Command::new("node");
            command.arg(scripts.join(script));
            command.env("NODE_PATH", node_modules());
            Ok(Some(command))
        };
        match self {
            Asking::Raw => Ok(None),
            Asking::Ethers => with_node("ethers", "ethers.cjs"),
            Asking::Viem => with_node("viem", "viem.cjs"),
            Asking::Web3Py => {
                if !python_packages().join("web3").is_dir() {
                    return Err("PyPI's web3 is not installed".to_owned());
                }
                let mut command = Command::new("python3");
                command.arg(scripts.join("web3_py.py"));
                command.env("PYTHONPATH", python_packages());
                Ok(Some(command))
            }
            Asking::Cast => {
                let cast = foundry("cast").ok_or("npm's cast is not installed")?;
                let mut command = Command::new("sh");
                command.arg(scripts.join("cast.sh")).env("CAST", cast);
                Ok(Some(command))
            }
        }
    }

    /// Plays the scenario on the node at this address; gives what was asked and answered.
    async fn play(self, node: &str, accounts: &Devchain) -> Vec<Call> {
        let client = Client::at(&format!("http://{node}"));
        // Every block is a second after the one before, whatever the clock shows, and prices begin with this one, which
        // is anvil's first as well.
        for (method, params) in [
            ("anvil_setBlockTimestampInterval", json!([1])),
            ("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"])),
            ("evm_mine", json!([])),
        ] {
            client.get(method, params).await;
        }
        let recorder = Recorder::before(node).await;
        match self.command().expect("looked at before") {
            None => raw::play(&recorder, client.clone(), accounts).await,
            Some(mut command) => {
                command
                    .env("RPC_URL", &recorder.url)
                    .env("WS_URL", &recorder.ws_url)
                    .env("BOX_CODE", box_code().to_string())
                    .env("TOPIC", TOPIC.to_string());
                let mut command = tokio::process::Command::from(command);
                let output = command
                    .kill_on_drop(true)
                    .output()
                    .await
                    .unwrap_or_else(|error| panic!("{} does not start: {error}", self.name()));
                assert!(
                    output.status.success(),
                    "{} on {node} ended with {}:\n{}{}",
                    self.name(),
                    output.status,
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
        let mut chain = Vec::new();
        for height in 0..=client.number("eth_blockNumber", json!([])).await {
            let height = format!("{height:#x}");
            chain.push(
                client
                    .get("eth_getBlockByNumber", json!([height, false]))
                    .await,
            );
        }
        compare::calls(&recorder.recording(), &json!(chain))
    }

    /// Plays on both nodes; gives the calls compared, and where their answers differ.
    async fn compare(self, anvil: &Path) -> (Vec<Call>, Vec<Finding>) {
        let (chain, client) = started(Config::default()).await;
        let genesis = client
            .get("eth_getBlockByNumber", json!(["0x0", false]))
            .await;
        let anvil = Anvil::start(anvil, number(&genesis["timestamp"]));
        let ours = self.play(&chain.address().to_string(), &chain).await;
        let theirs = self.play(&anvil.address, &chain).await;
        let findings = match self {
            Asking::Raw => compare::in_order(self.name(), &ours, &theirs),
            Asking::Ethers | Asking::Viem | Asking::Web3Py | Asking::Cast => {
                compare::by_arguments(self.name(), &ours, &theirs)
            }
        };
        (ours, findings)
    }
}

/// Says that something is not compared. Where what npm has must be there, that is a failure for it.
fn missing(what: &str, why: &str) {
    assert!(
        !why.starts_with("npm's") || std::env::var_os("OXEC_MUST_NOT_SKIP").is_none(),
        "{what} is not compared: {why}: cargo xtask test"
    );
    eprintln!("SKIPPED: {what} IS NOT COMPARED: {why}: cargo xtask test");
}

#[tokio::test]
async fn every_answer_is_anvils_but_for_the_listed_differences() {
    let Some(anvil) = foundry("anvil") else {
        missing(
            "anvil",
            "npm's anvil is not installed, nothing to compare with",
        );
        return;
    };
    let mut asking = Vec::new();
    for client in Asking::ALL {
        match client.command() {
            Ok(_) => asking.push(client),
            Err(why) => missing(client.name(), &why),
        }
    }
    let mut findings = Vec::new();
    for client in &asking {
        let (calls, found) = client.compare(&anvil).await;
        eprintln!("{}: {} calls compared", client.name(), calls.len());
        findings.extend(found);
        if *client == Asking::Raw {
            let played = calls.into_iter().map(|call| call.method);
            methods::all_are_played(&played.collect::<BTreeSet<_>>());
        }
    }
    let list = std::fs::read_to_string(crate_folder().join("conformance/differences.toml"))
        .expect("the list of differences");
    let list: List = toml::from_str(&list).expect("the list can be read");
    let mut seen = list
        .difference
        .iter()
        .map(|difference| vec![0u32; difference.methods.len()])
        .collect::<Vec<_>>();
    let mut met = vec![BTreeMap::<&str, usize>::new(); list.difference.len()];
    let mut unlisted: Vec<Finding> = Vec::new();
    for finding in findings {
        let covered = list
            .difference
            .iter()
            .enumerate()
            .find_map(|(index, difference)| Some((index, difference.covers(&finding)?)));
        match covered {
            Some((index, method)) => {
                seen[index][method] += 1;
                *met[index].entry(finding.client).or_default() += 1;
            }
            None => unlisted.push(finding),
        }
    }
    // The same difference, however often met, is one.
    let mut told = unlisted.iter().map(ToString::to_string).collect::<Vec<_>>();
    told.sort();
    told.dedup();
    assert!(
        told.is_empty(),
        "{} differences are not listed:\n{}",
        told.len(),
        told.join("\n")
    );
    let mut changed = Vec::new();
    for (place, (difference, met)) in (1..).zip(list.difference.iter().zip(&met)) {
        let known = |name: &String| Asking::ALL.iter().any(|client| client.name() == name);
        assert!(
            difference.met.keys().all(known),
            "{:?} is no client",
            difference.met
        );
        // A client that is missing is not blamed for what it does not meet; the others are.
        for client in &asking {
            let listed = difference.met.get(client.name()).copied().unwrap_or(0);
            let found = met.get(client.name()).copied().unwrap_or(0);
            if listed != found {
                changed.push(format!(
                    "{} meets difference {place}, of {:?} at {}, {found} times, not {listed} ({})",
                    client.name(),
                    difference.methods,
                    difference.at,
                    difference.reason
                ));
            }
        }
    }
    assert!(
        changed.is_empty(),
        "the list of differences is out of date:\n{}",
        changed.join("\n")
    );
    if asking.len() < Asking::ALL.len() {
        return;
    }
    for (difference, seen) in list.difference.iter().zip(seen) {
        for (method, seen) in difference.methods.iter().zip(seen) {
            assert!(
                seen > 0,
                "the listed difference of {method} at {} no longer occurs ({})",
                difference.at,
                difference.reason
            );
        }
    }
}
