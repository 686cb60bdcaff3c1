//! The binary as a person uses it: processes, Ctrl-C, JSON.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use testkit::errand;

use crate::process::{Process, ask, fail, output};

fn up(data: &Path) -> anyhow::Result<(Process, Value)> {
    let free = "127.0.0.1:0";
    Process::start(
        data,
        &[
            "up",
            "--chain-listen",
            free,
            "--market-listen",
            free,
            "--pool-listen",
            free,
        ],
    )
}

#[test]
fn every_step_of_the_walk_is_a_command() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (town, file) = up(data)?;
    assert!(
        file["pool"]
            .as_str()
            .is_some_and(|url| url.starts_with("http://127.0.0.1:")),
        "{file}"
    );

    let shown = ask(data, &["wallet", "show"])?;
    assert!(
        shown["address"]
            .as_str()
            .is_some_and(|address| address.len() == 42),
        "{shown}"
    );
    let account = ask(data, &["account", "deposit", "50"])?;
    assert_eq!(account["balance"], "50000000000");
    let account = ask(data, &["account", "withdraw", "20"])?;
    assert_eq!(account["balance"], "30000000000");

    let module = errand().to_str().context("path")?;
    let published = ask(data, &["app", "publish", module, "--price", "0.5"])?;
    let app = published["app"].as_str().context("app")?;
    let shown = ask(data, &["app", "show", app])?;
    assert_eq!(shown["offers"][0]["price"], "500000000");

    let out = folder.path().join("results");
    let ran = ask(
        data,
        &[
            "run",
            app,
            "--tasks",
            "2",
            "--trust",
            "4",
            "--watch",
            "--out",
            out.to_str().context("path")?,
            "--",
            "write",
            "part",
            "{index}",
        ],
    )?;
    assert!(
        ran["failed"]
            .as_object()
            .is_some_and(serde_json::Map::is_empty),
        "{ran}"
    );
    assert_eq!(
        std::fs::read_to_string(out.join("1").join("words.txt"))
            .or_else(|_| {
                let place = ran["results"]
                    .as_object()
                    .and_then(|results| results.values().nth(1))
                    .and_then(Value::as_str)
                    .unwrap_or("");
                std::fs::read_to_string(Path::new(place).join("words.txt"))
            })?
            .split(' ')
            .next(),
        Some("part")
    );

    // An application that fails everywhere is told at once, not when the deal's time is over.
    let words = fail(data, &["run", app, "--watch", "--", "exit", "3"])?;
    assert!(words.contains("given up") && words.contains('3'), "{words}");

    let deal = ran["deals"][0].as_str().context("deal")?;
    let task = ran["tasks"][0].as_str().context("task")?;
    let shown = ask(data, &["deal", "show", deal])?;
    assert_eq!(shown["tasks"].as_array().map(Vec::len), Some(2));
    let shown = ask(data, &["task", "show", task])?;
    assert_eq!(
        shown["contributions"].as_array().map(Vec::len),
        Some(2),
        "trust 4 takes two newcomers"
    );
    let watched = output(data, &["task", "watch", task])?;
    assert!(watched.status.success());
    let fetched = ask(
        data,
        &[
            "result",
            "fetch",
            task,
            "--out",
            folder.path().join("one").to_str().context("path")?,
        ],
    )?;
    assert!(
        fetched["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("0x")),
        "{fetched}"
    );

    assert!(town.interrupt()?.success(), "Ctrl-C stops the town cleanly");
    Ok(())
}

#[test]
fn a_second_up_goes_on_where_the_first_was() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (town, first) = up(data)?;
    ask(data, &["account", "deposit", "7"])?;
    assert!(
        fail(data, &["up"])?.contains("a town is up in"),
        "one folder, one town"
    );
    assert!(town.interrupt()?.success());

    assert!(
        fail(data, &["account", "show"])?.contains("oxec up"),
        "says what to do when the town is not up"
    );
    let (town, second) = up(data)?;
    assert_eq!(first["workerpool"], second["workerpool"]);
    assert_eq!(ask(data, &["account", "show"])?["balance"], "7000000000");
    assert!(town.interrupt()?.success());
    Ok(())
}

/// Asks until the deal is as wanted; fails after a minute.
fn deal_until(data: &Path, deal: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let began = std::time::Instant::now();
    loop {
        let shown = ask(data, &["deal", "show", deal])?;
        if wanted(&shown) {
            return Ok(shown);
        }
        ensure!(began.elapsed().as_secs() < 60, "after a minute: {shown}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// How many tasks of a shown deal are completed.
fn completed(deal: &Value) -> usize {
    let tasks = deal["tasks"].as_array().into_iter().flatten();
    tasks.filter(|task| task["state"] == "completed").count()
}

#[test]
fn a_town_killed_outright_in_the_middle_of_a_bag_completes_it_and_pays_once() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let (town, _) = up(data)?;
    let module = errand().to_str().context("path")?;
    let app = ask(data, &["app", "publish", module, "--price", "1"])?["app"]
        .as_str()
        .context("app")?
        .to_owned();
    let ran = ask(
        data,
        &[
            "run", &app, "--tasks", "12", "--trust", "4", "--", "spin", "300",
        ],
    )?;
    let deal = ran["deals"][0].as_str().context("deal")?;
    deal_until(data, deal, |shown| completed(shown) > 0)?;
    // Dropped as it is: SIGKILL, no time to write anything down.
    drop(town);

    let (town, _) = up(data)?;
    let shown = deal_until(data, deal, |shown| completed(shown) == 12)?;
    let earned: Vec<_> = shown["bill"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|line| line["role"] == "app_owner")
        .map(|line| line["paid"].clone())
        .collect();
    assert_eq!(
        earned,
        ["12000000000"],
        "each task pays the author once: {shown}"
    );
    assert!(town.interrupt()?.success());
    Ok(())
}

#[test]
fn a_worker_in_another_process_joins_the_pool_and_works() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let free = "127.0.0.1:0";
    let (town, file) = Process::start(
        data,
        &[
            "up",
            "--workers",
            "0",
            "--chain-listen",
            free,
            "--market-listen",
            free,
            "--pool-listen",
            free,
        ],
    )?;
    let elsewhere = tempfile::tempdir()?;
    let pool = file["pool"].as_str().context("pool")?;
    let (worker, _) = Process::start(
        elsewhere.path(),
        &["worker", "--pool", pool, "--slots", "2"],
    )?;

    let module = errand().to_str().context("path")?;
    let app = ask(data, &["app", "publish", module])?["app"]
        .as_str()
        .context("app")?
        .to_owned();
    let ran = ask(data, &["run", &app, "--watch", "--", "say", "hello"])?;
    assert!(
        ran["failed"]
            .as_object()
            .is_some_and(serde_json::Map::is_empty),
        "{ran}"
    );
    assert!(worker.interrupt()?.success());
    assert!(town.interrupt()?.success());
    Ok(())
}

#[test]
fn mistakes_are_answered_with_what_to_do() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    assert!(fail(data, &["account", "show"])?.contains("oxec up"));

    let (town, file) = up(data)?;
    let zero = "0x0000000000000000000000000000000000000000000000000000000000000001";
    assert!(fail(data, &["deal", "show", zero])?.contains("deal"));
    assert!(fail(data, &["task", "show", zero])?.contains("task"));
    assert!(fail(data, &["result", "fetch", zero])?.contains("task"));
    assert!(
        fail(
            data,
            &[
                "run",
                "0x00000000000000000000000000000000000000aa",
                "--",
                "x"
            ]
        )?
        .contains("app")
    );
    assert!(fail(data, &["account", "withdraw", "999999"])?.contains("RLC"));
    assert!(fail(data, &["account", "deposit", "ten"])?.contains("1.5"));
    assert!(
        fail(data, &["--wallet", "nobody", "account", "deposit", "1"])?
            .contains("oxec wallet create")
    );
    assert!(fail(data, &["app", "publish", "/no/such/file.wasm"])?.contains("/no/such/file.wasm"));

    // A busy port.
    let other = tempfile::tempdir()?;
    let busy = file["rpc"]
        .as_str()
        .context("rpc")?
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let words = fail(other.path(), &["up", "--chain-listen", busy])?;
    assert!(
        words.contains(busy) && words.contains("--chain-listen"),
        "{words}"
    );

    // No room for the result: found out before anything is paid.
    let full = other.path().to_str().context("path")?;
    let app = "0x00000000000000000000000000000000000000aa";
    let words = fail(data, &["run", app, "--watch", "--out", full])?;
    assert!(
        words.contains(full) && words.contains("nothing was rented"),
        "{words}"
    );

    // A person's own wallet where the town wants one of its own.
    let third = tempfile::tempdir()?;
    std::fs::write(third.path().join("password"), "p")?;
    let password = third.path().join("password");
    let password = password.to_str().context("path")?;
    ask(
        third.path(),
        &["--password-file", password, "wallet", "create"],
    )?;
    let listen = "127.0.0.1:0";
    let words = fail(third.path(), &["up", "--chain-listen", listen])?;
    assert!(words.contains("--data"), "{words}");

    // A wallet opened with the wrong password.
    std::fs::write(data.join("right"), "right")?;
    std::fs::write(data.join("wrong"), "wrong")?;
    let right = data.join("right");
    let wrong = data.join("wrong");
    ask(
        data,
        &[
            "--wallet",
            "mine",
            "--password-file",
            right.to_str().context("path")?,
            "wallet",
            "create",
        ],
    )?;
    let words = fail(
        data,
        &[
            "--wallet",
            "mine",
            "--password-file",
            wrong.to_str().context("path")?,
            "account",
            "deposit",
            "1",
        ],
    )?;
    assert!(words.contains("wrong password"), "{words}");
    assert!(town.interrupt()?.success());
    Ok(())
}
