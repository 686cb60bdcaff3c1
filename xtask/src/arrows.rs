//! The walls of the house: which crate may use which, and which heavy library belongs to which room alone.
//!
//! The tables below are ARCHITECTURE.md's arrows and invariants; a change of shape changes both in one commit.
//! Tests may reach further (development dependencies are not looked at).

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run::root;

/// Package → packages of ours it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("oxec-protocol", &[]),
    ("oxec-blobs", &["oxec-protocol"]),
    ("oxec-runtime", &["oxec-protocol"]),
    ("oxec-devchain", &["oxec-protocol"]),
    ("oxec-sdk", &["oxec-protocol", "oxec-blobs"]),
    ("oxec-market", &["oxec-protocol", "oxec-blobs", "oxec-sdk"]),
    (
        "oxec-scheduler",
        &["oxec-protocol", "oxec-blobs", "oxec-sdk"],
    ),
    (
        "oxec-worker",
        &["oxec-protocol", "oxec-blobs", "oxec-sdk", "oxec-runtime"],
    ),
    (
        "oxec",
        &[
            "oxec-protocol",
            "oxec-blobs",
            "oxec-runtime",
            "oxec-devchain",
            "oxec-sdk",
            "oxec-market",
            "oxec-scheduler",
            "oxec-worker",
        ],
    ),
    (
        "oxec-testkit",
        &[
            "oxec-protocol",
            "oxec-blobs",
            "oxec-runtime",
            "oxec-devchain",
            "oxec-sdk",
            "oxec-market",
            "oxec-scheduler",
            "oxec-worker",
            "oxec",
            "oxec-testchain",
        ],
    ),
    (
        "oxec-testchain",
        &["oxec-protocol", "oxec-devchain", "oxec-sdk"],
    ),
    ("xtask", &[]),
];

/// Heavy library → the only packages that may know it.
const ROOMS: &[(&str, &[&str])] = &[
    ("revm", &["oxec-devchain"]),
    ("jsonrpsee", &["oxec-devchain"]),
    ("wasmtime", &["oxec-runtime"]),
    ("wasmtime-wasi", &["oxec-runtime"]),
    ("sqlx", &["oxec-market", "oxec-scheduler"]),
    ("alloy", &["oxec-sdk", "oxec-devchain"]),
];

pub(crate) fn check() -> anyhow::Result<()> {
    eprintln!("\n── arrows between crates");
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
    let faults = faults(&metadata);
    if !faults.is_empty() {
        bail!(
            "arrows must point down (ARCHITECTURE.md):\n  {}",
            faults.join("\n  ")
        );
    }
    Ok(())
}

fn faults(metadata: &Value) -> Vec<String> {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = arrows.get(name) else {
            faults.push(format!(
                "{name} is not on the map: add it to xtask/src/arrows.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"] == "dev" {
                continue;
            }
            let other = dependency["name"].as_str().unwrap_or_default();
            if arrows.contains_key(other) && !allowed.contains(&other) {
                faults.push(format!("{name} uses {other}"));
            }
            if let Some((_, rooms)) = ROOMS.iter().find(|(library, _)| *library == other)
                && !rooms.contains(&name)
            {
                faults.push(format!(
                    "{name} uses {other}, which only {} may know",
                    rooms.join(" and ")
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, dependency: &str, kind: Value) -> Value {
        json!({"packages": [{"name": name, "dependencies": [{"name": dependency, "kind": kind}]}]})
    }

    #[test]
    fn an_arrow_that_points_up_is_a_fault() {
        assert_eq!(
            faults(&package("oxec-sdk", "oxec-market", Value::Null)),
            ["oxec-sdk uses oxec-market"]
        );
    }

    #[test]
    fn a_heavy_library_outside_its_room_is_a_fault() {
        assert_eq!(faults(&package("oxec-sdk", "revm", Value::Null)).len(), 1);
    }

    #[test]
    fn tests_may_reach_further() {
        assert!(faults(&package("oxec-sdk", "oxec-devchain", json!("dev"))).is_empty());
    }
}
