//! How many random lives are played, and how to play one of them again.
//!
//! Every life has a seed of its own, made from the run's seed and the life's number, so a life that failed can be
//! played again alone, in no time, and is shrunk to the shortest life that fails too. What to set, all optional:
//!
//! | variable | meaning |
//! |---|---|
//! | `OXEC_LIVES` | how many lives each test plays in all its parts together, instead of its own number |
//! | `OXEC_SEED` | the run's seed, hexadecimal; without it every run plays other lives |
//! | `OXEC_LIFE` | the seed of the one life to be played, hexadecimal; a failure says which |

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::keccak256;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::life::{Act, life};

/// A test's lives are divided between so many functions, since test runners run functions side by side.
pub(crate) const PARTS: u64 = 4;

/// Plays this part's share of `number` lives.
pub(crate) fn play_lives(
    number: u64,
    part: u64,
    live: impl Fn(&[Act]) -> Result<(), TestCaseError>,
) {
    if let Some(seed) = hexadecimal("OXEC_LIFE") {
        if part == 0 {
            play_one(seed, &live);
        }
        return;
    }
    let number = decimal("OXEC_LIVES").unwrap_or(number);
    let seed = run_seed();
    eprintln!(
        "lives {part}, {}, … of {number}: OXEC_SEED={seed:#x}",
        part + PARTS
    );
    for life in (part..number).step_by(PARTS as usize) {
        play_one(life_seed(seed, life), &live);
    }
}

/// The acts of a life.
pub(crate) fn acts_of(seed: u64) -> Vec<Act> {
    life(1..80)
        .new_tree(&mut runner(seed))
        .expect("nothing is filtered")
        .current()
}

pub(crate) fn life_seed(run: u64, life: u64) -> u64 {
    let hash = keccak256([run.to_be_bytes(), life.to_be_bytes()].concat());
    u64::from_be_bytes(hash[..8].try_into().expect("eight bytes"))
}

fn play_one(seed: u64, live: &impl Fn(&[Act]) -> Result<(), TestCaseError>) {
    let mut runner = runner(seed);
    let tree = life(1..80)
        .new_tree(&mut runner)
        .expect("nothing is filtered");
    match runner.run_one(tree, |acts| live(&acts)) {
        Ok(_) => {}
        Err(TestError::Fail(reason, acts)) => panic!(
            "a life failed. {reason}\nthe shortest that fails too has {} acts: {acts:#?}\nto play it again: OXEC_LIFE={seed:#x}",
            acts.len()
        ),
        Err(TestError::Abort(reason)) => panic!("life {seed:#x} cannot be played: {reason}"),
    }
}

fn runner(seed: u64) -> TestRunner {
    let config = Config {
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = keccak256(seed.to_be_bytes());
    TestRunner::new_with_rng(
        config,
        TestRng::from_seed(RngAlgorithm::ChaCha, seed.as_slice()),
    )
}

/// One for the whole process, so that all its tests tell the same.
fn run_seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        hexadecimal("OXEC_SEED").unwrap_or_else(|| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            life_seed(now.as_nanos() as u64, u64::from(std::process::id()))
        })
    })
}

fn hexadecimal(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    Some(
        u64::from_str_radix(digits, 16)
            .unwrap_or_else(|_| panic!("{name}={text} is not hexadecimal")),
    )
}

fn decimal(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}
