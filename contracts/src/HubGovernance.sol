// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub's owner, categories and registries, and the end of the chain: what is not known here is not known at all. Runs
// only in the hub's name; called by itself it has no owner, so nobody can set anything.

import { GovernanceStage } from "./stages/GovernanceStage.sol";

contract HubGovernance is GovernanceStage {
    fallback() external {
        revert UnknownFunction(msg.sig);
    }
}
