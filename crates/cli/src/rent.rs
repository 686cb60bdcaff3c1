//! Renting: from a wish to deals on chain.
//!
//! Finds the cheapest offers of the market that fit the wish, signs a request that names them, makes sure the account
//! holds the price, and matches. One offer may not have room for the whole bag; then several deals are made, and the
//! tasks of all of them are the bag, in order.

use std::path::Path;

use alloy_primitives::{Address, U256};
use anyhow::{Context, bail, ensure};
use protocol::{
    DealId, TaskId, consensus,
    deal::CATEGORIES,
    order::{AppOrder, RequestOrder, WorkerpoolOrder},
    params::{DealParams, Input},
    payment::Nrlc,
};
use sdk::{
    app::NewApp,
    chain::Sender,
    deal::Orders,
    order::MarketClient,
    wire::market::{OrderQuery, Record},
};
use serde::Serialize;
use url::Url;

use crate::output::Output;

/// What somebody wants done.
#[derive(Debug, Clone)]
pub struct Wish {
    pub app: Address,
    pub inputs: Vec<Input>,
    pub trust: u64,
    pub tasks: u64,
    /// An index into the hub's categories.
    pub category: usize,
    /// The most to pay per task, all together.
    pub max_price: Option<Nrlc>,
    pub arguments: Vec<String>,
}

/// What was agreed.
#[derive(Debug, Clone, Serialize)]
pub struct Rented {
    pub deals: Vec<DealId>,
    /// The tasks of all deals, in the order of their index.
    pub tasks: Vec<TaskId>,
    pub app_price: Nrlc,
    pub workerpool_price: Nrlc,
    /// What all tasks cost together; locked at the hub until they are done.
    pub total: Nrlc,
    pub workerpool: Address,
    pub trust: u64,
    /// The confidence that `trust` asks for, between 0 and 1.
    pub confidence: f64,
    /// How many newcomers have to agree on each task; fewer when they have a history.
    pub replicas: usize,
}

/// Looks up a category by its name.
pub fn category(name: &str) -> anyhow::Result<usize> {
    CATEGORIES
        .iter()
        .position(|(known, _)| known.eq_ignore_ascii_case(name))
        .with_context(|| {
            format!(
                "there is no category {name:?}: choose among {}",
                CATEGORIES.map(|(name, _)| name).join(", ")
            )
        })
}

/// Uploads a file to the pool's blob door and names it as an input, pinned by its digest.
pub async fn upload(pool: &Url, path: &Path) -> anyhow::Result<Input> {
    let name = path
        .file_name()
        .with_context(|| format!("{} names no file", path.display()))?
        .to_string_lossy();
    let stored = blobs::Client::new(pool.clone())
        .upload_file(path)
        .await
        .with_context(|| format!("cannot upload {} to the pool at {pool}", path.display()))?;
    Ok(input(pool, &name, &stored))
}

/// The input that a blob of the pool is, under `name`.
pub fn input(pool: &Url, name: &str, stored: &blobs::Stored) -> Input {
    let mut url = pool.clone();
    url.set_path(&stored.cid.path());
    url.query_pairs_mut().append_pair("filename", name);
    url.set_fragment(Some(&format!("sha256={}", stored.sha256_hex())));
    Input::from(String::from(url))
}

/// An input of the command line: a URL as it is, a file uploaded.
pub async fn find_input(pool: &Url, word: &str) -> anyhow::Result<Input> {
    if word.starts_with("http://") || word.starts_with("https://") {
        let _: Url = word.parse().with_context(|| format!("{word} is no URL"))?;
        return Ok(Input::from(word.to_owned()));
    }
    upload(pool, Path::new(word)).await
}

/// Makes the deals for a wish.
pub async fn rent(
    sender: &Sender,
    market: &MarketClient,
    wish: Wish,
    output: Output,
) -> anyhow::Result<Rented> {
    let chain = sender.chain();
    let params = params(&wish).to_params();
    let mut rented: Option<Rented> = None;
    let mut left = wish.tasks;
    while left > 0 {
        let (app, workerpool) = offers(market, &wish).await?;
        let (app_price, workerpool_price) = (
            app.order.order.appprice,
            workerpool.order.order.workerpoolprice,
        );
        within_limit(Nrlc(app_price.saturating_add(workerpool_price)), &wish)?;
        let volume = U256::from(left)
            .min(app.remaining)
            .min(workerpool.remaining)
            .saturating_to::<u64>();
        let request = RequestOrder {
            appmaxprice: app_price,
            workerpool: workerpool.order.order.workerpool,
            workerpoolmaxprice: workerpool_price,
            category: U256::from(wish.category),
            trust: U256::from(wish.trust),
            params: params.clone(),
            ..sdk::order::request_order(sender.address(), wish.app, volume)
        };
        let request = sender.wallet().sign_order(&request, chain.domain());
        let agreed = rented.get_or_insert_with(|| Rented {
            deals: Vec::new(),
            tasks: Vec::new(),
            app_price: Nrlc(app_price),
            workerpool_price: Nrlc(workerpool_price),
            total: Nrlc::ZERO,
            workerpool: workerpool.order.order.workerpool,
            trust: wish.trust,
            confidence: consensus::confidence_asked(U256::from(wish.trust)),
            replicas: consensus::replicas_of_new_workers(U256::from(wish.trust)),
        });
        let orders = Orders {
            app: app.order,
            dataset: None,
            workerpool: workerpool.order,
            request,
        };
        let total = orders
            .price()
            .0
            .checked_mul(U256::from(volume))
            .context("the price of all tasks is beyond counting")?;
        top_up(sender, Nrlc(total), output).await?;
        let matched = sdk::deal::match_orders(sender, &orders).await?;
        agreed.total = agreed
            .total
            .checked_add(Nrlc(total))
            .context("the price of all tasks is beyond counting")?;
        agreed.deals.push(matched.deal);
        // Said at once: whatever happens next, the money is in it.
        let s = if matched.volume == 1 { "" } else { "s" };
        output.say(format!("deal {}, {} task{s}", matched.deal, matched.volume));
        agreed.tasks.extend(
            sdk::deal::tasks(chain, matched.deal)
                .await?
                .into_iter()
                .map(|(_, task)| task),
        );
        left = left.saturating_sub(matched.volume);
    }
    rented.context("nothing was asked for")
}

/// The deal's parameters. Arguments with a placeholder are made per task.
fn params(wish: &Wish) -> DealParams {
    let line = (!wish.arguments.is_empty()).then(|| shell_words::join(&wish.arguments));
    let per_task = line.as_ref().is_some_and(|line| {
        ["{index}", "{first}", "{size}"]
            .iter()
            .any(|mark| line.contains(mark))
    });
    let (args_template, args) = if per_task { (line, None) } else { (None, line) };
    DealParams {
        args,
        args_template,
        input_files: wish.inputs.clone(),
        ..Default::default()
    }
}

/// The cheapest offers that fit.
async fn offers(
    market: &MarketClient,
    wish: &Wish,
) -> anyhow::Result<(Record<AppOrder>, Record<WorkerpoolOrder>)> {
    let apps = OrderQuery {
        app: Some(wish.app.into()),
        ..Default::default()
    };
    let pools = OrderQuery {
        category: Some(U256::from(wish.category)),
        min_trust: Some(U256::from(wish.trust)),
        ..Default::default()
    };
    let (apps, pools) = tokio::try_join!(
        market.list::<AppOrder>(&apps),
        market.list::<WorkerpoolOrder>(&pools)
    )
    .context("cannot ask the market for offers")?;
    let Some(app) = apps.orders.into_iter().find(open) else {
        bail!(
            "nobody offers the app {}: its owner publishes an order with `oxec app publish`",
            wish.app
        );
    };
    if let Some(pool) = pools.orders.into_iter().find(open) {
        return Ok((app, pool));
    }
    // Say what there is instead.
    let any = OrderQuery {
        category: Some(U256::from(wish.category)),
        ..Default::default()
    };
    let most = market
        .list::<WorkerpoolOrder>(&any)
        .await?
        .orders
        .iter()
        .map(|record| record.order.order.trust)
        .max();
    let name = CATEGORIES[wish.category].0;
    match most {
        Some(most) => bail!(
            "no pool offers trust {} in category {name}: the most is {most}, so ask for --trust {most} or less",
            wish.trust
        ),
        None => bail!(
            "no pool offers category {name}: try another --category, or wait until a pool joins the market"
        ),
    }
}

fn open<O>(record: &Record<O>) -> bool {
    !record.remaining.is_zero()
}

fn within_limit(price: Nrlc, wish: &Wish) -> anyhow::Result<()> {
    if let Some(most) = wish.max_price {
        ensure!(
            price <= most,
            "the cheapest offers ask {price} per task, your limit is {most}: raise --max-price"
        );
    }
    Ok(())
}

/// Moves what is missing from the wallet into the account at the hub.
async fn top_up(sender: &Sender, needed: Nrlc, output: Output) -> anyhow::Result<()> {
    let address = sender.address();
    let account = sdk::payment::account(sender.chain(), address).await?;
    let Some(missing) = needed
        .checked_sub(account.balance)
        .filter(|missing| !missing.is_zero())
    else {
        return Ok(());
    };
    let owned = sdk::payment::wallet_balance(sender.chain(), address).await?;
    ensure!(
        owned >= missing,
        "this costs {needed}; {address} has {} at the hub and {owned} in the wallet: {missing} more must be at the hub \
         (on a development chain, `oxec account faucet` gives play money)",
        account.balance,
    );
    output.say(format!(
        "depositing {missing} at the hub, for a price of {needed}"
    ));
    sdk::payment::deposit(sender, missing).await?;
    Ok(())
}

/// The honest sentence about an amount of trust.
pub fn trust_in_words(trust: u64, replicas: usize, confidence: f64) -> String {
    let workers = if replicas == 1 {
        "one worker is believed".to_owned()
    } else {
        format!("{replicas} newcomers must agree (fewer with a history)")
    };
    format!(
        "trust {trust}: a result counts when the confidence in it reaches {:.0} %; {workers}. The pool chooses its workers, so this \
         is as true as the pool is honest.",
        confidence * 100.0
    )
}

/// Publishes a WASI module: uploads it, registers it, offers it. Gives the app's address and its order.
pub async fn publish_app(
    sender: &Sender,
    market: &MarketClient,
    pool: &Url,
    name: &str,
    module: bytes::Bytes,
    price: Nrlc,
    volume: u64,
) -> anyhow::Result<Record<AppOrder>> {
    ensure!(
        module.starts_with(b"\0asm"),
        "this is not a WebAssembly module (it does not begin with \\0asm): compile your program for WASI, \
         for instance `cargo build --release --target wasm32-wasip1`"
    );
    let stored = blobs::Client::new(pool.clone())
        .upload_bytes(module)
        .await
        .context("cannot upload the module to the pool")?;
    let app = sdk::app::publish(
        sender,
        &NewApp::wasm(name, stored.cid, stored.sha256.into()),
    )
    .await?;
    let domain = sender.chain().domain();
    let order = sender
        .wallet()
        .sign_order(&sdk::order::app_order(app, price, volume), domain);
    Ok(market.publish(sender.wallet(), domain, &order).await?)
}
