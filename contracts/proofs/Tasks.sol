// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the proofs about the end of a task start from: one deal of one task in its code, contributions in their words, and
// everybody's stake frozen. Any price, stake and reward ratio the hub takes, and weights of 16 bits.

import { HubState } from "../src/HubState.sol";
import { ContributionStatus } from "../src/interfaces/IContribution.sol";
import { AccountWord, HouseWord } from "../src/libraries/Accounts.sol";
import { CodeStore } from "../src/libraries/CodeStore.sol";
import { Contributions } from "../src/libraries/Contributions.sol";
import { Deals, Terms } from "../src/libraries/Deals.sol";
import { TaskWord, Tasks } from "../src/libraries/Tasks.sol";
import { Proof } from "./Proof.sol";

abstract contract TasksProof is HubState, Proof {
    bytes32 internal constant DEAL = bytes32(uint256(0xdea1) << 128 | 1);
    address internal constant SPONSOR = address(0x1001);
    address internal constant DEVELOPER = address(0x1002);
    address internal constant PROVIDER = address(0x1003);
    address internal constant SCHEDULER = address(0x1004);
    uint256 internal constant NOW = 1_000_000;
    uint256 internal constant T = 300;

    struct Money {
        uint64 app;
        uint64 dataset;
        uint64 workerpool;
        uint64 stake;
        uint8 ratio;
    }

    /// @dev The new contract that keeps the deal asks for its content.
    fallback() external {
        CodeStore.serve();
    }

    function record(Money calldata money, string calldata params) external {
        Terms memory terms;
        terms.app = address(0x2001);
        terms.appOwner = DEVELOPER;
        terms.appPrice = money.app;
        terms.dataset = address(0x2002);
        terms.datasetOwner = PROVIDER;
        terms.datasetPrice = money.dataset;
        terms.workerpool = address(0x2003);
        terms.workerpoolOwner = SCHEDULER;
        terms.workerpoolPrice = money.workerpool;
        terms.requester = SPONSOR;
        terms.sponsor = SPONSOR;
        terms.categoryTime = T;
        terms.trust = 1;
        terms.size = 1;
        terms.workerStake = money.stake;
        terms.schedulerRewardRatio = money.ratio;
        Deals.record(DEAL, terms, params);
    }

    /// @dev A deal made now, its task with `all` contributions, and all the money there is. The first `right` belong to group 0.
    /// @return total The money.
    function _begin(
        bytes32 taskid,
        Money memory money,
        uint16[4] memory weights,
        ContributionStatus[4] memory statuses,
        uint256 right,
        uint256 all
    ) internal returns (uint256 total) {
        vm.assume(money.ratio <= 100);
        vm.warp(NOW);
        this.record(money, "");

        TaskWord word = Tasks.fresh(Deals.keyOf(DEAL), 0);
        for (uint256 i = 0; i < all; ++i) {
            vm.assume(weights[i] >= 2);
            _tasks[taskid].contributions[i].word =
                Contributions.make(_worker(i), weights[i], i < right ? 0 : 1, statuses[i], false);
            _freeze(_worker(i), money.stake);
            word = word.withContribution();
        }
        _tasks[taskid].word = word;
        _freeze(SPONSOR, _price(money));
        _freeze(SCHEDULER, _schedulerStake(money));
        total = _price(money) + _schedulerStake(money) + uint256(money.stake) * all;
        // A sum, where the fields do not meet, is easier on a solver than an or.
        _book.house = HouseWord.wrap(total + (total << 96));
    }

    /// @dev All of group 0 agree, and so many of them revealed.
    function _agree(bytes32 taskid, uint256 winners, uint256 reveals) internal {
        TaskWord word = _tasks[taskid].word.withConsensus(0, winners, NOW);
        for (uint256 i = 0; i < reveals; ++i) {
            word = word.withReveal();
        }
        _tasks[taskid].word = word;
    }

    function _price(Money memory money) internal pure returns (uint256) {
        return uint256(money.app) + money.dataset + money.workerpool;
    }

    function _schedulerStake(Money memory money) internal pure returns (uint256) {
        return uint256(money.workerpool) * 30 / 100;
    }

    function _freeze(address account, uint256 amount) internal {
        _book.words[account] = AccountWord.wrap(amount << 96);
    }

    function _worker(uint256 index) internal pure returns (address) {
        return address(uint160(0x3000 + index));
    }
}
