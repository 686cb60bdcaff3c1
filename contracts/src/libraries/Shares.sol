// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// How a consensus that was revealed is paid. Who revealed gets the stake back, and of the pot (what the task paid for the
// work, and the stakes of all others) a share by weight: floor(log2(weight)) of all such numbers together. It is the same
// whether the task was finished or not. Not finished, the payer has the price back, and only the stakes are in the pot.

import { ContributionStatus, IContribution } from "../interfaces/IContribution.sol";
import { Accounts, Book } from "./Accounts.sol";
import { ContributionWord } from "./Contributions.sol";
import { TaskRecord, TaskWord } from "./Tasks.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

library Shares {
    using Accounts for Book;

    uint256 private constant WHOLE = 100;

    /// @dev Of a finished task: the scheduler keeps `kept` per cent of the pot, and scores go up and down.
    /// @return rest The scheduler's part, and what the division left over.
    function payFinished(
        Book storage book,
        TaskRecord storage record,
        bytes32 taskid,
        TaskWord word,
        uint256 stake,
        uint256 price,
        uint256 kept
    ) internal returns (uint256 rest) {
        return _pay(book, record, taskid, word.contributions(), stake, price, WHOLE - kept, true);
    }

    /// @dev Of a task whose time was over.
    /// @return rest What the division left over.
    function payFailed(Book storage book, TaskRecord storage record, bytes32 taskid, TaskWord word, uint256 stake)
        internal
        returns (uint256 rest)
    {
        return _pay(book, record, taskid, word.contributions(), stake, 0, WHOLE, false);
    }

    /// @dev At least one of the contributions is proved, so there is something to divide by; but a contribution made in one
    /// step with the finalization weighs nothing, and never comes here.
    function _pay(
        Book storage book,
        TaskRecord storage record,
        bytes32 taskid,
        uint256 count,
        uint256 stake,
        uint256 pot,
        uint256 workersRatio,
        bool finished
    ) private returns (uint256) {
        ContributionWord[] memory contributions = new ContributionWord[](count);
        uint256 shares = 0;
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord contribution = record.contributions[i].word;
            contributions[i] = contribution;
            if (contribution.status() == ContributionStatus.PROVED) shares += Math.log2(contribution.weight());
            else pot += stake;
        }

        uint256 workersPot = pot * workersRatio / WHOLE;
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord contribution = contributions[i];
            address worker = contribution.worker();
            if (contribution.status() == ContributionStatus.PROVED) {
                uint256 earned = workersPot * Math.log2(contribution.weight()) / shares;
                pot -= earned;
                book.unlock(worker, stake);
                // A finished task tells of a reward of nothing as well, as PoCo does.
                if (finished || earned > 0) book.reward(worker, earned, taskid);
                if (finished && count > 1) {
                    book.setScore(worker, book.words[worker].score() + 1);
                    emit IContribution.AccurateContribution(worker, taskid);
                }
            } else {
                book.seize(worker, stake, taskid);
                if (finished) {
                    book.setScore(worker, book.words[worker].score() * 2 / 3);
                    emit IContribution.FaultyContribution(worker, taskid);
                }
            }
        }
        return pot;
    }
}
