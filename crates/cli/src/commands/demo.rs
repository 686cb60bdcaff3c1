//! `oxec demo`: the whole walk, with something to look at.
//!
//! A town of three workers renders a picture. With `--liar`, the third worker is a newcomer who lies. Under PoCo's
//! arithmetic three equal strangers can never outvote one of them, only stall; what lets two honest workers
//! outvote a liar is their history. So the two first earn one, by drawing a draft of the picture at low resolution;
//! then the liar joins.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use anyhow::{Context as _, bail, ensure};
use protocol::{TaskId, payment::Nrlc};
use sdk::{order::MarketClient, result::Limits};
use serde::Serialize;
use worker::Conduct;

use crate::{
    arguments::Demo,
    bill,
    context::Context,
    follow::{self, Stage},
    home::Home,
    output::{Output, table},
    picture::{Cut, DRAWING, DRAWING_NAME, RENDERER, SHEET_NAME},
    rent::{self, Rented, Wish},
    town::{Town, TownOptions, WorkerPlan},
};

/// The answer of `demo --json`.
#[derive(Debug, Serialize)]
struct Answer {
    picture: PathBuf,
    rented: Rented,
    bill: Vec<bill::Line>,
    /// Tasks whose result was fetched and found to be what the chain says; all of them, or the demo fails.
    verified: usize,
    stages: Vec<Took>,
    liar: Option<Address>,
}

#[derive(Debug, Serialize)]
struct Took {
    stage: String,
    seconds: f64,
}

const APP_PRICE_NRLC: u64 = 250_000_000;
/// Trust of the bag when all are newcomers: three must agree (2³ ≥ 5).
const TRUST: u64 = 5;
/// Trust of the draft: two newcomers must agree (2² ≥ 4).
const DRAFT_TRUST: u64 = 4;
/// Trust of the bag with a liar: beyond what one worker with the draft's history reaches alone.
const LIAR_TRUST: u64 = 6;

pub async fn run(context: Context, demo: Demo) -> anyhow::Result<()> {
    let output = context.output;
    let began = Instant::now();
    let mut took = Vec::new();
    // Said now rather than after all the work.
    if let Some(parent) = demo
        .out
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }

    // Another person's data folder is not touched; a town to look at and forget.
    let folder = tempfile::Builder::new()
        .prefix("oxec-demo-")
        .tempdir()
        .context("cannot make a folder for the demo's town")?;
    output.say("starting a town: chain, market, pool, workers …");
    let first = if demo.liar { 2 } else { 3 };
    let workers = (1..=first)
        .map(|number| WorkerPlan::honest(format!("worker-{number}")))
        .collect();
    let mut town = Town::start(TownOptions {
        trust: Some(8),
        ..TownOptions::new(Home::at(folder.path()), workers)
    })
    .await?;
    took.push(("town started", began.elapsed()));

    let at = Instant::now();
    let market = MarketClient::new(town.file().market.clone())?;
    let pool = town.file().pool.clone();
    let author = town.home().own_wallet("app-author")?;
    town.fund(author.address(), Nrlc::ZERO).await?;
    let app = rent::publish_app(
        &town.sender(&author),
        &market,
        &pool,
        "resvg 0.49.0",
        RENDERER.into(),
        Nrlc::nrlc(APP_PRICE_NRLC),
        1_000_000,
    )
    .await?
    .order
    .order
    .app;
    output.say(format!("published resvg, an SVG renderer, as app {app}"));
    took.push(("app published", at.elapsed()));

    if demo.liar {
        let at = Instant::now();
        output.say(format!(
            "two workers earn a history: a draft of the picture, {} tasks at trust {DRAFT_TRUST}",
            Cut::DRAFT.tiles()
        ));
        render(
            &town,
            &market,
            app,
            Cut::DRAFT,
            DRAFT_TRUST,
            folder.path(),
            output,
        )
        .await?;
        took.push(("draft drawn, history earned", at.elapsed()));
        town.add_worker(WorkerPlan {
            conduct: Conduct::Lying,
            ..WorkerPlan::honest("worker-3")
        })
        .await?;
        output.say("worker-3 joins, and lies");
    }

    let cut = Cut::PICTURE;
    let trust = if demo.liar { LIAR_TRUST } else { TRUST };
    let mut done = render(&town, &market, app, cut, trust, folder.path(), output).await?;
    took.append(&mut done.took);

    let at = Instant::now();
    let picture = cut.join(&done.tiles)?;
    picture
        .save(&demo.out)
        .with_context(|| format!("cannot write the picture to {}", demo.out.display()))?;
    let place = demo.out.canonicalize().unwrap_or_else(|_| demo.out.clone());
    took.push(("tiles joined", at.elapsed()));

    let names = names(&town, author.address());
    let lines = bill::of(town.chain(), &done.rented.deals, &names).await?;
    let liar = town
        .workers()
        .iter()
        .find(|worker| worker.conduct == Conduct::Lying)
        .map(|worker| worker.wallet.address());
    if let Some(liar) = liar {
        let caught = lines
            .iter()
            .any(|line| line.who == liar && !line.taken.is_zero());
        let rewarded = lines
            .iter()
            .any(|line| line.who == liar && !line.paid.is_zero());
        ensure!(
            caught && !rewarded,
            "the liar was not caught: see the bill\n{}",
            bill::as_table(&lines)
        );
    }
    town.shutdown().await?;
    took.push(("all together", began.elapsed()));

    let answer = Answer {
        picture: place,
        verified: done.tiles.len(),
        bill: lines,
        rented: done.rented,
        stages: took
            .iter()
            .map(|(stage, time)| Took {
                stage: (*stage).to_owned(),
                seconds: time.as_secs_f64(),
            })
            .collect(),
        liar,
    };
    output.answer(&answer, || in_words(&answer, &took))
}

/// What one bag of tiles came to.
struct Rendered {
    rented: Rented,
    /// The tiles' files, in order.
    tiles: Vec<PathBuf>,
    took: Vec<(&'static str, Duration)>,
}

/// Rents the town for one picture, follows it, fetches every tile and checks it against the chain.
async fn render(
    town: &Town,
    market: &MarketClient,
    app: Address,
    cut: Cut,
    trust: u64,
    folder: &std::path::Path,
    output: Output,
) -> anyhow::Result<Rendered> {
    let mut took = Vec::new();
    let at = Instant::now();
    let pool = &town.file().pool;
    let door = blobs::Client::new(pool.clone());
    let drawing = door
        .upload_bytes(DRAWING)
        .await
        .context("cannot upload the drawing")?;
    let sheet = door
        .upload_bytes(cut.sheet())
        .await
        .context("cannot upload the cutting sheet")?;
    let wish = Wish {
        app,
        inputs: vec![
            rent::input(pool, DRAWING_NAME, &drawing),
            rent::input(pool, SHEET_NAME, &sheet),
        ],
        trust,
        tasks: u64::from(cut.tiles()),
        category: 0,
        max_price: None,
        arguments: Cut::arguments(),
    };
    let rented = rent::rent(&town.sender(town.requester()), market, wish, output).await?;
    output.say(format!(
        "rented for {} tasks at {} each\n{}",
        rented.tasks.len(),
        rented
            .app_price
            .checked_add(rented.workerpool_price)
            .unwrap_or_default(),
        rent::trust_in_words(trust, rented.replicas, rented.confidence),
    ));
    took.push(("orders signed and matched", at.elapsed()));

    let at = Instant::now();
    let follow::Ended { failed, times } =
        follow::to_the_end(town.chain(), pool, &rented.deals, output).await?;
    if let Some(why) = failed.values().next() {
        bail!(
            "{} of {} tasks failed: {why}",
            failed.len(),
            rented.tasks.len()
        );
    }
    for (stage, words) in [
        (Stage::Initialized, "  task initialized (median)"),
        (Stage::Contributed, "  first sealed answer (median)"),
        (Stage::Consensus, "  consensus (median)"),
        (Stage::Completed, "  completed and paid (median)"),
    ] {
        took.extend(times.median(stage, at).map(|time| (words, time)));
    }
    took.push(("all tasks completed and paid", at.elapsed()));

    let at = Instant::now();
    let mut tiles = Vec::new();
    for (index, &task) in (0..).zip(&rented.tasks) {
        tiles.push(fetch_tile(town, task, folder.join(task.to_string()), index).await?);
    }
    took.push((
        "results fetched and checked against the chain",
        at.elapsed(),
    ));
    Ok(Rendered {
        rented,
        tiles,
        took,
    })
}

async fn fetch_tile(
    town: &Town,
    task: TaskId,
    folder: PathBuf,
    index: u32,
) -> anyhow::Result<PathBuf> {
    sdk::result::fetch(
        town.chain(),
        task,
        &town.file().pool,
        &folder,
        Limits::default(),
    )
    .await
    .with_context(|| format!("the result of task {index} could not be fetched and verified"))?;
    Ok(folder.join(Cut::tile_name(index)))
}

fn names(town: &Town, author: Address) -> BTreeMap<Address, String> {
    let mut names = BTreeMap::from([
        (author, "app author".to_owned()),
        (town.requester().address(), "you".to_owned()),
        (town.pool_owner().address(), "pool".to_owned()),
    ]);
    for worker in town.workers() {
        let lies = if worker.conduct == Conduct::Lying {
            " (liar)"
        } else {
            ""
        };
        names.insert(worker.wallet.address(), format!("{}{lies}", worker.name));
    }
    names
}

fn in_words(answer: &Answer, took: &[(&'static str, Duration)]) -> String {
    let times = table(
        &["stage", "seconds"],
        &[1],
        took.iter()
            .map(|(stage, time)| vec![(*stage).to_owned(), format!("{:.2}", time.as_secs_f64())]),
    );
    let caught = answer.liar.map_or(String::new(), |liar| {
        let seized = answer.bill.iter().filter(|line| line.who == liar).fold(Nrlc::ZERO, |sum, line| sum.checked_add(line.taken).unwrap_or(sum));
        format!("The liar, {liar}, was outvoted: {seized} of stake are gone, shared among those who told the truth.\n")
    });
    format!(
        "\nWho was paid what, and why\n{}\n\nHow long it took\n{times}\n\n{caught}All {} results were checked against the chain. \
         The picture lies in {}",
        bill::as_table(&answer.bill),
        answer.verified,
        answer.picture.display(),
    )
}
