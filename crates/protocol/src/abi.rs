//! The contracts as Rust sees them: calls, returns, events and refusals, generated from their ABI.
//!
//! The hub's ABI is the whole law: every module behind the dispatcher, every event, every refusal, and the structs
//! they exchange (`Hub::AppOrder`, `Hub::Deal`, `Hub::Task` and so on). A Solidity `enum` reads as its number.

#![allow(
    missing_docs,
    clippy::too_many_arguments,
    reason = "generated code; the contracts document it"
)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Hub,
    "../../contracts/abi/Hub.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    RLC,
    "../../contracts/abi/RLC.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    AppRegistry,
    "../../contracts/abi/AppRegistry.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    DatasetRegistry,
    "../../contracts/abi/DatasetRegistry.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    WorkerpoolRegistry,
    "../../contracts/abi/WorkerpoolRegistry.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    App,
    "../../contracts/abi/App.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Dataset,
    "../../contracts/abi/Dataset.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Workerpool,
    "../../contracts/abi/Workerpool.json"
);

/// The rest of the hub's code. `Hub` describes everything it answers to; these are only deployed.
pub(crate) mod modules {
    alloy_sol_types::sol!(HubOrders, "../../contracts/abi/HubOrders.json");
    alloy_sol_types::sol!(HubGovernance, "../../contracts/abi/HubGovernance.json");
}
