// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The four orders of a match, taken as one, for tests that break one rule at a time; and accounts with code that stand
// behind orders.

import { AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { Town } from "./Town.sol";

struct Four {
    AppOrder app;
    DatasetOrder data;
    WorkerpoolOrder pool;
    RequestOrder request;
}

/// @dev A group of accounts (ERC-734) that has one member.
contract Group {
    address private immutable _member;

    constructor(address member) {
        _member = member;
    }

    function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool) {
        return key == bytes32(uint256(uint160(_member))) && purpose == 4;
    }
}

/// @dev An account with code that signs whatever its keeper said it signs (ERC-1271), does as it is told, and can be paid for.
contract Purse {
    mapping(bytes32 hash => bool) public agreed;

    function agree(bytes32 hash) external {
        agreed[hash] = true;
    }

    function tell(address whom, bytes calldata words) external {
        (bool done,) = whom.call(words);
        require(done, "refused");
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        require(agreed[hash], "never agreed");
        return 0x1626ba7e;
    }
}

abstract contract FourOrders is Town {
    /// @dev The plain four orders, with dataset.
    function fourOrders() internal view returns (Four memory four) {
        four = Four(appOrder(), datasetOrder(), poolOrder(), requestOrder());
        four.request.dataset = dataset;
        four.request.datasetmaxprice = DATASET_PRICE;
    }

    function signAll(Four memory four) internal view returns (Four memory) {
        signedBy(developer, four.app);
        signedBy(curator, four.data);
        signedBy(scheduler, four.pool);
        signedBy(requester, four.request);
        return four;
    }

    function matchFour(Four memory four) internal returns (bytes32) {
        return hub.matchOrders(four.app, four.data, four.pool, four.request);
    }

    function signAndMatch(Four memory four) internal returns (bytes32) {
        return matchFour(signAll(four));
    }

    function refuseFour(Four memory four, bytes memory reason) internal {
        vm.expectRevert(reason);
        matchFour(four);
    }
}
