//! How many random lives are played, and how to play one of them again.
//!
//! Every life has a seed of its own, made from the run's seed and the life's number, so a life that failed can be
//! played again alone, in no time, and is shrunk to the shortest life that fails too. What to set, all optional:
//!
//! | variable | meaning |
//! |---|---|
//! | `OXEC_LIVES` | how many lives are played on the contracts and on the twin alone, instead of 2,000 |
//! | `OXEC_SEED` | the run's seed, hexadecimal; without it every run plays other lives |
//! | `OXEC_LIFE` | the seed of the one life to be played, hexadecimal; a failure says which |

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::keccak256;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::life::{Act, life};

/// In the quick suite; `cargo xtask test --long` plays a hundred thousand.
const LIVES: u64 = 2_000;

/// Plays one of `one_in` lives, beginning with the life of number `first`. So a test may be divided between several
/// functions, which test runners run side by side.
pub(crate) fn play_lives(
    one_in: u64,
    first: u64,
    live: impl Fn(&[Act]) -> Result<(), TestCaseError>,
) {
    if let Some(seed) = hexadecimal("OXEC_LIFE") {
        return play_one(seed, &live);
    }
    let lives = decimal("OXEC_LIVES").unwrap_or(LIVES);
    let seed = run_seed();
    eprintln!(
        "lives {first}, {}, … below {lives}: OXEC_SEED={seed:#x}",
        first + one_in
    );
    let mut life = first;
    while life < lives {
        play_one(life_seed(seed, life), &live);
        life += one_in;
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
            "a life failed. {reason}\nthe shortest that fails too has {} acts: {acts:#?}\nto play it again: \
             OXEC_LIFE={seed:#x} cargo test -p oxec-protocol --test it {}",
            acts.len(),
            std::thread::current().name().unwrap_or_default()
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
