// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the walk costs, beside what it costs on PoCo (1,813,371 for the five steps of one task). The figures are what a chain
// charges for each transaction; they lie in snapshots/Walk.json. The state is that of PoCo's table: all parties hold money in
// the hub and have other stakes frozen, assets and orders are new, the kitty is empty, parameters of 187 bytes, results of 84.

import { DatasetOrder, RequestOrder } from "../../src/interfaces/IOrder.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Person, Town } from "../support/Town.sol";

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
        _freshOrders();
    }

    function test_the_five_steps_cost_less_than_half_of_pocos() public {
        bytes32 dealid = matched(1, 2);
        uint256 sum = vm.snapshotGasLastCall("Walk", "1 matchOrders, 3 signatures, no dataset, 187 bytes of parameters");
        bytes32 taskid = hub.initialize(dealid, 1);
        sum += vm.snapshotGasLastCall("Walk", "2 initialize");
        contribute(taskid, workers[0], digest("result"));
        sum += vm.snapshotGasLastCall("Walk", "3 contribute, trust 1, consensus reached");
        reveal(taskid, workers[0], digest("result"));
        sum += vm.snapshotGasLastCall("Walk", "4 reveal");
        finalize(taskid);
        sum += vm.snapshotGasLastCall("Walk", "5 finalize, 84 bytes of results");
        requireStatus(taskid, TaskStatus.COMPLETED);

        vm.snapshotValue("Walk", "sum of the five steps", sum);
        vm.snapshotValue("Walk", "sum of the five steps on PoCo", 1_813_371);
        vm.assertLe(sum, CEILING, "gas of the five steps");
    }

    uint256 private _salt;

    /// @dev The base's orders were used in setting up; the walk is measured on new ones.
    function _freshOrders() private {
        app = apps.createApp(developer.account, "another", "WASM", "/ipfs/bafkreiapp", keccak256("app"), "");
        pool = pools.createWorkerpool(scheduler.account, "another");
    }
}
