// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task is finalized: all that the sponsor, the scheduler and the workers had frozen for it is paid out, to the last unit,
// and nothing else is. Run through the stage itself, from the deal in its code to the balances in their words, for every
// price, stake and reward ratio the hub takes, weights of 16 bits, and one to four contributors of whom some have revealed;
// by the pool, and by a worker in its place.
//
// Shown is what a finalization does, not that it always comes to its end: a solver cannot see that rounded shares of a pot
// are no more than the pot.

import { ContributionStatus } from "../src/interfaces/IContribution.sol";
import { AccountWord, HouseWord } from "../src/libraries/Accounts.sol";
import { ResultStage } from "../src/stages/ResultStage.sol";
import { TasksProof } from "./Tasks.sol";

contract FinalizeProof is ResultStage, TasksProof {
    bytes32 private constant TASK = bytes32(uint256(0x7a5));

    function check_one_worker(Money memory money, uint16 weight) external {
        _check(money, [weight, 0, 0, 0], 1, 1, false);
    }

    function check_one_right_one_wrong(Money memory money, uint16[2] memory weights) external {
        _check(money, [weights[0], weights[1], 0, 0], 1, 2, false);
    }

    function check_one_worker_for_the_pool(Money memory money, uint16 weight) external {
        _check(money, [weight, 0, 0, 0], 1, 1, true);
    }

    function check_one_right_one_wrong_for_the_pool(Money memory money, uint16[2] memory weights) external {
        _check(money, [weights[0], weights[1], 0, 0], 1, 2, true);
    }

    // With more who are right there are more divisions than a solver likes, so weights are numbers, and the prices of app and
    // dataset, which take the same way in every case, too.

    function check_two_who_agree(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 0, 0], 2, 2, false);
    }

    function check_two_right_two_wrong(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 2], 2, 4, false);
    }

    function check_two_right_two_wrong_for_the_pool(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 2], 2, 4, true);
    }

    function check_three_right_one_wrong(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 2], 3, 4, false);
    }

    function check_four_who_agree(uint64 workerpool, uint64 stake, uint8 ratio) external {
        _check(Money(3, 5, workerpool, stake, ratio), [uint16(2), 9, 100, 65_535], 4, 4, false);
    }

    function _check(Money memory money, uint16[4] memory weights, uint256 right, uint256 all, bool byWorker) private {
        ContributionStatus[4] memory statuses;
        for (uint256 i = 0; i < all; ++i) {
            statuses[i] = i < right ? ContributionStatus.PROVED : ContributionStatus.CONTRIBUTED;
        }
        uint256 total = _begin(TASK, money, weights, statuses, right, all);
        _agree(TASK, right, right);
        if (byWorker) vm.warp(NOW + T / 2);

        vm.prank(byWorker ? _worker(0) : SCHEDULER);
        this.finalize(TASK, "", "");

        // Nothing is left in the hub's hands, so all of it was paid out, and it is nowhere but with these.
        assert(HouseWord.unwrap(_book.house) == total);
        assert(AccountWord.unwrap(_book.words[SPONSOR]) == 0);
        assert(AccountWord.unwrap(_book.words[DEVELOPER]) == money.app);
        assert(AccountWord.unwrap(_book.words[PROVIDER]) == money.dataset);
        uint256 paid = uint256(money.app) + money.dataset + _book.words[SCHEDULER].balance();
        assert(_book.words[SCHEDULER].frozen() == 0);
        // Who leaves the work to others has the stake back, and no more.
        if (byWorker) assert(_book.words[SCHEDULER].balance() == _schedulerStake(money));
        for (uint256 i = 0; i < all; ++i) {
            uint256 balance = _book.words[_worker(i)].balance();
            assert(_book.words[_worker(i)].frozen() == 0);
            if (i < right) assert(balance >= money.stake);
            else assert(balance == 0);
            paid += balance;
        }
        assert(paid == total);
    }
}
