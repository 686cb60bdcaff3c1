//! The one binary, `oxec`: every role is a subcommand, and [`town`] starts them all in one process.
//!
//! [`arguments`] says what may be asked, [`commands`] has one file per command, [`rent`] and [`follow`] are the walk as
//! a requester walks it, [`roles`] what services have in common when each is a process of its own. Standard output is data, standard error is talk ([`output`]).
//!
//! Not here: rules, wire formats, services. Commands say what is wanted; the rooms below know how.

pub mod arguments;
pub mod bill;
pub mod commands;
pub mod context;
pub mod follow;
pub mod home;
pub mod offers;
pub mod output;
pub mod picture;
pub mod rent;
pub mod roles;
pub mod town;

use arguments::{Arguments, Command};
use context::Context;

/// Does what was asked.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    sdk::tls::install();
    let context = Context::new(arguments.common)?;
    match arguments.command {
        Command::Demo(demo) => commands::demo::run(context, demo).await,
        Command::Up(up) => commands::up::run(context, up).await,
        Command::Wallet(wallet) => commands::wallet::run(context, wallet).await,
        Command::Account(account) => commands::account::run(context, account).await,
        Command::App(app) => commands::app::run(context, app).await,
        Command::Run(run) => commands::run::run(context, run).await,
        Command::Deal(deal) => commands::deal::run(context, deal).await,
        Command::Task(task) => commands::task::run(context, task).await,
        Command::Result(result) => commands::result::run(context, result).await,
        Command::Worker(worker) => commands::worker::run(context, worker).await,
        Command::Scheduler(scheduler) => commands::scheduler::run(context, scheduler).await,
        Command::Market(market) => commands::market::run(context, market).await,
        Command::Chain(chain) => commands::chain::run(context, chain).await,
    }
}
