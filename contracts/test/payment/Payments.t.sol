// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Money in and out of the hub, the token shape of it, the kitty; and that nothing is ever made or lost on the way.

import { IDeal } from "../../src/interfaces/IDeal.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import { IGovernance } from "../../src/interfaces/IGovernance.sol";
import {
    AppOrder,
    AppOrderOperation,
    OrderOperation,
    RequestOrder,
    WorkerpoolOrder
} from "../../src/interfaces/IOrder.sol";
import { Account, IPayment } from "../../src/interfaces/IPayment.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Person, Town } from "../support/Town.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

/// @dev Answers approvals as it was told to.
contract Spender {
    bool private immutable _answer;
    bytes public heard;

    constructor(bool answer) {
        _answer = answer;
    }

    function receiveApproval(address, uint256, address, bytes calldata data) external returns (bool) {
        heard = data;
        return _answer;
    }
}

contract PaymentsTest is Town {
    address private hubsApp;

    // Deposits and withdrawals

    function test_deposits_become_srlc_one_for_one() public {
        vm.prank(stranger.account);
        rlc.approve(address(hub), 20e9);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(0), stranger.account, 5e9);
        vm.prank(stranger.account);
        vm.assertTrue(hub.deposit(5e9));
        vm.prank(stranger.account);
        vm.assertTrue(hub.depositFor(6e9, requester.account));
        uint256[] memory amounts = new uint256[](2);
        address[] memory targets = new address[](2);
        (amounts[0], amounts[1], targets[0], targets[1]) = (1e9, 2e9, developer.account, curator.account);
        vm.prank(stranger.account);
        vm.assertTrue(hub.depositForArray(amounts, targets));
        vm.assertEq(hub.balanceOf(stranger.account), 1005e9);
        vm.assertEq(hub.balanceOf(requester.account), 1006e9);
        vm.assertEq(hub.balanceOf(developer.account), 1001e9);
        vm.assertEq(hub.balanceOf(curator.account), 1002e9);
        vm.assertEq(hub.totalSupply(), rlc.balanceOf(address(hub)));
        vm.expectRevert(abi.encodeWithSelector(ITask.LengthMismatch.selector, 2, 0));
        hub.depositForArray(amounts, new address[](0));
        vm.expectRevert(IPayment.ZeroAddress.selector);
        vm.prank(stranger.account);
        hub.depositFor(1, address(0));
    }

    function test_a_deposit_needs_the_rlc() public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(hub), 0, 1));
        vm.prank(stranger.account);
        hub.deposit(1);
    }

    function test_what_is_free_can_be_withdrawn() public {
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(stranger.account, address(0), 400e9);
        vm.prank(stranger.account);
        vm.assertTrue(hub.withdraw(400e9));
        vm.prank(stranger.account);
        vm.assertTrue(hub.withdrawTo(600e9, curator.account));
        vm.assertEq(rlc.balanceOf(stranger.account), 1400e9);
        vm.assertEq(rlc.balanceOf(curator.account), 1600e9);
        vm.expectRevert(abi.encodeWithSelector(IPayment.InsufficientBalance.selector, stranger.account, 0, 1));
        vm.prank(stranger.account);
        hub.withdraw(1);
    }

    function test_what_is_frozen_cannot() public {
        matched(1, 1);
        uint256 left = 1000e9 - APP_PRICE - POOL_PRICE;
        Account memory account = hub.viewAccount(requester.account);
        vm.assertEq(account.stake, left);
        vm.assertEq(account.locked, APP_PRICE + POOL_PRICE);
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.InsufficientBalance.selector, requester.account, left, left + 1)
        );
        vm.prank(requester.account);
        hub.withdraw(left + 1);
    }

    function test_rlc_sent_without_a_deposit_goes_to_the_owner_of_the_hub() public {
        vm.prank(stranger.account);
        rlc.transfer(address(hub), 3e9);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.NotTheOwner.selector, stranger.account, address(this)));
        vm.prank(stranger.account);
        hub.recover();
        vm.assertEq(hub.recover(), 3e9);
        vm.assertEq(hub.balanceOf(address(this)), 3e9);
        vm.assertEq(hub.recover(), 0);
    }

    // In one transaction with the approval

    function test_approving_the_hub_can_deposit_at_once() public {
        vm.prank(stranger.account);
        rlc.approveAndCall(address(hub), 7e9, "");
        vm.assertEq(hub.balanceOf(stranger.account), 1007e9);
        vm.assertEq(rlc.allowance(stranger.account, address(hub)), 0);
    }

    function test_approving_the_hub_can_deposit_and_match_at_once() public {
        bytes memory call_ = _matchCall(requester);
        vm.prank(requester.account);
        hub.withdraw(1000e9);
        vm.prank(requester.account);
        rlc.approveAndCall(address(hub), APP_PRICE + POOL_PRICE, call_);
        vm.assertEq(hub.balanceOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(requester.account), APP_PRICE + POOL_PRICE);
    }

    function test_nobody_matches_with_anothers_money() public {
        bytes memory call_ = _matchCall(requester);
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.CallerIsNotTheRequester.selector, stranger.account, requester.account)
        );
        vm.prank(stranger.account);
        rlc.approveAndCall(address(hub), 100e9, call_);
    }

    function test_an_approval_carries_a_match_and_nothing_else() public {
        _approvalRefused(
            abi.encodeCall(IPayment.withdraw, (1)),
            abi.encodeWithSelector(IPayment.UnsupportedOperation.selector, IPayment.withdraw.selector)
        );
        _approvalRefused(hex"1561", abi.encodeWithSelector(IPayment.UnsupportedOperation.selector, bytes4(0x15610000)));
        // A match that is refused says why.
        AppOrder memory a = signedBy(developer, appOrder());
        a.appprice = APP_PRICE + 1;
        RequestOrder memory r = requestOrder();
        r.requester = stranger.account;
        _approvalRefused(
            abi.encodeCall(IDeal.matchOrders, (a, noDataset(), poolOrder(), r)),
            abi.encodeWithSelector(IDeal.AppOverpriced.selector, APP_PRICE + 1, APP_PRICE)
        );
    }

    /// @dev Under PoCo's rule anybody could say that the token had told him, and so turn what another had approved for
    /// later into a deposit now.
    function test_only_the_token_tells_of_an_approval() public {
        vm.prank(requester.account);
        rlc.approve(address(hub), 5e9);
        vm.expectRevert(abi.encodeWithSelector(IPayment.NotTheToken.selector, stranger.account, address(rlc)));
        vm.prank(stranger.account);
        hub.receiveApproval(requester.account, 5e9, address(rlc), "");
        vm.expectRevert(abi.encodeWithSelector(IPayment.NotTheToken.selector, address(rlc), address(hub)));
        vm.prank(address(rlc));
        hub.receiveApproval(requester.account, 5e9, address(hub), "");
    }

    // The shape of a token

    function test_srlc_moves_like_a_token() public {
        vm.assertEq(hub.name(), "Staked RLC");
        vm.assertEq(hub.symbol(), "SRLC");
        vm.assertEq(hub.decimals(), 9);
        vm.assertEq(hub.token(), address(rlc));
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(stranger.account, curator.account, 10);
        vm.prank(stranger.account);
        vm.assertTrue(hub.transfer(curator.account, 10));
        vm.assertEq(hub.balanceOf(curator.account), 1000e9 + 10);
        vm.expectRevert(IPayment.ZeroAddress.selector);
        vm.prank(stranger.account);
        hub.transfer(address(0), 10);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPayment.InsufficientBalance.selector, stranger.account, 1000e9 - 10, type(uint256).max
            )
        );
        vm.prank(stranger.account);
        hub.transfer(curator.account, type(uint256).max);
    }

    function test_an_allowance_goes_down_by_what_is_spent() public {
        vm.expectEmit(address(hub));
        emit IPayment.Approval(stranger.account, curator.account, 10);
        vm.prank(stranger.account);
        hub.approve(curator.account, 10);
        vm.prank(stranger.account);
        hub.increaseAllowance(curator.account, 5);
        vm.prank(stranger.account);
        hub.decreaseAllowance(curator.account, 3);
        vm.assertEq(hub.allowance(stranger.account, curator.account), 12);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(stranger.account, requester.account, 10);
        vm.expectEmit(address(hub));
        emit IPayment.Approval(stranger.account, curator.account, 2);
        vm.prank(curator.account);
        hub.transferFrom(stranger.account, requester.account, 10);
        bytes memory reason =
            abi.encodeWithSelector(IPayment.InsufficientAllowance.selector, stranger.account, curator.account, 2, 3);
        vm.expectRevert(reason);
        vm.prank(curator.account);
        hub.transferFrom(stranger.account, requester.account, 3);
        vm.expectRevert(reason);
        vm.prank(stranger.account);
        hub.decreaseAllowance(curator.account, 3);
        vm.expectRevert(IPayment.ZeroAddress.selector);
        hub.approve(address(0), 1);
        vm.prank(stranger.account);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        hub.increaseAllowance(curator.account, type(uint256).max);
    }

    function test_a_spender_may_be_called_along_with_the_approval() public {
        Spender willing = new Spender(true);
        Spender unwilling = new Spender(false);
        vm.prank(stranger.account);
        vm.assertTrue(hub.approveAndCall(address(willing), 5, "words"));
        vm.assertEq(willing.heard(), "words");
        vm.assertEq(hub.allowance(stranger.account, address(willing)), 5);
        vm.expectRevert(abi.encodeWithSelector(IPayment.ApprovalRefused.selector, address(unwilling)));
        vm.prank(stranger.account);
        hub.approveAndCall(address(unwilling), 5, "");
    }

    /// @dev What the hub's own account earns stays there, and counts.
    function test_the_hubs_own_account_adds_up() public {
        matched(1, 1);
        hubsApp = apps.createApp(address(hub), "the hub's own", "WASM", "", 0, "");
        vm.assertEq(hub.balanceOf(address(hub)), APP_PRICE + POOL_PRICE + STAKE);
        _conserved();
        // An app that belongs to the hub earns for it. The hub cannot sign; the test lends it a hand.
        vm.prank(address(hub));
        hub.manageAppOrder(AppOrderOperation(_orderOfTheHubsApp(), OrderOperation.SIGN, ""));
        bytes32 taskid = hub.initialize(
            hub.matchOrders(
                _orderOfTheHubsApp(),
                noDataset(),
                signedBy(scheduler, poolOrder()),
                signedBy(requester, _requestOfTheHubsApp())
            ),
            0
        );
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        vm.assertEq(hub.balanceOf(address(hub)), APP_PRICE + POOL_PRICE + STAKE + APP_PRICE);
        _conserved();
    }

    /// @dev Under PoCo's rule whatever was sent there by mistake was lost: neither the hub nor the kitty can send.
    function test_nothing_is_sent_to_where_nobody_can_spend_it() public {
        address[2] memory dead = [address(hub), KITTY];
        uint256 supply = hub.totalSupply();
        vm.startPrank(stranger.account);
        rlc.approve(address(hub), 100e9);
        hub.approve(stranger.account, 100e9);
        vm.stopPrank();
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reason = abi.encodeWithSelector(IPayment.AccountCannotSpend.selector, dead[i]);
            address[] memory targets = new address[](2);
            uint256[] memory amounts = new uint256[](2);
            (targets[0], targets[1], amounts[0], amounts[1]) = (stranger.account, dead[i], 1, 1);
            vm.startPrank(stranger.account);
            vm.expectRevert(reason);
            hub.transfer(dead[i], 4e9);
            vm.expectRevert(reason);
            hub.transfer(dead[i], 0);
            vm.expectRevert(reason);
            hub.transferFrom(stranger.account, dead[i], 4e9);
            vm.expectRevert(reason);
            hub.depositFor(1, dead[i]);
            vm.expectRevert(reason);
            hub.depositForArray(amounts, targets);
            vm.stopPrank();
            // Neither can call; if they could, they would be refused as well.
            vm.startPrank(dead[i]);
            vm.expectRevert(reason);
            hub.deposit(0);
            vm.expectRevert(reason);
            rlc.approveAndCall(address(hub), 0, "");
            vm.stopPrank();
            vm.assertEq(hub.balanceOf(dead[i]), 0);
        }
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9);
        vm.assertEq(hub.allowance(stranger.account, stranger.account), 100e9);
        vm.assertEq(hub.totalSupply(), supply);
        _conserved();
    }

    /// @dev Under PoCo's rule RLC that left the hub for the kitty was lost at once, and for the hub itself was the owner's; in
    /// a sealed hub nobody's.
    function test_nothing_is_withdrawn_to_where_nobody_can_spend_it() public {
        hub.seal();
        address[2] memory dead = [address(hub), KITTY];
        (uint256 supply, uint256 held) = (hub.totalSupply(), rlc.balanceOf(address(hub)));
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reason = abi.encodeWithSelector(IPayment.AccountCannotSpend.selector, dead[i]);
            vm.startPrank(stranger.account);
            vm.expectRevert(reason);
            hub.withdrawTo(4e9, dead[i]);
            vm.expectRevert(reason);
            hub.withdrawTo(0, dead[i]);
            // Where to is looked at before how much.
            vm.expectRevert(reason);
            hub.withdrawTo(1000e9 + 1, dead[i]);
            vm.stopPrank();
            // Neither can call; if they could, they would be refused as well.
            vm.expectRevert(reason);
            vm.prank(dead[i]);
            hub.withdraw(0);
        }
        vm.assertEq(rlc.balanceOf(KITTY), 0);
        vm.assertEq(rlc.balanceOf(address(hub)), held);
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9);
        vm.assertEq(hub.totalSupply(), supply);
        // All of it is still there to be taken out.
        vm.prank(stranger.account);
        vm.assertTrue(hub.withdrawTo(1000e9, curator.account));
        _conserved();
    }

    // The kitty

    function test_the_kitty_gathers_from_failures_and_pays_successes() public {
        vm.assertEq(hub.kitty_address(), KITTY);
        vm.assertEq(hub.kitty_ratio(), 10);
        vm.assertEq(hub.kitty_min(), 1e9);
        // The comment of the law: the first 20 bytes of the hash, less one.
        vm.assertEq(KITTY, address(uint160(bytes20(keccak256("iExecKitty"))) - 1));
        _fail(3, "first");
        uint256 kitty = 3 * STAKE;
        vm.assertEq(hub.frozenOf(KITTY), kitty);
        // A tenth while that is more than 1 RLC, then 1 RLC, then all there is.
        for (uint256 i = 0; kitty > 0; ++i) {
            uint256 part = kitty / 10 > 1e9 ? kitty / 10 : (kitty > 1e9 ? 1e9 : kitty);
            uint256 before = hub.balanceOf(scheduler.account);
            bytes32 taskid = _revealed(string.concat("success ", vm.toString(i)));
            uint256 locked = hub.balanceOf(scheduler.account);
            vm.assertEq(before - locked, STAKE);
            vm.expectEmit(address(hub));
            emit IPayment.Seize(KITTY, part, taskid);
            vm.expectEmit(address(hub));
            emit IPayment.Transfer(address(hub), scheduler.account, part);
            vm.expectEmit(address(hub));
            emit IPayment.Reward(scheduler.account, part, taskid);
            finalize(taskid);
            kitty -= part;
            vm.assertEq(hub.frozenOf(KITTY), kitty);
            vm.assertEq(hub.balanceOf(scheduler.account), before + part + POOL_PRICE - POOL_PRICE * 99 / 100);
            _conserved();
        }
    }

    // Nothing made, nothing lost

    /// @dev A random bag of tasks with random prices, policies, opinions, silences and failures.
    function test_money_is_conserved_whatever_happens(uint256 seed) public {
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(_pick(seed, "stake", 60), _pick(seed, "part", 101));
        AppOrder memory a = appOrder();
        WorkerpoolOrder memory p = poolOrder();
        RequestOrder memory r = requestOrder();
        a.appprice = _pick(seed, "app price", 3e9);
        p.workerpoolprice = _pick(seed, "pool price", 25e9);
        r.trust = _pick(seed, "trust", 10);
        r.volume = 3;
        signedBy(developer, a);
        signedBy(scheduler, p);
        signedBy(requester, r);
        bytes32 dealid = hub.matchOrders(a, noDataset(), p, r);
        _conserved();

        for (uint256 i = 0; i < 3; ++i) {
            bytes32 taskid = hub.initialize(dealid, i);
            for (uint256 w = 0; w < 5 && statusOf(taskid) == TaskStatus.ACTIVE; ++w) {
                contribute(taskid, workers[w], _opinion(seed, i, w));
                _conserved();
            }
            if (statusOf(taskid) != TaskStatus.REVEALING) continue;
            bytes32 consensus = hub.viewTask(taskid).consensusValue;
            for (uint256 w = 0; w < 5; ++w) {
                bytes32 hash = hub.viewContribution(taskid, workers[w].account).resultHash;
                bytes32 what = _opinion(seed, i, w);
                if (hash == consensus && _pick(seed, string.concat("silent", vm.toString(i * 5 + w)), 4) > 0) {
                    reveal(taskid, workers[w], what);
                }
            }
            Task memory task = hub.viewTask(taskid);
            if (task.revealCounter == 0) continue;
            vm.warp(task.revealDeadline);
            finalize(taskid);
            _conserved();
        }

        vm.warp(START + 10 * XS_TIME);
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(dealid, i));
            if (statusOf(taskid) != TaskStatus.COMPLETED) hub.claim(taskid);
            _conserved();
        }
        // Nothing stays frozen but the kitty.
        vm.assertEq(hub.balanceOf(address(hub)), hub.frozenOf(KITTY));
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(scheduler.account), 0);
    }

    function _orderOfTheHubsApp() private view returns (AppOrder memory order) {
        order = appOrder();
        order.app = hubsApp;
    }

    function _requestOfTheHubsApp() private view returns (RequestOrder memory order) {
        order = requestOrder();
        order.app = hubsApp;
    }

    function _opinion(uint256 seed, uint256 task, uint256 worker) private pure returns (bytes32) {
        return digest(vm.toString(_pick(seed, string.concat("opinion", vm.toString(task * 5 + worker)), 2)));
    }

    function _pick(uint256 seed, string memory what, uint256 below) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what))) % below;
    }

    function _conserved() private view {
        address[6] memory others =
            [requester.account, developer.account, curator.account, scheduler.account, stranger.account, KITTY];
        uint256 balances = hub.balanceOf(address(hub)) + hub.balanceOf(hub.burnt_address());
        uint256 frozen = 0;
        for (uint256 i = 0; i < 6; ++i) {
            balances += hub.balanceOf(others[i]);
            frozen += hub.frozenOf(others[i]);
        }
        for (uint256 i = 0; i < workers.length; ++i) {
            balances += hub.balanceOf(workers[i].account);
            frozen += hub.frozenOf(workers[i].account);
        }
        vm.assertEq(balances, hub.totalSupply(), "balances add up to the supply");
        vm.assertEq(hub.totalSupply(), rlc.balanceOf(address(hub)), "the hub holds the supply");
        vm.assertLe(frozen, hub.balanceOf(address(hub)), "what is frozen is there");
    }

    function _matchCall(Person memory who) private view returns (bytes memory) {
        RequestOrder memory r = requestOrder();
        r.requester = who.account;
        return abi.encodeCall(
            IDeal.matchOrders,
            (signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, poolOrder()), signedBy(who, r))
        );
    }

    function _approvalRefused(bytes memory data, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(stranger.account);
        rlc.approveAndCall(address(hub), 100e9, data);
    }

    function _fail(uint256 tasks, string memory salt) private {
        RequestOrder memory request = requestOrder();
        request.volume = tasks;
        request.salt = keccak256(bytes(salt));
        bytes32 dealid = matched(request);
        vm.warp(START + 10 * XS_TIME);
        for (uint256 i = 0; i < tasks; ++i) {
            hub.claim(hub.initialize(dealid, i));
        }
    }

    function _revealed(string memory salt) private returns (bytes32 taskid) {
        RequestOrder memory request = requestOrder();
        request.salt = keccak256(bytes(salt));
        taskid = hub.initialize(matched(request), 0);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
    }
}
