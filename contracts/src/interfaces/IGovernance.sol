// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Governance: what the owner of the hub may set, and the entries the hub knows
/// @notice The owner cannot change the rules, the code, or anybody's balance.

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

    error NotTheOwner(address sender, address owner);
    error AlreadyConfigured();
    error NoSuchCategory(uint256 category, uint256 count);
    /// @notice The time of a category has to fit in 32 bits, in seconds.
    error CategoryTimeTooLong(uint256 secs, uint256 limit);
    /// @notice There can be no more than 65,535 categories.
    error TooManyCategories(uint256 limit);
    /// @notice The hub has no function of this selector, and takes no ether.
    error UnknownFunction(bytes4 selector);

    /// @notice Set the hub up, once, by its owner. The callback gas becomes 200,000.
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

    function owner() external view returns (address);

    function transferOwnership(address newOwner) external;

    /// @notice Trust other registries from now on. Deals already made are not touched.
    function changeRegistries(address appregistry, address datasetregistry, address workerpoolregistry) external;

    /// @notice Who may authorise contributions from enclaves in the place of the workerpool's owner; zero for nobody.
    function setTeeBroker(address teebroker) external;

    function setCallbackGas(uint256 callbackgas) external;

    /// @notice Add a category. Categories never change and never go.
    /// @return catid Its number, counted from 0.
    function createCategory(string calldata name, string calldata description, uint256 workClockTimeRef)
        external
        returns (uint256 catid);

    function viewCategory(uint256 catid) external view returns (Category memory);

    function countCategory() external view returns (uint256);

    function appregistry() external view returns (address);

    function datasetregistry() external view returns (address);

    function workerpoolregistry() external view returns (address);

    function teebroker() external view returns (address);

    /// @notice What the application says of itself, and its owner.
    function viewApp(address app) external view returns (AppInfo memory);

    /// @notice What the dataset says of itself, and its owner.
    function viewDataset(address dataset) external view returns (DatasetInfo memory);

    /// @notice What the workerpool says of itself, and its owner.
    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo memory);
}
