//! The same program with the same inputs gives the same bytes and the same fuel, whoever runs it.

use alloy_primitives::B256;
use runtime::wasm::{Engine, EngineOptions};

use crate::support::{Bench, probe, probe_component, text};

#[tokio::test]
async fn two_hosts_agree_on_digest_output_and_fuel() {
    for program in [probe(), probe_component()] {
        let mut seen = Vec::new();
        for (host, inputs) in [(0, ["x", "y"]), (1, ["y", "x"])] {
            let mut bench = Bench::new();
            if host == 1 {
                // No cache, no pool neighbours, another folder, other inodes, another order of creation.
                bench.engine = Engine::new(EngineOptions::default()).expect("an engine");
            }
            for name in inputs {
                bench.input(name, &[name]);
            }
            for command in ["world", "float"] {
                let mut job = bench.job(&program, &[command]);
                job.inputs = vec![bench.input("x", &["x"]), bench.input("y", &["y"])];
                let outcome = bench.engine.run(job).await.expect("well");
                seen.push((
                    host,
                    text(&outcome.stdout),
                    outcome.result.digest,
                    outcome.fuel,
                    outcome.profile,
                ));
            }
        }
        let (one, other) = seen.split_at(2);
        for (one, other) in one.iter().zip(other) {
            assert_eq!(
                (&one.1, one.2, one.3, &one.4),
                (&other.1, other.2, other.3, &other.4)
            );
        }
    }
}

#[tokio::test]
async fn the_clock_starts_with_the_deal_and_steps_with_each_look() {
    let bench = Bench::new();
    let outcome = bench.run(&probe(), &["world"]).await.expect("well");
    let lines = text(&outcome.stdout);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "1800000000.001s");
    assert_eq!(lines[1], "1ms 2ms");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("\"/iexec_out/b\" 1 false [1800000000000000000, ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn listings_are_sorted_by_bytes() {
    let bench = Bench::new();
    let outcome = bench.run(&probe(), &["world"]).await.expect("well");
    let text = text(&outcome.stdout);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("\"/iexec_out/")?.split('"').next())
        .collect();
    assert_eq!(names, ["Z", "a", "b", "c", "folder", "ä"]);
}

#[tokio::test]
async fn randomness_is_the_tasks() {
    let bench = Bench::new();
    let mut job = bench.job(&probe(), &["world"]);
    let one = bench
        .engine
        .run(job.clone())
        .await
        .expect("well")
        .result
        .digest;
    job.random_seed = B256::repeat_byte(8);
    let other = bench.engine.run(job).await.expect("well").result.digest;
    assert_ne!(one, other);
}

#[tokio::test]
async fn to_sleep_is_to_set_the_clock_forward() {
    let bench = Bench::new();
    for program in [probe(), probe_component()] {
        let outcome = bench.run(&program, &["sleep"]).await.expect("well");
        assert_eq!(text(&outcome.stdout), "3600\n");
        bench.run(&program, &["wait"]).await.expect("well");
    }
}
