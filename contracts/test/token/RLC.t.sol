// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The token: what is minted, the three roads of an amount into a contract, and who may refuse.

import { IApprovalReceiver, IRLC } from "../../src/interfaces/IRLC.sol";
import { RLC } from "../../src/token/RLC.sol";
import { Test } from "../support/Test.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @dev Takes what it is told of, and remembers the words.
contract Till is IApprovalReceiver {
    bytes public words;

    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data)
        external
        returns (bool)
    {
        words = data;
        return IERC20(token).transferFrom(sender, address(this), amount);
    }
}

/// @dev Refuses in each of the ways a receiver can.
contract Refuser {
    error NotToday(uint256 amount);

    enum How {
        SaysFalse,
        WithReason,
        WithoutReason
    }

    How private immutable _how;

    constructor(How how) {
        _how = how;
    }

    function receiveApproval(address, uint256 amount, address, bytes calldata) external view returns (bool) {
        require(_how != How.WithReason, NotToday(amount));
        if (_how == How.WithoutReason) {
            assembly {
                revert(0, 0)
            }
        }
        return false;
    }
}

/// @dev Written for the token of 2017: answers nothing.
contract Silent {
    function receiveApproval(address sender, uint256 amount, address token, bytes calldata) external {
        IERC20(token).transferFrom(sender, address(this), amount);
    }
}

contract RLCTest is Test {
    RLC private token;
    address private alice;
    uint256 private aliceKey;
    address private bob;

    function setUp() public {
        token = new RLC(address(this));
        (alice, aliceKey) = someoneWithKey("alice");
        bob = someone("bob");
        token.transfer(alice, 1_000e9);
    }

    function test_the_named_holder_gets_87_million_with_nine_decimals() public {
        RLC fresh = new RLC(bob);
        vm.assertEq(fresh.totalSupply(), 87_000_000e9);
        vm.assertEq(fresh.initialSupply(), 87_000_000e9);
        vm.assertEq(fresh.balanceOf(bob), 87_000_000e9);
        vm.assertEq(fresh.decimals(), 9);
        vm.assertEq(fresh.name(), "iExec RLC Token");
        vm.assertEq(fresh.symbol(), "RLC");
    }

    function test_a_transfer_moves_exactly_its_amount(uint256 amount) public {
        amount = bound(amount, 0, 1_000e9);
        vm.prank(alice);
        token.transfer(bob, amount);
        vm.assertEq(token.balanceOf(alice), 1_000e9 - amount);
        vm.assertEq(token.balanceOf(bob), amount);
        vm.assertEq(token.totalSupply(), 87_000_000e9);
    }

    function test_more_than_the_balance_is_refused() public {
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, alice, uint256(1_000e9), uint256(1_000e9 + 1)
            )
        );
        token.transfer(bob, 1_000e9 + 1);
    }

    function test_pulling_beyond_the_allowance_is_refused() public {
        vm.prank(alice);
        token.approve(bob, 5);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, bob, uint256(5), uint256(6))
        );
        token.transferFrom(alice, bob, 6);
    }

    function test_burning_shrinks_the_supply(uint256 amount) public {
        amount = bound(amount, 0, 1_000e9);
        vm.prank(alice);
        vm.assertTrue(token.burn(amount));
        vm.assertEq(token.balanceOf(alice), 1_000e9 - amount);
        vm.assertEq(token.totalSupply(), 87_000_000e9 - amount);
        vm.assertEq(token.initialSupply(), 87_000_000e9);
    }

    function test_burning_more_than_the_balance_is_refused() public {
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, bob, uint256(0), uint256(1))
        );
        token.burn(1);
    }

    // approveAndCall

    function test_a_receiver_is_told_and_can_pull_at_once() public {
        Till till = new Till();
        vm.prank(alice);
        vm.assertTrue(token.approveAndCall(address(till), 70, "for the till"));
        vm.assertEq(token.balanceOf(address(till)), 70);
        vm.assertEq(token.allowance(alice, address(till)), 0);
        vm.assertEq(till.words(), bytes("for the till"));
    }

    function test_a_receiver_hears_who_how_much_and_which_token() public {
        Till till = new Till();
        vm.expectCall(
            address(till), abi.encodeCall(IApprovalReceiver.receiveApproval, (alice, 70, address(token), hex"c0ffee"))
        );
        vm.prank(alice);
        token.approveAndCall(address(till), 70, hex"c0ffee");
    }

    function test_a_receiver_that_answers_nothing_is_content() public {
        Silent silent = new Silent();
        vm.prank(alice);
        token.approveAndCall(address(silent), 70, "");
        vm.assertEq(token.balanceOf(address(silent)), 70);
    }

    function test_a_refusers_reason_reaches_the_caller_and_no_allowance_stays() public {
        Refuser refuser = new Refuser(Refuser.How.WithReason);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Refuser.NotToday.selector, uint256(70)));
        token.approveAndCall(address(refuser), 70, "");
        vm.assertEq(token.allowance(alice, address(refuser)), 0);
    }

    function test_a_refuser_without_reason_is_named() public {
        check_refused(address(new Refuser(Refuser.How.WithoutReason)));
    }

    function test_a_receiver_that_says_false_is_named() public {
        check_refused(address(new Refuser(Refuser.How.SaysFalse)));
    }

    function test_an_account_without_code_cannot_be_told() public {
        check_refused(bob);
    }

    function check_refused(address spender) private {
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IRLC.ApprovalRefused.selector, spender, uint256(70)));
        token.approveAndCall(spender, 70, "");
        vm.assertEq(token.allowance(alice, spender), 0);
    }

    // permit

    function test_a_permit_approves_without_a_transaction_of_the_holder(uint256 amount) public {
        bytes32 digest = permit_digest(alice, bob, amount, 0, 1_000);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, digest);
        vm.warp(1_000);
        vm.prank(bob);
        token.permit(alice, bob, amount, 1_000, v, r, s);
        vm.assertEq(token.allowance(alice, bob), amount);
        vm.assertEq(token.nonces(alice), 1);
    }

    function test_a_permit_works_once() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, permit_digest(alice, bob, 5, 0, 1_000));
        token.permit(alice, bob, 5, 1_000, v, r, s);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(alice, bob, 5, 1_000, v, r, s);
    }

    function test_a_late_permit_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, permit_digest(alice, bob, 5, 0, 1_000));
        vm.warp(1_001);
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, uint256(1_000)));
        token.permit(alice, bob, 5, 1_000, v, r, s);
    }

    function test_a_permit_signed_by_someone_else_is_refused() public {
        (address mallory, uint256 malloryKey) = someoneWithKey("mallory");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(malloryKey, permit_digest(alice, mallory, 5, 0, 1_000));
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612InvalidSigner.selector, mallory, alice));
        token.permit(alice, mallory, 5, 1_000, v, r, s);
    }

    function test_a_permit_for_another_chain_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, permit_digest(alice, bob, 5, 0, 1_000));
        vm.chainId(424_242);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(alice, bob, 5, 1_000, v, r, s);
    }

    function permit_digest(address holder, address spender, uint256 amount, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("iExec RLC Token"),
                keccak256("1"),
                block.chainid,
                address(token)
            )
        );
        vm.assertEq(token.DOMAIN_SEPARATOR(), domain);
        return keccak256(
            abi.encodePacked(
                hex"1901", domain, keccak256(abi.encode(typehash, holder, spender, amount, nonce, deadline))
            )
        );
    }
}
