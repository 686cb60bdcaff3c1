// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Everything the hub keeps in storage, by stage, for all of its modules. The modules run in the hub's name (delegatecall),
// so they must agree on these places: state is declared here and nowhere else. Deals and results are not here: they
// live in code, see Deals and Results.

import { Category } from "./interfaces/IGovernance.sol";
import { Book } from "./libraries/Accounts.sol";
import { OrderWord } from "./libraries/Orders.sol";
import { Signer } from "./libraries/Salts.sol";
import { TaskRecord } from "./libraries/Tasks.sol";

abstract contract HubState {
    // Orders.
    mapping(bytes32 orderHash => OrderWord) internal _orders;

    // Tasks, contributions, consensus.
    mapping(bytes32 taskid => TaskRecord) internal _tasks;

    // Payment.
    Book internal _book;
    mapping(address account => mapping(address spender => uint256)) internal _allowances;

    // Governance.
    address internal _hubOwner;
    address internal _token;
    uint8 internal _decimals;
    bool internal _sealed;
    string internal _name;
    string internal _symbol;
    address internal _appRegistry;
    address internal _datasetRegistry;
    address internal _workerpoolRegistry;
    address internal _teeBroker;
    address internal _formerHub;
    uint256 internal _callbackGas;
    Category[] internal _categories;
    /// @dev The time of a category plus one, so that a match learns with one look whether there is such a category.
    mapping(uint256 catid => uint256) internal _categoryTimes;
    mapping(address worker => bool) internal _scoreImported;

    // Orders again: behind everything, so that no place above moved when it came.
    mapping(address account => Signer) internal _signers;
}
