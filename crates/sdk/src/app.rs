//! Apps: putting them into the registry, and looking at them there.

use alloy_primitives::{Address, B256, Bytes};
use protocol::abi;
use protocol::app::{App, BadLocation, Kind, Location, UnknownKind};

use crate::chain::{Chain, ChainError, Sender};

/// An app to be put into the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApp {
    /// For people.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// Where its module lies.
    pub location: Location,
    /// sha256 of the module.
    pub checksum: B256,
    /// How its enclave is recognised; empty without one.
    pub mrenclave: Bytes,
}

impl NewApp {
    /// A WebAssembly module at a content address.
    #[must_use]
    pub fn wasm(name: impl Into<String>, cid: impl ToString, sha256: B256) -> Self {
        let location = Location::Content {
            cid: cid.to_string(),
        };
        Self {
            name: name.into(),
            kind: Kind::Wasm,
            location,
            checksum: sha256,
            mrenclave: Bytes::new(),
        }
    }
}

/// What went wrong with an app.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The chain did not do it.
    #[error("cannot {doing}")]
    Chain {
        /// What was tried.
        doing: String,
        /// Why not.
        #[source]
        source: ChainError,
    },
    /// The registry has no such entry.
    #[error(
        "{app} is not in the app registry of this chain; check the address, or publish the app first"
    )]
    Unknown {
        /// The address.
        app: Address,
    },
    /// The app is of a kind nobody here can run.
    #[error("app {app} cannot be used")]
    UnknownKind {
        /// The address.
        app: Address,
        /// Which kind.
        #[source]
        source: UnknownKind,
    },
    /// The app says nothing readable about where it lies.
    #[error("app {app} cannot be fetched")]
    BadLocation {
        /// The address.
        app: Address,
        /// What it says.
        #[source]
        source: BadLocation,
    },
}

impl AppError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Chain { source, .. } if source.is_transient())
    }
}

fn chain_error(doing: impl Into<String>) -> impl FnOnce(ChainError) -> AppError {
    let doing = doing.into();
    move |source| AppError::Chain { doing, source }
}

/// Puts an app into the registry, for the sender as its owner, and gives its address. An app that is there already,
/// with this very content and owner, is left as it is.
pub async fn publish(sender: &Sender, app: &NewApp) -> Result<Address, AppError> {
    let chain = sender.chain();
    let address = predict(chain, sender.address(), app).await?;
    if is_registered(chain, address).await? {
        return Ok(address);
    }
    let call = abi::AppRegistry::createAppCall {
        appOwner: sender.address(),
        appName: app.name.clone(),
        appType: app.kind.to_string(),
        appMultiaddr: app.location.to_multiaddr(),
        appChecksum: app.checksum,
        appMREnclave: app.mrenclave.clone(),
    };
    let doing = format!("put the app {:?} into the registry", app.name);
    sender
        .send(chain.deployment().app_registry, call)
        .await
        .map_err(chain_error(doing))?;
    Ok(address)
}

/// The address an app would have.
pub async fn predict(chain: &Chain, owner: Address, app: &NewApp) -> Result<Address, AppError> {
    let call = abi::AppRegistry::predictAppCall {
        appOwner: owner,
        appName: app.name.clone(),
        appType: app.kind.to_string(),
        appMultiaddr: app.location.to_multiaddr(),
        appChecksum: app.checksum,
        appMREnclave: app.mrenclave.clone(),
    };
    let doing = format!("foresee the address of the app {:?}", app.name);
    chain
        .call(chain.deployment().app_registry, call)
        .await
        .map_err(chain_error(doing))
}

/// Whether an app is in the registry.
pub async fn is_registered(chain: &Chain, app: Address) -> Result<bool, AppError> {
    let call = abi::AppRegistry::isRegisteredCall { entry: app };
    let doing = format!("look for {app} in the app registry");
    chain
        .call(chain.deployment().app_registry, call)
        .await
        .map_err(chain_error(doing))
}

/// Looks at an app.
pub async fn show(chain: &Chain, app: Address) -> Result<App, AppError> {
    if !is_registered(chain, app).await? {
        return Err(AppError::Unknown { app });
    }
    let doing = || chain_error(format!("look at app {app}"));
    let (owner, name, kind, multiaddr, checksum, mrenclave) = tokio::try_join!(
        chain.call(app, abi::App::ownerCall {}),
        chain.call(app, abi::App::m_appNameCall {}),
        chain.call(app, abi::App::m_appTypeCall {}),
        chain.call(app, abi::App::m_appMultiaddrCall {}),
        chain.call(app, abi::App::m_appChecksumCall {}),
        chain.call(app, abi::App::m_appMREnclaveCall {}),
    )
    .map_err(doing())?;
    Ok(App {
        owner,
        name,
        kind: kind
            .parse()
            .map_err(|source| AppError::UnknownKind { app, source })?,
        location: Location::from_multiaddr(&multiaddr)
            .map_err(|source| AppError::BadLocation { app, source })?,
        checksum,
        mrenclave,
    })
}
