//! What an application is given and what is taken from it.

use alloy_primitives::{B256, keccak256};
use protocol::result::{Digest, Manifest, ManifestFile, Rule, sha256};
use runtime::{Failed, Failure, Outcome};

use crate::support::{Bench, Program, probe, probe_component, text};

fn both() -> [Program; 2] {
    [probe(), probe_component()]
}

fn listed(bytes: &[u8]) -> ManifestFile {
    ManifestFile {
        length: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

#[tokio::test]
async fn a_program_gets_its_arguments_and_environment_and_nothing_else() {
    let bench = Bench::new();
    for program in both() {
        let mut job = bench.job(&program, &["words", "two words", "ünï"]);
        job.environment = vec![
            ("B".to_owned(), "2".to_owned()),
            ("A".to_owned(), "1 = one".to_owned()),
        ];
        let outcome = bench.engine.run(job).await.expect("well");
        assert_eq!(
            text(&outcome.stdout),
            "[\"app\", \"words\", \"two words\", \"ünï\"]\nB=2\nA=1 = one\n"
        );
    }
}

#[tokio::test]
async fn inputs_are_there_under_each_of_their_names_and_cannot_be_changed() {
    let bench = Bench::new();
    for program in both() {
        let mut job = bench.job(
            &program,
            &[
                "cat",
                "/iexec_in/0a1b",
                "iexec_in/tile.svg",
                "/iexec_in/other",
            ],
        );
        job.inputs = vec![
            bench.input("<svg/>\n", &["0a1b", "tile.svg"]),
            bench.input("other\n", &["other"]),
        ];
        let outcome = bench.engine.run(job.clone()).await.expect("well");
        assert_eq!(text(&outcome.stdout), "<svg/>\n<svg/>\nother\n");

        job.args = [
            "try",
            "/iexec_in/other",
            "/iexec_in/new",
            "/new",
            "/iexec_in",
        ]
        .map(str::to_owned)
        .to_vec();
        let outcome = bench.engine.run(job.clone()).await.expect("well");
        assert!(
            !text(&outcome.stdout).contains("write Ok"),
            "{}",
            text(&outcome.stdout)
        );
        assert!(
            !text(&outcome.stdout).contains("folder Ok"),
            "{}",
            text(&outcome.stdout)
        );
        assert!(
            !text(&outcome.stdout).contains("move Ok"),
            "{}",
            text(&outcome.stdout)
        );
        assert!(
            !text(&outcome.stdout).contains("remove Ok"),
            "{}",
            text(&outcome.stdout)
        );
        assert_eq!(text(&job.inputs[1].host_path), "other\n");
    }
}

#[tokio::test]
async fn two_inputs_of_one_name_are_refused() {
    let bench = Bench::new();
    let mut job = bench.job(&probe(), &["nothing"]);
    job.inputs = vec![
        bench.input("1", &["one", "same"]),
        bench.input("2", &["two", "same"]),
    ];
    let failed = bench.engine.run(job.clone()).await.expect_err("ambiguous");
    assert_eq!(
        failed.failure,
        Failure::BadInputs {
            reason: "two inputs are named \"same\"".to_owned()
        }
    );
    job.inputs = vec![bench.input("1", &["one"])];
    job.inputs[0].names.push("../one".to_owned());
    assert!(matches!(
        bench.engine.run(job).await.expect_err("a path").failure,
        Failure::BadInputs { .. }
    ));
}

#[tokio::test]
async fn files_behave_as_programs_expect() {
    let bench = Bench::new();
    for program in both() {
        let outcome = bench.run(&program, &["files"]).await.expect("well");
        assert_eq!(text(&outcome.stdout), "well\n");
        assert_eq!(text(&outcome.out.join("kept")), "scratch");
        assert_eq!(text(&outcome.out.join("moved/c/deep")), "deep");
        assert_eq!(
            std::fs::read_dir(&outcome.out).expect("a folder").count(),
            3
        );
        assert!(
            !bench.folder.path().join("run/files").exists(),
            "scratch is swept"
        );
    }
}

#[tokio::test]
async fn without_computed_json_all_files_and_the_output_are_the_result() {
    let bench = Bench::new();
    let write = [
        "write",
        "/iexec_out/b/c",
        "deep",
        "/iexec_out/a",
        "flat",
        "/iexec_out/b/empty",
        "",
    ];
    let outcome = bench.run(&probe(), &write).await.expect("well");
    let mut manifest = Manifest::new();
    for (path, bytes) in [
        ("a", "flat"),
        ("b/c", "deep"),
        ("b/empty", ""),
        ("stdout.txt", ""),
    ] {
        manifest.add(path, listed(bytes.as_bytes())).expect("sound");
    }
    assert_eq!(
        (outcome.result.rule, outcome.result.digest),
        (Rule::Manifest, manifest.digest())
    );

    let taken = bench
        .run(&probe(), &["write", "/iexec_out/stdout.txt", "mine"])
        .await
        .expect_err("ambiguous");
    assert_eq!(
        taken.failure,
        Failure::TakenName {
            path: "stdout.txt".to_owned()
        }
    );
}

async fn with_computed_json(json: &str) -> Result<Outcome, Failed> {
    let bench = Bench::new();
    let write = [
        "write",
        "/iexec_out/r/2",
        "two",
        "/iexec_out/r/1",
        "one",
        "/iexec_out/r/deep/3",
        "three",
    ];
    let args = [&write[..], &["/iexec_out/computed.json", json]].concat();
    bench.run(&probe(), &args).await
}

#[tokio::test]
async fn computed_json_names_a_file_a_folder_or_callback_data() {
    let file = with_computed_json(r#"{"deterministic-output-path":"/iexec_out/r/1"}"#)
        .await
        .expect("well")
        .result;
    assert_eq!(
        (file.rule, file.digest),
        (Rule::File, Digest(sha256(b"one")))
    );

    let folder = with_computed_json(r#"{"deterministic-output-path":"/iexec_out/r"}"#)
        .await
        .expect("well")
        .result;
    let joined: Vec<u8> = [sha256(b"one"), sha256(b"two")]
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    assert_eq!(
        (folder.rule, folder.digest),
        (Rule::Folder, Digest(keccak256(joined)))
    );

    let callback = with_computed_json(r#"{"callback-data":"0x0102"}"#)
        .await
        .expect("well")
        .result;
    assert_eq!(
        (callback.rule, callback.digest),
        (Rule::Callback, Digest(keccak256([1, 2])))
    );
    assert_eq!(callback.callback, Some(vec![1, 2].into()));
}

#[tokio::test]
async fn a_bad_computed_json_fails_the_task() {
    let cases = [
        ("{", "computed.json is not JSON"),
        ("[]", "computed.json is not a JSON object"),
        ("{}", "names neither"),
        (
            r#"{"deterministic-output-path":"/iexec_out/nowhere"}"#,
            "/iexec_out/nowhere",
        ),
        (
            r#"{"deterministic-output-path":"/etc/passwd"}"#,
            "not inside /iexec_out",
        ),
        (
            r#"{"deterministic-output-path":"/iexec_out/../etc/passwd"}"#,
            "not inside /iexec_out",
        ),
        (r#"{"deterministic-output-path":7}"#, "not text"),
        (r#"{"callback-data":"0xzz"}"#, "hexadecimal"),
    ];
    for (json, expected) in cases {
        let failed = with_computed_json(json).await.expect_err(json);
        assert!(failed.failure.is_applications(), "{json}");
        assert!(failed.to_string().contains(expected), "{json}: {failed}");
    }
}

#[tokio::test]
async fn an_exit_code_other_than_zero_is_a_failure_with_its_log() {
    let bench = Bench::new();
    for (program, code) in both().iter().zip([3, 1]) {
        // A component's plain exit knows success and failure only.
        let failed = bench
            .run(program, &["exit", "3"])
            .await
            .expect_err("exit code 3");
        assert_eq!(failed.failure, Failure::ExitCode(code));
        let failed = bench
            .run(program, &["no such thing"])
            .await
            .expect_err("panicked");
        assert!(
            failed.log.contains("no such command: no such thing"),
            "{}",
            failed.log
        );
        assert!(failed.log.len() <= Failed::LOG_BYTES);
    }
    bench
        .run(&probe(), &["exit", "0"])
        .await
        .expect("0 is well");
}

#[tokio::test]
async fn a_module_of_another_checksum_is_not_run() {
    let bench = Bench::new();
    let mut job = bench.job(&probe(), &["nothing"]);
    job.module.sha256 = B256::repeat_byte(1);
    let failed = bench.engine.run(job).await.expect_err("another file");
    assert!(
        matches!(failed.failure, Failure::WrongChecksum { .. }),
        "{failed}"
    );
}
