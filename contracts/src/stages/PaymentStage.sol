// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Money in and out of the hub, and between accounts. What the protocol itself does with it is in Accounts.

import { HubState } from "../HubState.sol";
import { IDeal } from "../interfaces/IDeal.sol";
import { IGovernance } from "../interfaces/IGovernance.sol";
import { Account, IPayment } from "../interfaces/IPayment.sol";
import { IApprovalReceiver } from "../interfaces/IRLC.sol";
import { ITask } from "../interfaces/ITask.sol";
import { Accounts, BURNT, Book } from "../libraries/Accounts.sol";
import { Kitty } from "../libraries/Kitty.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

abstract contract PaymentStage is IPayment, HubState {
    using Accounts for Book;

    /// @inheritdoc IPayment
    function deposit(uint256 amount) external returns (bool) {
        _deposit(msg.sender, amount, msg.sender);
        return true;
    }

    /// @inheritdoc IPayment
    function depositFor(uint256 amount, address target) external returns (bool) {
        _deposit(msg.sender, amount, target);
        return true;
    }

    /// @inheritdoc IPayment
    function depositForArray(uint256[] calldata amounts, address[] calldata targets) external returns (bool) {
        require(amounts.length == targets.length, ITask.LengthMismatch(amounts.length, targets.length));
        for (uint256 i = 0; i < amounts.length; ++i) {
            _deposit(msg.sender, amounts[i], targets[i]);
        }
        return true;
    }

    /// @inheritdoc IPayment
    function withdraw(uint256 amount) external returns (bool) {
        _withdraw(amount, msg.sender);
        return true;
    }

    /// @inheritdoc IPayment
    function withdrawTo(uint256 amount, address target) external returns (bool) {
        _withdraw(amount, target);
        return true;
    }

    /// @inheritdoc IPayment
    function recover() external returns (uint256 delta) {
        require(msg.sender == _hubOwner, IGovernance.NotTheOwner(msg.sender, _hubOwner));
        require(!_sealed, IGovernance.HubIsSealed());
        delta = IERC20(_token).balanceOf(address(this)) - _book.house.supply();
        _book.mint(_hubOwner, delta);
    }

    /// @inheritdoc IPayment
    function receiveApproval(address sender, uint256 amount, address token_, bytes calldata data)
        external
        returns (bool)
    {
        require(msg.sender == _token && token_ == _token, NotTheToken(msg.sender, token_));
        _deposit(sender, amount, sender);
        if (data.length != 0) _match(sender, data);
        return true;
    }

    /// @inheritdoc IPayment
    function transfer(address recipient, uint256 amount) external returns (bool) {
        _requireSpender(recipient);
        _book.move(msg.sender, recipient, amount);
        return true;
    }

    /// @inheritdoc IPayment
    function approve(address spender, uint256 value) external returns (bool) {
        _approve(msg.sender, spender, value);
        return true;
    }

    /// @inheritdoc IPayment
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = _allowances[from][msg.sender];
        require(value <= allowed, InsufficientAllowance(from, msg.sender, allowed, value));
        _requireSpender(to);
        _book.move(from, to, value);
        _approve(from, msg.sender, allowed - value);
        return true;
    }

    /// @inheritdoc IPayment
    function increaseAllowance(address spender, uint256 added) external returns (bool) {
        _approve(msg.sender, spender, _allowances[msg.sender][spender] + added);
        return true;
    }

    /// @inheritdoc IPayment
    function decreaseAllowance(address spender, uint256 subtracted) external returns (bool) {
        uint256 allowed = _allowances[msg.sender][spender];
        require(subtracted <= allowed, InsufficientAllowance(msg.sender, spender, allowed, subtracted));
        _approve(msg.sender, spender, allowed - subtracted);
        return true;
    }

    /// @inheritdoc IPayment
    function approveAndCall(address spender, uint256 value, bytes calldata data) external returns (bool) {
        _approve(msg.sender, spender, value);
        bool accepted = IApprovalReceiver(spender).receiveApproval(msg.sender, value, address(this), data);
        require(accepted, ApprovalRefused(spender));
        return true;
    }

    /// @inheritdoc IPayment
    function name() external view returns (string memory) {
        return _name;
    }

    /// @inheritdoc IPayment
    function symbol() external view returns (string memory) {
        return _symbol;
    }

    /// @inheritdoc IPayment
    function decimals() external view returns (uint8) {
        return _decimals;
    }

    /// @inheritdoc IPayment
    function totalSupply() external view returns (uint256) {
        return _book.house.supply();
    }

    /// @inheritdoc IPayment
    function balanceOf(address account) external view returns (uint256) {
        return _book.balanceOf(account);
    }

    /// @inheritdoc IPayment
    function frozenOf(address account) external view returns (uint256) {
        return _book.words[account].frozen();
    }

    /// @inheritdoc IPayment
    function allowance(address account, address spender) external view returns (uint256) {
        return _allowances[account][spender];
    }

    /// @inheritdoc IPayment
    function viewAccount(address account) external view returns (Account memory) {
        return Account(_book.balanceOf(account), _book.words[account].frozen());
    }

    /// @inheritdoc IPayment
    function token() external view returns (address) {
        return _token;
    }

    /// @inheritdoc IPayment
    function kitty_ratio() external pure returns (uint256) {
        return Kitty.RATIO;
    }

    /// @inheritdoc IPayment
    function kitty_min() external pure returns (uint256) {
        return Kitty.LEAST;
    }

    /// @inheritdoc IPayment
    function kitty_address() external pure returns (address) {
        return Kitty.ACCOUNT;
    }

    /// @inheritdoc IPayment
    function burnt_address() external pure returns (address) {
        return BURNT;
    }

    function _deposit(address payer, uint256 amount, address target) private {
        _requireSpender(target);
        require(IERC20(_token).transferFrom(payer, address(this), amount), TokenTransferFailed(_token));
        _book.mint(target, amount);
    }

    /// @dev Only what the protocol itself moves belongs there: see Accounts and Kitty. RLC that leaves the hub for either is
    /// lost as well: the kitty has no key, and nobody gets what a sealed hub was sent without a deposit.
    function _requireSpender(address account) private view {
        require(account != address(this) && account != Kitty.ACCOUNT, AccountCannotSpend(account));
    }

    function _withdraw(uint256 amount, address target) private {
        _requireSpender(target);
        _book.burn(msg.sender, amount);
        require(IERC20(_token).transfer(target, amount), TokenTransferFailed(_token));
    }

    function _approve(address owner_, address spender, uint256 value) private {
        require(spender != address(0), ZeroAddress());
        _allowances[owner_][spender] = value;
        emit Approval(owner_, spender, value);
    }

    /// @dev Runs a call of `matchOrders` in this hub's name, for the one who has just paid in and nobody else.
    function _match(address sender, bytes calldata data) private {
        bytes4 selector = bytes4(data);
        require(data.length >= 4 && selector == IDeal.matchOrders.selector, UnsupportedOperation(selector));
        address requester = _requesterOf(data);
        require(requester == sender, CallerIsNotTheRequester(sender, requester));

        (bool matched, bytes memory answer) = address(this).delegatecall(data);
        if (matched) return;
        require(answer.length != 0, OperationFailed());
        // Memory-safe: hands the refusal on as it came.
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// @dev The requester in a call of `matchOrders`: the fourth argument is a request order, the seventh word of which it
    /// is. Looks where `matchOrders` will look itself; a place outside of the call is refused there.
    function _requesterOf(bytes calldata data) private pure returns (address requester) {
        // Memory-safe: reads calldata only.
        assembly ("memory-safe") {
            let arguments := add(data.offset, 4)
            let order := add(arguments, calldataload(add(arguments, 96)))
            requester := and(calldataload(add(order, 192)), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }
}
