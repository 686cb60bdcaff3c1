//! What the law costs, as a table for people: `contracts/snapshots/Gas.md`, made of the figures the contract tests wrote.
//!
//! The tests themselves compare every figure with its ceiling and with what is written down; here they only get names in
//! an order, and the settings under which they are true.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

/// The rows of the table. Each is in `Gas.json`, beside `…, PoCo` and `…, at most`.
const ROWS: &[&str] = &[
    "matchOrders, no dataset, empty params",
    "matchOrders, no dataset, 187-byte params",
    "matchOrders, with dataset, 187-byte params",
    "initialize (later task)",
    "contribute: only worker",
    "contribute: 2nd of 3",
    "reveal first",
    "reveal next",
    "finalize 1 worker, 84-byte results",
    "finalize 3 workers, 84-byte results",
    "contributeAndFinalize",
    "createApp",
    "createDataset",
    "createWorkerpool",
    "life of 1 task, trust 1 (five steps)",
    "life of 1 task, 3 workers",
    "bag of 10 tasks × 3 workers",
];

/// Writes the table, and prints it.
pub(crate) fn write(contracts: &Path) -> anyhow::Result<()> {
    let table = table(contracts)?;
    fs::write(place(contracts), &table)?;
    println!("{table}");
    Ok(())
}

/// Fails where the table is not what the figures say.
pub(crate) fn check(contracts: &Path) -> anyhow::Result<()> {
    let place = place(contracts);
    if fs::read_to_string(&place).unwrap_or_default() != table(contracts)? {
        bail!(
            "{} is not what the figures beside it say: run `cargo xtask gas` and commit",
            place.display()
        );
    }
    Ok(())
}

fn place(contracts: &Path) -> std::path::PathBuf {
    contracts.join("snapshots/Gas.md")
}

fn table(contracts: &Path) -> anyhow::Result<String> {
    let gas = figures(contracts, "Gas")?;
    let sizes = figures(contracts, "Sizes")?;
    let mut text = format!(
        "<!-- Written by `cargo xtask gas`; the figures are those of Gas.json and Sizes.json. -->\n\n\
         # Gas\n\n{}\n\n\
         | operation | PoCo | ours | at most | ours / PoCo |\n|---|---:|---:|---:|---:|\n",
        settings(contracts)?
    );
    for row in ROWS {
        let ours = figure(&gas, row)?;
        let poco = figure(&gas, &format!("{row}, PoCo"))?;
        let at_most = figure(&gas, &format!("{row}, at most"))?;
        let tenths = (ours * 1000 + poco / 2) / poco;
        writeln!(
            text,
            "| {row} | {} | {} | {} | {}.{} % |",
            thousands(poco),
            thousands(ours),
            thousands(at_most),
            tenths / 10,
            tenths % 10
        )?;
    }
    ensure!(
        gas.len() == 3 * ROWS.len(),
        "Gas.json has {} figures and the table {} rows of three: xtask/src/gas.rs names them",
        gas.len(),
        ROWS.len()
    );

    text.push_str("\n# Bytecode\n\n| contract | bytes | left of 24,576 |\n|---|---:|---:|\n");
    for name in sizes.keys().filter(|name| !name.ends_with(", slack")) {
        let slack = figure(&sizes, &format!("{name}, slack"))?;
        let size = thousands(figure(&sizes, name)?);
        writeln!(text, "| {name} | {size} | {} |", thousands(slack))?;
    }
    Ok(text)
}

/// The hard fork and the compiler, ours and PoCo's.
fn settings(contracts: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(contracts.join("foundry.toml"))?;
    let foundry: toml::Table = text.parse().context("reading foundry.toml")?;
    let profile = &foundry["profile"]["default"];
    let text = fs::read_to_string(contracts.join("package.json"))?;
    let package: Value = serde_json::from_str(&text).context("reading package.json")?;
    Ok(format!(
        "Hard fork {}; solc {}, via-IR {}, optimizer {} with {} runs, no metadata. PoCo's figures are those of its own\n\
         build (0.8.21, via-IR, 200 runs, Yul steps `u`), of the same transactions in the same states. What a transaction\n\
         is charged, its first 21,000 included; the states are told in test/hub/Gas.t.sol.",
        profile["evm_version"].as_str().context("no evm_version")?,
        package["devDependencies"]["solc"]
            .as_str()
            .context("no solc")?,
        profile["via_ir"],
        profile["optimizer"],
        profile["optimizer_runs"],
    ))
}

fn figures(contracts: &Path, group: &str) -> anyhow::Result<Map<String, Value>> {
    let place = contracts.join(format!("snapshots/{group}.json"));
    let text = fs::read_to_string(&place).with_context(|| format!("{}", place.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", place.display()))
}

fn figure(figures: &Map<String, Value>, name: &str) -> anyhow::Result<u64> {
    figures
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .with_context(|| format!("no figure is called {name:?}"))
}

/// 1234567 as 1,234,567.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod checks {
    use super::thousands;

    #[test]
    fn numbers_are_easy_to_read() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn the_table_is_what_the_figures_say() {
        super::check(&crate::run::contracts()).expect("the table of gas");
    }
}
