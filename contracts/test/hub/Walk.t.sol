// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the walk costs, beside what it costs on PoCo: 1,813,371 for the five steps of one task. The figures are what a chain
// charges for each transaction, and lie in snapshots/Walk.json. The state is that of PoCo's table: all parties hold money in
// the hub and have other stakes frozen, assets and orders are new, the kitty is empty, parameters of 187 bytes, results of 84.

import { RequestOrder } from "../../src/interfaces/IOrder.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Listener } from "../support/Callbacks.sol";
import { Town } from "../support/Town.sol";

contract WalkTest is Town {
    uint256 private constant CEILING = 900_000;

    function setUp() public override {
        super.setUp();
        vm.assertEq(bytes(PARAMS).length, 187);
        vm.assertEq(RESULTS.length, 84);
        // Everybody has something else going on.
        RequestOrder memory request = requestOrder();
        request.salt = keccak256("another request");
        request.trust = 1000;
        bytes32 taskid = hub.initialize(matched(request), 0);
        for (uint256 i = 0; i < 5; ++i) {
            contribute(taskid, workers[i], digest(vm.toString(i)));
        }
        // The orders of the base were used just now; the walk is measured on new ones.
        app = apps.createApp(developer.account, "another", "WASM", "/ipfs/bafkreiapp", keccak256("app"), "");
        pool = pools.createWorkerpool(scheduler.account, "another");
    }

    function test_the_five_steps_cost_less_than_half_of_pocos() public {
        bytes32 dealid = matched(1, 2);
        uint256 sum = _measured("1 match, 3 signatures, no dataset", 778_925);
        bytes32 taskid = hub.initialize(dealid, 1);
        sum += _measured("2 initialize", 235_448);
        contribute(taskid, workers[0], digest("result"));
        sum += _measured("3 contribute, trust 1, consensus", 386_341);
        reveal(taskid, workers[0], digest("result"));
        sum += _measured("4 reveal", 93_455);
        finalize(taskid);
        sum += _measured("5 finalize", 319_202);
        requireStatus(taskid, TaskStatus.COMPLETED);
        _beside("sum of the five steps", sum, 1_813_371);
        vm.assertLe(sum, CEILING, "gas of the five steps");
    }

    function test_three_workers() public {
        bytes32 dealid = matched(5, 2);
        bytes32 taskid = hub.initialize(dealid, 1);
        contribute(taskid, workers[0], digest("result"));
        _measured("three workers: contribute, 1 of 3", 294_092);
        contribute(taskid, workers[1], digest("result"));
        _measured("three workers: contribute, 2 of 3", 276_988);
        contribute(taskid, workers[2], digest("result"));
        _measured("three workers: contribute, 3 of 3, consensus", 372_771);
        reveal(taskid, workers[0], digest("result"));
        _measured("three workers: reveal, 1 of 3", 93_455);
        reveal(taskid, workers[1], digest("result"));
        _measured("three workers: reveal, 2 of 3", 56_455);
        reveal(taskid, workers[2], digest("result"));
        _measured("three workers: reveal, 3 of 3", 56_455);
        finalize(taskid);
        _measured("three workers: finalize, scores from 0 to 1", 435_517);
    }

    function test_in_one_step() public {
        bytes32 taskid = hub.initialize(matched(1, 2), 1);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", address(0), "", permit);
        _measured("contributeAndFinalize", 516_021);
    }

    function test_with_a_dataset() public {
        RequestOrder memory request = requestOrder();
        request.dataset = dataset;
        request.datasetmaxprice = DATASET_PRICE;
        bytes32 dealid = matched(request);
        _measured("with dataset: match, 4 signatures", 900_812);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        _measured("with dataset: finalize", 312_199);
    }

    function test_with_a_callback() public {
        RequestOrder memory request = requestOrder();
        request.callback = address(new Listener());
        bytes32 taskid = hub.initialize(matched(request), 0);
        bytes memory data = new bytes(64);
        contribute(taskid, workers[0], keccak256(data));
        reveal(taskid, workers[0], keccak256(data));
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, data);
        _measured("with callback: finalize, 64 bytes that the consumer stores", 464_171);
    }

    function test_the_end_by_time() public {
        bytes32 dealid = matched(1000, 3);
        bytes32 first = hub.initialize(dealid, 0);
        bytes32 second = hub.initialize(dealid, 1);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(second, workers[i], digest("result"));
        }
        vm.warp(START + 10 * XS_TIME);
        hub.claim(first);
        _measured("claim, no contributor, the kitty was empty", 146_919);
        hub.claim(second);
        _measured("claim, 3 contributors", 180_219);
    }

    function test_money() public {
        vm.prank(stranger.account);
        rlc.approve(address(hub), 100e9);
        vm.prank(stranger.account);
        hub.deposit(1e9);
        _measured("deposit, later", 65_167);
        vm.prank(stranger.account);
        hub.withdraw(1e9);
        _measured("withdraw, part of the balance", 59_377);
        vm.prank(stranger.account);
        hub.transfer(curator.account, 1e9);
        _measured("transfer, to an existing holder", 41_949);
    }

    function _measured(string memory name, uint256 poco) private returns (uint256 gas_) {
        gas_ = vm.snapshotGasLastCall("Walk", name);
        vm.snapshotValue("Walk", string.concat(name, ", PoCo"), poco);
    }

    function _beside(string memory name, uint256 ours, uint256 poco) private {
        vm.snapshotValue("Walk", name, ours);
        vm.snapshotValue("Walk", string.concat(name, ", PoCo"), poco);
    }
}
