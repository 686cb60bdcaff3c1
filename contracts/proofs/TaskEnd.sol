// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task that nobody finishes pays out what it took in, too: the payer has the price and not a coin more, the pool nothing
// of what others lose, the kitty the scheduler's stake after a claim, and the rest is with the workers or burnt. Shown as
// in Finalize, through the stage itself; that rounded shares come to their end is not shown here either.

import { ContributionStatus } from "../src/interfaces/IContribution.sol";
import { AccountWord, HouseWord } from "../src/libraries/Accounts.sol";
import { Kitty } from "../src/libraries/Kitty.sol";
import { Tasks } from "../src/libraries/Tasks.sol";
import { TaskEndStage } from "../src/stages/TaskEndStage.sol";
import { TasksProof } from "./Tasks.sol";

contract TaskEndProof is TaskEndStage, TasksProof {
    ContributionStatus private constant WAITS = ContributionStatus.CONTRIBUTED;
    ContributionStatus private constant PROVED = ContributionStatus.PROVED;
    ContributionStatus private constant REJECTED = ContributionStatus.REJECTED;

    // Where there are several, weights and the prices of app and dataset are numbers, as in Finalize.

    // Claimed without a consensus

    function check_claim_of_an_untouched_task(Money memory money) external {
        _claim(money, _newcomers(), [WAITS, WAITS, WAITS, WAITS], 0, 0, 0);
    }

    function check_claim_of_two_who_wait_and_two_rejected(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _claim(money, _newcomers(), [REJECTED, WAITS, REJECTED, WAITS], 0, 0, 4);
        assert(burnt == 2 * uint256(stake));
        assert(_book.words[_worker(1)].balance() == stake);
        assert(_book.words[_worker(3)].balance() == stake);
    }

    // With one that nobody revealed

    function check_claim_of_two_silent_one_other_one_rejected(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _claim(money, _newcomers(), [WAITS, WAITS, WAITS, REJECTED], 2, 0, 4);
        assert(burnt == 3 * uint256(stake));
        assert(_book.words[_worker(2)].balance() == stake);
    }

    // With one that somebody revealed

    function check_claim_of_one_who_revealed(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _claim(money, [uint16(2), 9, 100, 2], [PROVED, WAITS, WAITS, REJECTED], 2, 1, 4);
        assert(burnt == 0);
        assert(_book.words[_worker(0)].balance() == 4 * uint256(stake));
    }

    function check_claim_of_two_who_revealed(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _claim(money, [uint16(2), 9, 100, 2], [PROVED, PROVED, WAITS, WAITS], 3, 2, 4);
        assert(burnt < 2);
        assert(_book.words[_worker(0)].balance() >= stake);
        assert(_book.words[_worker(1)].balance() >= stake);
    }

    function check_claim_of_three_who_revealed(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _claim(money, [uint16(2), 9, 100, 2], [PROVED, PROVED, PROVED, WAITS], 3, 3, 4);
        assert(burnt < 3);
    }

    // Given up

    function check_giving_up_on_nobody(Money memory money) external {
        uint256 burnt = _abandon(money, [WAITS, WAITS, WAITS, WAITS], 0);
        assert(_book.words[SCHEDULER].balance() == _schedulerStake(money) - burnt);
    }

    function check_giving_up_on_one(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        _abandon(money, [WAITS, WAITS, WAITS, WAITS], 1);
        assert(_book.words[SCHEDULER].balance() == 0);
    }

    function check_giving_up_on_three_and_one_rejected(uint64 workerpool, uint64 stake) external {
        Money memory money = Money(3, 5, workerpool, stake, 1);
        uint256 burnt = _abandon(money, [WAITS, REJECTED, WAITS, WAITS], 4);
        assert(_book.words[SCHEDULER].balance() == 0);
        assert(burnt >= stake);
    }

    /// @dev The balance of BURNT, from keccak256(BURNT ++ 2). The compiler works that place out beforehand in the stage, and halmos
    /// takes a place so worked out for another one than the same place hashed while running.
    function _burnt() private view returns (uint256) {
        AccountWord word;
        assembly ("memory-safe") {
            word := sload(0x6a9609baa168169acaea398c4407efea4be641bb08e21e88806d9836fd9333cc)
        }
        return word.balance();
    }

    function _claim(
        Money memory money,
        uint16[4] memory weights,
        ContributionStatus[4] memory statuses,
        uint256 winners,
        uint256 reveals,
        uint256 all
    ) private returns (uint256 burnt) {
        bytes32 taskid = Tasks.idOf(DEAL, 0);
        uint256 total = _begin(taskid, money, weights, statuses, winners, all);
        if (winners > 0) _agree(taskid, winners, reveals);
        vm.warp(NOW + 10 * T);
        this.claim(taskid);

        uint256 kitty = _schedulerStake(money);
        assert(AccountWord.unwrap(_book.words[Kitty.ACCOUNT]) == kitty << 96);
        assert(AccountWord.unwrap(_book.words[SCHEDULER]) == 0);
        burnt = _burnt();
        _allPaid(money, total, kitty, burnt, all);
    }

    function _abandon(Money memory money, ContributionStatus[4] memory statuses, uint256 all)
        private
        returns (uint256 burnt)
    {
        bytes32 taskid = Tasks.idOf(DEAL, 0);
        uint256 total = _begin(taskid, money, _newcomers(), statuses, all, all);
        vm.prank(SCHEDULER);
        this.abandon(DEAL, 0);

        burnt = _burnt();
        // Never free.
        assert(10 * burnt >= _schedulerStake(money));
        assert(_book.words[SCHEDULER].frozen() == 0);
        _allPaid(money, total, 0, burnt + _book.words[SCHEDULER].balance(), all);
    }

    function _newcomers() private pure returns (uint16[4] memory) {
        return [uint16(2), 2, 2, 2];
    }

    /// @dev In the hub's hands is only what the kitty holds, and all else is with these.
    function _allPaid(Money memory money, uint256 total, uint256 kitty, uint256 others, uint256 all) private view {
        assert(HouseWord.unwrap(_book.house) == total + (kitty << 96));
        assert(AccountWord.unwrap(_book.words[SPONSOR]) == _price(money));
        uint256 paid = _price(money) + kitty + others;
        for (uint256 i = 0; i < all; ++i) {
            assert(_book.words[_worker(i)].frozen() == 0);
            paid += _book.words[_worker(i)].balance();
        }
        assert(paid == total);
    }
}
