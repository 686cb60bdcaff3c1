// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Contracts that are told of results, well-behaved and not.

import { IHub } from "../../src/interfaces/IHub.sol";
import { IOracleConsumer } from "../../src/interfaces/IResult.sol";

/// @dev Remembers what it was told.
contract Listener is IOracleConsumer {
    bytes32 public id;
    bytes public result;
    uint256 public gasGiven;

    function receiveResult(bytes32 id_, bytes calldata result_) external {
        gasGiven = gasleft();
        id = id_;
        result = result_;
    }
}

/// @dev Hands on what it is told, and minds no failure of whom it tells: it never uses up its own gas.
contract Messenger is IOracleConsumer {
    IOracleConsumer private immutable _to;

    constructor(IOracleConsumer to) {
        _to = to;
    }

    function receiveResult(bytes32 id, bytes calldata result) external {
        try _to.receiveResult(id, bytes.concat(result, result, result)) { } catch { }
    }
}

/// @dev Refuses, at length.
contract Quarreller is IOracleConsumer {
    function receiveResult(bytes32, bytes calldata) external pure {
        assembly {
            revert(0, 10000)
        }
    }
}

/// @dev Burns all the gas it is given.
contract Glutton is IOracleConsumer {
    function receiveResult(bytes32, bytes calldata) external pure {
        assembly {
            invalid()
        }
    }
}

/// @dev Comes back into the hub while it is being told.
contract Intruder is IOracleConsumer {
    bool public cameIn;

    function receiveResult(bytes32 id, bytes calldata) external {
        try IHub(msg.sender).claim(id) {
            cameIn = true;
        } catch { }
        try IHub(msg.sender).finalize(id, "", "") {
            cameIn = true;
        } catch { }
    }
}
