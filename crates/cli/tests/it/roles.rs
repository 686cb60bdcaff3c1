//! Every role as a process of its own, as on machines of strangers.

use anyhow::Context;
use serde_json::Value;
use testkit::errand;

use crate::process::{Process, ask, fail, fail_with_key};

const FREE: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key]
        .as_str()
        .with_context(|| format!("no {key} in {value}"))
}

#[test]
fn a_task_is_run_and_paid_with_every_role_a_process_of_its_own() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (chain, told) = Process::start(data, &[&["chain", "start"][..], &FREE].concat())?;
    let rpc = text(&told, "url")?.to_owned();
    let deployment = text(&told, "deployment")?.to_owned();
    let place = ["--rpc", &rpc, "--deployment", &deployment];
    let (market, told) = Process::start(data, &[&place[..], &["market", "start"], &FREE].concat())?;
    let market_url = text(&told, "url")?.to_owned();
    let start = [
        &place[..],
        &[
            "--market",
            &market_url,
            "scheduler",
            "start",
            "--trust",
            "4",
        ],
        &FREE,
    ]
    .concat();
    let (scheduler, told) = Process::start(data, &start)?;
    assert_eq!(told["offered"].as_array().map(Vec::len), Some(5), "{told}");
    let workerpool = text(&told, "workerpool")?.to_owned();
    let pool = text(&told, "url")?.to_owned();
    let workers = ["one", "two"].map(|name| {
        let elsewhere = data.join(name);
        Process::start(
            &elsewhere,
            &["--deployment", &deployment, "worker", "--pool", &pool],
        )
    });

    // The requester: a wallet, money, an application, a task.
    let password = data.join("password");
    std::fs::write(&password, "p")?;
    let password = ["--password-file", password.to_str().context("path")?];
    ask(data, &[&password[..], &["wallet", "create"]].concat())?;
    let with = [
        &place[..],
        &password,
        &["--market", &market_url, "--pool", &pool],
    ]
    .concat();
    let ask = |words: &[&str]| ask(data, &[&with[..], words].concat());
    ask(&["account", "faucet", "--rlc", "100"])?;
    let module = errand().to_str().context("path")?;
    let app = text(&ask(&["app", "publish", module])?, "app")?.to_owned();
    let ran = ask(&[
        "run", &app, "--trust", "4", "--watch", "--", "write", "whole",
    ])?;
    assert_eq!(ran["failed"], serde_json::json!({}), "{ran}");
    let task = ran["tasks"][0].as_str().context("task")?;
    let out = data.join("result");
    ask(&[
        "result",
        "fetch",
        task,
        "--out",
        out.to_str().context("path")?,
    ])?;
    assert!(std::fs::read_to_string(out.join("words.txt"))?.starts_with("whole"));

    for worker in workers {
        assert!(worker?.0.terminate()?.success());
    }
    assert!(scheduler.terminate()?.success());

    // A second start serves the same workerpool, and does not offer twice what is on offer.
    let (scheduler, told) = Process::start(data, &start)?;
    assert_eq!(text(&told, "workerpool")?, workerpool);
    assert_eq!(told["offered"].as_array().map(Vec::len), Some(5), "{told}");
    for process in [scheduler, market, chain] {
        assert!(process.terminate()?.success());
    }
    Ok(())
}

#[test]
fn a_role_without_its_surroundings_says_what_to_do() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let words = fail(data, &["market", "start"])?;
    assert!(
        words.contains("oxec up") && words.contains("--deployment"),
        "{words}"
    );
    let words = fail(data, &["--deployment", "/no/such.json", "market", "start"])?;
    assert!(
        words.contains("/no/such.json") && words.contains("oxec chain deploy"),
        "{words}"
    );
    let words = fail(data, &["worker"])?;
    assert!(words.contains("--pool"), "{words}");

    let (chain, told) = Process::start(data, &[&["chain", "start"][..], &FREE].concat())?;
    let (rpc, deployment) = (text(&told, "url")?, text(&told, "deployment")?);
    let words = fail(data, &["--deployment", deployment, "market", "start"])?;
    assert!(words.contains("--rpc"), "{words}");
    let nobody = ["--rpc", "http://127.0.0.1:1", "--deployment", deployment];
    let words = fail(data, &[&nobody[..], &["market", "start"]].concat())?;
    assert!(words.contains("127.0.0.1:1"), "{words}");
    let here = ["--rpc", rpc, "--deployment", deployment];
    let words = fail(
        data,
        &[
            &here[..],
            &["scheduler", "start", "--deposit", "99000000"],
            &FREE,
        ]
        .concat(),
    )?;
    assert!(words.contains("--deposit"), "{words}");
    let busy = rpc.trim_start_matches("http://");
    let words = fail(
        data,
        &[&here[..], &["market", "start", "--listen", busy]].concat(),
    )?;
    assert!(words.contains(busy), "{words}");
    let words = fail(
        data,
        &["chain", "start", "--listen", busy, "--folder", "elsewhere"],
    )?;
    assert!(words.contains("--listen"), "{words}");

    // Another chain under the same file.
    let other = data.join("other");
    let other = other.to_str().context("path")?;
    let start = [
        "chain",
        "start",
        "--bare",
        "--chain-id",
        "5",
        "--folder",
        other,
    ];
    let (bare, told) = Process::start(data, &[&start[..], &FREE].concat())?;
    assert_eq!(told["deployment"], Value::Null);
    let there = ["--rpc", text(&told, "url")?, "--deployment", deployment];
    let words = fail(data, &[&there[..], &["market", "start"]].concat())?;
    assert!(
        words.contains("chain 5") && words.contains("31337"),
        "{words}"
    );
    assert!(bare.interrupt()?.success());
    assert!(chain.interrupt()?.success());
    Ok(())
}

#[test]
fn a_bare_chain_gets_the_contracts_once_and_every_role_reads_the_file() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (chain, told) = Process::start(data, &[&["chain", "start", "--bare"][..], &FREE].concat())?;
    let rpc = text(&told, "url")?.to_owned();
    let rpc = ["--rpc", &rpc];

    let phrase = data.join("phrase");
    std::fs::write(&phrase, devchain::DEV_MNEMONIC)?;
    let password = data.join("password");
    std::fs::write(&password, "p")?;
    let password = ["--password-file", password.to_str().context("path")?];
    let phrase = ["--mnemonic-file", phrase.to_str().context("path")?];
    let import = ["--wallet", "dev", "wallet", "import"];
    ask(data, &[&password[..], &import, &phrase].concat())?;
    ask(data, &[&password[..], &["wallet", "create"]].concat())?;
    let file = data.join("deployment.json");
    let out = ["--out", file.to_str().context("path")?];
    let deploy = [&rpc[..], &password, &["chain", "deploy"], &out].concat();

    assert!(fail(data, &["chain", "deploy"])?.contains("--rpc"));
    let words = fail(data, &deploy)?;
    assert!(
        words.contains("--wallet dev") && words.contains("gas"),
        "{words}"
    );
    let deploy = [&["--wallet", "dev"], &deploy[..]].concat();
    let first = ask(data, &deploy)?;
    assert_eq!(first["transactions"], 19, "{first}");
    let second = ask(data, &deploy)?;
    assert_eq!(second["transactions"], 0, "{second}");
    assert_eq!(
        (&first["hub"], &first["block"]),
        (&second["hub"], &second["block"])
    );

    let place = [&rpc[..], &["--deployment", file.to_str().context("path")?]].concat();
    let verified = ask(data, &[&place[..], &["chain", "verify"]].concat())?;
    assert_eq!(verified["hub"], first["hub"]);
    let (market, told) = Process::start(data, &[&place[..], &["market", "start"], &FREE].concat())?;
    assert_eq!(told["hub"], first["hub"]);
    assert!(market.terminate()?.success());

    // Every user of the machine may read where the contracts stand, and the block that a person put there is kept.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o644);
    }
    let mut corrected: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    assert_ne!(corrected["block"], 1);
    corrected["block"] = 1.into();
    std::fs::write(&file, corrected.to_string())?;
    assert_eq!(ask(data, &deploy)?["block"], 1);

    // A file of other contracts is not written over.
    let other = std::fs::read_to_string(&file)?.replace("31337", "1");
    std::fs::write(&file, other)?;
    let words = fail(data, &deploy)?;
    assert!(words.contains("--out"), "{words}");
    let words = fail(data, &[&place[..], &["chain", "verify"]].concat())?;
    assert!(
        words.contains("chain 31337") && words.contains("chain 1"),
        "{words}"
    );
    assert!(chain.terminate()?.success());
    Ok(())
}

#[test]
fn what_cannot_be_written_down_and_whom_everybody_could_rob_is_not_deployed() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let start = ["chain", "start", "--bare", "--chain-id", "5"];
    let (chain, told) = Process::start(data, &[&start[..], &FREE].concat())?;
    let rpc = ["--rpc", text(&told, "url")?];
    let phrase = data.join("phrase");
    std::fs::write(&phrase, devchain::DEV_MNEMONIC)?;
    let password = data.join("password");
    std::fs::write(&password, "p")?;
    let dev = [
        "--wallet",
        "dev",
        "--password-file",
        password.to_str().context("path")?,
    ];
    let phrase = ["--mnemonic-file", phrase.to_str().context("path")?];
    ask(data, &[&dev[..], &["wallet", "import"], &phrase].concat())?;
    let file = data.join("deployment.json");
    let out = ["--out", file.to_str().context("path")?];
    let deploy = [&rpc[..], &dev, &["chain", "deploy"], &out].concat();
    let words = fail(data, &deploy)?;
    assert!(
        words.contains("chain 5") && words.contains("--play"),
        "{words}"
    );

    // The file of another chain is in the way: nothing is paid before that is known.
    let deploy = [&deploy[..], &["--play"]].concat();
    let other = protocol::deployment::plan(1, alloy_primitives::Address::repeat_byte(1));
    std::fs::write(&file, serde_json::to_string(&other.deployment)?)?;
    let words = fail(data, &deploy)?;
    assert!(
        words.contains("--out") && words.contains("Nothing was sent"),
        "{words}"
    );
    std::fs::remove_file(&file)?;
    assert_eq!(ask(data, &deploy)?["transactions"], 19);
    assert!(chain.terminate()?.success());
    Ok(())
}

/// A pool's front door, which says whatever one likes.
fn pool_that_says(info: Value) -> anyhow::Result<String> {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        while let Ok((mut line, _)) = listener.accept() {
            let _ = line.read(&mut [0; 4096]);
            let body = info.to_string();
            let _ = write!(
                line,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Ok(url)
}

#[test]
fn a_worker_stakes_nothing_at_contracts_of_the_pools_own_making() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    // A chain whose money may be real.
    let start = ["chain", "start", "--chain-id", "5"];
    let (chain, told) = Process::start(data, &[&start[..], &FREE].concat())?;
    let rpc = text(&told, "url")?;
    let genuine = std::fs::read_to_string(text(&told, "deployment")?)?;
    let genuine: Value = serde_json::from_str(&genuine)?;
    let says = |deployment: &Value| {
        pool_that_says(serde_json::json!({
            "workerpool": deployment["app_registry"],
            "owner": deployment["deployer"],
            "description": "",
            "deployment": deployment,
            "rpc": rpc,
            "runtime_profile": "",
            "workers": 0,
        }))
    };
    // The true token, and a hub that takes whatever is approved to it.
    let mut evil = genuine.clone();
    evil["hub"] = genuine["dataset_registry"].clone();
    let words = fail(data, &["worker", "--pool", &says(&evil)?])?;
    assert!(
        words.contains("--deployment") && words.contains("nothing is staked"),
        "{words}"
    );
    // Those of a deployment like any other are known by their code; then only the money is missing.
    let words = fail(data, &["worker", "--pool", &says(&genuine)?])?;
    assert!(words.contains("nothing to pay gas with"), "{words}");
    // And that the key lies about is said to whoever is asked for money.
    assert!(words.contains("beside its password"), "{words}");
    assert!(chain.terminate()?.success());
    Ok(())
}

#[test]
fn a_pool_does_not_tell_everybody_the_key_to_its_node() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let file = data.join("deployment.json");
    let plan = protocol::deployment::plan(1, alloy_primitives::Address::repeat_byte(1));
    std::fs::write(&file, serde_json::to_string(&plan.deployment)?)?;
    let deployment = ["--deployment", file.to_str().context("path")?];
    for rpc in [
        "http://127.0.0.1:1/v3/SECRET",
        "http://127.0.0.1:1/?key=SECRET",
        "http://SECRET@127.0.0.1:1",
    ] {
        let start = [&deployment[..], &["--rpc", rpc, "scheduler", "start"]].concat();
        let words = fail(data, &start)?;
        assert!(
            words.contains("--public-rpc") && !words.contains("SECRET"),
            "{words}"
        );
        let words = fail(data, &[&start[..], &["--public-rpc", rpc]].concat())?;
        assert!(words.contains("cannot use the contracts"), "{words}");
    }
    Ok(())
}

#[test]
fn two_services_do_not_act_with_one_key() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (chain, told) = Process::start(data, &[&["chain", "start"][..], &FREE].concat())?;
    let (rpc, deployment) = (text(&told, "url")?, text(&told, "deployment")?);
    let place = ["--rpc", rpc, "--deployment", deployment];
    let start = [&place[..], &["scheduler", "start"], &FREE].concat();
    let (first, _) = Process::start(data, &start)?;
    let other = data.join("other");
    let elsewhere = ["--folder", other.to_str().context("path")?];
    let words = fail(data, &[&start[..], &elsewhere].concat())?;
    assert!(
        words.contains("--wallet") && words.contains("another service"),
        "{words}"
    );
    assert!(first.terminate()?.success());
    let (second, _) = Process::start(data, &[&start[..], &elsewhere].concat())?;
    assert!(second.terminate()?.success());

    let key = format!("0x{}", "11".repeat(32));
    let words = fail_with_key(
        data,
        &key,
        &[&place[..], &["--wallet", "mine", "account", "show"]].concat(),
    )?;
    assert!(words.contains("two wallets are named"), "{words}");
    assert!(chain.terminate()?.success());
    Ok(())
}
