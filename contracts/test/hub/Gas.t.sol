// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What everything costs, beside what it costs on PoCo. The figures are what a chain charges for each transaction; the
// states are those of PoCo's own measurements: all parties hold money in the hub and have other stakes frozen, assets and
// orders are new, the kitty is empty, signatures are of 65 bytes, parameters of none or 187 bytes, results of 84.
//
// Rows that have a ceiling are in snapshots/Gas.json, each with PoCo's figure and the ceiling; `cargo xtask gas` makes a table
// of them, with the hard fork and the settings of the compiler. The others are in snapshots/More.json. PoCo's build: Solidity
// 0.8.21, via-IR, 200 runs.

import { RequestOrder } from "../../src/interfaces/IOrder.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Listener } from "../support/Callbacks.sol";
import { Town } from "../support/Town.sol";

contract GasTest is Town {
    bytes private constant MULTIADDR = "/ipfs/bafkreihvv5ddgk3ehkyxhdq5j4ffab4";

    function setUp() public override {
        super.setUp();
        vm.assertEq(bytes(PARAMS).length, 187);
        vm.assertEq(RESULTS.length, 84);
        vm.assertEq(MULTIADDR.length, 38);
        // Everybody has something else going on.
        RequestOrder memory request = requestOrder();
        request.salt = keccak256("another request");
        request.trust = 1000;
        bytes32 taskid = hub.initialize(matched(request), 0);
        for (uint256 i = 0; i < 5; ++i) {
            contribute(taskid, workers[i], digest(vm.toString(i)));
        }
        // The orders of the base were used just now; what is measured starts from new ones.
        app = apps.createApp(developer.account, "another", "WASM", "/ipfs/bafkreiapp", keccak256("app"), "");
        pool = pools.createWorkerpool(scheduler.account, "another");
    }

    // The table

    function test_a_match_of_empty_parameters() public {
        RequestOrder memory request = requestOrder();
        request.params = "";
        matched(request);
        _row("matchOrders, no dataset, empty params", 622_286, 300_000);
    }

    function test_a_match() public {
        matched(1, 1);
        _row("matchOrders, no dataset, 187-byte params", 778_913, 340_000);
    }

    function test_a_match_with_a_dataset() public {
        bytes32 dealid = matched(_withDataset());
        _row("matchOrders, with dataset, 187-byte params", 900_812, 400_000);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        _more("finalize, 1 worker, with dataset", 312_199);
    }

    function test_one_worker() public {
        bytes32 taskid = hub.initialize(_dealOfEmptyParameters(1), 1);
        _row("initialize (later task)", 242_249, 60_000);
        contribute(taskid, workers[0], digest("result"));
        _row("contribute: only worker", 390_341, 155_000);
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        _row("finalize 1 worker, 84-byte results", 300_177, 145_000);
    }

    function test_three_workers() public {
        bytes32 dealid = _dealOfEmptyParameters(5);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(taskid, workers[0], digest("result"));
        _more("contribute, 1st of 3", 294_092);
        contribute(taskid, workers[1], digest("result"));
        _row("contribute: 2nd of 3", 276_988, 118_000);
        contribute(taskid, workers[2], digest("result"));
        _more("contribute, 3rd of 3, consensus", 372_771);
        reveal(taskid, workers[0], digest("result"));
        _row("reveal first", 93_455, 64_000);
        reveal(taskid, workers[1], digest("result"));
        uint256 second = _more("reveal, 2nd of 3", 56_455);
        reveal(taskid, workers[2], digest("result"));
        uint256 third = _more("reveal, 3rd of 3", 56_455);
        // PoCo takes the same for both; the dearer of ours counts.
        _row("reveal next", second > third ? second : third, 56_455, 46_000);
        finalize(taskid);
        _more("finalize, 3 workers, scores from 0 to 1", 435_517);

        taskid = hub.initialize(dealid, 1);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(taskid, workers[i], digest("result"));
        }
        for (uint256 i = 0; i < 3; ++i) {
            reveal(taskid, workers[i], digest("result"));
        }
        finalize(taskid);
        _row("finalize 3 workers, 84-byte results", 384_217, 200_000);
    }

    function test_in_one_step() public {
        bytes32 taskid = hub.initialize(_dealOfEmptyParameters(1), 1);
        bytes memory permit = admission(scheduler, workers[0].account, taskid, address(0));
        vm.prank(workers[0].account);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", address(0), "", permit);
        _row("contributeAndFinalize", 516_021, 215_000);
    }

    /// @dev The first entry of a registry pays for slots the later ones find written; the registries of the town have some.
    function test_what_is_offered() public {
        apps.createApp(stranger.account, "town-renderer", "WASM", MULTIADDR, keccak256("app"), "");
        _row("createApp", 660_965, 280_000);
        datasets.createDataset(stranger.account, "tile-sources", MULTIADDR, keccak256("data"));
        _row("createDataset", 631_180, 260_000);
        pools.createWorkerpool(stranger.account, "a pool of three");
        _row("createWorkerpool", 582_838, 230_000);
    }

    function test_the_life_of_a_task() public {
        _row("life of 1 task, trust 1 (five steps)", _lives(1, 1, 1), 1_813_371, 740_000);
    }

    function test_the_life_of_a_task_of_three_workers() public {
        _row("life of 1 task, 3 workers", _lives(1, 5, 3), 2_614_687, 1_100_000);
    }

    function test_a_bag_of_tasks() public {
        _row(unicode"bag of 10 tasks × 3 workers", _lives(10, 5, 3), 19_315_417, 7_900_000);
    }

    // More

    function test_a_result_for_a_contract() public {
        RequestOrder memory request = requestOrder();
        request.callback = address(new Listener());
        bytes32 taskid = hub.initialize(matched(request), 0);
        bytes memory data = new bytes(64);
        contribute(taskid, workers[0], keccak256(data));
        reveal(taskid, workers[0], keccak256(data));
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, data);
        _more("finalize, 1 worker, 64 bytes for a callback that stores them", 464_171);
    }

    function test_a_silent_pool() public {
        bytes32 taskid = started(1);
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        vm.warp(START + 2 * XS_TIME + XS_TIME / 2);
        vm.prank(workers[0].account);
        hub.finalize(taskid, "", "");
        _more("finalize by a worker, 1 worker");
    }

    function test_the_end_by_time() public {
        bytes32 dealid = matched(5, 5);
        bytes32 untouched = hub.initialize(dealid, 0);
        bytes32 disputed = hub.initialize(dealid, 1);
        bytes32 silent = hub.initialize(dealid, 2);
        bytes32 shown = hub.initialize(dealid, 3);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(disputed, workers[i], bytes32(i));
            contribute(silent, workers[i], digest("result"));
            contribute(shown, workers[i], digest("result"));
        }
        reveal(shown, workers[0], digest("result"));
        vm.warp(START + 10 * XS_TIME);
        hub.claim(untouched);
        _more("claim, no contributor, the kitty was empty", 146_919);
        hub.claim(disputed);
        _more("claim, 3 contributors", 180_219);
        hub.claim(silent);
        _more("claim, 3 contributors who agreed, none revealed");
        hub.claim(shown);
        _more("claim, 3 contributors who agreed, one revealed");

        RequestOrder memory request = requestOrder();
        request.salt = keccak256("never started");
        request.volume = 12;
        dealid = matched(request);
        vm.warp(START + 20 * XS_TIME);
        bytes32[] memory deals = new bytes32[](2);
        uint256[] memory indices = new uint256[](2);
        (deals[0], deals[1], indices[0], indices[1]) = (dealid, dealid, 0, 1);
        hub.initializeAndClaimArray(deals, indices);
        _more("initializeAndClaimArray, 2 tasks", 486_769);
        hub.claimDeal(dealid, 2, 10);
        _more("claimDeal, 10 tasks never started");
    }

    function test_giving_up() public {
        bytes32 dealid = matched(1000, 3);
        hub.initialize(dealid, 1);
        bytes32 taskid = hub.initialize(dealid, 2);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(taskid, workers[i], digest("result"));
        }
        vm.startPrank(scheduler.account);
        hub.abandon(dealid, 0);
        _more("abandon, never started, nothing was burnt before");
        hub.abandon(dealid, 1);
        _more("abandon, no contributor");
        hub.abandon(dealid, 2);
        _more("abandon, 3 contributors");
        vm.stopPrank();
    }

    function test_money() public {
        vm.prank(stranger.account);
        rlc.approve(address(hub), 100e9);
        vm.prank(stranger.account);
        hub.deposit(1e9);
        _more("deposit, later", 65_167);
        vm.prank(stranger.account);
        hub.withdraw(1e9);
        _more("withdraw, part of the balance", 59_377);
        vm.prank(stranger.account);
        hub.transfer(curator.account, 1e9);
        _more("transfer, to an existing holder", 41_949);
    }

    // Words of this file

    /// @dev All transactions from a match to the last payment.
    function _lives(uint256 tasks, uint256 trust, uint256 count) private returns (uint256 sum) {
        bytes32 dealid = matched(trust, tasks);
        sum = _last();
        for (uint256 idx = 0; idx < tasks; ++idx) {
            bytes32 taskid = hub.initialize(dealid, idx);
            sum += _last();
            for (uint256 i = 0; i < count; ++i) {
                contribute(taskid, workers[i], digest("result"));
                sum += _last();
            }
            for (uint256 i = 0; i < count; ++i) {
                reveal(taskid, workers[i], digest("result"));
                sum += _last();
            }
            finalize(taskid);
            sum += _last();
            requireStatus(taskid, TaskStatus.COMPLETED);
        }
    }

    function _withDataset() private view returns (RequestOrder memory request) {
        request = requestOrder();
        request.dataset = dataset;
        request.datasetmaxprice = DATASET_PRICE;
    }

    function _dealOfEmptyParameters(uint256 trust) private returns (bytes32) {
        RequestOrder memory request = requestOrder();
        request.params = "";
        request.trust = trust;
        request.volume = 2;
        return matched(request);
    }

    function _last() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev The last call as a row of the table.
    function _row(string memory name, uint256 poco, uint256 atMost) private {
        _row(name, _last(), poco, atMost);
    }

    function _row(string memory name, uint256 ours, uint256 poco, uint256 atMost) private {
        vm.snapshotValue("Gas", name, ours);
        vm.snapshotValue("Gas", string.concat(name, ", PoCo"), poco);
        vm.snapshotValue("Gas", string.concat(name, ", at most"), atMost);
        vm.assertLe(ours, atMost, name);
    }

    function _more(string memory name, uint256 poco) private returns (uint256) {
        vm.snapshotValue("More", string.concat(name, ", PoCo"), poco);
        return _more(name);
    }

    /// @dev The last call, of which PoCo has no like.
    function _more(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("More", name);
    }
}
