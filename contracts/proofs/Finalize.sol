// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task is finalized: all that the sponsor, the scheduler and the workers had frozen for it is paid out, to the last unit,
// and nothing else is. Run through the stage itself, from the deal in its code to the balances in their words, for every
// price, stake and reward ratio the hub takes, weights of 16 bits, and one to four contributors of whom some have revealed.
//
// Shown is what a finalization does, not that it always comes to its end: a solver cannot see that rounded shares of a pot
// are no more than the pot.

import { ContributionStatus } from "../src/interfaces/IContribution.sol";
import { AccountWord, HouseWord } from "../src/libraries/Accounts.sol";
import { CodeStore } from "../src/libraries/CodeStore.sol";
import { Contributions } from "../src/libraries/Contributions.sol";
import { Deals, Terms } from "../src/libraries/Deals.sol";
import { TaskWord, Tasks } from "../src/libraries/Tasks.sol";
import { ResultStage } from "../src/stages/ResultStage.sol";
import { Proof } from "./Proof.sol";

contract FinalizeProof is ResultStage, Proof {
    bytes32 private constant DEAL = bytes32(uint256(0xdea1) << 128 | 1);
    bytes32 private constant TASK = bytes32(uint256(0x7a5));
    address private constant SPONSOR = address(0x1001);
    address private constant DEVELOPER = address(0x1002);
    address private constant PROVIDER = address(0x1003);
    address private constant SCHEDULER = address(0x1004);
    uint256 private constant NOW = 1_000_000;

    struct Money {
        uint64 app;
        uint64 dataset;
        uint64 workerpool;
        uint64 stake;
        uint8 ratio;
    }

    function check_one_worker(Money memory money, uint16 weight) external {
        _check(money, [weight, 0, 0, 0], 1, 1);
    }

    function check_one_right_one_wrong(Money memory money, uint16[2] memory weights) external {
        _check(money, [weights[0], weights[1], 0, 0], 1, 2);
    }

    // With more who are right there are more divisions than a solver likes, so weights are numbers, and the prices of app and
    // dataset, which take the same way in every case, too.

    function check_two_who_agree(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 0, 0], 2, 2);
    }

    function check_two_right_two_wrong(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 2], 2, 4);
    }

    function check_three_right_one_wrong(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 2], 3, 4);
    }

    function check_four_who_agree(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 65_535], 4, 4);
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
        terms.categoryTime = 300;
        terms.trust = 1;
        terms.size = 1;
        terms.workerStake = money.stake;
        terms.schedulerRewardRatio = money.ratio;
        Deals.record(DEAL, terms, params);
    }

    function _check(Money memory money, uint16[4] memory weights, uint256 right, uint256 all) private {
        vm.assume(money.ratio <= 100);
        vm.warp(NOW);
        this.record(money, "");

        TaskWord word = Tasks.fresh(Deals.keyOf(DEAL), 0);
        for (uint256 i = 0; i < all; ++i) {
            vm.assume(weights[i] >= 2);
            ContributionStatus status = i < right ? ContributionStatus.PROVED : ContributionStatus.CONTRIBUTED;
            _tasks[TASK].contributions[i].word =
                Contributions.make(_worker(i), weights[i], i < right ? 0 : 1, status, false);
            _freeze(_worker(i), money.stake);
            word = word.withContribution();
        }
        word = word.withConsensus(0, right, NOW);
        for (uint256 i = 0; i < right; ++i) {
            word = word.withReveal();
        }
        _tasks[TASK].word = word;
        uint256 price = uint256(money.app) + money.dataset + money.workerpool;
        uint256 schedulerStake = uint256(money.workerpool) * 30 / 100;
        _freeze(SPONSOR, price);
        _freeze(SCHEDULER, schedulerStake);
        uint256 total = price + schedulerStake + money.stake * all;
        // A sum, where the fields do not meet, is easier on a solver than an or.
        _book.house = HouseWord.wrap(total + (total << 96));

        vm.prank(SCHEDULER);
        this.finalize(TASK, "", "");

        // Nothing is left in the hub's hands, so all of it was paid out, and it is nowhere but with these.
        assert(HouseWord.unwrap(_book.house) == total);
        assert(AccountWord.unwrap(_book.words[SPONSOR]) == 0);
        assert(AccountWord.unwrap(_book.words[DEVELOPER]) == money.app);
        assert(AccountWord.unwrap(_book.words[PROVIDER]) == money.dataset);
        uint256 paid = uint256(money.app) + money.dataset + _book.words[SCHEDULER].balance();
        assert(_book.words[SCHEDULER].frozen() == 0);
        for (uint256 i = 0; i < all; ++i) {
            uint256 balance = _book.words[_worker(i)].balance();
            assert(_book.words[_worker(i)].frozen() == 0);
            if (i < right) assert(balance >= money.stake);
            else assert(balance == 0);
            paid += balance;
        }
        assert(paid == total);
    }

    function _freeze(address account, uint256 amount) private {
        _book.words[account] = AccountWord.wrap(amount << 96);
    }

    function _worker(uint256 index) private pure returns (address) {
        return address(uint160(0x3000 + index));
    }
}
