// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What is called least: the hub's owner, categories and registries, and the end of tasks that nobody finished. It is the end
// of the chain too: what is not known here is not known at all. Runs only in the hub's name; called by itself it has no
// owner, so nobody can set anything, and no tasks.

import { GovernanceStage } from "./stages/GovernanceStage.sol";
import { TaskEndStage } from "./stages/TaskEndStage.sol";

contract HubGovernance is GovernanceStage, TaskEndStage {
    fallback() external {
        revert UnknownFunction(msg.sig);
    }
}
