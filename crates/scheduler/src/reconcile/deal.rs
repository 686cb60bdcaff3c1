//! Pinning: what a deal's tasks need, fetched once, checked, and kept under its content address.
//!
//! Every worker gets the pool's copy, so a web server cannot serve each of them something else. The app's sha256 must
//! be the checksum on chain; an input's must be its `#sha256=` pin where it has one. What is already here is never
//! fetched again. A fetch that fails is tried a few times; then the deal's tasks are given up, and people are told why.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use blobs::{BlobError, Reach, Stored};
use protocol::abi::App;
use protocol::app::Location;
use protocol::params::{DealParams, Input};
use sdk::chain::ChainError;
use sdk::wire::pool::{PinnedBlob, PinnedInput};
use url::Url;

use crate::board::{DealEntry, Pins};
use crate::context::Context;
use crate::storage::Held;

/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

/// The shortest pause between two tries, whatever the options say.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Why something cannot be pinned.
#[derive(Debug, thiserror::Error)]
enum PinError {
    #[error("cannot read the application {app} on chain: {source}")]
    Chain { app: Address, source: ChainError },
    #[error("the application {app} has no usable location: {reason}")]
    Location { app: Address, reason: String },
    #[error("the application {app} has sha256 {found}, but its checksum on chain is {expected}")]
    Checksum {
        app: Address,
        expected: B256,
        found: B256,
    },
    #[error("the deal's parameters cannot be read: {0}")]
    Params(#[from] protocol::params::BadParams),
    #[error("{0}")]
    Pin(#[from] protocol::params::BadPin),
    #[error("input {url:?} is no http or https URL")]
    NoUrl { url: String },
    #[error("cannot fetch {what}: {source}{}", reason(source))]
    Fetch { what: String, source: BlobError },
    #[error("cannot write the pins of a deal down: {0}")]
    Database(#[from] sqlx::Error),
}

impl PinError {
    /// Whether trying again may help; else the deal itself is at fault.
    fn is_passing(&self) -> bool {
        match self {
            Self::Chain { source, .. } => source.is_transient(),
            Self::Fetch { .. } | Self::Database(_) => true,
            Self::Location { .. }
            | Self::Checksum { .. }
            | Self::Params(_)
            | Self::Pin(_)
            | Self::NoUrl { .. } => false,
        }
    }
}

impl PinError {
    /// Whether it is this pool's disk that is at fault.
    fn is_ours(&self) -> bool {
        match self {
            Self::Database(_) => true,
            Self::Fetch { source, .. } => {
                matches!(source, BlobError::DiskFull { .. } | BlobError::Io { .. })
            }
            Self::Chain { .. }
            | Self::Location { .. }
            | Self::Checksum { .. }
            | Self::Params(_)
            | Self::Pin(_)
            | Self::NoUrl { .. } => false,
        }
    }
}

/// The source's own source, which its text leaves out.
fn reason(error: &BlobError) -> String {
    std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

/// Pins what deals need, all at once, as they come.
pub(crate) async fn pin(context: Arc<Context>) {
    if !context.caught_up().await {
        return;
    }
    loop {
        let taken = context.board.lock().take_unpinned();
        for deal in taken {
            let shared = context.clone();
            context.tasks.spawn(async move {
                tokio::select! {
                    () = shared.stop.cancelled() => {}
                    () = pin_deal(&shared, &deal) => {}
                }
            });
        }
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = context.board.wake.pin.notified() => {}
            () = tokio::time::sleep(context.safety_net()) => {}
        }
    }
}

async fn pin_deal(context: &Context, deal: &DealEntry) {
    let mut tried = 0;
    loop {
        tried += 1;
        match try_to_pin(context, deal).await {
            Ok(pins) => {
                context.board.lock().pinned(deal.id, pins);
                break;
            }
            // The node's absence is nobody's fault and no try.
            Err(PinError::Chain { source, .. }) if source.is_transient() => {
                tried -= 1;
                tracing::warn!(deal.id = %deal.id, error = %source, "cannot read the application for now");
                let mut state = context.board.lock();
                state.pinning_delayed(deal.id, source.to_string());
            }
            // Nor is our own full disk: there will be room again.
            Err(error) if error.is_ours() => {
                tried -= 1;
                tracing::error!(deal.id = %deal.id, %error, "cannot keep what the deal needs for now");
                let mut state = context.board.lock();
                state.pinning_delayed(deal.id, error.to_string());
            }
            Err(error) if error.is_passing() && tried < context.options.pin_tries => {
                tracing::warn!(deal.id = %deal.id, %error, tried, "cannot pin what the deal needs, trying again");
                let mut state = context.board.lock();
                state.pinning_delayed(deal.id, error.to_string());
            }
            Err(error) => {
                tracing::warn!(deal.id = %deal.id, %error, tried, "the deal is given up");
                context
                    .board
                    .lock()
                    .pinning_failed(deal.id, &error.to_string());
                break;
            }
        }
        let pause = Duration::from_secs(context.options.pin_pause_secs).max(PAUSE_MIN);
        if !context.pause(pause).await {
            return;
        }
    }
    context.board.ring();
}

async fn try_to_pin(context: &Context, deal: &DealEntry) -> Result<Pins, PinError> {
    let params = DealParams::parse(&deal.deal.params)?;
    let app = pin_app(context, deal.deal.app.pointer).await?;
    let fetches = params
        .input_files
        .iter()
        .map(|input| pin_input(context, input));
    let (app, _held) = app;
    let inputs = futures::future::try_join_all(fetches).await?;
    // Held until they are written down.
    let (inputs, _all_held): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    let pins = Pins { app, inputs };
    context.db.write_pins(deal.id, &pins).await?;
    Ok(pins)
}

async fn pin_app(context: &Context, app: Address) -> Result<(PinnedBlob, Held<'_>), PinError> {
    let known = context
        .apps
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&app)
        .cloned();
    if let Some(pinned) = known
        && let Ok(cid) = pinned.cid.parse()
    {
        let held = context.storage.hold(cid).await;
        if holds(context, cid).await {
            return Ok((pinned, held));
        }
    }
    let unread = |source| PinError::Chain { app, source };
    let (multiaddr, checksum) = tokio::join!(
        context.chain.call(app, App::m_appMultiaddrCall {}),
        context.chain.call(app, App::m_appChecksumCall {}),
    );
    let (multiaddr, checksum) = (multiaddr.map_err(unread)?, checksum.map_err(unread)?);
    let location = Location::from_multiaddr(&multiaddr).map_err(|error| PinError::Location {
        app,
        reason: error.to_string(),
    })?;
    let (stored, held) = match &location {
        Location::Content { cid } => {
            let cid = cid.parse().map_err(|error: BlobError| PinError::Location {
                app,
                reason: error.to_string(),
            })?;
            by_content(context, cid, "the application").await?
        }
        Location::Url(text) => {
            let url = text
                .parse()
                .map_err(|_| PinError::NoUrl { url: text.clone() })?;
            by_url(context, &url, Some(checksum)).await?
        }
        Location::Name(name) => {
            let reason = format!("{name:?} is neither /ipfs/<cid> nor an http(s) URL");
            return Err(PinError::Location { app, reason });
        }
    };
    let found = B256::from(stored.sha256);
    if found != checksum {
        return Err(PinError::Checksum {
            app,
            expected: checksum,
            found,
        });
    }
    let pinned = pinned(&stored);
    context
        .apps
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(app, pinned.clone());
    Ok((pinned, held))
}

async fn pin_input<'a>(
    context: &'a Context,
    input: &Input,
) -> Result<(PinnedInput, Held<'a>), PinError> {
    let expected = input.pin()?;
    let no_url = || PinError::NoUrl {
        url: input.text.clone(),
    };
    let url: Url = input.url().parse().map_err(|_| no_url())?;
    let content = url
        .path()
        .strip_prefix("/ipfs/")
        .and_then(|cid| cid.parse::<blobs::Address>().ok());
    let on_the_web = matches!(url.scheme(), "http" | "https");
    let (stored, held) = match content {
        // Whatever door the URL names: these bytes are the same everywhere, also here or with a peer.
        Some(cid) => match by_content(context, cid, &input.text).await {
            Err(_) if on_the_web => by_url(context, &url, expected).await?,
            found => found?,
        },
        None if on_the_web => by_url(context, &url, expected).await?,
        None => return Err(no_url()),
    };
    let found = B256::from(stored.sha256);
    if let Some(expected) = expected
        && found != expected
    {
        let source = BlobError::Mismatch {
            source_name: url.to_string(),
            expected: format!("sha256 {expected:x}"),
            found: format!("{found:x}"),
        };
        return Err(PinError::Fetch {
            what: input.text.clone(),
            source,
        });
    }
    let input = PinnedInput {
        url: input.text.clone(),
        blob: pinned(&stored),
    };
    Ok((input, held))
}

async fn holds(context: &Context, cid: blobs::Address) -> bool {
    context.blobs.has(cid).await.unwrap_or(false)
}

/// A blob known by its address: here, or at one of the peers' doors.
async fn by_content<'a>(
    context: &'a Context,
    cid: blobs::Address,
    what: &str,
) -> Result<(Stored, Held<'a>), PinError> {
    let failed = |source| PinError::Fetch {
        what: what.to_owned(),
        source,
    };
    let mut last = BlobError::NotFound { cid };
    let held = context.storage.hold(cid).await;
    if holds(context, cid).await {
        return Ok((stored_here(context, cid).await?, held));
    }
    let Ok(_turn) = context.fetches.acquire().await else {
        return Err(failed(last));
    };
    for peer in &context.options.peers {
        let door = blobs::Client::new(peer.clone());
        match door
            .download_into(&context.blobs, cid, context.options.input_limit_bytes)
            .await
        {
            Ok(_) => return Ok((stored_here(context, cid).await?, held)),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

async fn by_url<'a>(
    context: &'a Context,
    url: &Url,
    expected: Option<B256>,
) -> Result<(Stored, Held<'a>), PinError> {
    let limit = context.options.input_limit_bytes;
    let reach = if context.options.fetch_private {
        Reach::Anywhere
    } else {
        Reach::PublicOnly
    };
    let Ok(_turn) = context.fetches.acquire().await else {
        return Err(PinError::NoUrl {
            url: url.to_string(),
        });
    };
    let failed = |source| PinError::Fetch {
        what: url.to_string(),
        source,
    };
    let stored = context
        .blobs
        .fetch_url(
            url,
            reach,
            limit,
            expected.map(|hash| hash.0),
            FETCH_TIMEOUT,
        )
        .await
        .map_err(failed)?;
    let held = context.storage.hold(stored.cid).await;
    if holds(context, stored.cid).await {
        Ok((stored, held))
    } else {
        Err(failed(BlobError::NotFound { cid: stored.cid }))
    }
}

/// Reads a blob of ours once, for its length and sha256; one the disk has spoilt is removed and fetched anew.
async fn stored_here(context: &Context, cid: blobs::Address) -> Result<Stored, PinError> {
    let known = context
        .verified
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&cid)
        .copied();
    if let Some(stored) = known {
        return Ok(stored);
    }
    let stored = context
        .blobs
        .verify(cid)
        .await
        .map_err(|source| PinError::Fetch {
            what: cid.path(),
            source,
        })?;
    context
        .verified
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(cid, stored);
    Ok(stored)
}

fn pinned(stored: &Stored) -> PinnedBlob {
    PinnedBlob {
        cid: stored.cid.to_string(),
        length: stored.length,
        sha256: B256::from(stored.sha256),
    }
}
