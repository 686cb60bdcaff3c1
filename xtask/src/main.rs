//! The project's chores, in Rust so that they run wherever the product builds: `cargo xtask --help`.
//!
//! `test` is the README's second command: it sets up what it needs and runs every check there is, in the order in
//! which a mistake shows fastest.

mod arrows;
mod gas;
mod run;
mod tests;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Set up what tests need, then run every test: format, lints, arrows, contracts, Rust, end to end
    Test {
        /// Add the long runs (many more random lives, longer fuzzing)
        #[arg(long)]
        long: bool,
    },
    /// Check that crate arrows point only down (ARCHITECTURE.md)
    Arrows,
    /// Build the contracts and write `contracts/abi/`, the only thing Rust reads from there
    Abi,
    /// Run the contract tests, write gas and bytecode sizes to `contracts/snapshots/`, and print the table beside PoCo's
    Gas,
    /// Run the benches and print our figures beside target and peer
    Bench,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Test { long } => tests::all(long),
        Chore::Arrows => arrows::check(),
        Chore::Abi => tests::write_abi(),
        Chore::Gas => {
            tests::contracts(false, false)?;
            gas::write(&run::contracts())
        }
        Chore::Bench => tests::bench(),
    }
}
