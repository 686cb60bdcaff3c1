// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A dataset: where its bytes lie, encrypted as a rule, and the checksum by which workers know they are the ones.

import { IDataset } from "../interfaces/IEntry.sol";
import { Entry } from "./Entry.sol";
import { EntryCode } from "./EntryCode.sol";

/// @dev The order in which a dataset's fields are laid down, and read again by the getters below.
library DatasetContent {
    function pack(string calldata datasetName, bytes calldata datasetMultiaddr, bytes32 datasetChecksum)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(
            EntryCode.field(bytes(datasetName)),
            EntryCode.field(datasetMultiaddr),
            EntryCode.field(bytes.concat(datasetChecksum))
        );
    }
}

contract Dataset is IDataset, Entry {
    /// @inheritdoc IDataset
    function initialize(string calldata, bytes calldata, bytes32) external pure {
        revert AlreadyInitialized();
    }

    /// @inheritdoc IDataset
    function m_datasetName() external view returns (string memory) {
        return string(_content(0));
    }

    /// @inheritdoc IDataset
    function m_datasetMultiaddr() external view returns (bytes memory) {
        return _content(1);
    }

    /// @inheritdoc IDataset
    function m_datasetChecksum() external view returns (bytes32) {
        return bytes32(_content(2));
    }
}
