// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub as one contract: what its three modules are together, too large to deploy. For slither, which otherwise sees
// neither who writes what another module reads nor a call that comes back into another module.

import { IGovernance } from "../src/interfaces/IGovernance.sol";
import { CodeStore } from "../src/libraries/CodeStore.sol";
import { ContributionStage } from "../src/stages/ContributionStage.sol";
import { DealStage } from "../src/stages/DealStage.sol";
import { GovernanceStage } from "../src/stages/GovernanceStage.sol";
import { OrderStage } from "../src/stages/OrderStage.sol";
import { PaymentStage } from "../src/stages/PaymentStage.sol";
import { ResultStage } from "../src/stages/ResultStage.sol";
import { TaskEndStage } from "../src/stages/TaskEndStage.sol";
import { TaskStage } from "../src/stages/TaskStage.sol";

contract WholeHub is
    TaskStage,
    ContributionStage,
    ResultStage,
    PaymentStage,
    OrderStage,
    DealStage,
    GovernanceStage,
    TaskEndStage
{
    constructor(address owner_) {
        _hubOwner = owner_;
        emit IGovernance.OwnershipTransferred(address(0), owner_);
    }

    fallback() external {
        CodeStore.serve();
        revert UnknownFunction(msg.sig);
    }
}
