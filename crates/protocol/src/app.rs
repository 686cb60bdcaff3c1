//! Apps, datasets and workerpools as their registries know them.
//!
//! An entry is written once and never changes; who owns it is who owns its ERC-721 token. An app of kind
//! [`Kind::Wasm`] is a WebAssembly module at `/ipfs/<cid>` or at an http(s) URL, and its checksum is the module's
//! sha256; one of kind [`Kind::Docker`] is an image.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// What an app is made of, the `type` of its registry entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A WASI program.
    #[serde(rename = "WASM")]
    Wasm,
    /// A container image.
    #[serde(rename = "DOCKER")]
    Docker,
}

/// A registry entry's `type` nobody here can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("apps of type {0:?} are unknown: expected WASM or DOCKER")]
pub struct UnknownKind(pub String);

impl Kind {
    /// As the registry spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "WASM",
            Self::Docker => "DOCKER",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text.to_ascii_uppercase().as_str() {
            "WASM" => Ok(Self::Wasm),
            "DOCKER" => Ok(Self::Docker),
            _ => Err(UnknownKind(text.to_owned())),
        }
    }
}

/// Where an app's or a dataset's bytes lie; on chain the UTF-8 text of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// `/ipfs/<cid>`: by content, from any blob door.
    Content {
        /// The content address.
        cid: String,
    },
    /// An http or https URL.
    Url(String),
    /// Anything else, for instance the name of an image.
    Name(String),
}

/// An on-chain location that is not text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Empty.
    #[error("the entry names no location")]
    Empty,
    /// Not UTF-8: perhaps a binary multiaddr of an older tool.
    #[error("the entry's location is not text: {0}")]
    NotText(Bytes),
}

impl Location {
    /// Reads the on-chain bytes.
    pub fn from_multiaddr(bytes: &Bytes) -> Result<Self, BadLocation> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadLocation::NotText(bytes.clone()))?;
        text.parse()
    }

    /// The bytes to put on chain.
    #[must_use]
    pub fn to_multiaddr(&self) -> Bytes {
        self.to_string().into_bytes().into()
    }
}

impl FromStr for Location {
    type Err = BadLocation;

    fn from_str(text: &str) -> Result<Self, BadLocation> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadLocation::Empty);
        }
        if let Some(cid) = text
            .strip_prefix("/ipfs/")
            .or_else(|| text.strip_prefix("ipfs://"))
            && !cid.is_empty()
        {
            return Ok(Self::Content {
                cid: cid.to_owned(),
            });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl TryFrom<String> for Location {
    type Error = BadLocation;

    fn try_from(text: String) -> Result<Self, BadLocation> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content { cid } => write!(f, "/ipfs/{cid}"),
            Self::Url(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

/// An app, as its registry entry tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Who is paid for its use, and who may sign offers of it.
    pub owner: Address,
    /// For people.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// Where it lies.
    pub location: Location,
    /// sha256 of the module; of a container image, its digest.
    pub checksum: B256,
    /// How its enclave is recognised; empty without one.
    pub mrenclave: Bytes,
}

/// A dataset, as its registry entry tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Who is paid for its use, and who may sign offers of it.
    pub owner: Address,
    /// For people.
    pub name: String,
    /// Where it lies.
    pub location: Location,
    /// sha256 of the (encrypted) file.
    pub checksum: B256,
}

/// A workerpool, as its registry entry tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workerpool {
    /// The scheduler: signs offers and authorizations, finalizes, is paid.
    pub owner: Address,
    /// For people.
    pub description: String,
    /// What a worker stakes per contribution, in percent of the workerpool's price.
    pub worker_stake_ratio: u64,
    /// What the scheduler keeps of the workers' reward, in percent, at most 100.
    pub scheduler_reward_ratio: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back_as_it_is_written() {
        let reads = [
            (
                "/ipfs/bafkrei",
                Location::Content {
                    cid: "bafkrei".to_owned(),
                },
            ),
            (
                "https://x/app.wasm",
                Location::Url("https://x/app.wasm".to_owned()),
            ),
            (
                "docker.io/x/y:1",
                Location::Name("docker.io/x/y:1".to_owned()),
            ),
        ];
        for (text, location) in reads {
            assert_eq!(
                Location::from_multiaddr(&Bytes::from(text)),
                Ok(location.clone())
            );
            assert_eq!(location.to_multiaddr(), Bytes::from(text));
        }
        assert_eq!(
            Location::from_multiaddr(&Bytes::new()),
            Err(BadLocation::Empty)
        );
        let binary = Bytes::from([0xa5, 0x03, 0xff]);
        assert_eq!(
            Location::from_multiaddr(&binary),
            Err(BadLocation::NotText(binary.clone()))
        );
    }

    #[test]
    fn a_kind_is_read_in_any_case_and_a_strange_one_is_named() {
        assert_eq!("wasm".parse(), Ok(Kind::Wasm));
        assert_eq!("DOCKER".parse(), Ok(Kind::Docker));
        let refusal = "VM".parse::<Kind>().expect_err("unknown");
        assert_eq!(
            refusal.to_string(),
            "apps of type \"VM\" are unknown: expected WASM or DOCKER"
        );
    }
}
