// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Payments: deposits, stakes, rewards, seizures, refunds
/// @notice Whoever takes part holds RLC in the hub, shown as a token of its own (SRLC, the shape of ERC-20). What is locked
/// moves to the hub's own balance and counts as frozen; a seizure takes from frozen, a reward pays from the hub's balance.
/// So the frozen never exceed the hub's balance, and balances add up to the supply, which the hub holds in RLC.

/// @notice An account.
struct Account {
    /// Free to use or to withdraw, nRLC.
    uint256 stake;
    /// Frozen in deals and contributions, nRLC.
    uint256 locked;
}

interface IPayment {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    /// @notice `amount` of `owner` is frozen.
    event Lock(address owner, uint256 amount);
    /// @notice `amount` of `owner` is free again.
    event Unlock(address owner, uint256 amount);
    /// @notice `owner` is paid `amount` for the task `ref`.
    event Reward(address owner, uint256 amount, bytes32 ref);
    /// @notice `owner` loses `amount` that was frozen, for the task `ref`.
    event Seize(address owner, uint256 amount, bytes32 ref);

    error InsufficientBalance(address account, uint256 balance, uint256 needed);
    error InsufficientFrozen(address account, uint256 frozen, uint256 needed);
    error InsufficientAllowance(address owner, address spender, uint256 allowance, uint256 needed);
    /// @notice The account cannot hold that much more: all there is of the token has to fit in 96 bits.
    error AmountTooLarge(uint256 amount, uint256 limit);
    /// @notice The zero address can neither send, receive nor be approved.
    error ZeroAddress();
    /// @notice Nobody can spend what this account is given, here or as RLC: the hub and the kitty move only what the protocol
    /// moves.
    error AccountCannotSpend(address account);
    error TokenTransferFailed(address token);
    /// @notice `receiveApproval` is for the token alone.
    error NotTheToken(address sender, address token);
    error ApprovalRefused(address spender);
    /// @notice `receiveApproval` can carry a call of `matchOrders`, and no other.
    error UnsupportedOperation(bytes4 selector);
    /// @notice Deposit and match in one step is for the requester's own money.
    error CallerIsNotTheRequester(address caller, address requester);
    /// @notice The call that came along failed without saying why.
    error OperationFailed();

    /// @notice Pay RLC in, for oneself. The hub must be approved for it.
    /// @dev Nothing can be paid in for, or sent to, the hub's own account or the kitty: it would be lost.
    function deposit(uint256 amount) external returns (bool);

    /// @notice Pay RLC in, for somebody else.
    function depositFor(uint256 amount, address target) external returns (bool);

    /// @notice Pay RLC in, for several others.
    function depositForArray(uint256[] calldata amounts, address[] calldata targets) external returns (bool);

    /// @notice Take free RLC out.
    function withdraw(uint256 amount) external returns (bool);

    /// @notice Take free RLC out, to somebody else; not to the hub or the kitty, where it would be lost.
    function withdrawTo(uint256 amount, address target) external returns (bool);

    /// @notice Credit the owner of the hub with RLC that came in without a deposit. Not after `seal`.
    /// @return delta What came in.
    function recover() external returns (uint256 delta);

    /// @notice Pay in from `approveAndCall` of the token, and, where `data` is a call of `matchOrders`, match at once.
    /// @dev Answers to the token only: nobody else can turn an allowance of `sender` into a deposit.
    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data) external returns (bool);

    /// @notice Hand on what is free of the caller's SRLC; not to the zero address, the hub or the kitty.
    function transfer(address recipient, uint256 amount) external returns (bool);

    /// @notice Let `spender` hand on up to `value` of the caller's SRLC, in the place of what it was let before.
    function approve(address spender, uint256 value) external returns (bool);

    /// @notice Hand on what is free of `from`'s SRLC, within what the caller was let; not to the zero address, the hub or the
    /// kitty.
    /// @dev An allowance always goes down by what was spent; there is no unlimited one.
    function transferFrom(address from, address to, uint256 value) external returns (bool);

    /// @notice Let `spender` hand on `added` more.
    function increaseAllowance(address spender, uint256 added) external returns (bool);

    /// @notice Let `spender` hand on `subtracted` less; refused below nothing.
    function decreaseAllowance(address spender, uint256 subtracted) external returns (bool);

    /// @notice Approve `spender`, and call its `receiveApproval`.
    function approveAndCall(address spender, uint256 value, bytes calldata data) external returns (bool);

    /// @notice The name of what is held here, as the owner configured it: "Staked RLC".
    function name() external view returns (string memory);

    /// @notice Its symbol: "SRLC".
    function symbol() external view returns (string memory);

    /// @notice Its decimals, those of RLC: 9.
    function decimals() external view returns (uint8);

    /// @notice All that is held here. The hub has at least as much RLC.
    function totalSupply() external view returns (uint256);

    /// @notice What of an account is free; of the hub's own, what is frozen for others and not yet paid out.
    function balanceOf(address account) external view returns (uint256);

    /// @notice What of an account is frozen in deals and contributions.
    function frozenOf(address account) external view returns (uint256);

    /// @notice How much `spender` may hand on of what is `account`'s.
    function allowance(address account, address spender) external view returns (uint256);

    /// @notice Balance and frozen of an account.
    function viewAccount(address account) external view returns (Account memory);

    /// @notice RLC.
    function token() external view returns (address);

    /// @notice 10: per cent of the kitty that a success pays to the workerpool's owner.
    function kitty_ratio() external pure returns (uint256);

    /// @notice 1 RLC, the least that a success pays out of the kitty (or all of it).
    function kitty_min() external pure returns (uint256);

    /// @notice The account that gathers the stakes of those who failed.
    function kitty_address() external pure returns (address);

    /// @notice The account of what is to be nobody's: it has no key. What is burnt is rewarded to it, so balances still add up to
    /// the supply.
    function burnt_address() external pure returns (address);
}
