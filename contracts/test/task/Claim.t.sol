// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task whose time is over. Under PoCo every contributor then gets the stake back, right, wrong or silent, so a worker
// loses nothing by lying to a pool that does not finish, nor by keeping a result back once it is agreed on. Here who
// revealed is paid out of the stakes of those who did not, and where nobody did, the silent lose theirs. None of it goes to
// the payer or the pool, who could both arrange for a task to fail.

import { IDeal } from "../../src/interfaces/IDeal.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import { RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { ITaskEnd } from "../../src/interfaces/ITaskEnd.sol";
import { Vm } from "../support/Test.sol";
import { Town } from "../support/Town.sol";

contract ClaimTest is Town {
    uint256 private constant PRICE = APP_PRICE + POOL_PRICE;
    uint256 private constant END = START + 10 * XS_TIME;
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;

    // When, and by whom

    function test_a_task_nobody_finished_is_claimed() public {
        bytes32 taskid = started(1000);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("wrong"));
        vm.warp(START + 10 * XS_TIME);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), requester.account, PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(requester.account, PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(scheduler.account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(KITTY, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Lock(KITTY, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(taskid);
        vm.prank(stranger.account);
        hub.claim(taskid);

        requireStatus(taskid, TaskStatus.FAILED);
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE);
        vm.assertEq(hub.frozenOf(KITTY), STAKE);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9);
    }

    function test_a_claim_has_its_time() public {
        bytes32 taskid = started(1);
        uint256 end = START + 10 * XS_TIME;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(ITaskEnd.FinalDeadlineAhead.selector, taskid, end, end - 1));
        hub.claim(taskid);
        vm.warp(end);
        hub.claim(taskid);
        vm.expectRevert(abi.encodeWithSelector(ITaskEnd.TaskNotClaimable.selector, taskid, TaskStatus.FAILED));
        hub.claim(taskid);
        vm.expectRevert(abi.encodeWithSelector(ITaskEnd.TaskNotClaimable.selector, bytes32(0), TaskStatus.UNSET));
        hub.claim(bytes32(0));
    }

    function test_a_claimed_task_remembers_its_consensus() public {
        bytes32 taskid = started(1);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        vm.warp(START + 10 * XS_TIME);
        hub.claim(taskid);
        Task memory task = hub.viewTask(taskid);
        vm.assertEq(task.consensusValue, resultHash(taskid, digest("result")));
        vm.assertEq(task.resultDigest, digest("result"));
    }

    function test_several_tasks_are_claimed_together_even_if_never_started() public {
        bytes32 dealid = matched(1, 4);
        bytes32[] memory tasks = new bytes32[](2);
        tasks[0] = hub.initialize(dealid, 0);
        tasks[1] = hub.initialize(dealid, 1);
        vm.warp(START + 10 * XS_TIME);
        vm.assertTrue(hub.claimArray(tasks));
        bytes32[] memory deals = new bytes32[](2);
        uint256[] memory indices = new uint256[](2);
        (deals[0], deals[1], indices[0], indices[1]) = (dealid, dealid, 2, 3);
        vm.assertTrue(hub.initializeAndClaimArray(deals, indices));
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(KITTY), 4 * STAKE);
        vm.expectRevert(abi.encodeWithSelector(ITask.LengthMismatch.selector, 2, 1));
        hub.initializeAndClaimArray(deals, new uint256[](1));
        vm.expectPartialRevert(ITaskEnd.TaskNotClaimable.selector);
        hub.claimArray(tasks);
    }

    // Who agreed on something that somebody revealed

    /// @dev The attack: a worker says anything, in the hope that the pool never finishes. Under PoCo he had his 7.5 RLC back,
    /// and the two who worked had nothing but theirs.
    function test_the_wrong_pay_the_right_where_the_pool_was_silent() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("wrong"));
        contribute(taskid, workers[2], digest("right"));
        contribute(taskid, workers[3], digest("right"));
        for (uint256 i = 0; i < 4; ++i) {
            if (i != 1) reveal(taskid, workers[i], digest("right"));
        }
        vm.warp(END);
        hub.claim(taskid);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), i == 1 ? 1000e9 - STAKE : 1000e9 + STAKE / 3);
            vm.assertEq(hub.frozenOf(workers[i].account), 0);
            vm.assertEq(hub.viewScore(workers[i].account), 0);
        }
        _neitherPayerNorPool(taskid);
    }

    /// @dev The attack: to agree, and then to be silent, so that the others' reveals alone decide who loses what. Under PoCo it
    /// cost nothing where the pool was silent as well.
    function test_silent_winners_pay_those_who_revealed() public {
        bytes32 taskid = _agreed(3);
        reveal(taskid, workers[1], digest("result"));
        vm.warp(END);
        _expectRefund();
        _expectKitty(taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[0].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[1].account, 2 * STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(workers[1].account, 2 * STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[2].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(taskid);
        hub.claim(taskid);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 + 2 * STAKE);
        _neitherPayerNorPool(taskid);
    }

    function test_where_all_revealed_nobody_loses_and_nobody_is_told_of_nothing() public {
        bytes32 taskid = _agreed(3);
        for (uint256 i = 0; i < 3; ++i) {
            reveal(taskid, workers[i], digest("result"));
        }
        vm.warp(END);
        vm.recordLogs();
        hub.claim(taskid);
        // The payer's two, the scheduler's, the kitty's two, two for each worker, and the end.
        vm.assertEq(vm.getRecordedLogs().length, 12);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), 1000e9);
        }
        _neitherPayerNorPool(taskid);
    }

    function test_what_cannot_be_divided_is_burnt() public {
        // A stake that three cannot share.
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(31, 1);
        uint256 stake = POOL_PRICE * 31 / 100;
        bytes32 taskid = started(16);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(taskid, workers[i], digest("right"));
        }
        contribute(taskid, workers[3], digest("right"));
        for (uint256 i = 0; i < 3; ++i) {
            reveal(taskid, workers[i], digest("right"));
        }
        vm.warp(END);
        hub.claim(taskid);
        vm.assertEq(stake % 3, 1);
        vm.assertEq(hub.balanceOf(BURNT), 1);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + stake / 3);
        vm.assertEq(hub.balanceOf(address(hub)), hub.frozenOf(KITTY));
    }

    /// @dev A worker of weight 8 has three shares to one of a newcomer's.
    function test_shares_go_by_weight() public {
        _giveScore(workers[0].account, 27);
        bytes32 taskid = started(32);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("right"));
        contribute(taskid, workers[2], digest("right"));
        requireStatus(taskid, TaskStatus.REVEALING);
        reveal(taskid, workers[0], digest("right"));
        reveal(taskid, workers[1], digest("right"));
        vm.warp(END);
        hub.claim(taskid);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + STAKE * 3 / 4);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 + STAKE / 4);
        _neitherPayerNorPool(taskid);
    }

    function test_who_was_rejected_before_pays_too() public {
        bytes32 taskid = _reopened();
        contribute(taskid, workers[2], digest("right"));
        contribute(taskid, workers[3], digest("right"));
        reveal(taskid, workers[3], digest("right"));
        vm.warp(END);
        hub.claim(taskid);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(workers[2].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(workers[3].account), 1000e9 + 3 * STAKE);
        _neitherPayerNorPool(taskid);
    }

    // Who agreed on something that nobody revealed

    /// @dev The attack: to agree on a result and keep it, so that the payer waits for ten T. It was free.
    function test_who_agreed_and_never_revealed_loses_the_stake() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("silent"));
        contribute(taskid, workers[1], digest("another"));
        contribute(taskid, workers[2], digest("silent"));
        contribute(taskid, workers[3], digest("silent"));
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.warp(END);
        _expectRefund();
        _expectKitty(taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[0].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[1].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[2].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[3].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), BURNT, 3 * STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(BURNT, 3 * STAKE, taskid);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(taskid);
        hub.claim(taskid);
        // He was not asked: nobody can say that he was wrong.
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9);
        vm.assertEq(hub.balanceOf(BURNT), 3 * STAKE);
        _neitherPayerNorPool(taskid);
    }

    function test_the_rejected_and_the_silent_after_them_lose_their_stakes() public {
        bytes32 taskid = _reopened();
        // The same hash again, so the same group: those of before and those of now.
        contribute(taskid, workers[2], digest("wrong"));
        contribute(taskid, workers[4], digest("another"));
        contribute(taskid, workers[3], digest("wrong"));
        requireStatus(taskid, TaskStatus.ACTIVE);
        vm.warp(END);
        hub.claim(taskid);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), i < 2 ? 1000e9 - STAKE : 1000e9);
        }
        vm.assertEq(hub.balanceOf(BURNT), 2 * STAKE);
        _neitherPayerNorPool(taskid);
    }

    function test_silence_after_a_reopening_costs_both_their_stakes() public {
        bytes32 taskid = _reopened();
        contribute(taskid, workers[2], digest("wrong"));
        contribute(taskid, workers[3], digest("wrong"));
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.warp(END);
        hub.claim(taskid);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), 1000e9 - STAKE);
        }
        vm.assertEq(hub.balanceOf(BURNT), 4 * STAKE);
        _neitherPayerNorPool(taskid);
    }

    // A whole deal

    function test_a_deal_is_claimed_as_far_as_one_likes() public {
        bytes32 dealid = matched(1, 5);
        vm.warp(END);
        vm.assertEq(hub.claimDeal(dealid, 0, 2), 2);
        requireStatus(_taskOf(dealid, 1), TaskStatus.FAILED);
        requireStatus(_taskOf(dealid, 2), TaskStatus.UNSET);
        vm.assertEq(hub.claimDeal(dealid, 2, 0), 2);
        vm.assertEq(hub.claimDeal(dealid, 2, 2), 4);
        vm.assertEq(hub.claimDeal(dealid, 4, 2), 5);
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(KITTY), 5 * STAKE);
        // And once more, to no effect.
        vm.recordLogs();
        vm.assertEq(hub.claimDeal(dealid, 0, 5), 5);
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_a_claim_of_a_deal_takes_every_task_as_it_is() public {
        bytes32 dealid = matched(1, 5);
        bytes32 done = hub.initialize(dealid, 0);
        contribute(done, workers[0], digest("result"));
        reveal(done, workers[0], digest("result"));
        finalize(done);
        vm.prank(scheduler.account);
        hub.abandon(dealid, 1);
        bytes32 waiting = hub.initialize(dealid, 2);
        bytes32 agreed = hub.initialize(dealid, 3);
        contribute(agreed, workers[1], digest("result"));
        vm.warp(END);
        uint256 before = hub.balanceOf(scheduler.account);

        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(waiting);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(agreed);
        vm.expectEmit(address(hub));
        emit ITask.TaskInitialize(_taskOf(dealid, 4), pool);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(_taskOf(dealid, 4));
        vm.assertEq(hub.claimDeal(dealid, 0, type(uint256).max), 5);
        requireStatus(done, TaskStatus.COMPLETED);
        for (uint256 idx = 1; idx < 5; ++idx) {
            requireStatus(_taskOf(dealid, idx), TaskStatus.FAILED);
        }
        vm.assertEq(hub.balanceOf(requester.account), 1000e9 - PRICE);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(scheduler.account), before);
        vm.assertEq(hub.frozenOf(KITTY), 3 * STAKE);
        vm.assertEq(hub.balanceOf(BURNT), STAKE / 10 + STAKE);
        vm.assertEq(hub.balanceOf(address(hub)), hub.frozenOf(KITTY));
    }

    function test_a_claim_of_a_deal_begins_where_its_tasks_do() public {
        RequestOrder memory request = requestOrder();
        request.volume = 5;
        matched(request, 2);
        bytes32 dealid = matched(request, 1000);
        vm.warp(END);
        _dealRefused(dealid, 1, 1, abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, 1, 2, 3));
        _dealRefused(dealid, 5, 0, abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, 5, 2, 3));
        uint256 most = type(uint256).max;
        _dealRefused(dealid, most, most, abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, most, 2, 3));
        vm.assertEq(hub.claimDeal(dealid, 3, most), 5);
        requireStatus(_taskOf(dealid, 2), TaskStatus.UNSET);
        vm.assertEq(hub.claimDeal(dealid, 2, most - 2), 5);
        requireStatus(_taskOf(dealid, 2), TaskStatus.FAILED);
    }

    function test_a_deal_is_claimed_when_it_is_over() public {
        bytes32 dealid = matched(1, 2);
        vm.warp(END - 1);
        bytes memory reason = abi.encodeWithSelector(ITaskEnd.DealNotOver.selector, dealid, END, END - 1);
        _dealRefused(dealid, 0, 2, reason);
        _dealRefused(dealid, 0, 0, reason);
        _dealRefused(bytes32(uint256(7)), 0, 2, abi.encodeWithSelector(IDeal.UnknownDeal.selector, bytes32(uint256(7))));
        vm.warp(END);
        vm.assertEq(hub.claimDeal(dealid, 0, 2), 2);
    }

    /// @dev No gas trap: what a claim of one more task takes does not depend on how many there are.
    function test_a_deal_of_any_size_is_claimed_in_bounded_calls() public {
        bytes32 dealid = matched(1, 30);
        vm.warp(END);
        hub.claimDeal(dealid, 0, 1);
        hub.claimDeal(dealid, 1, 9);
        uint256 nine = vm.lastCallGas().gasTotalUsed;
        hub.claimDeal(dealid, 10, 18);
        uint256 eighteen = vm.lastCallGas().gasTotalUsed;
        vm.assertLe(eighteen, 2 * nine);
        // A transaction (16,777,216 gas) has room for hundreds.
        vm.assertLe(nine / 9, 45_000);
    }

    // Whatever happened before

    /// @dev However people answered, revealed, were rejected: an end by time pays out what it seizes, to the last nRLC, leaves
    /// nothing of the task frozen, and makes neither payer nor pool richer.
    function test_a_failed_task_leaves_nothing_behind(
        uint256 price,
        uint8 answers,
        uint8 reveals,
        uint8 scores,
        uint8 stakeRatio,
        bool again
    ) public {
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(stakeRatio, 1);
        RequestOrder memory request = requestOrder();
        request.trust = 9;
        bytes32 taskid = hub.initialize(matched(request, 1000, bound(price, 0, 1000)), 0);
        for (uint256 i = 0; i < 5; ++i) {
            if (scores >> i & 1 != 0) _giveScore(workers[i].account, 30);
            _answer(taskid, i, answers);
        }
        if (again && statusOf(taskid) == TaskStatus.REVEALING) {
            vm.warp(START + 2 * XS_TIME);
            vm.prank(scheduler.account);
            hub.reopen(taskid);
            for (uint256 i = 0; i < 5; ++i) {
                _answer(taskid, i, ~answers);
            }
        }
        if (statusOf(taskid) == TaskStatus.REVEALING) {
            for (uint256 i = 0; i < 5; ++i) {
                if (reveals >> i & 1 == 0) continue;
                vm.prank(workers[i].account);
                try hub.reveal(taskid, _answerOf(i, again ? ~answers : answers)) { } catch { }
            }
        }
        vm.warp(END);
        hub.claim(taskid);

        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertLe(hub.balanceOf(scheduler.account), 1000e9);
        uint256 sum = hub.balanceOf(scheduler.account) + hub.frozenOf(KITTY) + hub.balanceOf(BURNT);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(hub.frozenOf(workers[i].account), 0);
            sum += hub.balanceOf(workers[i].account);
        }
        vm.assertEq(sum, 6 * 1000e9);
        vm.assertEq(hub.balanceOf(address(hub)), hub.frozenOf(KITTY));
    }

    // Split anywhere

    /// @dev Every verb of several tasks, cut in two at every point: the same tasks, accounts and events as in one call. So
    /// where one call would be too many tasks for a transaction, two will do.
    function test_calls_for_several_tasks_can_be_split_anywhere() public {
        bytes32 dealid = matched(3, 6);
        uint256 clean = vm.snapshotState();
        _split(clean, dealid, "initializeArray");
        _split(clean, dealid, "abandonArray");
        for (uint256 i = 0; i < 6; ++i) {
            hub.initialize(dealid, i);
        }
        _mix(dealid);
        _split(vm.snapshotState(), dealid, "abandonArray");
        for (uint256 i = 1; i < 6; i += 2) {
            contribute(_taskOf(dealid, i), workers[4], digest("result"));
        }
        reveal(_taskOf(dealid, 3), workers[4], digest("result"));
        vm.warp(END);
        _split(vm.snapshotState(), dealid, "claimArray");
        _split(vm.snapshotState(), dealid, "claimDeal");
        vm.assertTrue(vm.revertToState(clean));
        vm.warp(END);
        _split(vm.snapshotState(), dealid, "initializeAndClaimArray");
        vm.assertTrue(vm.revertToState(clean));
        hub.initialize(dealid, 1);
        hub.initialize(dealid, 4);
        _mix(dealid, 4);
        vm.warp(END);
        _split(vm.snapshotState(), dealid, "claimDeal");
    }

    function _split(uint256 from, bytes32 dealid, string memory verb) private {
        vm.assertTrue(vm.revertToState(from));
        bytes32 whole = _outcome(dealid, verb, 0);
        for (uint256 cut = 1; cut < 6; ++cut) {
            vm.assertTrue(vm.revertToState(from));
            vm.assertEq(_outcome(dealid, verb, cut), whole, verb);
        }
        vm.assertTrue(vm.revertToState(from));
    }

    /// @dev All there is to see of six tasks after `verb` was called for the first `cut` of them, and then for the others.
    function _outcome(bytes32 dealid, string memory verb, uint256 cut) private returns (bytes32 outcome) {
        vm.recordLogs();
        if (cut > 0) _call(dealid, verb, 0, cut);
        _call(dealid, verb, cut, 6);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertGe(logs.length, 6, verb);
        outcome = keccak256(abi.encode(logs));
        for (uint256 i = 0; i < 6; ++i) {
            outcome = keccak256(abi.encode(outcome, hub.viewTask(_taskOf(dealid, i))));
        }
        address[6] memory accounts =
            [requester.account, scheduler.account, KITTY, BURNT, workers[0].account, workers[4].account];
        for (uint256 i = 0; i < 6; ++i) {
            outcome = keccak256(abi.encode(outcome, hub.viewAccount(accounts[i]), hub.balanceOf(address(hub))));
        }
    }

    function _call(bytes32 dealid, string memory verb, uint256 from, uint256 to) private {
        bytes32[] memory deals = new bytes32[](to - from);
        bytes32[] memory tasks = new bytes32[](to - from);
        uint256[] memory indices = new uint256[](to - from);
        for (uint256 i = from; i < to; ++i) {
            (deals[i - from], indices[i - from], tasks[i - from]) = (dealid, i, _taskOf(dealid, i));
        }
        bytes32 name = keccak256(bytes(verb));
        vm.prank(scheduler.account);
        if (name == keccak256("initializeArray")) hub.initializeArray(deals, indices);
        else if (name == keccak256("abandonArray")) hub.abandonArray(deals, indices);
        else if (name == keccak256("claimArray")) hub.claimArray(tasks);
        else if (name == keccak256("initializeAndClaimArray")) hub.initializeAndClaimArray(deals, indices);
        else vm.assertEq(hub.claimDeal(dealid, from, to - from), to);
    }

    /// @dev Some tasks with a contribution.
    function _mix(bytes32 dealid) private {
        _mix(dealid, 1);
        _mix(dealid, 3);
        _mix(dealid, 5);
    }

    function _mix(bytes32 dealid, uint256 idx) private {
        // At trust 3 it decides nothing alone.
        contribute(_taskOf(dealid, idx), workers[0], digest("result"));
    }

    // Words of this file

    function matched(RequestOrder memory request, uint256 poolVolume) private returns (bytes32) {
        return matched(request, poolVolume, POOL_PRICE);
    }

    function matched(RequestOrder memory request, uint256 poolVolume, uint256 price) private returns (bytes32) {
        WorkerpoolOrder memory order = poolOrder();
        order.volume = poolVolume;
        order.workerpoolprice = price;
        return hub.matchOrders(
            signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, order), signedBy(requester, request)
        );
    }

    function _taskOf(bytes32 dealid, uint256 idx) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, idx));
    }

    /// @dev A consensus of so many at their first task.
    function _agreed(uint256 count) private returns (bytes32 taskid) {
        taskid = started(1 << count);
        for (uint256 i = 0; i < count; ++i) {
            contribute(taskid, workers[i], digest("result"));
        }
        requireStatus(taskid, TaskStatus.REVEALING);
    }

    /// @dev At trust 3, two of whom did not stand by what they agreed on.
    function _reopened() private returns (bytes32 taskid) {
        taskid = started(3);
        contribute(taskid, workers[0], digest("wrong"));
        contribute(taskid, workers[1], digest("wrong"));
        vm.warp(START + 2 * XS_TIME);
        vm.prank(scheduler.account);
        hub.reopen(taskid);
    }

    function _answer(bytes32 taskid, uint256 worker, uint8 answers) private {
        bytes32 what = _answerOf(worker, answers);
        bytes memory permit = admission(scheduler, workers[worker].account, taskid, address(0));
        bytes32 own = seal(workers[worker].account, taskid, what);
        vm.prank(workers[worker].account);
        try hub.contribute(taskid, resultHash(taskid, what), own, address(0), "", permit) { } catch { }
    }

    function _answerOf(uint256 worker, uint8 answers) private pure returns (bytes32) {
        return bytes32(uint256(answers >> worker & 1) + 1);
    }

    /// @dev The account's word: score, frozen, balance.
    function _giveScore(address worker, uint256 score) private {
        bytes32 slot = keccak256(abi.encode(worker, uint256(2)));
        uint256 word = uint256(vm.load(address(hub), slot));
        vm.store(address(hub), slot, bytes32(word | score << 192));
        vm.assertEq(hub.viewScore(worker), score);
    }

    function _neitherPayerNorPool(bytes32 taskid) private view {
        requireStatus(taskid, TaskStatus.FAILED);
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE);
        vm.assertEq(hub.frozenOf(scheduler.account), 0);
        vm.assertEq(hub.frozenOf(KITTY), STAKE);
        vm.assertEq(hub.balanceOf(address(hub)), STAKE);
    }

    function _dealRefused(bytes32 dealid, uint256 from, uint256 count, bytes memory reason) private {
        vm.expectRevert(reason);
        hub.claimDeal(dealid, from, count);
    }

    function _expectRefund() private {
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), requester.account, PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(requester.account, PRICE);
    }

    function _expectKitty(bytes32 taskid) private {
        vm.expectEmit(address(hub));
        emit IPayment.Seize(scheduler.account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(KITTY, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Lock(KITTY, STAKE);
    }
}
