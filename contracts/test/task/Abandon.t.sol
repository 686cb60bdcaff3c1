// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A pool gives a task up. Under PoCo it cannot: a pool that is dead, or knows that it will not do the work, keeps the
// requester's price frozen until the final deadline (a hundred hours in the longest category), and its workers wait as
// long for nothing. Here the payer has the price back at once, and what follows is that giving up must be neither free
// (or a pool would take every order to see which pays best) nor of use to the payer.

import { ContributionStatus, IContribution } from "../../src/interfaces/IContribution.sol";
import { IDeal } from "../../src/interfaces/IDeal.sol";
import { RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { ITaskEnd } from "../../src/interfaces/ITaskEnd.sol";
import { Person, Town } from "../support/Town.sol";

contract AbandonTest is Town {
    uint256 private constant PRICE = APP_PRICE + POOL_PRICE;
    /// @dev What is burnt whatever else happens.
    uint256 private constant TENTH = STAKE / 10;
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;

    // The attack: to give up for nothing

    /// @dev Were all of the stake shared among the contributors, a pool would let in a worker of its own, who gets it all:
    /// 7.5 RLC out, 7.5 RLC back. So a tenth is burnt even then.
    function test_a_worker_of_the_pools_own_does_not_make_it_free() public {
        bytes32 dealid = matched(1000, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        Person memory sham = workers[4];
        contribute(taskid, sham, digest("anything"));
        _abandon(dealid, 0);
        uint256 together = hub.balanceOf(scheduler.account) + hub.balanceOf(sham.account);
        vm.assertEq(together, 2 * 1000e9 - TENTH);
        vm.assertEq(hub.balanceOf(BURNT), TENTH);
    }

    /// @dev And with a real one in the task, sham ones take of his share, not of the tenth.
    function test_shams_share_with_the_honest() public {
        bytes32 dealid = matched(1000, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("honest"));
        contribute(taskid, workers[3], digest("sham"));
        contribute(taskid, workers[4], digest("sham too"));
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + (STAKE - TENTH) / 3);
        vm.assertEq(
            hub.balanceOf(scheduler.account) + hub.balanceOf(workers[3].account) + hub.balanceOf(workers[4].account),
            3 * 1000e9 - TENTH - (STAKE - TENTH) / 3
        );
    }

    /// @dev A payer who is the pool as well, or shares with it, is never ahead.
    function test_the_payer_gets_the_price_and_nothing_else() public {
        bytes32 dealid = matched(1000, 2);
        contribute(hub.initialize(dealid, 1), workers[0], digest("result"));
        _abandon(dealid, 0);
        _abandon(dealid, 1);
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.frozenOf(requester.account), 0);
    }

    function test_it_is_the_sponsor_who_is_refunded() public {
        RequestOrder memory request = requestOrder();
        vm.prank(stranger.account);
        bytes32 dealid = hub.sponsorMatchOrders(
            signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, poolOrder()), signedBy(requester, request)
        );
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9 - PRICE);
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9);
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
    }

    // Who gets what

    function test_a_task_never_started_is_given_up() public {
        bytes32 dealid = matched(1, 3);
        bytes32 taskid = keccak256(abi.encodePacked(dealid, uint256(2)));
        vm.expectEmit(address(hub));
        emit ITask.TaskInitialize(taskid, pool);
        _expectRefund();
        _expectTenth(taskid);
        _expectEnd(taskid);
        _abandon(dealid, 2);

        requireStatus(taskid, TaskStatus.FAILED);
        Task memory task = hub.viewTask(taskid);
        vm.assertEq(task.dealid, dealid);
        vm.assertEq(task.idx, 2);
        vm.assertEq(hub.frozenOf(requester.account), 2 * PRICE);
        vm.assertEq(hub.frozenOf(scheduler.account), 2 * STAKE);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - 2 * STAKE - TENTH);
        vm.assertEq(hub.balanceOf(BURNT), TENTH);
        vm.assertEq(hub.frozenOf(KITTY), 0);
        vm.assertEq(hub.burnt_address(), BURNT);
        vm.expectRevert(abi.encodeWithSelector(ITask.TaskAlreadyInitialized.selector, taskid, TaskStatus.FAILED));
        hub.initialize(dealid, 2);
    }

    function test_a_started_task_without_contributors_is_given_up() public {
        bytes32 dealid = matched(1, 2);
        bytes32 taskid = hub.initialize(dealid, 0);
        hub.initialize(dealid, 1);
        _expectRefund();
        _expectTenth(taskid);
        _expectEnd(taskid);
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE - TENTH);
        // Two, five, two; and nothing before the refund, for it was started already.
        vm.recordLogs();
        _abandon(dealid, 1);
        vm.assertEq(vm.getRecordedLogs().length, 9);
    }

    function test_contributors_share_the_stake() public {
        bytes32 dealid = matched(1000, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(taskid, workers[i], digest(vm.toString(i)));
        }
        uint256 share = (STAKE - TENTH) / 3;
        _expectRefund();
        vm.expectEmit(address(hub));
        emit IPayment.Seize(scheduler.account, STAKE, taskid);
        for (uint256 i = 0; i < 3; ++i) {
            address worker = workers[i].account;
            vm.expectEmit(address(hub));
            emit IPayment.Transfer(address(hub), worker, STAKE);
            vm.expectEmit(address(hub));
            emit IPayment.Unlock(worker, STAKE);
            vm.expectEmit(address(hub));
            emit IPayment.Transfer(address(hub), worker, share);
            vm.expectEmit(address(hub));
            emit IPayment.Reward(worker, share, taskid);
        }
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), BURNT, STAKE - 3 * share);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(BURNT, STAKE - 3 * share, taskid);
        _expectEnd(taskid);
        _abandon(dealid, 0);

        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), 1000e9 + share);
            vm.assertEq(hub.frozenOf(workers[i].account), 0);
            vm.assertEq(hub.viewScore(workers[i].account), 0);
        }
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
    }

    function test_one_contributor_has_it_all_but_the_tenth() public {
        bytes32 dealid = matched(1000, 1);
        contribute(hub.initialize(dealid, 0), workers[0], digest("result"));
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 + STAKE - TENTH);
        vm.assertEq(hub.balanceOf(BURNT), TENTH);
    }

    /// @dev Workers who agreed and then all kept silent have no part in what the pool loses: they are why it gives up.
    function test_the_rejected_lose_their_stakes() public {
        bytes32 dealid = matched(3, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("wrong"));
        contribute(taskid, workers[1], digest("wrong"));
        vm.warp(START + 2 * XS_TIME);
        vm.prank(scheduler.account);
        hub.reopen(taskid);
        contribute(taskid, workers[2], digest("right"));
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(workers[0].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(workers[1].account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(workers[2].account), 1000e9 + STAKE - TENTH);
        vm.assertEq(hub.balanceOf(BURNT), TENTH + 2 * STAKE);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - STAKE);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
        vm.assertEq(
            uint256(hub.viewContribution(taskid, workers[0].account).status), uint256(ContributionStatus.REJECTED)
        );
    }

    function test_the_rejected_alone_make_nobody_richer() public {
        bytes32 dealid = matched(3, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("wrong"));
        contribute(taskid, workers[1], digest("wrong"));
        vm.warp(START + 2 * XS_TIME);
        vm.prank(scheduler.account);
        hub.reopen(taskid);
        _expectRefund();
        vm.expectEmit(address(hub));
        emit IPayment.Seize(scheduler.account, TENTH, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), scheduler.account, STAKE - TENTH);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(scheduler.account, STAKE - TENTH);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[0].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Seize(workers[1].account, STAKE, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), BURNT, TENTH + 2 * STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(BURNT, TENTH + 2 * STAKE, taskid);
        _expectEnd(taskid);
        _abandon(dealid, 0);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - TENTH);
    }

    // When it can be done

    function test_only_the_owner_of_the_pool_gives_up() public {
        bytes32 dealid = matched(1, 1);
        bytes memory reason =
            abi.encodeWithSelector(ITask.NotTheWorkerpoolOwner.selector, requester.account, scheduler.account);
        _refused(requester.account, dealid, 0, reason);
        // Also where there is no such task.
        _refused(requester.account, dealid, 1, reason);
        // The pool is who owned it when the deal was made.
        vm.prank(scheduler.account);
        pools.transferFrom(scheduler.account, stranger.account, uint256(uint160(pool)));
        _refused(
            stranger.account,
            dealid,
            0,
            abi.encodeWithSelector(ITask.NotTheWorkerpoolOwner.selector, stranger.account, scheduler.account)
        );
        _abandon(dealid, 0);
    }

    function test_only_what_is_in_the_deal_is_given_up() public {
        bytes32 dealid = matched(1, 2);
        _refused(
            scheduler.account, dealid, 2, abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, 2, 0, 2)
        );
        _refused(
            scheduler.account,
            dealid,
            type(uint256).max,
            abi.encodeWithSelector(ITask.TaskIndexOutOfRange.selector, dealid, type(uint256).max, 0, 2)
        );
        _refused(scheduler.account, 0, 0, abi.encodeWithSelector(IDeal.UnknownDeal.selector, bytes32(0)));
    }

    /// @dev Once workers agree there is a result; a pool that gave up then would know it and have nobody paid.
    function test_nothing_is_given_up_once_there_is_a_consensus() public {
        bytes32 dealid = matched(1, 2);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("result"));
        _refused(
            scheduler.account,
            dealid,
            0,
            abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.REVEALING)
        );
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        _refused(
            scheduler.account,
            dealid,
            0,
            abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.COMPLETED)
        );
        _abandon(dealid, 1);
        taskid = keccak256(abi.encodePacked(dealid, uint256(1)));
        _refused(
            scheduler.account,
            dealid,
            1,
            abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.FAILED)
        );
    }

    /// @dev Or nobody would give up in time: nine tenths would be safe until the very end.
    function test_giving_up_late_is_failing() public {
        bytes32 dealid = matched(1, 2);
        bytes32 taskid = hub.initialize(dealid, 0);
        uint256 end = START + 7 * XS_TIME;
        vm.warp(end - 1);
        _abandon(dealid, 1);
        vm.warp(end);
        _refused(
            scheduler.account,
            dealid,
            0,
            abi.encodeWithSelector(IContribution.ContributionDeadlineReached.selector, taskid, end, end)
        );
        vm.warp(START + 10 * XS_TIME);
        hub.claim(taskid);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - TENTH - STAKE);
    }

    function test_nobody_can_go_on_with_it() public {
        bytes32 dealid = matched(1, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        _abandon(dealid, 0);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.FAILED));
        vm.prank(workers[0].account);
        hub.contribute(taskid, 0, 0, address(0), "", permit);
        vm.warp(START + 10 * XS_TIME);
        vm.expectRevert(abi.encodeWithSelector(ITaskEnd.TaskNotClaimable.selector, taskid, TaskStatus.FAILED));
        hub.claim(taskid);
        vm.assertEq(hub.claimDeal(dealid, 0, 1), 1);
    }

    function test_several_are_given_up_together_or_not_at_all() public {
        bytes32 dealid = matched(1, 3);
        bytes32[] memory deals = new bytes32[](3);
        uint256[] memory indices = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            (deals[i], indices[i]) = (dealid, i);
        }
        indices[2] = 1;
        vm.startPrank(scheduler.account);
        vm.expectPartialRevert(ITask.TaskNotActive.selector);
        hub.abandonArray(deals, indices);
        vm.expectRevert(abi.encodeWithSelector(ITask.LengthMismatch.selector, 3, 0));
        hub.abandonArray(deals, new uint256[](0));
        indices[2] = 2;
        vm.assertTrue(hub.abandonArray(deals, indices));
        vm.stopPrank();
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.balanceOf(BURNT), 3 * TENTH);
    }

    // To the last nRLC

    /// @dev Whatever the price and however many: what the pool loses is what the workers get and what is burnt, which is a
    /// tenth at least and never more than the rounding beyond it.
    function test_nothing_is_lost_in_dividing(uint256 price, uint256 count) public {
        price = bound(price, 0, 1000);
        count = bound(count, 0, 5);
        WorkerpoolOrder memory order = poolOrder();
        order.workerpoolprice = price;
        RequestOrder memory request = requestOrder();
        request.trust = 1000;
        bytes32 dealid = hub.matchOrders(
            signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, order), signedBy(requester, request)
        );
        bytes32 taskid = hub.initialize(dealid, 0);
        for (uint256 i = 0; i < count; ++i) {
            contribute(taskid, workers[i], digest("result"));
        }
        _abandon(dealid, 0);

        uint256 stake = price * 30 / 100;
        uint256 tenth = (stake + 9) / 10;
        uint256 share = count == 0 ? 0 : (stake - tenth) / count;
        for (uint256 i = 0; i < count; ++i) {
            vm.assertEq(hub.balanceOf(workers[i].account), 1000e9 + share);
        }
        uint256 burnt = count == 0 ? tenth : stake - share * count;
        vm.assertEq(hub.balanceOf(BURNT), burnt);
        vm.assertGe(burnt, tenth);
        vm.assertLe(burnt, tenth + count);
        vm.assertEq(hub.balanceOf(scheduler.account), 1000e9 - (count == 0 ? tenth : stake));
        vm.assertEq(hub.balanceOf(requester.account), 1000e9);
        vm.assertEq(hub.balanceOf(address(hub)), 0);
    }

    // Words of this file

    function _abandon(bytes32 dealid, uint256 idx) private {
        vm.prank(scheduler.account);
        hub.abandon(dealid, idx);
    }

    function _refused(address sender, bytes32 dealid, uint256 idx, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(sender);
        hub.abandon(dealid, idx);
    }

    function _expectRefund() private {
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), requester.account, PRICE);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(requester.account, PRICE);
    }

    function _expectTenth(bytes32 taskid) private {
        vm.expectEmit(address(hub));
        emit IPayment.Seize(scheduler.account, TENTH, taskid);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), scheduler.account, STAKE - TENTH);
        vm.expectEmit(address(hub));
        emit IPayment.Unlock(scheduler.account, STAKE - TENTH);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(address(hub), BURNT, TENTH);
        vm.expectEmit(address(hub));
        emit IPayment.Reward(BURNT, TENTH, taskid);
    }

    function _expectEnd(bytes32 taskid) private {
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskClaimed(taskid);
        vm.expectEmit(address(hub));
        emit ITaskEnd.TaskAbandoned(taskid);
    }
}
