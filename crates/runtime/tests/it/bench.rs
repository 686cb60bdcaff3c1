//! The cache, and what a warm run costs. The figure is printed, never asserted: `cargo test -p oxec-runtime bench --
//! --nocapture`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use runtime::wasm::{Engine, EngineOptions};

use crate::support::{Bench, probe, probe_component, wat};

#[tokio::test]
async fn bench_of_a_warm_run() {
    let bench = Bench::new();
    for (name, program) in [("module", probe()), ("component", probe_component())] {
        for (what, args) in [
            ("nothing", &["nothing"][..]),
            ("a file", &["write", "/iexec_out/file", "some bytes"]),
        ] {
            bench.run(&program, args).await.expect("well");
            let mut walls: Vec<Duration> = Vec::new();
            for _ in 0..50 {
                let job = bench.job(&program, args);
                let start = Instant::now();
                bench.engine.run(job).await.expect("well");
                walls.push(start.elapsed());
            }
            walls.sort();
            println!(
                "warm {name}, {what}: best {:?}, p50 {:?}, worst {:?} (target 5 ms)",
                walls[0], walls[25], walls[49]
            );
        }
    }
}

#[tokio::test]
async fn a_compiled_module_is_kept_on_disk_and_only_trusted_unchanged() {
    let bench = Bench::new();
    let cache = bench.folder.path().join("cache");
    let options = EngineOptions {
        cache: Some(cache.clone()),
        ..EngineOptions::default()
    };
    let program = wat(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let job = bench.job(&program, &[]);

    let compiled = || {
        let files = fs::read_dir(&cache)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.file_name().is_some_and(|name| name != "key"))
            .collect::<Vec<_>>()
    };
    Engine::new(options.clone())
        .expect("an engine")
        .run(job.clone())
        .await
        .expect("well");
    assert_eq!(compiled().len(), 1);
    assert_eq!(
        fs::metadata(&cache).expect("a folder").permissions().mode() & 0o777,
        0o700
    );

    // From disk: the module itself is not needed any more.
    fs::remove_file(&job.module.path).expect("removed");
    Engine::new(options.clone())
        .expect("an engine")
        .run(job.clone())
        .await
        .expect("well");

    // Changed: compiled anew, and there is nothing to compile.
    let mut bytes = fs::read(&compiled()[0]).expect("readable");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&compiled()[0], bytes).expect("written");
    let failed = Engine::new(options.clone())
        .expect("an engine")
        .run(job.clone())
        .await
        .expect_err("no module");
    assert!(!failed.failure.is_applications(), "{failed}");
    let again = bench.job(&program, &[]);
    Engine::new(options)
        .expect("an engine")
        .run(again)
        .await
        .expect("well");
}

#[tokio::test]
async fn more_runs_than_slots_wait_for_their_turn() {
    let bench = Bench::new();
    let program = probe();
    let runs = (0..12).map(|number| {
        let mut job = bench.job(
            &program,
            &["write", "/iexec_out/number", &number.to_string()],
        );
        job.folder = bench.folder.path().join(format!("run-{number}"));
        bench.engine.run(job)
    });
    let outcomes = futures::future::join_all(runs).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let out = outcome.expect("well").out.join("number");
        assert_eq!(
            fs::read_to_string(out).expect("readable"),
            number.to_string()
        );
    }
}
