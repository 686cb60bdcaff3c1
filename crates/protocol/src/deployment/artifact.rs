//! What the compiler made of a contract: the code that creates it, and the code that then stands there.
//!
//! A contract's constructor writes its immutables into the code that stands; the compiler says where. Filling them in
//! gives the code byte by byte, so that a deployment can be verified without running anything.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::Deserialize;

use super::Standing;

/// One file of `contracts/abi`, as far as it is about code.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Artifact {
    /// Creation code, without the constructor's arguments.
    pub(super) bytecode: Bytes,
    /// The code that stands, with zeros for immutables.
    runtime: Bytes,
    /// Where each immutable is written, as 32 bytes.
    immutables: BTreeMap<String, Vec<usize>>,
}

macro_rules! artifacts {
    ($($name:ident = $file:literal),* $(,)?) => {
        impl Artifact {
            $(pub(super) fn $name() -> Self {
                Self::read($file, include_str!(concat!("../../../../contracts/abi/", $file)))
            })*
        }

        #[cfg(test)]
        const ALL: &[fn() -> Artifact] = &[$(Artifact::$name),*];
    };
}

artifacts! {
    rlc = "RLC.json",
    app_registry = "AppRegistry.json",
    app = "App.json",
    dataset_registry = "DatasetRegistry.json",
    dataset = "Dataset.json",
    workerpool_registry = "WorkerpoolRegistry.json",
    workerpool = "Workerpool.json",
    entry_proxy = "EntryProxy.json",
    hub_governance = "HubGovernance.json",
    hub_orders = "HubOrders.json",
    hub = "Hub.json",
}

impl Artifact {
    fn read(file: &str, text: &str) -> Self {
        // The files are part of this program, and a test reads them all.
        serde_json::from_str(text).expect(file)
    }

    /// The contract that stands at `address` with these immutables.
    pub(super) fn standing(
        &self,
        what: &'static str,
        address: Address,
        immutables: &[(&str, B256)],
    ) -> Standing {
        let mut code = self.runtime.to_vec();
        for (name, value) in immutables {
            for &offset in self.immutables.get(*name).into_iter().flatten() {
                code[offset..offset + 32].copy_from_slice(value.as_slice());
            }
        }
        Standing {
            what,
            address,
            code_hash: keccak256(&code),
            code_length: code.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_artifact_reads_and_has_zeros_where_its_immutables_go() {
        for artifact in ALL {
            let artifact = artifact();
            assert!(!artifact.bytecode.is_empty());
            for (name, offsets) in &artifact.immutables {
                assert!(!offsets.is_empty(), "{name}");
                for &offset in offsets {
                    assert_eq!(artifact.runtime[offset..offset + 32], [0; 32], "{name}");
                }
            }
        }
    }
}
