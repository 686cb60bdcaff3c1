// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A registry says what exists and to whom it belongs. It is an ERC-721: each entry is a token whose id is the entry's
// address read as a number, so entries are sold, lent and shown by whatever handles tokens.
//
// Anybody may create an entry for any owner. Its address follows from its content, its owner and the registry, and
// can be had beforehand (`predict…`): salt = keccak256(initializer ++ owner), where the initializer is the calldata of
// the entry's `initialize` and the owner is 20 bytes; init code = `proxyCode()`, the same for every entry. The same
// content for the same owner exists therefore at most once.

import { IERC721Enumerable } from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Enumerable.sol";

/// @notice What the constructor of a new entry asks of the registry that is creating it.
interface IEntryMaker {
    /// @notice The runtime code of the entry being created at this very moment; empty at any other time.
    function entryCode() external view returns (bytes memory);
}

interface IRegistry is IERC721Enumerable, IEntryMaker {
    /// @notice The same content was already registered here for the same owner.
    error EntryAlreadyExists(address entry);
    /// @notice Content lives in the entry's code, and code has a limit. Both figures are bytes of code.
    error ContentTooLong(uint256 length, uint256 limit);
    error AlreadyInitialized(address previous);
    /// @notice Names of a name service are not set from here.
    error NamingUnsupported(address nameService, string name);

    /// @notice Names the registry that came before this one (zero: none). Once, by the owner.
    function initialize(address previous) external;

    /// @notice What `tokenURI` begins with; by the owner of the registry.
    function setBaseURI(string calldata baseURI) external;

    /// @notice Always refused: here for callers of the older protocol.
    function setName(address nameService, string calldata name) external;

    /// @notice Whether `entry` was created here or in a registry before this one.
    function isRegistered(address entry) external view returns (bool);

    /// @notice Owner of `entry` when it was created here or in a registry before this one, else zero: `isRegistered`
    /// and `owner()` in one call, for callers who pay for each.
    function ownerOfEntry(address entry) external view returns (address);

    /// @notice How often `entry` was transferred, its creation not counted, here or in the registry before this one that
    /// created it. By this a buyer, and a later owner who was an earlier one, is not bound by orders signed before.
    /// @dev Assumes of the registries before this one that they count too; asked about the entry of one that does not, this
    /// reverts.
    function epochOf(address entry) external view returns (uint256);

    /// @notice The contract that every entry of this registry delegates to.
    function master() external view returns (address);

    /// @notice Init code of every entry.
    function proxyCode() external view returns (bytes memory);

    /// @notice Its hash, as CREATE2 uses it.
    function proxyCodeHash() external view returns (bytes32);

    /// @notice The registry that came before this one; zero for none.
    function previous() external view returns (address);

    /// @notice Whether it is settled which registry came before this one. A hub is sealed only with registries of which it is.
    function initialized() external view returns (bool);

    /// @notice What `tokenURI` begins with.
    function baseURI() external view returns (string memory);
}

interface IAppRegistry is IRegistry {
    /// @notice Register an application for `appOwner`; by anybody. What is registered never changes.
    function createApp(
        address appOwner,
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) external returns (address app);

    /// @notice The address that `createApp` gives, or gave, to this content of this owner.
    function predictApp(
        address appOwner,
        string calldata appName,
        string calldata appType,
        bytes calldata appMultiaddr,
        bytes32 appChecksum,
        bytes calldata appMREnclave
    ) external view returns (address app);
}

interface IDatasetRegistry is IRegistry {
    /// @notice Register a dataset for `datasetOwner`; by anybody. What is registered never changes.
    function createDataset(
        address datasetOwner,
        string calldata datasetName,
        bytes calldata datasetMultiaddr,
        bytes32 datasetChecksum
    ) external returns (address dataset);

    /// @notice The address that `createDataset` gives, or gave, to this content of this owner.
    function predictDataset(
        address datasetOwner,
        string calldata datasetName,
        bytes calldata datasetMultiaddr,
        bytes32 datasetChecksum
    ) external view returns (address dataset);
}

interface IWorkerpoolRegistry is IRegistry {
    /// @notice Register a workerpool for `workerpoolOwner`; by anybody. Of what is registered only the policy can change.
    function createWorkerpool(address workerpoolOwner, string calldata workerpoolDescription)
        external
        returns (address workerpool);

    /// @notice The address that `createWorkerpool` gives, or gave, to this content of this owner.
    function predictWorkerpool(address workerpoolOwner, string calldata workerpoolDescription)
        external
        view
        returns (address workerpool);
}
