// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The token everything is priced in. Amounts are nRLC: 9 decimals, so 1 RLC = 1e9 nRLC.
//
// Three roads lead an amount into a contract: `approve` then pull (two transactions), `approveAndCall` (one
// transaction, the contract is told at once) and `permit` (a signature that somebody else may carry).

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IERC20Metadata } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import { IERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

interface IRLC is IERC20Metadata, IERC20Permit {
    /// @notice `spender` answered `approveAndCall` with `false`, with an empty revert, or has no code at all.
    error ApprovalRefused(address spender, uint256 amount);

    /// @notice All that was ever minted, in nRLC. `burn` may have made the supply smaller since.
    function initialSupply() external view returns (uint256);

    /// @notice Approves `amount` to `spender` and tells it in the same transaction.
    /// @dev A revert of the receiver is passed on as it is, so that its own words reach the caller. The allowance is
    /// overwritten, as by `approve`, and stays behind if the receiver does not use it up.
    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool);

    /// @notice Destroys `amount` of the caller's tokens.
    function burn(uint256 amount) external returns (bool);
}

/// @notice What a contract implements in order to be paid by `approveAndCall`.
interface IApprovalReceiver {
    /// @param sender whose allowance it is
    /// @param amount how much may be pulled from the sender
    /// @param token the token that calls. Anybody may call with any value here: check it against `msg.sender`.
    /// @param data the sender's words, uninterpreted
    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data) external returns (bool);
}
