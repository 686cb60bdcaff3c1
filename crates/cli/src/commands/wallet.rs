//! `oxec wallet`: keys. Secrets are read from files or typed, never taken from the command line, never printed.

use std::{fs, path::Path};

use alloy_primitives::{Address, utils::format_ether};
use anyhow::{Context as _, bail, ensure};
use protocol::payment::Nrlc;
use sdk::wallet::Wallet as Key;
use serde::Serialize;

use crate::{arguments::Wallet, context::Context, home, output::table};

#[derive(Debug, Serialize)]
struct Kept {
    name: String,
    address: Option<Address>,
    keystore: String,
}

pub async fn run(context: Context, wallet: Wallet) -> anyhow::Result<()> {
    match wallet {
        Wallet::Create => keep(&context, &Key::random()),
        Wallet::Import {
            mnemonic_file,
            index,
            key_file,
        } => {
            let read = |path: &Path| {
                fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
            };
            let key = match (mnemonic_file, key_file) {
                (Some(path), None) => Key::from_mnemonic(read(&path)?.trim(), index)?,
                (None, Some(path)) => Key::from_key(read(&path)?.trim())?,
                _ => bail!("say what to import: --mnemonic-file FILE or --key-file FILE"),
            };
            keep(&context, &key)
        }
        Wallet::List => list(&context),
        Wallet::Show => show(&context).await,
    }
}

fn keep(context: &Context, key: &Key) -> anyhow::Result<()> {
    let name = &context.common.wallet;
    let password = home::password(&context.common, "a password for the new keystore: ")?;
    ensure!(
        !password.is_empty(),
        "an empty password keeps nothing secret: choose another"
    );
    let path = context.home.keep_wallet(name, key, &password)?;
    let kept = Kept {
        name: name.clone(),
        address: Some(key.address()),
        keystore: path.display().to_string(),
    };
    context.output.answer(&kept, || {
        format!("{}\nkept as {name:?} in {}\nThere is no way back to a lost password: keep it, and a copy of the file.", key.address(), kept.keystore)
    })
}

fn list(context: &Context) -> anyhow::Result<()> {
    let kept: Vec<Kept> = context
        .home
        .wallets()?
        .into_iter()
        .map(|(name, path)| Kept {
            name,
            address: sdk::wallet::keystore_address(&path).ok(),
            keystore: path.display().to_string(),
        })
        .collect();
    context.output.answer(&kept, || {
        if kept.is_empty() {
            return format!(
                "no wallets in {}: `oxec wallet create` makes one",
                context.home.folder().join("wallets").display()
            );
        }
        table(
            &["name", "address", "keystore"],
            &[],
            kept.iter().map(|kept| {
                vec![
                    kept.name.clone(),
                    kept.address
                        .map_or_else(|| "?".to_owned(), |address| address.to_string()),
                    kept.keystore.clone(),
                ]
            }),
        )
    })
}

#[derive(Debug, Serialize)]
struct Owned {
    name: String,
    address: Address,
    /// Coins for gas on the town's chain, in ETH, if it is up.
    ether: Option<String>,
    rlc: Option<Nrlc>,
}

async fn show(context: &Context) -> anyhow::Result<()> {
    let wallet = context.wallet()?;
    let mut owned = Owned {
        name: context.common.wallet.clone(),
        address: wallet.address(),
        ether: None,
        rlc: None,
    };
    // A wallet can be looked at without any chain.
    if let Ok(chain) = context.chain().await {
        let ether = format_ether(chain.ether(wallet.address()).await?);
        owned.ether = Some(ether.trim_end_matches('0').trim_end_matches('.').to_owned());
        owned.rlc = Some(sdk::payment::wallet_balance(&chain, wallet.address()).await?);
    }
    context.output.answer(&owned, || match (owned.rlc, &owned.ether) {
        (Some(rlc), Some(ether)) => format!("{}\n{rlc} in the wallet (see `oxec account show` for what is at the hub), {ether} ETH for gas", owned.address),
        _ => format!("{}\n(no town is up, so what it owns is not known here)", owned.address),
    })
}
