// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task's life in time: when it may start, and when it may go back to contributions. How it fails is in Claim.t.sol and
// Abandon.t.sol.

import { ContributionStatus, IContribution } from "../../src/interfaces/IContribution.sol";
import { IDeal } from "../../src/interfaces/IDeal.sol";
import { RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Town } from "../support/Town.sol";

contract TasksTest is Town {
    // Start

    function test_a_task_starts_from_its_deal() public {
        bytes32 dealid = matched(1, 2);
        bytes32 taskid = keccak256(abi.encodePacked(dealid, uint256(1)));
        vm.warp(START + 100);
        vm.expectEmit(address(hub));
        emit ITask.TaskInitialize(taskid, pool);
        vm.assertEq(hub.initialize(dealid, 1), taskid);

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(uint256(task.status), uint256(TaskStatus.ACTIVE));
        vm.assertEq(task.dealid, dealid);
        vm.assertEq(task.idx, 1);
        vm.assertEq(task.timeref, XS_TIME);
        vm.assertEq(task.contributionDeadline, START + 7 * XS_TIME);
        vm.assertEq(task.revealDeadline, 0);
        vm.assertEq(task.finalDeadline, START + 10 * XS_TIME);
        vm.assertEq(task.consensusValue, bytes32(0));
        vm.assertEq(task.contributors.length, 0);
        vm.assertEq(hub.contribution_deadline_ratio(), 7);
        vm.assertEq(hub.reveal_deadline_ratio(), 2);
        vm.assertEq(hub.final_deadline_ratio(), 10);
    }

    function test_a_task_that_was_not_started_is_all_zero() public view {
        Task memory task = hub.viewTask(keccak256("nothing"));
        vm.assertEq(uint256(task.status), uint256(TaskStatus.UNSET));
        vm.assertEq(task.dealid, bytes32(0));
        vm.assertEq(task.finalDeadline, 0);
    }

    function test_a_task_starts_once() public {
        bytes32 dealid = matched(1, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        vm.expectRevert(abi.encodeWithSelector(ITask.TaskAlreadyInitialized.selector, taskid, TaskStatus.ACTIVE));
        hub.initialize(dealid, 0);
    }

    function test_only_the_tasks_of_a_deal_start() public {
        RequestOrder memory request = requestOrder();
        request.volume = 5;
        bytes32 first = _dealOf(request, 2);
        bytes32 second = _dealOf(request, 1000);
        _outOfRange(first, 2, 0, 2);
        _outOfRange(second, 1, 2, 3);
        _outOfRange(second, 5, 2, 3);
        _outOfRange(second, type(uint256).max, 2, 3);
        hub.initialize(first, 1);
        hub.initialize(second, 2);
        hub.initialize(second, 4);
        vm.expectRevert(abi.encodeWithSelector(IDeal.UnknownDeal.selector, keccak256("none")));
        hub.initialize(keccak256("none"), 0);
    }

    function test_several_tasks_start_together_or_not_at_all() public {
        bytes32 dealid = matched(1, 3);
        (bytes32[] memory deals, uint256[] memory indices) = _first(dealid, 3);
        vm.assertTrue(hub.initializeArray(deals, indices));
        requireStatus(keccak256(abi.encodePacked(dealid, uint256(2))), TaskStatus.ACTIVE);
        vm.expectPartialRevert(ITask.TaskAlreadyInitialized.selector);
        hub.initializeArray(deals, indices);
        vm.expectRevert(abi.encodeWithSelector(ITask.LengthMismatch.selector, 3, 0));
        hub.initializeArray(deals, new uint256[](0));
    }

    // Back to contributions

    function test_a_consensus_nobody_stands_by_is_reopened() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("wrong"));
        contribute(taskid, workers[1], digest("wrong"));
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.warp(START + 2 * XS_TIME);
        vm.expectEmit(address(hub));
        emit ITask.TaskReopen(taskid);
        vm.prank(scheduler.account);
        hub.reopen(taskid);

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(uint256(task.status), uint256(TaskStatus.ACTIVE));
        vm.assertEq(task.consensusValue, bytes32(0));
        vm.assertEq(task.revealDeadline, 0);
        vm.assertEq(task.winnerCounter, 0);
        vm.assertEq(task.contributors.length, 2);
        vm.assertEq(
            uint256(hub.viewContribution(taskid, workers[0].account).status), uint256(ContributionStatus.REJECTED)
        );
        // Whoever was rejected cannot come again; others reach a consensus without them, even on the same hash.
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(IContribution.AlreadyContributed.selector, taskid, workers[0].account));
        vm.prank(workers[0].account);
        hub.contribute(taskid, 0, 0, address(0), "", permit);
        contribute(taskid, workers[2], digest("wrong"));
        requireStatus(taskid, TaskStatus.ACTIVE);
        contribute(taskid, workers[3], digest("wrong"));
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.assertEq(hub.viewTask(taskid).winnerCounter, 2);
        reveal(taskid, workers[2], digest("wrong"));
        reveal(taskid, workers[3], digest("wrong"));
        finalize(taskid);

        // The rejected pay for it.
        vm.assertEq(hub.frozenOf(workers[0].account), 0);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 - STAKE);
        uint256 pot = (POOL_PRICE + 2 * STAKE) * 99 / 100;
        vm.assertEq(hub.balanceOf(workers[2].account), 1000e9 + pot / 2);
        vm.assertEq(hub.viewScore(workers[2].account), 1);
    }

    function test_reopening_has_its_time_and_its_owner() public {
        bytes32 taskid = started(1);
        _reopenRefused(
            scheduler.account,
            taskid,
            abi.encodeWithSelector(ITask.TaskNotRevealing.selector, taskid, TaskStatus.ACTIVE)
        );
        contribute(taskid, workers[0], digest("result"));
        uint256 until = START + 2 * XS_TIME;
        _reopenRefused(
            stranger.account,
            taskid,
            abi.encodeWithSelector(ITask.NotTheWorkerpoolOwner.selector, stranger.account, scheduler.account)
        );
        _reopenRefused(
            scheduler.account, taskid, abi.encodeWithSelector(ITask.RevealDeadlineAhead.selector, taskid, until, START)
        );
        vm.warp(until - 1);
        reveal(taskid, workers[0], digest("result"));
        vm.warp(until);
        _reopenRefused(scheduler.account, taskid, abi.encodeWithSelector(ITask.AlreadyRevealed.selector, taskid, 1));
        vm.warp(START + 10 * XS_TIME);
        _reopenRefused(
            scheduler.account,
            taskid,
            abi.encodeWithSelector(
                ITask.FinalDeadlineReached.selector, taskid, START + 10 * XS_TIME, START + 10 * XS_TIME
            )
        );
    }

    function _dealOf(RequestOrder memory request, uint256 poolVolume) private returns (bytes32) {
        WorkerpoolOrder memory order = poolOrder();
        order.volume = poolVolume;
        return hub.matchOrders(
            signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, order), signedBy(requester, request)
        );
    }

    function _outOfRange(bytes32 dealid, uint256 idx, uint256 first, uint256 size) private {
        vm.expectRevert(abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, idx, first, size));
        hub.initialize(dealid, idx);
    }

    function _reopenRefused(address sender, bytes32 taskid, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(sender);
        hub.reopen(taskid);
    }

    function _first(bytes32 dealid, uint256 count)
        private
        pure
        returns (bytes32[] memory deals, uint256[] memory indices)
    {
        deals = new bytes32[](count);
        indices = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            (deals[i], indices[i]) = (dealid, i);
        }
    }
}
