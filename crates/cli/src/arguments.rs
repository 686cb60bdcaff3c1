//! What may be said on the command line. Doc comments are the help a newcomer reads.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy_primitives::{U256, utils::parse_units};
use clap::{Args, Parser, Subcommand};
use protocol::{DealId, TaskId, payment::Nrlc};
use url::Url;
use worker::{Conduct, Stage};

/// A marketplace for computing, settled on Ethereum.
///
/// Rent strangers' machines and pay only for results that several of them agree on; or offer your machine, your
/// programs, your data, and be paid. `oxec demo` shows the whole walk in one go; `oxec up` starts a town of your own
/// (chain, market, pool, workers) that every other command talks to.
#[derive(Debug, Parser)]
#[command(name = "oxec", version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Answer as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// The folder that holds the town and the wallets
    #[arg(long, global = true, env = "OXEC_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// The wallet to act with: a name in the data folder, or the path of a keystore file (with a / in it)
    ///
    /// Or put a raw key into OXEC_PRIVATE_KEY, and name no wallet.
    #[arg(
        long,
        global = true,
        env = "OXEC_WALLET",
        default_value = "default",
        value_name = "NAME|FILE"
    )]
    pub wallet: String,
    /// A file with the wallet's password (else OXEC_PASSWORD, else you are asked)
    #[arg(long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The chain's JSON-RPC, instead of the town's
    #[arg(long, global = true, env = "OXEC_RPC", value_name = "URL")]
    pub rpc: Option<Url>,
    /// Where the contracts stand on that chain, instead of the town's: the file that `oxec chain deploy` or
    /// `oxec chain start` wrote. Needs --rpc
    #[arg(long, global = true, env = "OXEC_DEPLOYMENT", value_name = "FILE")]
    pub deployment: Option<PathBuf>,
    /// The market, instead of the town's
    #[arg(long, global = true, env = "OXEC_MARKET", value_name = "URL")]
    pub market: Option<Url>,
    /// The pool, instead of the town's: where inputs go, results lie, and workers join
    #[arg(long, global = true, env = "OXEC_POOL", value_name = "URL")]
    pub pool: Option<Url>,
    /// The most to offer per gas, in gwei: while the chain asks more, nothing is sent and you are told
    #[arg(long, global = true, env = "OXEC_FEE_MAX", value_name = "GWEI", default_value = "10000", value_parser = gwei)]
    pub fee_max: u128,
    /// Say more on standard error (-v: what happens, -vv: why)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole walk: a town, a program, a bag of tasks, a picture, a bill
    Demo(Demo),
    /// Start a town on this machine and keep it on disk: chain, market, pool, workers
    Up(Up),
    /// Keys: create, import, list, show
    #[command(subcommand)]
    Wallet(Wallet),
    /// Money: deposit, withdraw, show
    #[command(subcommand)]
    Account(Account),
    /// Programs to rent out: publish, show
    #[command(subcommand)]
    App(App),
    /// Rent: run an application on strangers' machines
    Run(Run),
    /// Deals: show
    #[command(subcommand)]
    Deal(Deal),
    /// Tasks: show, why, watch
    #[command(subcommand)]
    Task(Task),
    /// Results: fetch and check against the chain
    #[command(subcommand)]
    Result(ResultCommand),
    /// Offer this machine to a pool and earn
    Worker(Worker),
    /// A pool of your own: turn deals into finished tasks with other people's machines
    #[command(subcommand)]
    Scheduler(Scheduler),
    /// A market of your own: where everybody finds everybody's offers
    #[command(subcommand)]
    Market(Market),
    /// The chain: put the contracts on any, check them, or start one to develop on
    #[command(subcommand)]
    Chain(Chain),
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Tell one of the three workers to lie: the picture stays the same, the liar pays
    #[arg(long)]
    pub liar: bool,
    /// Where the picture goes
    #[arg(long, default_value = "oxec-demo.png", value_name = "FILE")]
    pub out: PathBuf,
    /// How sure to be: a result is accepted when its confidence reaches 1 - 1/TRUST
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000), hide = true)]
    pub trust: u64,
}

#[derive(Debug, Args)]
pub struct Up {
    /// Workers to start, each with its own wallet and folder
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub workers: u32,
    /// Where the chain's JSON-RPC listens; with 0.0.0.0, as for the pool, workers on other machines can join
    /// (everybody who can reach it may use its well-known accounts)
    #[arg(long, default_value = "127.0.0.1:8545", value_name = "ADDRESS")]
    pub chain_listen: SocketAddr,
    /// Where the market listens
    #[arg(long, default_value = "127.0.0.1:7001", value_name = "ADDRESS")]
    pub market_listen: SocketAddr,
    /// Where the pool listens: `oxec worker --pool` joins here
    #[arg(long, default_value = "127.0.0.1:7002", value_name = "ADDRESS")]
    pub pool_listen: SocketAddr,
}

#[derive(Debug, Subcommand)]
pub enum Wallet {
    /// Make a new key, kept in an encrypted keystore file (v3, as geth and the iexec client keep it)
    Create,
    /// Keep a key you already have
    Import {
        /// A mnemonic phrase in a file; the key of `--index` is taken
        #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
        mnemonic_file: Option<PathBuf>,
        /// Which key of the mnemonic
        #[arg(long, default_value_t = 0)]
        index: u32,
        /// A raw private key in a file, hex
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// The wallets in the data folder
    List,
    /// The wallet's address and what it owns
    Show,
}

#[derive(Debug, Subcommand)]
pub enum Account {
    /// Move RLC from the wallet into its account at the hub, to pay and to stake with
    Deposit {
        /// For instance 1.5, or "1500 nRLC"
        amount: Nrlc,
    },
    /// Take free RLC back from the hub into the wallet
    Withdraw {
        /// For instance 1.5, or "1500 nRLC"
        amount: Nrlc,
    },
    /// What the account holds: free, and locked in stakes and deals
    Show {
        /// Whose; default the wallet's own
        address: Option<alloy_primitives::Address>,
    },
    /// On a development chain: get play money from its well-known first account
    Faucet {
        /// RLC to get
        #[arg(long, default_value = "100")]
        rlc: Nrlc,
    },
}

#[derive(Debug, Subcommand)]
pub enum App {
    /// Upload a WASI module, register it on chain, and offer it at a price
    Publish {
        /// The module (WASI preview 1, or a component)
        module: PathBuf,
        /// Its name in the registry; default the file's name
        #[arg(long)]
        name: Option<String>,
        /// What each task pays you
        #[arg(long, default_value = "0")]
        price: Nrlc,
        /// How many tasks may use this offer
        #[arg(long, default_value_t = 1_000_000)]
        volume: u64,
    },
    /// What the registry and the market say of an app
    Show {
        /// The app's address
        app: alloy_primitives::Address,
    },
}

/// Rent: run an application on strangers' machines.
///
/// Finds the cheapest offers, signs a request, makes the deal. Arguments after `--` go to the application; `{index}`
/// in them is replaced by each task's number, so that an unmodified program can serve a bag of tasks.
#[derive(Debug, Args)]
pub struct Run {
    /// The application's address (`oxec app publish` prints it)
    pub app: alloy_primitives::Address,
    /// An input, found at /iexec_in/<its name>; a file is uploaded to the pool, a URL fetched by it. May be repeated
    #[arg(long = "in", value_name = "FILE|URL")]
    pub inputs: Vec<String>,
    /// How sure to be: a result is accepted when its confidence reaches 1 - 1/TRUST. Not a number of workers: new
    /// workers count little, workers with a history more
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub trust: u64,
    /// How many tasks
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub tasks: u64,
    /// How long a task may run: XS 5 min, S 20 min, M 1 h, L 3 h, XL 10 h
    #[arg(long, default_value = "XS", ignore_case = true, value_parser = ["XS", "S", "M", "L", "XL"])]
    pub category: String,
    /// The most to pay for one task, all together
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: Option<Nrlc>,
    /// Follow the deal to its end
    #[arg(long)]
    pub watch: bool,
    /// With --watch: fetch the results into this folder, each checked against the chain
    #[arg(long, value_name = "FOLDER", requires = "watch")]
    pub out: Option<PathBuf>,
    /// Arguments for the application
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Deal {
    /// Who, what, for how much, how far each task is, and who was paid what
    Show {
        /// The deal's id (`oxec run` prints it)
        deal: DealId,
    },
}

#[derive(Debug, Subcommand)]
pub enum Task {
    /// Where a task stands: on chain, and at its pool
    Show {
        /// The task's id
        task: TaskId,
    },
    /// Say in words what a task waits for, since when, and what happens next
    Why {
        /// The task's id
        task: TaskId,
    },
    /// Follow a task to its end
    Watch {
        /// The task's id
        task: TaskId,
    },
}

#[derive(Debug, Subcommand)]
pub enum ResultCommand {
    /// Download a task's result, check it against the digest on chain, unpack it
    Fetch {
        /// The task's id
        task: TaskId,
        /// Where to unpack; default ./<first digits of the task's id>
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
}

/// Offer this machine to a pool and earn.
///
/// Only opens connections, never listens: works behind a router. Needs a wallet with a little of the chain's coin for
/// gas and RLC to stake; on a development chain (id 31337, contracts of its first account) both are given. Without
/// --deployment the pool's contracts are verified before anything is staked. Stop it with Ctrl-C; started again it goes
/// on with the tasks it had.
#[derive(Debug, Args)]
pub struct Worker {
    /// Tasks at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub slots: u32,
    /// Where tasks run and the journal is kept; default a folder of the wallet's name in the data folder
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// To show what happens to others: honest, lying, slow=SECONDS, or dying=STAGE with a stage among assigned,
    /// fetched, computed, contributed, revealed, uploaded
    #[arg(long, default_value = "honest", hide = true, value_parser = conduct)]
    pub conduct: Conduct,
}

#[derive(Debug, Subcommand)]
pub enum Scheduler {
    /// Serve a pool until Ctrl-C
    ///
    /// Workers join at its URL, requesters leave inputs and fetch results there. Needs a wallet with some of the
    /// chain's coin for gas, and RLC at the hub to stake: 30 % of its price for every task it takes on, lost if the
    /// task is not finished in time. On a development chain both are given. Its workerpool is put into the registry at
    /// the first start and found again at the next.
    Start(SchedulerStart),
}

#[derive(Debug, Args)]
pub struct SchedulerStart {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:7002", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How the world reaches it, if not at the address it listens on (behind a proxy)
    #[arg(long, value_name = "URL")]
    pub public_url: Option<Url>,
    /// The JSON-RPC that everybody is told to use, if not the one used here. Needed if that one's URL may hold a key
    #[arg(long, value_name = "URL")]
    pub public_rpc: Option<Url>,
    /// Where its database, its blobs and the name of its workerpool are kept; default "scheduler" in the data folder
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The workerpool to serve, which the wallet must own; default the one kept in the folder, else a new one
    #[arg(long, value_name = "ADDRESS")]
    pub workerpool: Option<alloy_primitives::Address>,
    /// What a task of five minutes (category XS) costs; longer categories in proportion
    #[arg(long, default_value = "1", value_name = "AMOUNT")]
    pub price: Nrlc,
    /// The highest trust on offer. A pool of n newcomers can reach 2 to the power of n
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub trust: u64,
    /// How much its account at the hub should hold for stakes: what is missing is moved from the wallet. Default
    /// whatever is there; on a development chain plenty
    #[arg(long, value_name = "AMOUNT")]
    pub deposit: Option<Nrlc>,
    /// Fetch inputs from this machine's own network too, if a request names them there. Whatever is fetched is served
    /// to everybody: only for playing at home
    #[arg(long)]
    pub fetch_private: bool,
}

#[derive(Debug, Subcommand)]
pub enum Market {
    /// Serve an order book until Ctrl-C
    ///
    /// Keeps signed offers and requests, and drops what the chain says is used up, closed or no longer covered. Needs
    /// no wallet and no money.
    Start(MarketStart),
}

#[derive(Debug, Args)]
pub struct MarketStart {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:7001", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where the book is kept; default "market" in the data folder
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Chain {
    /// Serve a development chain until Ctrl-C, with the contracts on it
    ///
    /// An Ethereum node to play with, for every tool that speaks JSON-RPC: no peers, no real money; twenty accounts
    /// that everybody knows the keys of hold 10,000 ETH each, the first of them all RLC. Kept on disk; writes
    /// deployment.json into its folder for --deployment.
    Start(ChainStart),
    /// Put the contracts on the chain of --rpc, and write down where they stand
    ///
    /// The wallet owns them: the hub, the registries, all the token. It needs the chain's coin for about 24 million gas;
    /// what each step takes is told. The same wallet gets the same addresses on every chain. Interrupted, it goes on where
    /// it was; what stands already is verified to the byte; run again it sends nothing.
    Deploy(ChainDeploy),
    /// Check that the contracts of --deployment stand on the chain of --rpc as they were planned
    ///
    /// Every contract to the byte, who owns them, token, registries, categories, seal. Needs no wallet.
    Verify,
}

#[derive(Debug, Args)]
pub struct ChainDeploy {
    /// Where to write the file that every role reads with --deployment
    #[arg(long, default_value = "deployment.json", value_name = "FILE")]
    pub out: PathBuf,
    /// Deploy even with a key that everybody has, on a chain that is not known as one to play on
    #[arg(long)]
    pub play: bool,
}

#[derive(Debug, Args)]
pub struct ChainStart {
    /// Where its JSON-RPC listens, HTTP and WebSocket alike
    #[arg(long, default_value = "127.0.0.1:8545", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where it is kept; default "chain" in the data folder, where `oxec up` keeps its own
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// A block every so many seconds; default one as soon as there is a transaction
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub block_secs: Option<u64>,
    /// Its chain id
    #[arg(long, default_value_t = devchain::DEFAULT_CHAIN_ID, value_name = "ID")]
    pub chain_id: u64,
    /// Without the contracts, as other chains are: for trying `oxec chain deploy`
    #[arg(long)]
    pub bare: bool,
}

/// Reads an amount of gwei; gives wei.
fn gwei(words: &str) -> Result<u128, String> {
    let wei: U256 = parse_units(words, "gwei")
        .map_err(|error| error.to_string())?
        .into();
    u128::try_from(wei)
        .ok()
        .filter(|wei| *wei > 0)
        .ok_or_else(|| "a fee is more than 0, and below 2^128 wei".to_owned())
}

/// Reads a worker's conduct.
fn conduct(word: &str) -> Result<Conduct, String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let stage = |name: &str| {
        [
            ("assigned", Stage::Assigned),
            ("fetched", Stage::Fetched),
            ("computed", Stage::Computed),
            ("contributed", Stage::Contributed),
            ("revealed", Stage::Revealed),
            ("uploaded", Stage::Uploaded),
        ]
        .into_iter()
        .find_map(|(known, stage)| (known == name).then_some(stage))
    };
    let conduct = match name {
        "honest" => Some(Conduct::Honest),
        "lying" => Some(Conduct::Lying),
        "slow" => value
            .parse()
            .ok()
            .and_then(|secs| Duration::try_from_secs_f64(secs).ok())
            .map(Conduct::Slow),
        "dying" => stage(value).map(Conduct::Dying),
        _ => None,
    };
    conduct.ok_or_else(|| {
        "a worker is honest, lying, slow=SECONDS or dying=STAGE (assigned, fetched, computed, contributed, revealed, \
         uploaded)"
            .to_owned()
    })
}
