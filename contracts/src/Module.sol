// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub is more code than one contract may have (EIP-170), so it is three, each with whole stages of the protocol: what
// one does not know, it hands to the next in the hub's name. The chain is fixed when each is deployed and can never be
// changed.
//
//     Hub (task, contribution, consensus, result, payment) -> HubOrders (order, deal) -> HubGovernance (and a task's end
//                                                                                        that is no result)

abstract contract Module {
    address private immutable _next;

    constructor(address next) {
        _next = next;
    }

    function _handOn() internal {
        address next = _next;
        // Memory-safe: writes beyond the free memory pointer, which is allowed without moving it.
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let done := delegatecall(gas(), next, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if done { return(free, returndatasize()) }
            revert(free, returndatasize())
        }
    }
}
