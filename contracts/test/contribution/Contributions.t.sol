// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Claims under seal, and showing them: who may, until when, and what of it the hub believes.

import { IConsensus } from "../../src/interfaces/IConsensus.sol";
import { Contribution, ContributionStatus, IContribution } from "../../src/interfaces/IContribution.sol";
import { AppOrder, IOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { ITask, Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Person, Town } from "../support/Town.sol";

contract ContributionsTest is Town {
    uint256 private constant FULL = 512;
    /// @dev Their weight, 2^254, times the trust is below 2^256; with two more a side it is not.
    uint256 private constant AGREE = 254;
    /// @dev What a transaction may have (EIP-7825), less what its longest data cost.
    uint256 private constant TRANSACTION_GAS = 15_700_000;

    Person private enclave;
    Person private broker;

    function setUp() public override {
        super.setUp();
        (enclave.account, enclave.key) = someoneWithKey("enclave");
        (broker.account, broker.key) = someoneWithKey("broker");
    }

    // Contributing

    function test_a_contribution_is_kept_and_stakes_the_worker() public {
        bytes32 taskid = started(100);
        bytes32 hash = resultHash(taskid, digest("result"));
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(workers[0].account, address(hub), STAKE);
        vm.expectEmit(address(hub));
        emit IPayment.Lock(workers[0].account, STAKE);
        vm.expectEmit(address(hub));
        emit IContribution.TaskContribute(taskid, workers[0].account, hash);
        contribute(taskid, workers[0], digest("result"));

        Contribution memory kept = hub.viewContribution(taskid, workers[0].account);
        vm.assertEq(uint256(kept.status), uint256(ContributionStatus.CONTRIBUTED));
        vm.assertEq(kept.resultHash, hash);
        vm.assertEq(kept.resultSeal, seal(workers[0].account, taskid, digest("result")));
        vm.assertEq(kept.enclaveChallenge, address(0));
        vm.assertEq(kept.weight, 1);
        vm.assertEq(hub.frozenOf(workers[0].account), STAKE);
        requireStatus(taskid, TaskStatus.ACTIVE);

        kept = hub.viewContribution(taskid, workers[1].account);
        vm.assertEq(uint256(kept.status), uint256(ContributionStatus.UNSET));
        vm.assertEq(kept.resultHash, bytes32(0));
    }

    // As many as there can be: whoever the scheduler lets in, the task can be ended, and no money is frozen for ever.

    function test_the_fullest_task_can_be_ended_in_one_transaction_without_a_consensus() public {
        bytes32 dealid = matched(3, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        _disagree(taskid, FULL);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(taskid, permit, abi.encodeWithSelector(IContribution.TooManyContributions.selector, taskid, FULL));
        uint256 full = vm.snapshotState();
        vm.prank(scheduler.account);
        hub.abandon{ gas: TRANSACTION_GAS }(dealid, 0);
        _ended("abandon, 512 contributors", taskid, TaskStatus.FAILED);

        vm.assertTrue(vm.revertToState(full));
        vm.warp(START + 10 * XS_TIME);
        hub.claim{ gas: TRANSACTION_GAS }(taskid);
        _ended("claim, 512 contributors", taskid, TaskStatus.FAILED);
    }

    /// @dev Two sides that grow alike until one gets ahead by two: 254 who agree is as many as there can be among so many, and
    /// who revealed is more work than who did not.
    function test_the_fullest_task_can_be_ended_in_one_transaction_with_a_consensus() public {
        bytes32 taskid = started(3);
        uint256 others = FULL - 2 * AGREE + 2;
        for (uint256 i = 0; i < FULL; ++i) {
            contribute(taskid, _oneOfMany(i), i < others ? bytes32(i) : digest(_agrees(i) ? "this" : "that"));
        }
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.assertEq(hub.viewTask(taskid).winnerCounter, AGREE);
        uint256 agreed = vm.snapshotState();
        vm.warp(START + 10 * XS_TIME);
        hub.claim{ gas: TRANSACTION_GAS }(taskid);
        _ended("claim, 512 contributors, 254 agreed, none revealed", taskid, TaskStatus.FAILED);

        vm.assertTrue(vm.revertToState(agreed));
        for (uint256 i = others; i < FULL; ++i) {
            if (_agrees(i)) reveal(taskid, _oneOfMany(i), digest("this"));
        }
        uint256 revealed = vm.snapshotState();
        vm.warp(START + 10 * XS_TIME);
        hub.claim{ gas: TRANSACTION_GAS }(taskid);
        _ended("claim, 512 contributors, 254 revealed", taskid, TaskStatus.FAILED);

        vm.assertTrue(vm.revertToState(revealed));
        vm.warp(START + 5 * XS_TIME);
        address last = _oneOfMany(FULL - 1).account;
        vm.prank(last);
        hub.finalize{ gas: TRANSACTION_GAS }(taskid, "", "");
        _ended("finalize by a worker, 512 contributors, 254 revealed", taskid, TaskStatus.COMPLETED);

        vm.assertTrue(vm.revertToState(revealed));
        bytes memory results = new bytes(24_573);
        for (uint256 i = 0; i < results.length; ++i) {
            results[i] = 0xff;
        }
        vm.prank(scheduler.account);
        hub.finalize{ gas: TRANSACTION_GAS }(taskid, results, "");
        _ended("finalize, 512 contributors, 254 revealed, 24,573-byte results", taskid, TaskStatus.COMPLETED);
    }

    function test_contributions_are_for_active_tasks() public {
        bytes memory permit = admission(scheduler, workers[0].account, bytes32(0), address(0));
        _refused(bytes32(0), permit, abi.encodeWithSelector(ITask.TaskNotActive.selector, bytes32(0), TaskStatus.UNSET));
        bytes32 taskid = started(1);
        contribute(taskid, workers[1], digest("result"));
        permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(taskid, permit, abi.encodeWithSelector(ITask.TaskNotActive.selector, taskid, TaskStatus.REVEALING));
    }

    function test_contributions_have_their_time() public {
        bytes32 taskid = started(100);
        uint256 end = START + 7 * XS_TIME;
        vm.warp(end - 1);
        contribute(taskid, workers[1], digest("result"));
        vm.warp(end);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(
            taskid, permit, abi.encodeWithSelector(IContribution.ContributionDeadlineReached.selector, taskid, end, end)
        );
    }

    function test_a_worker_contributes_once() public {
        bytes32 taskid = started(100);
        contribute(taskid, workers[0], digest("result"));
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(
            taskid,
            permit,
            abi.encodeWithSelector(IContribution.AlreadyContributed.selector, taskid, workers[0].account)
        );
    }

    function test_a_worker_has_to_be_sent_by_the_pool() public {
        bytes32 taskid = started(1);
        bytes memory reason = abi.encodeWithSelector(
            IContribution.InvalidAuthorization.selector, taskid, workers[0].account, address(0), scheduler.account
        );
        _refused(taskid, admission(stranger, workers[0].account, taskid, address(0)), reason);
        // One for another worker, another task, an enclave.
        _refused(taskid, admission(scheduler, workers[1].account, taskid, address(0)), reason);
        _refused(taskid, admission(scheduler, workers[0].account, bytes32(0), address(0)), reason);
        _refused(taskid, admission(scheduler, workers[0].account, taskid, enclave.account), reason);
        _refused(taskid, "", abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 0));
    }

    function test_a_worker_needs_the_stake() public {
        bytes32 taskid = started(1);
        vm.prank(workers[0].account);
        hub.withdraw(1000e9 - 1);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(
            taskid, permit, abi.encodeWithSelector(IPayment.InsufficientBalance.selector, workers[0].account, 1, STAKE)
        );
    }

    // From an enclave

    function test_a_confidential_task_wants_an_enclave() public {
        bytes32 taskid = _confidentialTask();
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        _refused(taskid, permit, abi.encodeWithSelector(IContribution.EnclaveRequired.selector, taskid));
    }

    function test_an_enclave_signs_its_result() public {
        bytes32 taskid = _confidentialTask();
        bytes32 hash = resultHash(taskid, digest("result"));
        bytes32 own = seal(workers[0].account, taskid, digest("result"));
        bytes memory permit = admission(scheduler, workers[0].account, taskid, enclave.account);
        bytes memory proof = signed(stranger.key, message(keccak256(abi.encodePacked(hash, own))));
        vm.expectRevert(abi.encodeWithSelector(IContribution.InvalidEnclaveSignature.selector, taskid, enclave.account));
        vm.prank(workers[0].account);
        hub.contribute(taskid, hash, own, enclave.account, proof, permit);

        proof = signed(enclave.key, message(keccak256(abi.encodePacked(hash, own))));
        vm.prank(workers[0].account);
        hub.contribute(taskid, hash, own, enclave.account, proof, permit);
        vm.assertEq(hub.viewContribution(taskid, workers[0].account).enclaveChallenge, enclave.account);
    }

    function test_a_broker_of_enclaves_speaks_for_the_pool_where_one_is_set() public {
        hub.setTeeBroker(broker.account);
        bytes32 taskid = _confidentialTask();
        bytes32 hash = resultHash(taskid, digest("result"));
        bytes32 own = seal(workers[0].account, taskid, digest("result"));
        bytes memory proof = signed(enclave.key, message(keccak256(abi.encodePacked(hash, own))));
        bytes memory permit = admission(scheduler, workers[0].account, taskid, enclave.account);
        vm.expectRevert(
            abi.encodeWithSelector(
                IContribution.InvalidAuthorization.selector, taskid, workers[0].account, enclave.account, broker.account
            )
        );
        vm.prank(workers[0].account);
        hub.contribute(taskid, hash, own, enclave.account, proof, permit);
        permit = admission(broker, workers[0].account, taskid, enclave.account);
        vm.prank(workers[0].account);
        hub.contribute(taskid, hash, own, enclave.account, proof, permit);
        // Outside of an enclave the pool still speaks for itself.
        contribute(started(1), workers[0], digest("result"));
    }

    // Revealing

    function test_a_reveal_shows_the_digest() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("result"));
        contribute(taskid, workers[1], digest("result"));
        bytes32 hash = resultHash(taskid, digest("result"));
        vm.expectEmit(address(hub));
        emit IContribution.TaskReveal(taskid, workers[1].account, digest("result"));
        reveal(taskid, workers[1], digest("result"));

        Task memory task = hub.viewTask(taskid);
        vm.assertEq(task.resultDigest, digest("result"));
        vm.assertEq(task.consensusValue, hash);
        vm.assertEq(task.revealCounter, 1);
        vm.assertEq(task.winnerCounter, 2);
        Contribution memory kept = hub.viewContribution(taskid, workers[1].account);
        vm.assertEq(uint256(kept.status), uint256(ContributionStatus.PROVED));
        vm.assertEq(kept.resultHash, hash);
        vm.assertEq(hub.viewContribution(taskid, workers[0].account).resultHash, hash);
        reveal(taskid, workers[0], digest("result"));
        vm.assertEq(hub.viewTask(taskid).revealCounter, 2);
    }

    function test_a_reveal_has_its_stage_and_its_time() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("result"));
        _cannotReveal(
            taskid,
            workers[0],
            digest("result"),
            abi.encodeWithSelector(ITask.TaskNotRevealing.selector, taskid, TaskStatus.ACTIVE)
        );
        vm.warp(START + 5);
        contribute(taskid, workers[1], digest("result"));
        uint256 until = START + 5 + 2 * XS_TIME;
        vm.assertEq(hub.viewTask(taskid).revealDeadline, until);
        vm.warp(until - 1);
        reveal(taskid, workers[0], digest("result"));
        vm.warp(until);
        _cannotReveal(
            taskid,
            workers[1],
            digest("result"),
            abi.encodeWithSelector(IContribution.RevealDeadlineReached.selector, taskid, until, until)
        );
    }

    function test_only_a_winner_reveals_and_only_once() public {
        // At trust 3 a newcomer on either side decides nothing; 4 * 3 > 7 * 2 does not hold for two of three, 8 * 3 > 11 * 2
        // does for three of four.
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("right"));
        contribute(taskid, workers[1], digest("wrong"));
        contribute(taskid, workers[2], digest("right"));
        requireStatus(taskid, TaskStatus.ACTIVE);
        vm.expectEmit(address(hub));
        emit IContribution.TaskContribute(taskid, workers[3].account, resultHash(taskid, digest("right")));
        vm.expectEmit(address(hub));
        emit IConsensus.TaskConsensus(taskid, resultHash(taskid, digest("right")));
        contribute(taskid, workers[3], digest("right"));
        bytes32 right = resultHash(taskid, digest("right"));
        bytes32 wrong = resultHash(taskid, digest("wrong"));
        _cannotReveal(
            taskid,
            stranger,
            digest("right"),
            abi.encodeWithSelector(
                IContribution.NothingToReveal.selector, taskid, stranger.account, ContributionStatus.UNSET
            )
        );
        _cannotReveal(
            taskid,
            workers[1],
            digest("wrong"),
            abi.encodeWithSelector(IContribution.NotTheConsensus.selector, taskid, workers[1].account, wrong, right)
        );
        reveal(taskid, workers[0], digest("right"));
        _cannotReveal(
            taskid,
            workers[0],
            digest("right"),
            abi.encodeWithSelector(
                IContribution.NothingToReveal.selector, taskid, workers[0].account, ContributionStatus.PROVED
            )
        );
        // The same refusal once the digest is known.
        _cannotReveal(
            taskid,
            workers[1],
            digest("right"),
            abi.encodeWithSelector(IContribution.NotTheConsensus.selector, taskid, workers[1].account, wrong, right)
        );
    }

    function test_the_digest_has_to_be_the_one_that_was_claimed() public {
        bytes32 taskid = started(1);
        contribute(taskid, workers[0], digest("result"));
        _cannotReveal(
            taskid,
            workers[0],
            digest("another"),
            abi.encodeWithSelector(
                IContribution.DigestMismatch.selector, taskid, digest("another"), resultHash(taskid, digest("result"))
            )
        );
    }

    function test_who_copied_a_neighbours_hash_cannot_reveal() public {
        bytes32 taskid = started(3);
        contribute(taskid, workers[0], digest("result"));
        bytes32 copied = seal(workers[0].account, taskid, digest("result"));
        bytes memory permit = admission(scheduler, workers[1].account, taskid, address(0));
        vm.prank(workers[1].account);
        hub.contribute(taskid, resultHash(taskid, digest("result")), copied, address(0), "", permit);
        reveal(taskid, workers[0], digest("result"));
        _cannotReveal(
            taskid,
            workers[1],
            digest("result"),
            abi.encodeWithSelector(IContribution.SealMismatch.selector, taskid, workers[1].account, copied)
        );
    }

    function test_a_hub_without_predecessor_imports_no_score() public {
        vm.expectRevert(IContribution.NoFormerHub.selector);
        hub.importScore(workers[0].account);
        vm.assertEq(hub.viewScore(workers[0].account), 0);
    }

    /// @dev Every other one, and the last.
    function _agrees(uint256 number) private pure returns (bool) {
        return number % 2 == 0 || number == FULL - 1;
    }

    function _ended(string memory name, bytes32 taskid, TaskStatus status) private {
        vm.assertLe(vm.snapshotGasLastCall("Fullest", name), 16_777_216, name);
        requireStatus(taskid, status);
        vm.assertEq(hub.balanceOf(address(hub)), hub.frozenOf(KITTY));
    }

    /// @dev So many contributions, no two of them the same.
    function _disagree(bytes32 taskid, uint256 count) private {
        for (uint256 i = 0; i < count; ++i) {
            contribute(taskid, _oneOfMany(i), bytes32(i));
        }
    }

    /// @dev A worker with one stake in the hub.
    function _oneOfMany(uint256 number) private returns (Person memory worker) {
        (worker.account, worker.key) = someoneWithKey(string.concat("one of many ", vm.toString(number)));
        if (hub.frozenOf(worker.account) != 0) return worker;
        rlc.approve(address(hub), STAKE);
        hub.depositFor(STAKE, worker.account);
    }

    function _refused(bytes32 taskid, bytes memory permit, bytes memory reason) private {
        bytes32 hash = resultHash(taskid, digest("result"));
        bytes32 own = seal(workers[0].account, taskid, digest("result"));
        vm.expectRevert(reason);
        vm.prank(workers[0].account);
        hub.contribute(taskid, hash, own, address(0), "", permit);
    }

    function _cannotReveal(bytes32 taskid, Person memory worker, bytes32 what, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(worker.account);
        hub.reveal(taskid, what);
    }

    function _confidentialTask() private returns (bytes32) {
        AppOrder memory a = appOrder();
        WorkerpoolOrder memory p = poolOrder();
        RequestOrder memory r = requestOrder();
        (a.tag, p.tag, r.tag) = (CONFIDENTIAL, CONFIDENTIAL, CONFIDENTIAL);
        signedBy(developer, a);
        signedBy(scheduler, p);
        signedBy(requester, r);
        return hub.initialize(hub.matchOrders(a, noDataset(), p, r), 0);
    }
}
