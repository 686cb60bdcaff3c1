// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// How an entry is laid down. Its content never changes, so it lives in code rather than in storage: 200 gas a byte
// instead of 22,100 a word, and no initialisation to get wrong.
//
//   runtime code of an entry = 45 bytes of ERC-1167 delegation to the master ++ content
//   content                  = its fields in order, each 2 bytes of length (big endian) ++ the bytes
//
// The init code must be the same for every entry, or addresses could not be predicted from the salt alone. So the
// constructor (`EntryProxy`) carries nothing: it asks its creator, who holds the code ready in transient storage.

import { IEntryMaker } from "../interfaces/IRegistry.sol";
import { Clones } from "@openzeppelin/contracts/proxy/Clones.sol";
import { Bytes } from "@openzeppelin/contracts/utils/Bytes.sol";

/// @notice Constructor of every entry: becomes whatever its creator says it is.
contract EntryProxy {
    constructor() {
        bytes memory code = IEntryMaker(msg.sender).entryCode();
        assembly ("memory-safe") {
            return(add(code, 0x20), mload(code))
        }
    }
}

library EntryCode {
    using Bytes for bytes;

    /// @notice Longest code a contract may have (EIP-170).
    uint256 internal constant CODE_LIMIT = 24_576;

    /// @notice One field of a content.
    /// @dev The cast cuts a length off only beyond 65,535, and `CODE_LIMIT` refuses such content as a whole.
    function field(bytes memory value) internal pure returns (bytes memory) {
        return abi.encodePacked(uint16(value.length), value);
    }

    function runtime(address master, bytes memory content) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"363d3d373d3d3d363d73", master, hex"5af43d82803e903d91602b57fd5bf3", content);
    }

    /// @notice Field number `index` of the content of `entry`.
    function read(address entry, uint256 index) internal view returns (bytes memory) {
        bytes memory content = Clones.fetchCloneArgs(entry);
        uint256 start = 0;
        uint256 length = _lengthAt(content, start);
        for (; index != 0; --index) {
            start += 2 + length;
            length = _lengthAt(content, start);
        }
        return content.slice(start + 2, start + 2 + length);
    }

    function _lengthAt(bytes memory content, uint256 start) private pure returns (uint256) {
        return uint256(uint8(content[start])) << 8 | uint8(content[start + 1]);
    }
}

/// @notice Bytes kept for the length of one transaction.
library TransientBytes {
    /// @dev One slot for the length, the words in the slots after it. Words of a longer value may stay behind; nothing
    /// reads beyond the length.
    function store(uint256 slot, bytes memory value) internal {
        assembly ("memory-safe") {
            let length := mload(value)
            tstore(slot, length)
            for { let i := 0 } lt(i, length) { i := add(i, 0x20) } {
                slot := add(slot, 1)
                tstore(slot, mload(add(add(value, 0x20), i)))
            }
        }
    }

    function load(uint256 slot) internal view returns (bytes memory value) {
        uint256 length;
        assembly ("memory-safe") {
            length := tload(slot)
        }
        value = new bytes(length);
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, length) { i := add(i, 0x20) } {
                slot := add(slot, 1)
                // The last word may reach beyond the length, into the padding that `new` set aside.
                mstore(add(add(value, 0x20), i), tload(slot))
            }
        }
    }

    function clear(uint256 slot) internal {
        assembly ("memory-safe") {
            tstore(slot, 0)
        }
    }
}
