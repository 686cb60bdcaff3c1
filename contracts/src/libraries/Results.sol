// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The outcome of a task: where it lies, and what other contracts get. Both never change, so they live in code under the
// task's identifier (see CodeStore): 2 bytes of length of the first, the first, the second to the end.

import { IResult } from "../interfaces/IResult.sol";
import { CodeStore } from "./CodeStore.sol";

library Results {
    uint256 internal constant LIMIT = CodeStore.LIMIT - 2;

    function record(bytes32 taskid, bytes calldata results, bytes calldata resultsCallback) internal {
        uint256 length = results.length + resultsCallback.length;
        require(length <= LIMIT, IResult.ResultsTooLong(length, LIMIT));
        if (length == 0) return;
        // The cast cuts nothing off: the limit is below 2^16.
        CodeStore.write(taskid, abi.encodePacked(bytes1(0), uint16(results.length), results, resultsCallback));
    }

    function read(bytes32 taskid) internal view returns (bytes memory results, bytes memory resultsCallback) {
        address place = CodeStore.locate(taskid);
        uint256 length = CodeStore.lengthAt(place);
        if (length == 0) return ("", "");
        uint256 first = uint16(bytes2(CodeStore.read(place, 0, 2)));
        results = CodeStore.read(place, 2, first);
        resultsCallback = CodeStore.read(place, 2 + first, length - 2 - first);
    }
}
