// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The register of applications. See Registry.sol for everything but their content.

import { IApp } from "../interfaces/IEntry.sol";
import { IAppRegistry } from "../interfaces/IRegistry.sol";
import { App, AppContent } from "./App.sol";
import { Registry } from "./Registry.sol";

contract AppRegistry is IAppRegistry, Registry {
    constructor(address owner_)
        Registry(owner_, address(new App()), "iExec Application Registry (V5)", "iExecAppsV5")
    { }

    /// @inheritdoc IAppRegistry
    function createApp(
        address appOwner,
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) external returns (address) {
        return _create(
            appOwner,
            abi.encodeCall(IApp.initialize, (appName, appType, appMultiaddr, appChecksum, appMREnclave)),
            AppContent.pack(appName, appType, appMultiaddr, appChecksum, appMREnclave)
        );
    }

    /// @inheritdoc IAppRegistry
    function predictApp(
        address appOwner,
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) external view returns (address) {
        return _predict(
            appOwner, abi.encodeCall(IApp.initialize, (appName, appType, appMultiaddr, appChecksum, appMREnclave))
        );
    }
}
