// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Words that never change, kept as the code of a contract: 200 gas a byte instead of 22,100 a word of storage.
//
// The contract's address follows from a key alone, so nobody has to keep a pointer. That wants init code which is the
// same for all: it carries nothing and calls its creator back, who holds the content ready in transient storage and
// gives it away on a call without data (`serve`).
//
//     init code     5f5f5f5f 33 5a fa    staticcall(gas, caller, no data)
//                   3d 5f 5f 3e          copy the answer
//                   3d 5f f3             become the answer
//
//     content       00 ++ bytes          the zero is STOP: a call to the contract does nothing, whatever the bytes say

import { IHub } from "../interfaces/IHub.sol";

library CodeStore {
    /// @dev The longest content: EIP-170 less the STOP.
    uint256 internal constant LIMIT = 24_575;

    uint256 private constant INIT_CODE = 0x5f5f5f5f335afa3d5f5f3e3d5ff3;
    uint256 private constant INIT_CODE_LENGTH = 14;
    bytes32 private constant INIT_CODE_HASH = keccak256(hex"5f5f5f5f335afa3d5f5f3e3d5ff3");

    /// @dev Keeps `content` for ever under `key`. `content` starts with the STOP and is no longer than `LIMIT` + 1.
    function write(bytes32 key, bytes memory content) internal {
        address place;
        uint256 length = content.length;
        // Memory-safe: only scratch space is written. Transient slot 0 holds the length, the slots after it the words;
        // the hub uses transient storage for nothing else, and the length is back at zero before any stranger is called.
        assembly ("memory-safe") {
            tstore(0, length)
            for { let i := 0 } lt(mul(i, 32), length) { i := add(i, 1) } {
                tstore(add(i, 1), mload(add(add(content, 32), mul(i, 32))))
            }
            mstore(0, INIT_CODE)
            place := create2(0, sub(32, INIT_CODE_LENGTH), INIT_CODE_LENGTH, key)
            tstore(0, 0)
        }
        require(place != address(0) && place.code.length == length, IHub.ContentNotWritten(key));
    }

    /// @dev Answers the init code, if it is asking; returns if nobody is.
    function serve() internal view {
        // Memory-safe: writes beyond the free memory pointer, which is allowed without moving it.
        assembly ("memory-safe") {
            let length := tload(0)
            if length {
                let free := mload(0x40)
                for { let i := 0 } lt(mul(i, 32), length) { i := add(i, 1) } {
                    mstore(add(free, mul(i, 32)), tload(add(i, 1)))
                }
                return(free, length)
            }
        }
    }

    /// @dev Where the content of `key` lies, whether written or not.
    function locate(bytes32 key) internal view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), key, INIT_CODE_HASH)))));
    }

    /// @dev How long the content at `place` is without the STOP; 0 if there is none.
    function lengthAt(address place) internal view returns (uint256) {
        uint256 length = place.code.length;
        return length == 0 ? 0 : length - 1;
    }

    /// @dev Bytes `start` to `start + length - 1` of the content without the STOP; zeros beyond its end.
    function read(address place, uint256 start, uint256 length) internal view returns (bytes memory content) {
        content = new bytes(length);
        // Memory-safe: writes only into what `new` set aside.
        assembly ("memory-safe") {
            extcodecopy(place, add(content, 32), add(start, 1), length)
        }
    }
}
