// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The law, and the one address everybody talks to: IHub is what it answers to. This contract holds the stages that the
// most transactions go to; orders, deals and governance are one step further (see Module).
//
// Deployment, all by one account and in this order: RLC, AppRegistry, DatasetRegistry, WorkerpoolRegistry, HubGovernance,
// HubOrders(HubGovernance), Hub(HubOrders); then `initialize(0)` on each registry, and `configure` and `createCategory` on
// the hub, whose owner is the account that deployed it.

import { Module } from "./Module.sol";
import { IGovernance } from "./interfaces/IGovernance.sol";
import { CodeStore } from "./libraries/CodeStore.sol";
import { ContributionStage } from "./stages/ContributionStage.sol";
import { PaymentStage } from "./stages/PaymentStage.sol";
import { ResultStage } from "./stages/ResultStage.sol";
import { TaskStage } from "./stages/TaskStage.sol";

contract Hub is Module, TaskStage, ContributionStage, ResultStage, PaymentStage {
    constructor(address orders) Module(orders) {
        _hubOwner = msg.sender;
        emit IGovernance.OwnershipTransferred(address(0), msg.sender);
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
