// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What app, dataset and workerpool share. This code stands once per registry, as its `master`; entries delegate to
// it, so `address(this)` is the entry, while the immutables are the master's and therefore the same for all.
// Content is read from the entry's own code (see EntryCode.sol); who owns an entry is only ever known to the registry.

import { IEntry } from "../interfaces/IEntry.sol";
import { IRegistry } from "../interfaces/IRegistry.sol";
import { EntryCode } from "./EntryCode.sol";

abstract contract Entry is IEntry {
    /// @inheritdoc IEntry
    address public immutable registry;
    address private immutable _master;

    modifier onlyOwner() {
        require(msg.sender == owner(), CallerIsNotTheOwner(msg.sender, owner()));
        _;
    }

    /// @dev Deployed by its registry.
    constructor() {
        registry = msg.sender;
        _master = address(this);
    }

    /// @inheritdoc IEntry
    function owner() public view returns (address) {
        return IRegistry(registry).ownerOf(uint256(uint160(address(this))));
    }

    /// @inheritdoc IEntry
    function setName(address nameService, string calldata name) external view onlyOwner {
        revert NamingUnsupported(nameService, name);
    }

    function _content(uint256 index) internal view returns (bytes memory) {
        require(address(this) != _master, NotAnEntry(_master));
        return EntryCode.read(address(this), index);
    }
}
