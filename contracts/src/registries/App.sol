// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// An application: where its program lies, and the checksum by which workers know it is the one.

import { IApp } from "../interfaces/IEntry.sol";
import { Entry } from "./Entry.sol";
import { EntryCode } from "./EntryCode.sol";

/// @dev The order in which an app's fields are laid down, and read again by the getters below.
library AppContent {
    function pack(
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) internal pure returns (bytes memory) {
        return bytes.concat(
            EntryCode.field(bytes(appName)),
            EntryCode.field(bytes(appType)),
            EntryCode.field(appMultiaddr),
            EntryCode.field(bytes.concat(appChecksum)),
            EntryCode.field(appMREnclave)
        );
    }
}

contract App is IApp, Entry {
    /// @inheritdoc IApp
    function initialize(string calldata, string calldata, bytes calldata, bytes32, bytes calldata) external pure {
        revert AlreadyInitialized();
    }

    /// @inheritdoc IApp
    function m_appName() external view returns (string memory) {
        return string(_content(0));
    }

    /// @inheritdoc IApp
    function m_appType() external view returns (string memory) {
        return string(_content(1));
    }

    /// @inheritdoc IApp
    function m_appMultiaddr() external view returns (bytes memory) {
        return _content(2);
    }

    /// @inheritdoc IApp
    function m_appChecksum() external view returns (bytes32) {
        return bytes32(_content(3));
    }

    /// @inheritdoc IApp
    function m_appMREnclave() external view returns (bytes memory) {
        return _content(4);
    }
}
