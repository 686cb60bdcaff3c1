// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Governance: what the owner of the hub may set, and the entries the hub knows
/// @notice The owner cannot change the rules, the code, or anybody's balance. Once he has sealed the hub, he cannot change
/// either whom it trusts: token, registries, broker, former hub and stray deposits are out of his reach for good. What is
/// left to him is to add categories, to set the callback's gas within bounds, and to name the next owner.

/// @notice How long tasks may take.
struct Category {
    string name;
    string description;
    /// T, in seconds.
    uint256 workClockTimeRef;
}

/// @notice An application and its owner.
struct AppInfo {
    address owner;
    string m_appName;
    string m_appType;
    bytes m_appMultiaddr;
    bytes32 m_appChecksum;
    bytes m_appMREnclave;
}

/// @notice A dataset and its owner.
struct DatasetInfo {
    address owner;
    string m_datasetName;
    bytes m_datasetMultiaddr;
    bytes32 m_datasetChecksum;
}

/// @notice A workerpool and its owner.
struct WorkerpoolInfo {
    address owner;
    string m_workerpoolDescription;
    uint256 m_workerStakeRatioPolicy;
    uint256 m_schedulerRewardRatioPolicy;
}

interface IGovernance {
    event CreateCategory(uint256 catid, string name, string description, uint256 workClockTimeRef);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    /// @notice From here on the owner can do little.
    event HubSealed();

    error NotTheOwner(address sender, address owner);
    error AlreadyConfigured();
    /// @notice The argument of this name has to be somebody.
    error ZeroArgument(string name);
    /// @notice `what` is not ready: the hub (not configured), or a registry (nobody has named its predecessor yet, or it is
    /// no registry).
    error NotReadyToSeal(address what);
    /// @notice The hub is sealed: this is fixed for good.
    error HubIsSealed();
    /// @notice The callback gas of a sealed hub has bounds.
    error CallbackGasOutOfBounds(uint256 callbackgas, uint256 least, uint256 most);
    error NoSuchCategory(uint256 category, uint256 count);
    /// @notice The time of a category has to fit in 32 bits, in seconds.
    error CategoryTimeTooLong(uint256 secs, uint256 limit);
    /// @notice There can be no more than 65,535 categories.
    error TooManyCategories(uint256 limit);
    /// @notice The hub has no function of this selector, and takes no ether.
    error UnknownFunction(bytes4 selector);

    /// @notice Set the hub up, once, by its owner. The callback gas becomes 200,000. Only `v3hub`, the hub from which
    /// scores are imported, may be zero.
    /// @dev Assumes of the token that it is an ERC-20 without fees or hooks, and of the registries and `v3hub` that they
    /// answer truthfully.
    function configure(
        address token,
        string calldata name,
        string calldata symbol,
        uint8 decimals,
        address appregistry,
        address datasetregistry,
        address workerpoolregistry,
        address v3hub
    ) external;

    /// @notice Who owns the hub; nobody, if it was deployed for nobody.
    function owner() external view returns (address);

    /// @notice Name the next owner, at once and without being asked; not nobody.
    function transferOwnership(address newOwner) external;

    /// @notice Trust other registries from now on. Deals already made are not touched. Not after `seal`.
    function changeRegistries(address appregistry, address datasetregistry, address workerpoolregistry) external;

    /// @notice Who may authorise contributions from enclaves in the place of the workerpool's owner; zero for nobody. Not
    /// after `seal`.
    function setTeeBroker(address teebroker) external;

    /// @notice Set the gas that a callback gets. Once the hub is sealed, no less than 50,000 and no more than 2,000,000: so
    /// little that a task can always be finalized in a transaction, so much that a callback can do something.
    function setCallbackGas(uint256 callbackgas) external;

    /// @notice Give up, for good, to configure, to change registries or broker, and to recover. Once, by the owner, when the
    /// hub is configured, every registry is initialized and the callback gas is within its bounds.
    /// @dev Asks the registries whether they are `initialized()`. Assumes, as everything does, that they answer truthfully.
    function seal() external;

    /// @notice Whether the hub is sealed.
    function isSealed() external view returns (bool);

    /// @notice Add a category. Categories never change and never go.
    /// @return catid Its number, counted from 0.
    function createCategory(string calldata name, string calldata description, uint256 workClockTimeRef)
        external
        returns (uint256 catid);

    /// @notice The category of this number; refused where there is none.
    function viewCategory(uint256 catid) external view returns (Category memory);

    /// @notice How many categories there are. They are numbered from 0.
    function countCategory() external view returns (uint256);

    /// @notice The registry that says which applications exist and whose they are.
    function appregistry() external view returns (address);

    /// @notice The registry that says which datasets exist and whose they are.
    function datasetregistry() external view returns (address);

    /// @notice The registry that says which workerpools exist and whose they are.
    function workerpoolregistry() external view returns (address);

    /// @notice Who may authorise contributions from enclaves in the place of a workerpool's owner; zero for nobody.
    function teebroker() external view returns (address);

    /// @notice What the application says of itself, and its owner.
    function viewApp(address app) external view returns (AppInfo memory);

    /// @notice What the dataset says of itself, and its owner.
    function viewDataset(address dataset) external view returns (DatasetInfo memory);

    /// @notice What the workerpool says of itself, and its owner.
    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo memory);
}
