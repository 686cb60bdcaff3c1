// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the owner of the hub may set, and what the entries of the registries say of themselves.

import { HubState } from "../HubState.sol";
import { IApp, IDataset, IWorkerpool } from "../interfaces/IEntry.sol";
import { AppInfo, Category, DatasetInfo, IGovernance, WorkerpoolInfo } from "../interfaces/IGovernance.sol";
import { IRegistry } from "../interfaces/IRegistry.sol";

abstract contract GovernanceStage is IGovernance, HubState {
    uint256 private constant CALLBACK_GAS = 200_000;
    /// @dev Of a sealed hub.
    uint256 private constant LEAST_CALLBACK_GAS = 50_000;
    uint256 private constant MOST_CALLBACK_GAS = 2_000_000;
    uint256 private constant CATEGORY_TIME_LIMIT = type(uint32).max;
    uint256 private constant CATEGORIES_LIMIT = type(uint16).max;

    modifier onlyOwner() {
        require(msg.sender == _hubOwner, NotTheOwner(msg.sender, _hubOwner));
        _;
    }

    /// @dev Also asks for the owner, and before: a stranger hears first that he is one.
    modifier onlyOwnerUntilSealed() {
        require(msg.sender == _hubOwner, NotTheOwner(msg.sender, _hubOwner));
        require(!_sealed, HubIsSealed());
        _;
    }

    /// @inheritdoc IGovernance
    function configure(
        address token,
        string calldata name,
        string calldata symbol,
        uint8 decimals,
        address appregistry_,
        address datasetregistry_,
        address workerpoolregistry_,
        address v3hub
    ) external onlyOwnerUntilSealed {
        require(_token == address(0), AlreadyConfigured());
        require(token != address(0), ZeroArgument("token"));
        require(appregistry_ != address(0), ZeroArgument("appregistry"));
        require(datasetregistry_ != address(0), ZeroArgument("datasetregistry"));
        require(workerpoolregistry_ != address(0), ZeroArgument("workerpoolregistry"));
        _token = token;
        _name = name;
        _symbol = symbol;
        _decimals = decimals;
        _appRegistry = appregistry_;
        _datasetRegistry = datasetregistry_;
        _workerpoolRegistry = workerpoolregistry_;
        _formerHub = v3hub;
        _callbackGas = CALLBACK_GAS;
    }

    /// @inheritdoc IGovernance
    function owner() external view returns (address) {
        return _hubOwner;
    }

    /// @inheritdoc IGovernance
    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), ZeroArgument("newOwner"));
        _hubOwner = newOwner;
        emit OwnershipTransferred(msg.sender, newOwner);
    }

    /// @inheritdoc IGovernance
    function changeRegistries(address appregistry_, address datasetregistry_, address workerpoolregistry_)
        external
        onlyOwnerUntilSealed
    {
        _appRegistry = appregistry_;
        _datasetRegistry = datasetregistry_;
        _workerpoolRegistry = workerpoolregistry_;
    }

    /// @inheritdoc IGovernance
    function setTeeBroker(address teebroker_) external onlyOwnerUntilSealed {
        _teeBroker = teebroker_;
    }

    /// @inheritdoc IGovernance
    function setCallbackGas(uint256 callbackgas) external onlyOwner {
        if (_sealed) _checkCallbackGas(callbackgas);
        _callbackGas = callbackgas;
    }

    /// @inheritdoc IGovernance
    function seal() external onlyOwnerUntilSealed {
        require(_token != address(0), NotReadyToSeal(address(this)));
        _checkReady(_appRegistry);
        _checkReady(_datasetRegistry);
        _checkReady(_workerpoolRegistry);
        _checkCallbackGas(_callbackGas);
        _sealed = true;
        emit HubSealed();
    }

    /// @inheritdoc IGovernance
    function isSealed() external view returns (bool) {
        return _sealed;
    }

    /// @inheritdoc IGovernance
    function createCategory(string calldata name, string calldata description, uint256 workClockTimeRef)
        external
        onlyOwner
        returns (uint256 catid)
    {
        catid = _categories.length;
        require(catid < CATEGORIES_LIMIT, TooManyCategories(CATEGORIES_LIMIT));
        require(workClockTimeRef <= CATEGORY_TIME_LIMIT, CategoryTimeTooLong(workClockTimeRef, CATEGORY_TIME_LIMIT));
        _categories.push(Category(name, description, workClockTimeRef));
        _categoryTimes[catid] = workClockTimeRef + 1;
        emit CreateCategory(catid, name, description, workClockTimeRef);
    }

    /// @inheritdoc IGovernance
    function viewCategory(uint256 catid) external view returns (Category memory) {
        require(catid < _categories.length, NoSuchCategory(catid, _categories.length));
        return _categories[catid];
    }

    /// @inheritdoc IGovernance
    function countCategory() external view returns (uint256) {
        return _categories.length;
    }

    /// @inheritdoc IGovernance
    function appregistry() external view returns (address) {
        return _appRegistry;
    }

    /// @inheritdoc IGovernance
    function datasetregistry() external view returns (address) {
        return _datasetRegistry;
    }

    /// @inheritdoc IGovernance
    function workerpoolregistry() external view returns (address) {
        return _workerpoolRegistry;
    }

    /// @inheritdoc IGovernance
    function teebroker() external view returns (address) {
        return _teeBroker;
    }

    /// @inheritdoc IGovernance
    function viewApp(address app) external view returns (AppInfo memory) {
        IApp entry = IApp(app);
        return AppInfo({
            owner: entry.owner(),
            m_appName: entry.m_appName(),
            m_appType: entry.m_appType(),
            m_appMultiaddr: entry.m_appMultiaddr(),
            m_appChecksum: entry.m_appChecksum(),
            m_appMREnclave: entry.m_appMREnclave()
        });
    }

    /// @inheritdoc IGovernance
    function viewDataset(address dataset) external view returns (DatasetInfo memory) {
        IDataset entry = IDataset(dataset);
        return DatasetInfo({
            owner: entry.owner(),
            m_datasetName: entry.m_datasetName(),
            m_datasetMultiaddr: entry.m_datasetMultiaddr(),
            m_datasetChecksum: entry.m_datasetChecksum()
        });
    }

    /// @inheritdoc IGovernance
    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo memory) {
        IWorkerpool entry = IWorkerpool(workerpool);
        return WorkerpoolInfo({
            owner: entry.owner(),
            m_workerpoolDescription: entry.m_workerpoolDescription(),
            m_workerStakeRatioPolicy: entry.m_workerStakeRatioPolicy(),
            m_schedulerRewardRatioPolicy: entry.m_schedulerRewardRatioPolicy()
        });
    }

    function _checkCallbackGas(uint256 callbackgas) private pure {
        require(
            callbackgas >= LEAST_CALLBACK_GAS && callbackgas <= MOST_CALLBACK_GAS,
            CallbackGasOutOfBounds(callbackgas, LEAST_CALLBACK_GAS, MOST_CALLBACK_GAS)
        );
    }

    /// @dev A registry that is not initialized could still be given any predecessor by its owner. The question is asked by
    /// hand, so that whatever is no registry is named like one that is not ready.
    function _checkReady(address registry) private view {
        (bool answered, bytes memory answer) = registry.staticcall(abi.encodeCall(IRegistry.initialized, ()));
        bool ready = answered && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
        require(ready, NotReadyToSeal(registry));
    }
}
