// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The register of datasets. See Registry.sol for everything but their content.

import { IDataset } from "../interfaces/IEntry.sol";
import { IDatasetRegistry } from "../interfaces/IRegistry.sol";
import { Dataset, DatasetContent } from "./Dataset.sol";
import { Registry } from "./Registry.sol";

contract DatasetRegistry is IDatasetRegistry, Registry {
    constructor(address owner_)
        Registry(owner_, address(new Dataset()), "iExec Dataset Registry (V5)", "iExecDatasetsV5")
    { }

    /// @inheritdoc IDatasetRegistry
    function createDataset(
        address datasetOwner,
        string calldata datasetName,
        bytes calldata datasetMultiaddr,
        bytes32 datasetChecksum
    ) external returns (address) {
        return _create(
            datasetOwner,
            abi.encodeCall(IDataset.initialize, (datasetName, datasetMultiaddr, datasetChecksum)),
            DatasetContent.pack(datasetName, datasetMultiaddr, datasetChecksum)
        );
    }

    /// @inheritdoc IDatasetRegistry
    function predictDataset(
        address datasetOwner,
        string calldata datasetName,
        bytes calldata datasetMultiaddr,
        bytes32 datasetChecksum
    ) external view returns (address) {
        return _predict(
            datasetOwner, abi.encodeCall(IDataset.initialize, (datasetName, datasetMultiaddr, datasetChecksum))
        );
    }
}
