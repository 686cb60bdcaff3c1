// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub's decisions beside a plain book of groups and totals, kept the way the protocol is written down: total := 1;
// g' = max(g, 1) * w; total += g' - g; consensus iff g' * trust > total * (trust - 1).

import { RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Person, Town } from "../support/Town.sol";

/// @dev The hub before this one: how scores get into a hub without ten thousand tasks.
contract FormerHub {
    mapping(address worker => uint256) public viewScore;

    function set(address worker, uint256 score) external {
        viewScore[worker] = score;
    }
}

contract ConsensusTest is Town {
    FormerHub private former;
    mapping(bytes32 hash => uint256) private group;
    mapping(bytes32 hash => uint256) private members;
    uint256 private total;

    function setUp() public override {
        former = new FormerHub();
        formerHub = address(former);
        super.setUp();
    }

    function test_newcomers_needed_for_each_trust() public {
        _unanimous(1, 1);
        _unanimous(2, 1);
        _unanimous(3, 2);
        _unanimous(4, 2);
        _unanimous(5, 3);
        _unanimous(8, 3);
        _unanimous(9, 4);
        _unanimous(16, 4);
        _unanimous(17, 5);
        _unanimous(32, 5);
        _unanimous(0, 1);
    }

    function test_history_weighs() public {
        // A score of 30 weighs 9: one such worker is enough up to trust 9.
        _score(workers[0], 30);
        vm.assertEq(hub.viewScore(workers[0].account), 30);
        _unanimous(9, 1);
        _unanimous(10, 2);
        bytes32 taskid = _task(9, 77);
        contribute(taskid, workers[0], digest("result"));
        vm.assertEq(hub.viewContribution(taskid, workers[0].account).weight, 3);
    }

    /// @dev Random histories, random opinions, any trust: the hub decides when the plain book does.
    function test_the_hub_decides_as_the_plain_book_does(uint256 seed) public {
        uint256 trust = 1 + uint256(keccak256(abi.encode(seed, "trust"))) % 200;
        bytes32 taskid = _task(trust, seed);
        total = 1;
        for (uint256 i = 0; i < workers.length; ++i) {
            uint256 score = uint256(keccak256(abi.encode(seed, "score", i))) % 50;
            if (score > 0) _score(workers[i], score);
            bytes32 opinion = digest(vm.toString(uint256(keccak256(abi.encode(seed, "opinion", i))) % 3));
            contribute(taskid, workers[i], opinion);

            bytes32 hash = resultHash(taskid, opinion);
            uint256 weight = score / 3 > 3 ? score / 3 - 1 : 2;
            uint256 before = group[hash];
            group[hash] = (before > 1 ? before : 1) * weight;
            total += group[hash] - before;
            ++members[hash];
            bool decided = group[hash] * trust > total * (trust - 1);

            Task memory task = hub.viewTask(taskid);
            vm.assertEq(uint256(task.status), uint256(decided ? TaskStatus.REVEALING : TaskStatus.ACTIVE));
            vm.assertEq(task.consensusValue, decided ? hash : bytes32(0));
            vm.assertEq(task.winnerCounter, decided ? members[hash] : 0);
            vm.assertEq(hub.viewContribution(taskid, workers[i].account).weight, _log2(weight));
            if (decided) return;
        }
    }

    /// @dev Two sides keep each other from winning, and grow by 31 bits with each of their workers. Only the contribution
    /// that would outgrow 256 bits is refused.
    function test_a_product_beyond_256_bits_refuses_that_contribution_alone() public {
        bytes32 taskid = _task(type(uint32).max, 1);
        Person[] memory crowd = _crowd(16);
        for (uint256 i = 0; i < 14; ++i) {
            contribute(taskid, crowd[i], digest(i % 2 == 0 ? "left" : "right"));
        }
        bytes memory permit = admission(scheduler, crowd[14].account, taskid, address(0));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        vm.prank(crowd[14].account);
        hub.contribute(taskid, resultHash(taskid, digest("left")), bytes32(0), address(0), "", permit);
        contribute(taskid, crowd[15], digest("another opinion"));
        requireStatus(taskid, TaskStatus.ACTIVE);
        vm.assertEq(hub.viewTask(taskid).contributors.length, 15);
    }

    function _unanimous(uint256 trust, uint256 needed) private {
        bytes32 taskid = _task(trust, 1000 + trust);
        for (uint256 i = 0; i < needed; ++i) {
            requireStatus(taskid, TaskStatus.ACTIVE);
            contribute(taskid, workers[i], digest("result"));
        }
        requireStatus(taskid, TaskStatus.REVEALING);
        vm.assertEq(hub.viewTask(taskid).winnerCounter, needed);
    }

    /// @dev Everything about these deals is free, so that nobody runs out of money.
    function _task(uint256 trust, uint256 salt) private returns (bytes32) {
        WorkerpoolOrder memory p = poolOrder();
        p.workerpoolprice = 0;
        p.trust = type(uint256).max;
        RequestOrder memory r = requestOrder();
        r.trust = trust;
        // Hashed, since the fuzzer knows what a marked salt looks like.
        r.salt = keccak256(abi.encode(salt));
        return hub.initialize(
            hub.matchOrders(
                signedBy(developer, appOrder()), noDataset(), signedBy(scheduler, p), signedBy(requester, r)
            ),
            0
        );
    }

    function _score(Person memory worker, uint256 score) private {
        former.set(worker.account, score);
        hub.importScore(worker.account);
    }

    function _crowd(uint256 size) private returns (Person[] memory crowd) {
        crowd = new Person[](size);
        for (uint256 i = 0; i < size; ++i) {
            (crowd[i].account, crowd[i].key) = someoneWithKey(string.concat("crowd", vm.toString(i)));
            // Weighs 2^31.
            _score(crowd[i], 3 * (uint256(2) ** 31 + 1));
        }
    }

    function _log2(uint256 value) private pure returns (uint256 log) {
        while (value > 1) {
            value >>= 1;
            ++log;
        }
    }
}
