// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What holds of the hub whatever a crowd does with it. The crowd (Crowd.sol) also fails by itself as soon as the hub
// accepts what it must refuse, or refuses what it must accept.

import { IHub } from "../../src/interfaces/IHub.sol";
import { IRLC } from "../../src/interfaces/IRLC.sol";
import { IAppRegistry, IDatasetRegistry, IWorkerpoolRegistry } from "../../src/interfaces/IRegistry.sol";
import { Test } from "../support/Test.sol";
import { Crowd, FormerHub } from "./Crowd.sol";

/// forge-config: default.invariant.depth = 300
/// forge-config: default.invariant.fail-on-revert = true
contract HubInvariantTest is Test {
    IRLC private token;
    IHub private hub;
    Crowd private crowd;

    function setUp() public {
        token = IRLC(vm.deployCode("RLC.sol:RLC", abi.encode(address(this))));
        IAppRegistry apps = IAppRegistry(vm.deployCode("AppRegistry.sol:AppRegistry", abi.encode(address(this))));
        IDatasetRegistry datasets =
            IDatasetRegistry(vm.deployCode("DatasetRegistry.sol:DatasetRegistry", abi.encode(address(this))));
        IWorkerpoolRegistry pools =
            IWorkerpoolRegistry(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry", abi.encode(address(this))));
        apps.initialize(address(0));
        datasets.initialize(address(0));
        pools.initialize(address(0));
        address governance = vm.deployCode("HubGovernance.sol:HubGovernance");
        address orders = vm.deployCode("HubOrders.sol:HubOrders", abi.encode(governance));
        hub = IHub(vm.deployCode("Hub.sol:Hub", abi.encode(orders, address(this))));
        address former = address(new FormerHub());
        hub.configure(address(token), "Staked RLC", "SRLC", 9, address(apps), address(datasets), address(pools), former);
        hub.createCategory("XS", "", 300);

        crowd = new Crowd(hub, token, apps, datasets, pools, address(this));
        Crowd.Person[] memory people = crowd.people();
        for (uint256 i = 0; i < people.length; ++i) {
            token.transfer(people[i].account, 10_000e9);
            vm.prank(people[i].account);
            token.approveAndCall(address(hub), 1_000e9, "");
        }
        for (uint256 i = 0; i < 3; ++i) {
            crowd.offerApp(i * 1e9, 5);
            crowd.offerDataset(i * 1e9, 5);
            crowd.offerPool(i, i * 10e9, 5);
            crowd.request(i, 3, i + 1, i == 0, i == 1);
        }
    }

    /// @dev Only the crowd acts.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(crowd);
    }

    function test_the_crowd_ends_its_orders() public {
        uint256 seed = 1;
        for (uint256 i = 0; i < 60; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            crowd.match_(seed, seed >> 32, seed >> 64, seed >> 96, seed >> 128);
            crowd.offerApp(seed >> 64, seed >> 80);
            crowd.offerPool(seed >> 64, seed >> 80, seed >> 96);
            crowd.request(seed >> 64, seed >> 80, seed >> 96, seed % 2 == 0, seed % 3 == 0);
            if (i % 3 == 0) crowd.raiseEpoch(seed >> 160, seed >> 180);
            if (i % 3 == 1) crowd.move(seed >> 160, seed >> 180);
            if (i % 3 == 2) crowd.changePolicy(seed >> 160, seed >> 180, seed >> 200);
        }
        vm.assertGe(crowd.reached("ended order"), 10);
        vm.assertGe(crowd.reached("deal"), 1);
        invariant_the_books_are_in_order();
    }

    /// @dev Without this, an idle crowd would keep all the books in order.
    function test_the_crowd_comes_to_every_stage() public {
        string[12] memory stages = [
            "deal",
            "task",
            "contribution",
            "consensus",
            "reveal",
            "reopened",
            "one step",
            "by a worker",
            "liar",
            "payment",
            "claim",
            "deal claimed"
        ];
        // Two tasks by hand, one for the greedy and one in a single step: chance has few deals to give, and may let all of
        // these fail.
        crowd.match_(1, 1, 1, 1, 1);
        crowd.initialize(0, 0);
        for (uint256 who = 0; who < crowd.people().length; ++who) {
            crowd.contribute(0, who, 1);
        }
        for (uint256 who = 0; who < crowd.people().length; ++who) {
            crowd.reveal(0, 8 * who);
        }
        crowd.finalize(0);
        crowd.match_(0, 0, 0, 0, 1);
        crowd.initialize(1, 0);
        crowd.contributeAndFinalize(1, 0);
        uint256 seed = 1;
        for (uint256 i = 0; i < 120; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            crowd.work(seed);
            crowd.contributeAndFinalize(seed >> 128, seed >> 144);
            crowd.request(seed >> 64, seed >> 80, seed >> 96, seed % 2 == 0, seed % 3 == 0);
            crowd.offerPool(seed >> 64, seed >> 80, seed >> 96);
            if (i % 8 == 4) crowd.outlast(seed >> 128 | 1);
            if (i % 16 == 0) crowd.abandon(seed >> 128, seed >> 160 << 2);
        }
        // Beyond every deadline.
        crowd.wait(8 * (11 * 300 - 1) + 7);
        for (uint256 i = 0; i < 40; ++i) {
            crowd.claim(i);
        }
        for (uint256 i = 0; i < 12; ++i) {
            crowd.claimDeal(i, i, 3);
        }
        string memory missing = "";
        for (uint256 i = 0; i < stages.length; ++i) {
            if (crowd.reached(bytes32(bytes(stages[i]))) == 0) missing = string.concat(missing, stages[i], "; ");
        }
        vm.assertEq(missing, "");
        vm.assertGe(crowd.greedy().told(), 1, "callback");
        invariant_the_books_are_in_order();
    }

    /// @dev Chance rarely leaves a task to its time once somebody revealed. Here a liar is among those who agree, and all or all
    /// but one of these are silent; and the pool gives up twice.
    function test_the_crowd_fails_in_every_way() public {
        crowd.match_(2, 2, 2, 2, 1);
        Crowd.Person[] memory people = crowd.people();
        uint256 liar = 0;
        while (crowd.scoreOf(people[liar].account) >= 12) ++liar;
        for (uint256 task = 0; task < 2; ++task) {
            crowd.initialize(0, task);
            crowd.contribute(task, liar, 3);
            for (uint256 who = 0; who < people.length; ++who) {
                if (who != liar) crowd.contribute(task, who, 1);
            }
        }
        crowd.reveal(0, 1);
        crowd.initialize(0, 2);
        crowd.contribute(2, liar, 3);
        crowd.abandon(0, 4 * 2);
        crowd.abandon(0, 4 * 3);
        vm.assertEq(crowd.reached("given up on workers"), 1);
        vm.assertEq(crowd.reached("given up"), 1);
        crowd.wait(8 * (11 * 300 - 1) + 7);
        crowd.claimDeal(0, 0, 8);
        vm.assertGe(crowd.reached("shared"), 1);
        vm.assertGe(crowd.reached("burnt"), 1);
        vm.assertEq(crowd.reached("deal claimed"), 2);
        invariant_the_books_are_in_order();
    }

    /// @dev One campaign for all, since each invariant of its own would cost a campaign of its own.
    function invariant_the_books_are_in_order() public view {
        the_hub_holds_every_token_it_owes();
        balances_add_up_to_the_supply();
        what_is_frozen_is_what_the_hub_keeps();
        an_account_has_frozen_its_part_in_what_is_unfinished();
        a_finished_task_and_a_deal_never_move();
        no_order_is_used_beyond_its_volume();
        nobody_is_paid_twice_nor_more_than_there_is();
        what_is_burnt_is_nobodys_and_stays_so();
        a_score_is_what_the_tasks_made_of_it();
        a_callback_gets_nothing_out_of_turn();
    }

    function the_hub_holds_every_token_it_owes() private view {
        vm.assertEq(token.balanceOf(address(hub)), hub.totalSupply() + crowd.donated());
    }

    function balances_add_up_to_the_supply() private view {
        uint256 sum = hub.balanceOf(address(hub));
        address[] memory accounts = crowd.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += hub.balanceOf(accounts[i]);
        }
        vm.assertEq(sum, hub.totalSupply());
    }

    function what_is_frozen_is_what_the_hub_keeps() private view {
        uint256 sum = 0;
        address[] memory accounts = crowd.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += hub.frozenOf(accounts[i]);
        }
        vm.assertEq(sum, hub.balanceOf(address(hub)));
    }

    function an_account_has_frozen_its_part_in_what_is_unfinished() private view {
        address[] memory accounts = crowd.accounts();
        uint256[] memory stakes = crowd.stakes();
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.assertEq(hub.frozenOf(accounts[i]), stakes[i], vm.toString(i));
        }
    }

    function a_finished_task_and_a_deal_never_move() private view {
        vm.assertEq(crowd.finishedTasksMoved(), 0);
        vm.assertEq(crowd.dealsChanged(), 0);
    }

    function no_order_is_used_beyond_its_volume() private view {
        vm.assertEq(crowd.volumesWrong(), 0);
    }

    function nobody_is_paid_twice_nor_more_than_there_is() private view {
        vm.assertEq(crowd.paidTwice(), 0);
        vm.assertEq(crowd.paidWrong(), 0);
    }

    function what_is_burnt_is_nobodys_and_stays_so() private view {
        vm.assertEq(hub.balanceOf(hub.burnt_address()), crowd.burnt());
    }

    function a_score_is_what_the_tasks_made_of_it() private view {
        address[] memory accounts = crowd.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.assertEq(hub.viewScore(accounts[i]), crowd.scoreOf(accounts[i]));
        }
    }

    function a_callback_gets_nothing_out_of_turn() private view {
        vm.assertFalse(crowd.greedy().gotIn());
    }
}
