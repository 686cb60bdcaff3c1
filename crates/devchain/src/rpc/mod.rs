//! JSON-RPC over HTTP and WebSocket: what wallets, libraries and test tools ask a node for.
//!
//! Reading methods take the chain's lock for reading, look, and let go; those that run the EVM or walk many blocks
//! do so on a thread that may block. Sending goes to the [`miner`](crate::miner). Changing methods (`evm_…`,
//! `anvil_…`, `hardhat_…`, `oxec_…`) take the lock for writing.
//!
//! By what they are about: [`read`] (blocks, transactions, accounts, fees), [`logs`], [`call`] (`eth_call`,
//! `eth_estimateGas`), [`send`], [`follow`] (filters and subscriptions), [`control`].

mod batch;
mod call;
mod control;
mod error;
mod follow;
mod logs;
mod read;
mod send;
mod view;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::U256;
use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig, ServerHandle};
use jsonrpsee::types::{Params, ParamsSequence, SubscriptionId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::error::{Answer, invalid, not_found};
use crate::accounts::DevAccount;
use crate::block::Block;
use crate::chain::Chain;
use crate::miner::Miner;

/// How many blocks before the newest are called safe, and finalized: one and two epochs, as on the real chain.
const SAFE_DEPTH: u64 = 32;
const FINALIZED_DEPTH: u64 = 64;

const REQUEST_LIMIT_BYTES: u32 = 32 << 20;
const RESPONSE_LIMIT_BYTES: u32 = 256 << 20;
const BATCH_LIMIT: u32 = 10_000;
const CONNECTION_LIMIT: u32 = 10_000;
const SUBSCRIPTION_LIMIT: u32 = 10_000;
/// Messages one slow WebSocket may have waiting before its subscriptions wait for it.
const MESSAGE_BUFFER: u32 = 4_096;

/// What the methods work on.
pub(crate) struct Node {
    chain: Arc<RwLock<Chain>>,
    miner: Miner,
    accounts: Vec<DevAccount>,
    filters: Mutex<follow::Filters>,
    /// Held while a dev account's next nonce is found and used.
    signing: tokio::sync::Mutex<()>,
}

type Module = RpcModule<Node>;

impl Node {
    pub(crate) fn new(chain: Arc<RwLock<Chain>>, miner: Miner, accounts: Vec<DevAccount>) -> Node {
        Node {
            chain,
            miner,
            accounts,
            filters: Mutex::default(),
            signing: tokio::sync::Mutex::default(),
        }
    }

    // Nothing is left half done when a holder of the lock panics (the change is written first, or undone), so a
    // poisoned lock is as good as another.
    fn read(&self) -> RwLockReadGuard<'_, Chain> {
        self.chain.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Chain> {
        self.chain.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts serving on a listener that does not block.
pub(crate) fn serve(listener: TcpListener, node: Node) -> std::io::Result<ServerHandle> {
    let config = ServerConfig::builder()
        .max_request_body_size(REQUEST_LIMIT_BYTES)
        .max_response_body_size(RESPONSE_LIMIT_BYTES)
        .max_connections(CONNECTION_LIMIT)
        .max_subscriptions_per_connection(SUBSCRIPTION_LIMIT)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_LIMIT))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        .set_id_provider(HexIds::default())
        .build();
    // Web pages may ask it, wherever they come from: it is a dev node, and its keys are public.
    let http = tower::ServiceBuilder::new().layer(tower_http::cors::CorsLayer::permissive());
    let rpc = RpcServiceBuilder::new()
        .layer_fn(|service| batch::Together::new(service, RESPONSE_LIMIT_BYTES as usize));
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(http)
        .set_rpc_middleware(rpc)
        .build_from_tcp(listener)?;
    let module = module(node).map_err(std::io::Error::other)?;
    Ok(server.start(module))
}

fn module(node: Node) -> Result<Module, RegisterMethodError> {
    let mut module = RpcModule::new(node);
    read::register(&mut module)?;
    logs::register(&mut module)?;
    call::register(&mut module)?;
    send::register(&mut module)?;
    follow::register(&mut module)?;
    control::register(&mut module)?;
    Ok(module)
}

/// Subscription ids as Ethereum libraries expect them: hexadecimal strings.
#[derive(Debug, Default)]
struct HexIds(AtomicU64);

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        let id = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        SubscriptionId::Str(format!("0x{id:032x}").into())
    }
}

/// A method's arguments, taken one after the other.
struct Arguments<'a> {
    sequence: ParamsSequence<'a>,
    taken: usize,
}

impl<'a> Arguments<'a> {
    fn of(params: &'a Params<'_>) -> Answer<Arguments<'a>> {
        if params
            .as_str()
            .is_some_and(|text| !text.trim_start().starts_with('['))
        {
            return Err(invalid("params must be an array"));
        }
        Ok(Arguments {
            sequence: params.sequence(),
            taken: 0,
        })
    }

    fn next<T: DeserializeOwned>(&mut self) -> Answer<T> {
        let at = self.taken;
        self.optional()?
            .ok_or_else(|| invalid(format!("missing value for required argument {at}")))
    }

    /// Absent and null are the same.
    fn optional<T: DeserializeOwned>(&mut self) -> Answer<Option<T>> {
        let at = self.taken;
        self.taken += 1;
        self.sequence.optional_next().map_err(|error| {
            let why = error
                .data()
                .map_or_else(|| error.message().to_owned(), |data| data.get().to_owned());
            invalid(format!("invalid argument {at}: {}", why.trim_matches('"')))
        })
    }

    /// A quantity in any of the forms tools send: hexadecimal or decimal text, or a number.
    fn quantity(&mut self) -> Answer<u64> {
        let at = self.taken;
        let value: U256 = self.next()?;
        u64::try_from(value).map_err(|_| invalid(format!("argument {at} is too large: {value}")))
    }

    fn optional_quantity(&mut self) -> Answer<Option<u64>> {
        let at = self.taken;
        let Some(value) = self.optional::<U256>()? else {
            return Ok(None);
        };
        u64::try_from(value)
            .map(Some)
            .map_err(|_| invalid(format!("argument {at} is too large: {value}")))
    }
}

/// Whoever asks gets an answer, even where a library below breaks its word and panics.
fn guarded<T>(work: impl FnOnce() -> Answer<T>) -> Answer<T> {
    // A panic leaves no change behind (see `Node::read`), so looking on is safe.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(error::internal("the request made the node stumble")))
}

/// A method that answers at once.
fn quick<R>(
    module: &mut Module,
    names: &[&'static str],
    method: fn(&Node, &mut Arguments<'_>) -> Answer<R>,
) -> Result<(), RegisterMethodError>
where
    R: Serialize + Clone + 'static,
{
    for name in names {
        module.register_method(name, move |params, node, _| {
            guarded(|| method(node, &mut Arguments::of(&params)?))
        })?;
    }
    Ok(())
}

/// A method that may take its time, and so gets a thread.
fn slow<R>(
    module: &mut Module,
    names: &[&'static str],
    method: fn(&Node, &mut Arguments<'_>) -> Answer<R>,
) -> Result<(), RegisterMethodError>
where
    R: Serialize + Clone + Send + 'static,
{
    for name in names {
        module.register_blocking_method(name, move |params, node, _| {
            guarded(|| method(&node, &mut Arguments::of(&params)?))
        })?;
    }
    Ok(())
}

/// A block somebody named.
enum Named {
    Made(Arc<Block>),
    /// The one that would be made now.
    Pending,
}

fn by_tag(chain: &Chain, tag: BlockNumberOrTag) -> Option<Named> {
    let head = chain.head().number();
    let number = match tag {
        BlockNumberOrTag::Pending => return Some(Named::Pending),
        BlockNumberOrTag::Latest => head,
        BlockNumberOrTag::Safe => head.saturating_sub(SAFE_DEPTH),
        BlockNumberOrTag::Finalized => head.saturating_sub(FINALIZED_DEPTH),
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Number(number) => number,
    };
    chain.blocks.get(number).cloned().map(Named::Made)
}

fn by_id(chain: &Chain, id: BlockId) -> Option<Named> {
    match id {
        BlockId::Hash(hash) => chain
            .blocks
            .by_hash(hash.block_hash)
            .cloned()
            .map(Named::Made),
        BlockId::Number(tag) => by_tag(chain, tag),
    }
}

/// As [`by_id`], where not to find it is an error.
fn required(chain: &Chain, id: BlockId) -> Answer<Named> {
    by_id(chain, id).ok_or_else(|| not_found("block not found"))
}
