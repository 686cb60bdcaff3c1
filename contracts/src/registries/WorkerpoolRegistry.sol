// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The register of workerpools. See Registry.sol for everything but their content.

import { IWorkerpool } from "../interfaces/IEntry.sol";
import { IWorkerpoolRegistry } from "../interfaces/IRegistry.sol";
import { Registry } from "./Registry.sol";
import { Workerpool, WorkerpoolContent } from "./Workerpool.sol";

contract WorkerpoolRegistry is IWorkerpoolRegistry, Registry {
    constructor(address owner_)
        Registry(owner_, address(new Workerpool()), "iExec Workerpool Registry (V5)", "iExecWorkerpoolV5")
    { }

    /// @inheritdoc IWorkerpoolRegistry
    function createWorkerpool(address workerpoolOwner, string calldata workerpoolDescription)
        external
        returns (address)
    {
        return _create(
            workerpoolOwner,
            abi.encodeCall(IWorkerpool.initialize, (workerpoolDescription)),
            WorkerpoolContent.pack(workerpoolDescription)
        );
    }

    /// @inheritdoc IWorkerpoolRegistry
    function predictWorkerpool(address workerpoolOwner, string calldata workerpoolDescription)
        external
        view
        returns (address)
    {
        return _predict(workerpoolOwner, abi.encodeCall(IWorkerpool.initialize, (workerpoolDescription)));
    }
}
