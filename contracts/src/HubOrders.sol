// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub's orders and deals. Runs only in the hub's name; called by itself it has no money, no registries and no owner.

import { Module } from "./Module.sol";
import { DealStage } from "./stages/DealStage.sol";
import { OrderStage } from "./stages/OrderStage.sol";

contract HubOrders is Module, OrderStage, DealStage {
    constructor(address governance) Module(governance) { }

    fallback() external {
        _handOn();
    }
}
