//! Programs that mean harm, or do it without meaning to. None gives a result, none harms the host.

use std::time::Duration;

use runtime::{Failure, Limits};

use crate::support::{Bench, Program, probe, probe_component, text, wat};

async fn failure(program: &Program, args: &[&str], limits: Limits) -> Failure {
    let bench = Bench::new();
    let mut job = bench.job(program, args);
    job.limits = limits;
    bench
        .engine
        .run(job)
        .await
        .expect_err("it must fail")
        .failure
}

fn limits() -> Limits {
    Limits {
        time: Duration::from_secs(60),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_program_that_traps_fails() {
    for program in [probe(), probe_component()] {
        let failure = failure(&program, &["trap"], limits()).await;
        assert!(matches!(failure, Failure::Trap { .. }), "{failure}");
    }
}

#[tokio::test]
async fn a_program_that_loops_for_ever_ends_at_its_deadline() {
    for program in [probe(), probe_component()] {
        // The module is in the cache after this, so that the second below is the loop's.
        Bench::new()
            .run(&program, &["nothing"])
            .await
            .expect("well");
        let limit = Duration::from_secs(1);
        let failure = failure(
            &program,
            &["loop"],
            Limits {
                time: limit,
                ..limits()
            },
        )
        .await;
        assert_eq!(failure, Failure::DeadlineCrossed { limit });
    }
    let in_start = wat(
        r#"(module (memory (export "memory") 1) (func $f (loop br 0)) (start $f) (func (export "_start")))"#,
    );
    let limit = Duration::from_millis(200);
    assert_eq!(
        failure(
            &in_start,
            &[],
            Limits {
                time: limit,
                ..limits()
            }
        )
        .await,
        Failure::DeadlineCrossed { limit }
    );
}

#[tokio::test]
async fn a_program_may_be_bounded_by_instructions() {
    let fuel = Some(100_000);
    let failure = failure(&probe(), &["loop"], Limits { fuel, ..limits() }).await;
    assert_eq!(failure, Failure::FuelCrossed { limit: 100_000 });
}

#[tokio::test]
async fn a_run_can_be_cancelled() {
    let bench = Bench::new();
    bench.run(&probe(), &["nothing"]).await.expect("well");
    let job = bench.job(&probe(), &["loop"]);
    let cancel = job.cancel.clone();
    let run = tokio::spawn({
        let engine = bench.engine.clone();
        async move { engine.run(job).await }
    });
    cancel.cancel();
    let failed = run.await.expect("no panic").expect_err("cancelled");
    assert_eq!(failed.failure, Failure::Cancelled);
    assert!(!failed.failure.is_applications());
}

#[tokio::test]
async fn a_program_that_eats_memory_ends_and_is_not_told() {
    let limit = 64 << 20;
    for program in [probe(), probe_component()] {
        let failure = failure(
            &program,
            &["eat"],
            Limits {
                memory_bytes: limit,
                ..limits()
            },
        )
        .await;
        assert_eq!(failure, Failure::MemoryCrossed { limit });
    }
    let small = Limits {
        memory_bytes: 1 << 20,
        ..limits()
    };
    let large = wat(r#"(module (memory (export "memory") 100) (func (export "_start")))"#);
    assert_eq!(
        failure(&large, &[], small.clone()).await,
        Failure::MemoryCrossed { limit: 1 << 20 }
    );
    // One page more than 32 bits can address, and than its own declared maximum.
    let grow = wat(
        r#"(module (memory (export "memory") 1) (func (export "_start") (drop (memory.grow (i32.const 65536)))))"#,
    );
    assert_eq!(
        failure(&grow, &[], small).await,
        Failure::MemoryCrossed { limit: 1 << 20 }
    );
}

#[tokio::test]
async fn a_modules_own_maximum_is_its_own() {
    let grow = wat(r#"(module (memory (export "memory") 1 2)
            (func (export "_start") (if (i32.ne (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable))))"#);
    Bench::new()
        .run(&grow, &[])
        .await
        .expect("-1 is what the module asked for");
}

#[tokio::test]
async fn too_large_a_table_ends_the_run() {
    let large = wat(
        r#"(module (memory (export "memory") 1) (table 1000001 funcref) (func (export "_start")))"#,
    );
    let grow = wat(r#"(module (memory (export "memory") 1) (table $t 1 funcref)
            (func (export "_start") (drop (table.grow $t (ref.null func) (i32.const 100000000)))))"#);
    for program in [large, grow] {
        let failure = failure(&program, &[], limits()).await;
        assert!(
            matches!(failure, Failure::Trap { .. } | Failure::NotWasm { .. }),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_program_that_writes_without_end_ends() {
    let output_bytes = 8 << 20;
    for program in [probe(), probe_component()] {
        for command in ["flood", "sparse"] {
            let failure = failure(
                &program,
                &[command],
                Limits {
                    output_bytes,
                    ..limits()
                },
            )
            .await;
            assert_eq!(
                failure,
                Failure::OutputCrossed {
                    limit: output_bytes
                },
                "{command}"
            );
        }
        let failure = failure(
            &program,
            &["many"],
            Limits {
                output_files: 1000,
                ..limits()
            },
        )
        .await;
        assert_eq!(failure, Failure::FilesCrossed { limit: 1000 });
    }
}

#[tokio::test]
async fn a_program_that_prints_without_end_ends() {
    let limit = 1 << 20;
    for (command, stream) in [("print", "output"), ("complain", "error")] {
        let bench = Bench::new();
        let mut job = bench.job(&probe(), &[command]);
        job.limits.stream_bytes = limit;
        let failed = bench.engine.run(job).await.expect_err("too much");
        assert_eq!(failed.failure, Failure::StreamCrossed { stream, limit });
        assert!(failed.log.contains("round and round it goes"));
        assert!(failed.log.len() <= runtime::Failed::LOG_BYTES);
    }
}

#[tokio::test]
async fn a_program_cannot_leave_its_folders() {
    let outside = [
        "/iexec_out/../../etc/passwd",
        "../etc/passwd",
        "/etc/passwd",
        "/iexec_out/../..",
        "/proc/self/environ",
    ];
    for program in [probe(), probe_component()] {
        let bench = Bench::new();
        let args = [&["try"][..], &outside].concat();
        let outcome = bench.run(&program, &args).await.expect("it only tried");
        let said = text(&outcome.stdout);
        assert!(!said.contains("Ok"), "{said}");
        let outcome = bench
            .run(&program, &["links"])
            .await
            .expect("it only tried");
        // NOTPERMITTED is 63 in preview 1.
        assert_eq!(text(&outcome.stdout), "63\n63\ntrue\n");
    }
}

#[tokio::test]
async fn a_program_that_calls_too_deep_traps() {
    for program in [probe(), probe_component()] {
        // It runs out of the stack it keeps in its own memory, below which there is nothing.
        let failure = failure(&program, &["deep"], limits()).await;
        assert!(matches!(failure, Failure::Trap { .. }), "{failure}");
    }
    let endless = wat(r#"(module (memory (export "memory") 1)
            (func $f (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
            (func (export "_start") (drop (call $f (i32.const 0)))))"#);
    let failure = failure(&endless, &[], limits()).await;
    assert_eq!(
        failure,
        Failure::Trap {
            reason: "wasm trap: call stack exhausted".to_owned()
        }
    );
}

#[tokio::test]
async fn what_is_no_program_is_refused_with_its_reason() {
    let probe = probe().0;
    let cases = [
        (Program(Vec::new()), "does not begin as WebAssembly"),
        (
            Program(b"\x7fELF\x02\x01\x01\0".to_vec()),
            "does not begin as WebAssembly",
        ),
        (
            Program(b"(module)".to_vec()),
            "does not begin as WebAssembly",
        ),
        (Program(b"\0asm\x09\0\0\0".to_vec()), "unknown version"),
        (
            Program(probe[..probe.len() / 2].to_vec()),
            "not a WebAssembly program",
        ),
        (wat("(module)"), "no _start"),
        (
            wat(r#"(module (func (export "_start") (param i32)))"#),
            "no _start",
        ),
        (wat("(component)"), "not a WebAssembly program"),
        (
            wat(r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")))"#),
            "threads",
        ),
        (
            wat(r#"(module (memory i64 1) (func (export "_start")))"#),
            "memory64",
        ),
    ];
    for (program, expected) in cases {
        let failure = failure(&program, &[], limits()).await;
        assert!(matches!(failure, Failure::NotWasm { .. }), "{failure}");
        assert!(
            failure.to_string().contains(expected),
            "{expected:?} in {failure}"
        );
        assert!(failure.is_applications());
    }
}

#[tokio::test]
async fn imports_we_do_not_give_are_named() {
    let cases = [
        (
            r#"(module (import "env" "connect" (func)) (func (export "_start")))"#,
            "env.connect",
        ),
        (
            r#"(module (import "wasi" "thread-spawn" (func (param i32) (result i32))) (func (export "_start")))"#,
            "wasi.thread-spawn",
        ),
        (
            r#"(module (import "wasi_snapshot_preview1" "sock_open" (func)) (func (export "_start")))"#,
            "sock_open",
        ),
        (
            r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#,
            "wasi:http/outgoing-handler@0.2.0",
        ),
    ];
    for (text, expected) in cases {
        let failure = failure(&wat(text), &[], limits()).await;
        assert!(
            matches!(&failure, Failure::Import { import } if import.contains(expected)),
            "{failure}"
        );
    }
}

/// Every call with every argument set to the worst, with no panic, no end of the host.
#[tokio::test]
async fn wild_arguments_are_answered_with_errors() {
    let calls = [
        ("args_get", "i32 i32"),
        ("environ_get", "i32 i32"),
        ("clock_time_get", "i32 i64 i32"),
        ("fd_allocate", "i32 i64 i64"),
        ("fd_fdstat_get", "i32 i32"),
        ("fd_filestat_set_size", "i32 i64"),
        ("fd_pread", "i32 i32 i32 i64 i32"),
        ("fd_prestat_dir_name", "i32 i32 i32"),
        ("fd_pwrite", "i32 i32 i32 i64 i32"),
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_readdir", "i32 i32 i32 i64 i32"),
        ("fd_renumber", "i32 i32"),
        ("fd_seek", "i32 i64 i32 i32"),
        ("fd_write", "i32 i32 i32 i32"),
        ("path_create_directory", "i32 i32 i32"),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        ("path_rename", "i32 i32 i32 i32 i32 i32"),
        ("poll_oneoff", "i32 i32 i32 i32"),
        ("random_get", "i32 i32"),
        ("sock_recv", "i32 i32 i32 i32 i32 i32"),
    ];
    for fill in [0_i64, 1, 3, -1, i64::MIN, i64::MAX, 65_530, 0x7fff_fff0] {
        let mut imports = String::new();
        let mut body = String::new();
        for (name, params) in calls {
            imports += &format!(
                "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {params}) (result i32)))\n"
            );
            let args: String = params
                .split(' ')
                .map(|kind| {
                    let value = if kind == "i32" {
                        i64::from(fill as i32)
                    } else {
                        fill
                    };
                    format!("({kind}.const {value}) ")
                })
                .collect();
            body += &format!("(drop (call ${name} {args}))\n");
        }
        let program = wat(&format!(
            "(module {imports} (memory (export \"memory\") 1) (func (export \"_start\") {body}))"
        ));
        let bench = Bench::new();
        let mut job = bench.job(&program, &["some", "words"]);
        job.limits.time = Duration::from_secs(20);
        match bench.engine.run(job).await {
            Ok(_) => {}
            Err(failed) => assert!(failed.failure.is_applications(), "{fill}: {failed}"),
        }
    }
}

/// Bytes changed at random: some are no modules, some do something else; none ends the host.
#[tokio::test]
async fn mutilated_modules_never_harm_the_host() {
    let sound = wat(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (table 4 funcref) (elem (i32.const 0) $f $f)
            (data (i32.const 8) "hello")
            (func $f (result i32) (i32.const 7))
            (func (export "_start") (local i32)
                (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 5))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
                (drop (call_indirect (result i32) (i32.const 1)))
                (local.set 0 (memory.grow (i32.const 1)))))"#,
    )
    .0;
    let bench = Bench::new();
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..400 {
        let mut bytes = sound.clone();
        for _ in 0..=chance % 3 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let at = 8 + chance as usize % (bytes.len() - 8);
            bytes[at] = (chance >> 32) as u8;
        }
        let mut job = bench.job(&Program(bytes), &[]);
        job.limits = Limits {
            time: Duration::from_millis(500),
            memory_bytes: 16 << 20,
            ..Limits::default()
        };
        if let Err(failed) = bench.engine.run(job).await {
            assert!(failed.failure.is_applications(), "{failed}");
        }
    }
}
