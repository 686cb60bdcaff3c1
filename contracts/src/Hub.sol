// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The law, and the one address everybody talks to: IHub is what it answers to. This contract holds the stages that the
// most transactions go to; orders and deals are one step further, governance and failed tasks two (see Module).
//
// Deployment, in this order: RLC(owner), AppRegistry(owner), DatasetRegistry(owner), WorkerpoolRegistry(owner),
// HubGovernance, HubOrders(HubGovernance), Hub(HubOrders, owner); then, by the owner, `initialize(0)` on each registry, and
// `configure`, `createCategory` and at last `seal` on the hub. Who creates the contracts does not matter: nothing here belongs to whoever
// pays for its creation, and what follows only the owner can do. So they can be created through a proxy, at the same
// addresses on every chain, and nobody gains by being first.

import { Module } from "./Module.sol";
import { IGovernance } from "./interfaces/IGovernance.sol";
import { CodeStore } from "./libraries/CodeStore.sol";
import { ContributionStage } from "./stages/ContributionStage.sol";
import { PaymentStage } from "./stages/PaymentStage.sol";
import { ResultStage } from "./stages/ResultStage.sol";
import { TaskStage } from "./stages/TaskStage.sol";

contract Hub is Module, TaskStage, ContributionStage, ResultStage, PaymentStage {
    constructor(address orders, address owner_) Module(orders) {
        _hubOwner = owner_;
        emit IGovernance.OwnershipTransferred(address(0), owner_);
    }

    /// @dev Takes no ether. A call without data is the hub's own init code asking for its content.
    fallback() external {
        if (msg.data.length == 0) {
            CodeStore.serve();
            revert IGovernance.UnknownFunction(bytes4(0));
        }
        _handOn();
    }
}
