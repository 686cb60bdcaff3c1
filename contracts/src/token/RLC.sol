// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The RLC token: 87 million, minted once to the holder named at its creation and never again. It has no owner, no lock and
// no faucet: nobody stands above a holder. A hub knows the one token it was configured with; `oxec chain deploy` always
// makes this one.

import { IApprovalReceiver, IRLC } from "../interfaces/IRLC.sol";
import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import { IERC20Metadata } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import { IERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

contract RLC is ERC20, ERC20Permit, IRLC {
    /// @inheritdoc IRLC
    uint256 public constant initialSupply = 87_000_000 * 1e9;

    constructor(address holder) ERC20("iExec RLC Token", "RLC") ERC20Permit("iExec RLC Token") {
        _mint(holder, initialSupply);
    }

    /// @inheritdoc IERC20Metadata
    function decimals() public pure override(ERC20, IERC20Metadata) returns (uint8) {
        return 9;
    }

    /// @inheritdoc IRLC
    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool) {
        _approve(msg.sender, spender, amount);
        // A call by hand: receivers written for the RLC of 2017 may answer nothing at all, which is fine, and a
        // receiver without a reason to give still deserves an error with a name.
        (bool accepted, bytes memory answer) =
            spender.call(abi.encodeCall(IApprovalReceiver.receiveApproval, (msg.sender, amount, address(this), data)));
        if (!accepted && answer.length != 0) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        bool saidNo = answer.length >= 32 && abi.decode(answer, (uint256)) == 0;
        require(accepted && !saidNo && spender.code.length != 0, ApprovalRefused(spender, amount));
        return true;
    }

    /// @inheritdoc IRLC
    function burn(uint256 amount) external returns (bool) {
        _burn(msg.sender, amount);
        return true;
    }

    /// @inheritdoc IERC20Permit
    function nonces(address holder) public view override(IERC20Permit, ERC20Permit) returns (uint256) {
        return super.nonces(holder);
    }
}
