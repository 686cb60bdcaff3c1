// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The end of a task: when it may be finalized and by whom, who gets what to the last nRLC, and what strangers' contracts can
// do about it, which is nothing.

import { IConsensus } from "../../src/interfaces/IConsensus.sol";
import { Contribution, ContributionStatus, IContribution } from "../../src/interfaces/IContribution.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import { RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { IResult } from "../../src/interfaces/IResult.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Glutton, Intruder, Listener, Messenger, Quarreller } from "../support/Callbacks.sol";
import { Town } from "../support/Town.sol";

contract ResultsTest is Town {
    /// @dev When a worker may finalize what was agreed on and revealed at the start.
    uint256 private constant TURN = START + 2 * XS_TIME + XS_TIME / 2;

    bytes private constant DATA = hex"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    // Finalize

    function test_a_result_is_kept_and_everybody_paid() public {
        bytes32 taskid = _revealed();
        uint256 earned = POOL_PRICE * 99 / 100;
        vm.expectEmit(address(hub));
        emit IPayment.Seize(requester.account, APP_PRICE + POOL_PRICE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), developer.account, APP_PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(developer.account, APP_PRICE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), scheduler.account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(scheduler.account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, earned);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(workers[0].account, earned, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), scheduler.account, POOL_PRICE - earned);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(scheduler.account, POOL_PRICE - earned, taskid);
        vm.expectEmit(address(hub));
        emit IResult.TaskFinalize(taskid, RESULTS);
        finalize(taskid);

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(uint256(task.status), uint256(TaskStatus.COMPLETED));
        vm.assertEq(task.results, RESULTS);
        vm.assertEq(task.resultsCallback, "");
        vm.assertEq(task.resultDigest, digest("result"));
        vm.assertEq(hub.resultFor(taskid), "");
        vm.assertEq(hub.balanceOf(requester.account), 1000e9 - APP_PRICE - POOL_PRICE);
        vm.assertEq(hub.balanceOf(developer.account), 1000e9 + APP_PRICE);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 + POOL_PRICE - earned);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + earned);
        // One worker alone proves nothing about itself.
        vm.assertEq(hub.viewScore(workers[0].account), 0);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
    }

    function test_the_owner_of_a_dataset_is_paid() public {
        RequestOrder memory request = requestOrder();
        request.dataset = dataset;
        request.datasetmaxprice = DATASET_PRICE;
        bytes32 taskid = hub.initialize(matched(request), 0);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        vm.assertEq(hub.balanceOf(curator.account), 1000e9 + DATASET_PRICE);
    }

    function test_the_wrong_and_the_silent_pay_the_right() public {
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(41, 7);
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("wrong"));
        contribute(taskid, workers[2], digest("right"));
        contribute(taskid, workers[3], digest("right"));
        reveal(taskid, workers[0], digest("right"));
        reveal(taskid, workers[3], digest("right"));
        vm.warp(START + 2 * XS_TIME);
        vm.expectEmit(address(hub));
        emit IContribution.AccurateContribution(workers[0].account, taskid);
        vm.expectEmit(address(hub));
        emit IContribution.FaultyContribution(workers[1].account, taskid);
        vm.expectEmit(address(hub));
        emit IContribution.FaultyContribution(workers[2].account, taskid);
        vm.expectEmit(address(hub));
        emit IContribution.AccurateContribution(workers[3].account, taskid);
        finalize(taskid);

        uint256 stake = POOL_PRICE * 41 / 100;
        uint256 pot = POOL_PRICE + 2 * stake;
        uint256 each = pot * 93 / 100 / 2;
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + each);
        vm.assertEq(hub.balanceOf(workers[3].account), 1000e9 + each);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 - stake);
        vm.assertEq(hub.balanceOf(workers[2].account), 1000e9 - stake);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 + pot - 2 * each);
        vm.assertEq(hub.viewScore(workers[0].account), 1);
        vm.assertEq(hub.viewScore(workers[1].account), 0);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(hub.frozenOf(workers[i].account), 0);
        }
    }

    function test_only_the_owner_of_the_pool_finalizes() public {
        bytes32 taskid = _revealed();
        _refused(
            stranger.account,
            taskid,
            "",
            abi.encodeWithSelector(ITask.NotTheWorkerpoolOwner.selector, stranger.account, scheduler.account)
        );
    }

    function test_finalizing_waits_for_the_winners_while_there_is_time() public {
        bytes32 taskid = started(3);
        _refused(
            scheduler.account,
            taskid,
            "",
            abi.encodeWithSelector(ITask.TaskNotRevealing.selector, taskid, TaskStatus.ACTIVE)
        );
        contribute(taskid, workers[0], digest("result"));
        contribute(taskid, workers[1], digest("result"));
        uint256 until = START + 2 * XS_TIME;
        reveal(taskid, workers[0], digest("result"));
        _refused(
            scheduler.account, taskid, "", abi.encodeWithSelector(IResult.RevealsMissing.selector, taskid, 1, 2, until)
        );
        vm.warp(until);
        finalize(taskid);
    }

    function test_nothing_is_finalized_without_a_reveal() public {
        bytes32 taskid = started(1);
        contribute(taskid, workers[0], digest("result"));
        vm.warp(START + 2 * XS_TIME);
        _refused(
            scheduler.account,
            taskid,
            "",
            abi.encodeWithSelector(IResult.RevealsMissing.selector, taskid, 0, 1, START + 2 * XS_TIME)
        );
    }

    function test_finalizing_has_its_time() public {
        bytes32 taskid = _revealed();
        uint256 end = START + 10 * XS_TIME;
        vm.warp(end);
        _refused(
            scheduler.account, taskid, "", abi.encodeWithSelector(ITask.FinalDeadlineReached.selector, taskid, end, end)
        );
        bytes32 other = _revealedAt(end, "other");
        vm.warp(end + 10 * XS_TIME - 1);
        finalize(other);
    }

    // By a worker

    /// @dev The attack: the pool lets a task be done, reads the result where the workers laid it down, and never finalizes. Under
    /// PoCo nobody else can; at the final deadline the worker has the stake back and nothing for the work, the payer has the
    /// price back and perhaps the result (from the pool, who sold it twice), and the pool loses 7.5 RLC to the kitty, which pays
    /// at least 1 RLC back with each task it completes, of no price, of its own. Here the worker waits half a T and has it all.
    function test_a_silent_pool_keeps_nobodys_pay_back() public {
        bytes32 taskid = _revealed();
        vm.warp(TURN);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(requester.account, APP_PRICE + POOL_PRICE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), developer.account, APP_PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(developer.account, APP_PRICE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), scheduler.account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(scheduler.account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, POOL_PRICE * 99 / 100);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(workers[0].account, POOL_PRICE * 99 / 100, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), workers[0].account, POOL_PRICE / 100);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(workers[0].account, POOL_PRICE / 100, taskid);
        vm.expectEmit(address(hub));
        emit IResult.TaskFinalize(taskid, "");
        _finalizeAs(workers[0].account, taskid);

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(uint256(task.status), uint256(TaskStatus.COMPLETED));
        vm.assertEq(task.results, "");
        vm.assertEq(task.resultDigest, digest("result"));
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + POOL_PRICE);
        vm.assertEq(hub.balanceOf(developer.account), 1000e9 + APP_PRICE);
        // The pool has its stake back and earned nothing; nothing of it is frozen.
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
    }

    function test_the_workers_turn_comes_half_a_t_after_the_reveals() public {
        bytes32 taskid = _revealed();
        _turnAhead(taskid, TURN);
        vm.warp(TURN - 1);
        _turnAhead(taskid, TURN);
        vm.warp(TURN);
        _finalizeAs(workers[0].account, taskid);

        // The half of an odd number of seconds is rounded down.
        RequestOrder memory request = requestOrder();
        request.category = hub.createCategory("odd", "", 5);
        WorkerpoolOrder memory order = poolOrder();
        order.category = request.category;
        taskid = hub.initialize(
            hub.matchOrders(
                signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, order), signedBy(requester, request)
            ),
            0
        );
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        vm.warp(TURN + 11);
        _turnAhead(taskid, TURN + 12);
        vm.warp(TURN + 12);
        _finalizeAs(workers[0].account, taskid);
    }

    function test_the_last_consensus_leaves_the_worker_a_turn() public {
        bytes32 taskid = started(1);
        vm.warp(START + 7 * XS_TIME - 1);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        vm.warp(START + 9 * XS_TIME + XS_TIME / 2 - 1);
        _finalizeAs(workers[0].account, taskid);
    }

    function test_the_workers_turn_ends_with_the_task() public {
        bytes32 taskid = _revealed();
        uint256 end = START + 10 * XS_TIME;
        vm.warp(end);
        bytes memory reason = abi.encodeWithSelector(ITask.FinalDeadlineReached.selector, taskid, end, end);
        _refusedTo(workers[0].account, taskid, "", "", reason);
    }

    /// @dev What a worker says of where the bytes lie, nobody agreed on; a wrong place would hide the result from the payer.
    function test_a_worker_says_nothing_of_where_the_result_lies() public {
        bytes32 taskid = _revealed();
        vm.warp(TURN);
        bytes memory reason = abi.encodeWithSelector(IResult.ResultsNotAllowed.selector, taskid, RESULTS.length);
        _refusedTo(workers[0].account, taskid, RESULTS, "", reason);
        reason = abi.encodeWithSelector(IResult.ResultsNotAllowed.selector, taskid, 1);
        _refusedTo(workers[0].account, taskid, "x", "", reason);
    }

    function test_only_a_worker_who_revealed_has_a_turn() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("wrong"));
        contribute(taskid, workers[2], digest("right"));
        contribute(taskid, workers[3], digest("right"));
        reveal(taskid, workers[0], digest("right"));
        vm.warp(TURN);
        // Who was wrong, who was silent, who was not there.
        _notHisTurn(taskid, workers[1].account);
        _notHisTurn(taskid, workers[2].account);
        _notHisTurn(taskid, workers[4].account);
        _notHisTurn(taskid, requester.account);
        // The rest of the pot is his: what the scheduler would have earned of three stakes and the price.
        _finalizeAs(workers[0].account, taskid);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + POOL_PRICE + 3 * STAKE);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9);
        vm.assertEq(hub.viewScore(workers[0].account), 1);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
    }

    function test_a_task_without_a_reveal_is_nobodys_turn() public {
        bytes32 taskid = started(1);
        contribute(taskid, workers[0], digest("result"));
        vm.warp(TURN);
        _notHisTurn(taskid, workers[0].account);
    }

    /// @dev The scheduler's part, and the rest of the division, go to whoever does it; the others get what they get anyway.
    function test_the_others_get_the_same_whoever_finalizes() public {
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(41, 7);
        bytes32 taskid = started(8);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(taskid, workers[i], digest("right"));
        }
        for (uint256 i = 0; i < 3; ++i) {
            reveal(taskid, workers[i], digest("right"));
        }
        vm.warp(TURN);
        _finalizeAs(workers[1].account, taskid);
        uint256 each = POOL_PRICE * 93 / 100 / 3;
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + each);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 + POOL_PRICE - 2 * each);
        vm.assertEq(hub.balanceOf(workers[2].account), 1000e9 + each);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(hub.viewScore(workers[i].account), 1);
        }
    }

    function test_a_worker_tells_the_contract_what_was_agreed_on() public {
        Listener listener = new Listener();
        bytes32 taskid = _revealedFor(address(listener));
        vm.warp(TURN);
        bytes32 agreed = keccak256(DATA);
        bytes memory reason =
            abi.encodeWithSelector(IResult.CallbackDataMismatch.selector, taskid, keccak256("other"), agreed);
        _refusedTo(workers[0].account, taskid, "", "other", reason);
        reason = abi.encodeWithSelector(IResult.CallbackDataMismatch.selector, taskid, keccak256(""), agreed);
        _refusedTo(workers[0].account, taskid, "", "", reason);
        vm.prank(workers[0].account);
        hub.finalize(taskid, "", DATA);
        vm.assertEq(listener.id(), taskid);
        vm.assertEq(listener.result(), DATA);
        vm.assertEq(hub.resultFor(taskid), DATA);
        vm.assertEq(hub.viewTask(taskid).results, "");
    }

    function test_the_first_of_pool_and_worker_finalizes() public {
        bytes32 taskid = _revealed();
        vm.warp(TURN + 100);
        finalize(taskid);
        vm.assertEq(hub.viewTask(taskid).results, RESULTS);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 + POOL_PRICE / 100);
        bytes memory reason = abi.encodeWithSelector(ITask.TaskNotRevealing.selector, taskid, TaskStatus.COMPLETED);
        _refusedTo(workers[0].account, taskid, "", "", reason);

        taskid = _revealedAt(START + 20 * XS_TIME, "other");
        vm.warp(TURN + 20 * XS_TIME);
        _finalizeAs(workers[0].account, taskid);
        reason = abi.encodeWithSelector(ITask.TaskNotRevealing.selector, taskid, TaskStatus.COMPLETED);
        _refused(scheduler.account, taskid, "", reason);
    }

    /// @dev A scheduler who works in his own pool is the pool: he has no turn to wait for, and may say where the result lies.
    function test_a_pool_that_works_itself_is_the_pool() public {
        bytes32 taskid = started(1);
        contribute(taskid, scheduler, digest("result"));
        reveal(taskid, scheduler, digest("result"));
        finalize(taskid);
        vm.assertEq(hub.viewTask(taskid).results, RESULTS);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 + POOL_PRICE);
    }

    /// @dev The kitty pays for the success of schedulers, and this was none; nor is the worker paid out of it, or he would wish
    /// for the pool to fail.
    function test_the_kitty_keeps_what_it_has() public {
        bytes32 taskid = started(1);
        vm.warp(START + 10 * XS_TIME);
        hub.claim(taskid);
        vm.assertEq(hub.frozenOf(KITTY), STAKE);
        taskid = _revealedAt(START + 10 * XS_TIME, "later");
        vm.warp(START + 13 * XS_TIME);
        _finalizeAs(workers[0].account, taskid);
        vm.assertEq(hub.frozenOf(KITTY), STAKE);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + POOL_PRICE);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE);
        taskid = _revealedAt(START + 13 * XS_TIME, "later still");
        finalize(taskid);
        vm.assertEq(hub.frozenOf(KITTY), STAKE - 1e9);
    }

    // What is kept

    function test_results_of_every_length_are_kept(bytes memory results, bytes memory data) public {
        bytes32 taskid = started(1);
        bytes32 what = data.length == 0 ? digest("result") : keccak256(data);
        contribute(taskid, workers[0], what);
        reveal(taskid, workers[0], what);
        vm.prank(scheduler.account);
        hub.finalize(taskid, results, data);
        Task memory task = hub.viewTask(taskid);
        vm.assertEq(task.results, results);
        vm.assertEq(task.resultsCallback, data);
        vm.assertEq(hub.resultFor(taskid), data);
    }

    function test_results_have_to_fit_in_code() public {
        bytes32 taskid = _revealed();
        bytes memory results = new bytes(24_574);
        vm.expectRevert(abi.encodeWithSelector(IResult.ResultsTooLong.selector, 24_574, 24_573));
        vm.prank(scheduler.account);
        hub.finalize(taskid, results, "");
        results = new bytes(24_573);
        vm.prank(scheduler.account);
        hub.finalize(taskid, results, "");
        vm.assertEq(hub.viewTask(taskid).results.length, 24_573);
    }

    function test_what_is_kept_in_code_cannot_be_called_to_any_effect() public {
        bytes32 taskid = _revealed();
        // SELFDESTRUCT, were it run.
        vm.prank(scheduler.account);
        hub.finalize(taskid, hex"33ff", "");
        bytes memory kept =
            abi.encodePacked(hex"ff", address(hub), taskid, keccak256(hex"5f5f5f5f335afa3d5f5f3e3d5ff3"));
        address place = address(uint160(uint256(keccak256(kept))));
        vm.assertEq(place.code, hex"00000233ff");
        (bool done, bytes memory answer) = place.call("");
        vm.assertTrue(done);
        vm.assertEq(answer.length, 0);
        vm.assertEq(hub.viewTask(taskid).results, hex"33ff");
    }

    function test_a_pending_task_has_nothing_for_others() public {
        bytes32 taskid = _revealed();
        vm.expectRevert(abi.encodeWithSelector(IResult.TaskPending.selector, taskid));
        hub.resultFor(taskid);
        vm.expectRevert(abi.encodeWithSelector(IResult.TaskPending.selector, bytes32(0)));
        hub.resultFor(bytes32(0));
    }

    // Telling other contracts

    function test_a_contract_is_told() public {
        Listener listener = new Listener();
        bytes32 taskid = _revealedFor(address(listener));
        _finalizeWithData(taskid);
        vm.assertEq(listener.id(), taskid);
        vm.assertEq(listener.result(), DATA);
        vm.assertEq(hub.resultFor(taskid), DATA);
        vm.assertLe(listener.gasGiven(), hub.callbackgas());
        vm.assertGe(listener.gasGiven(), hub.callbackgas() * 99 / 100);
    }

    function test_what_a_contract_is_told_is_what_the_workers_agreed_on() public {
        bytes32 taskid = _revealedFor(stranger.account);
        bytes32 agreed = keccak256(DATA);
        _refused(
            scheduler.account,
            taskid,
            "other",
            abi.encodeWithSelector(IResult.CallbackDataMismatch.selector, taskid, keccak256("other"), agreed)
        );
        _refused(
            scheduler.account,
            taskid,
            "",
            abi.encodeWithSelector(IResult.CallbackDataMismatch.selector, taskid, keccak256(""), agreed)
        );
        // An account without code cannot be told, and need not.
        _finalizeWithData(taskid);
        // Without callback there need be no data; if there are, they have to be right.
        taskid = _revealedAt(START, "other");
        _refused(
            scheduler.account,
            taskid,
            "other",
            abi.encodeWithSelector(IResult.CallbackDataMismatch.selector, taskid, keccak256("other"), digest("result"))
        );
    }

    function test_a_contract_cannot_keep_the_payment_back() public {
        address[3] memory consumers = [address(new Quarreller()), address(new Glutton()), address(new Intruder())];
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 taskid = _revealedFor(consumers[i]);
            uint256 before = hub.balanceOf(workers[0].account);
            _finalizeWithData(taskid);
            requireStatus(taskid, TaskStatus.COMPLETED);
            vm.assertEq(hub.balanceOf(workers[0].account), before + STAKE + POOL_PRICE * 99 / 100);
        }
        vm.assertFalse(Intruder(consumers[2]).cameIn());
    }

    /// @dev Whatever gas comes along, the contract gets its due or nothing is finalized.
    function test_a_contract_cannot_be_starved(uint256 gasLimit) public {
        Listener listener = new Listener();
        bytes32 taskid = _revealedFor(address(listener));
        gasLimit = bound(gasLimit, 150_000, 600_000);
        vm.prank(scheduler.account);
        (bool done,) = address(hub).call{ gas: gasLimit }(abi.encodeCall(IResult.finalize, (taskid, RESULTS, DATA)));
        vm.assertTrue(!done || listener.id() == taskid);
        vm.assertTrue(done == (statusOf(taskid) == TaskStatus.COMPLETED));
    }

    /// @dev Nor one that has gas left over where the one behind it runs out.
    function test_a_contract_behind_another_cannot_be_starved(uint256 gasLimit) public {
        Listener listener = new Listener();
        bytes32 taskid = _revealedFor(address(new Messenger(listener)));
        gasLimit = bound(gasLimit, 150_000, 600_000);
        vm.prank(scheduler.account);
        (bool done,) = address(hub).call{ gas: gasLimit }(abi.encodeCall(IResult.finalize, (taskid, RESULTS, DATA)));
        vm.assertTrue(!done || listener.id() == taskid);
        vm.assertTrue(done == (statusOf(taskid) == TaskStatus.COMPLETED));
    }

    // In one step

    function test_one_worker_does_it_all_in_one_step() public {
        bytes32 taskid = started(1);
        bytes32 hash = resultHash(taskid, digest("result"));
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        uint256 earned = POOL_PRICE * 99 / 100;
        vm.expectEmit(address(hub));
        emit IPayment.Reward(workers[0].account, earned, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(scheduler.account, POOL_PRICE - earned, taskid);
        vm.expectEmit(address(hub));
        emit IContribution.TaskContribute(taskid, workers[0].account, hash);
        vm.expectEmit(address(hub));
        emit IConsensus.TaskConsensus(taskid, hash);
        vm.expectEmit(address(hub));
        emit IContribution.TaskReveal(taskid, workers[0].account, digest("result"));
        vm.expectEmit(address(hub));
        emit IResult.TaskFinalize(taskid, RESULTS);
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", address(0), "", permit);

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(uint256(task.status), uint256(TaskStatus.COMPLETED));
        vm.assertEq(task.consensusValue, hash);
        vm.assertEq(task.resultDigest, digest("result"));
        vm.assertEq(task.revealDeadline, START + 2 * XS_TIME);
        vm.assertEq(task.revealCounter, 1);
        vm.assertEq(task.winnerCounter, 1);
        vm.assertEq(task.contributors.length, 1);
        vm.assertEq(task.results, RESULTS);
        Contribution memory kept = hub.viewContribution(taskid, workers[0].account);
        vm.assertEq(uint256(kept.status), uint256(ContributionStatus.PROVED));
        vm.assertEq(kept.resultHash, hash);
        vm.assertEq(kept.resultSeal, seal(workers[0].account, taskid, digest("result")));
        vm.assertEq(kept.weight, 0);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + earned);
        vm.assertEq(hub.viewScore(workers[0].account), 0);
    }

    function test_one_step_is_for_untouched_tasks_of_trust_one() public {
        bytes32 taskid = started(2);
        _oneStepRefused(taskid, abi.encodeWithSelector(IResult.TrustNotOne.selector, taskid, 2));
        contribute(taskid, workers[1], digest("result"));
        _oneStepRefused(taskid, abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.REVEALING));
        vm.warp(START + 2 * XS_TIME);
        vm.prank(scheduler.account);
        hub.reopen(taskid);
        _oneStepRefused(taskid, abi.encodeWithSelector(IResult.TaskHasContributions.selector, taskid, 1));
        uint256 end = START + 7 * XS_TIME;
        vm.warp(end);
        _oneStepRefused(
            taskid, abi.encodeWithSelector(IContribution.ContributionDeadlineReached.selector, taskid, end, end)
        );
    }

    function test_one_step_wants_the_same_admission() public {
        bytes32 taskid = started(1);
        bytes memory permit = admission(stranger, workers[0].account, taskid, address(0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IContribution.InvalidAuthorization.selector, taskid, workers[0].account, address(0), scheduler.account
            )
        );
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", address(0), "", permit);
    }

    function test_one_step_tells_contracts_too() public {
        Listener listener = new Listener();
        RequestOrder memory request = requestOrder();
        request.callback = address(listener);
        bytes32 taskid = hub.initialize(matched(request), 0);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, keccak256(DATA), RESULTS, DATA, address(0), "", permit);
        vm.assertEq(listener.result(), DATA);
    }

    // Words of this file

    function _revealed() private returns (bytes32) {
        return _revealedAt(START, "plain");
    }

    function _revealedAt(uint256 time, string memory salt) private returns (bytes32 taskid) {
        vm.warp(time);
        RequestOrder memory request = requestOrder();
        request.salt = keccak256(bytes(salt));
        taskid = hub.initialize(matched(request), 0);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
    }

    function _revealedFor(address consumer) private returns (bytes32 taskid) {
        RequestOrder memory request = requestOrder();
        request.callback = consumer;
        taskid = hub.initialize(matched(request), 0);
        contribute(taskid, workers[0], keccak256(DATA));
        reveal(taskid, workers[0], keccak256(DATA));
    }

    function _finalizeWithData(bytes32 taskid) private {
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, DATA);
    }

    function _finalizeAs(address sender, bytes32 taskid) private {
        vm.prank(sender);
        hub.finalize(taskid, "", "");
    }

    function _turnAhead(bytes32 taskid, uint256 from) private {
        bytes memory reason =
            abi.encodeWithSelector(IResult.WorkersTurnAhead.selector, taskid, from, vm.getBlockTimestamp());
        _refusedTo(workers[0].account, taskid, "", "", reason);
    }

    function _notHisTurn(bytes32 taskid, address sender) private {
        bytes memory reason = abi.encodeWithSelector(ITask.NotTheWorkerpoolOwner.selector, sender, scheduler.account);
        _refusedTo(sender, taskid, "", "", reason);
    }

    function _refused(address sender, bytes32 taskid, bytes memory data, bytes memory reason) private {
        _refusedTo(sender, taskid, RESULTS, data, reason);
    }

    function _refusedTo(address sender, bytes32 taskid, bytes memory results, bytes memory data, bytes memory reason)
        private
    {
        vm.expectRevert(reason);
        vm.prank(sender);
        hub.finalize(taskid, results, data);
    }

    function _oneStepRefused(bytes32 taskid, bytes memory reason) private {
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.expectRevert(reason);
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", address(0), "", permit);
    }
}
