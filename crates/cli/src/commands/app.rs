//! `oxec app`: programs to rent out.

use alloy_primitives::{Address, B256};
use anyhow::Context as _;
use protocol::{OrderHash, order::AppOrder, payment::Nrlc};
use sdk::wire::market::OrderQuery;
use serde::Serialize;

use crate::{arguments::App, context::Context, output::table, rent};

#[derive(Debug, Serialize)]
struct Published {
    app: Address,
    order: OrderHash,
    price: Nrlc,
}

#[derive(Debug, Serialize)]
struct Shown {
    app: Address,
    owner: Address,
    name: String,
    kind: String,
    location: String,
    checksum: B256,
    offers: Vec<Offer>,
}

#[derive(Debug, Serialize)]
struct Offer {
    order: OrderHash,
    price: Nrlc,
    remaining: String,
}

pub async fn run(context: Context, app: App) -> anyhow::Result<()> {
    match app {
        App::Publish {
            module,
            name,
            price,
            volume,
        } => {
            let bytes = std::fs::read(&module)
                .with_context(|| format!("cannot read the module {}", module.display()))?;
            let name = name.unwrap_or_else(|| {
                module
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            });
            let sender = context.sender().await?;
            let record = rent::publish_app(
                &sender,
                &context.market()?,
                &context.pool()?,
                &name,
                bytes.into(),
                price,
                volume,
            )
            .await
            .with_context(|| format!("cannot publish {}", module.display()))?;
            let app = record.order.order.app;
            let published = Published {
                app,
                order: record.order_hash,
                price,
            };
            context.output.answer(&published, || {
                format!("published {name} as {app}, at {price} per task\nRun it: `oxec run {app} --watch -- its arguments`")
            })
        }
        App::Show { app } => show(context, app).await,
    }
}

async fn show(context: Context, app: Address) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let entry = sdk::app::show(&chain, app).await?;
    let query = OrderQuery {
        app: Some(app.into()),
        ..Default::default()
    };
    let offers = context.market()?.list::<AppOrder>(&query).await?.orders;
    let shown = Shown {
        app,
        owner: entry.owner,
        name: entry.name,
        kind: entry.kind.to_string(),
        location: entry.location.to_string(),
        checksum: entry.checksum,
        offers: offers
            .iter()
            .map(|record| Offer {
                order: record.order_hash,
                price: Nrlc(record.order.order.appprice),
                remaining: record.remaining.to_string(),
            })
            .collect(),
    };
    context.output.answer(&shown, || {
        let offers = if shown.offers.is_empty() {
            "no offers at the market".to_owned()
        } else {
            table(
                &["order", "price per task", "tasks left"],
                &[1, 2],
                shown.offers.iter().map(|offer| vec![offer.order.to_string(), offer.price.to_string(), offer.remaining.clone()]),
            )
        };
        format!(
            "{} ({})\n  app       {app}\n  owner     {}\n  lies at   {}\n  checksum  {}\n\n{offers}",
            shown.name, shown.kind, shown.owner, shown.location, shown.checksum
        )
    })
}
