// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// An entry is what a registry hands out: a contract per application, dataset or workerpool, whose address is the
// thing's name in every order and deal. It says what it is (for ever), and asks its registry who owns it (today).

interface IEntry {
    /// @notice An entry is complete from its first block on; `initialize` lives on only as the shape of its content,
    /// out of which its address is made.
    error AlreadyInitialized();
    error CallerIsNotTheOwner(address caller, address owner);
    /// @notice Names of a name service are not set from here.
    error NamingUnsupported(address nameService, string name);
    /// @notice Asked of the master copy, which describes nothing.
    error NotAnEntry(address master);

    /// @notice Owner of this entry's token in the registry. Reverts as ERC-721 does when there is none.
    function owner() external view returns (address);

    /// @notice The registry of this entry, which knows its owner.
    function registry() external view returns (address);

    /// @notice Always refused: here for callers of the older protocol.
    function setName(address nameService, string calldata name) external;
}

interface IApp is IEntry {
    /// @notice Always refused: its calldata is the shape of the content, out of which the address is made.
    function initialize(
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) external;

    /// @notice The name of the application.
    function m_appName() external view returns (string memory);

    /// @notice Its kind, such as DOCKER or WASM.
    function m_appType() external view returns (string memory);

    /// @notice Where its program lies.
    function m_appMultiaddr() external view returns (bytes memory);

    /// @notice The checksum of its program.
    function m_appChecksum() external view returns (bytes32);

    /// @notice What an enclave that runs it has to measure; empty for none.
    function m_appMREnclave() external view returns (bytes memory);
}

interface IDataset is IEntry {
    /// @notice Always refused: its calldata is the shape of the content, out of which the address is made.
    function initialize(string calldata datasetName, bytes calldata datasetMultiaddr, bytes32 datasetChecksum) external;

    /// @notice The name of the dataset.
    function m_datasetName() external view returns (string memory);

    /// @notice Where it lies.
    function m_datasetMultiaddr() external view returns (bytes memory);

    /// @notice Its checksum.
    function m_datasetChecksum() external view returns (bytes32);
}

interface IWorkerpool is IEntry {
    event PolicyUpdate(
        uint256 oldWorkerStakeRatioPolicy,
        uint256 newWorkerStakeRatioPolicy,
        uint256 oldSchedulerRewardRatioPolicy,
        uint256 newSchedulerRewardRatioPolicy
    );

    /// @notice A scheduler cannot keep more than the whole price.
    error SchedulerRewardRatioTooHigh(uint256 ratio, uint256 limit);
    /// @notice Workers cannot be asked for a stake of more than ten times the price.
    error WorkerStakeRatioTooHigh(uint256 ratio, uint256 limit);

    /// @notice Always refused: its calldata is the shape of the content, out of which the address is made.
    function initialize(string calldata workerpoolDescription) external;

    /// @notice What the workerpool says of itself.
    function m_workerpoolDescription() external view returns (string memory);

    /// @notice Stake of each worker, in percent of the task's price, 1,000 at most. 30 until the owner changes it.
    function m_workerStakeRatioPolicy() external view returns (uint256);

    /// @notice The scheduler's part of what a task earns, in percent. 1 until the owner changes it.
    function m_schedulerRewardRatioPolicy() external view returns (uint256);

    /// @notice Sets both ratios for the deals to come; a deal keeps the ratios it was matched with. Orders of the pool whose
    /// salt names the ratios die with them.
    function changePolicy(uint256 newWorkerStakeRatioPolicy, uint256 newSchedulerRewardRatioPolicy) external;
}
