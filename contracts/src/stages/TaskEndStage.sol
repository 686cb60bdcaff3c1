// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The end of a task that nobody finishes: its pool gives it up, or its time is over.
//
// Whatever is seized here is paid out here, to the last nRLC, so all that the hub keeps stays frozen for somebody. Nobody
// outside is called, and every task is ended before the first payment for it.

import { HubState } from "../HubState.sol";
import { ContributionStatus, IContribution } from "../interfaces/IContribution.sol";
import { ITask, TaskStatus } from "../interfaces/ITask.sol";
import { ITaskEnd } from "../interfaces/ITaskEnd.sol";
import { Accounts, Book } from "../libraries/Accounts.sol";
import { ContributionWord } from "../libraries/Contributions.sol";
import { DealView, Deals } from "../libraries/Deals.sol";
import { Kitty } from "../libraries/Kitty.sol";
import { Shares } from "../libraries/Shares.sol";
import { TaskRecord, TaskWord, Tasks } from "../libraries/Tasks.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

abstract contract TaskEndStage is ITaskEnd, HubState {
    using Accounts for Book;
    using Shares for Book;
    using Tasks for DealView;

    /// @dev What is burnt of a scheduler's stake in a task that is given up: one part of so many.
    uint256 private constant BURNT_PART = 10;

    /// @inheritdoc ITaskEnd
    function abandon(bytes32 dealid, uint256 idx) external {
        _abandon(dealid, idx);
    }

    /// @inheritdoc ITaskEnd
    function abandonArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool) {
        require(dealid.length == idx.length, ITask.LengthMismatch(dealid.length, idx.length));
        for (uint256 i = 0; i < dealid.length; ++i) {
            _abandon(dealid[i], idx[i]);
        }
        return true;
    }

    /// @inheritdoc ITaskEnd
    function claim(bytes32 taskid) external {
        _claim(taskid);
    }

    /// @inheritdoc ITaskEnd
    function claimArray(bytes32[] calldata taskid) external returns (bool) {
        for (uint256 i = 0; i < taskid.length; ++i) {
            _claim(taskid[i]);
        }
        return true;
    }

    /// @inheritdoc ITaskEnd
    function initializeAndClaimArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool) {
        require(dealid.length == idx.length, ITask.LengthMismatch(dealid.length, idx.length));
        for (uint256 i = 0; i < dealid.length; ++i) {
            DealView deal = Deals.known(dealid[i]);
            deal.requireIndex(dealid[i], idx[i]);
            bytes32 taskid = Tasks.idOf(dealid[i], idx[i]);
            _tasks[taskid].word.requireUnset(taskid);
            TaskWord word = Tasks.begin(taskid, dealid[i], idx[i], deal);
            _requireOver(taskid, deal);
            _fail(taskid, word, deal);
        }
        return true;
    }

    /// @inheritdoc ITaskEnd
    function claimDeal(bytes32 dealid, uint256 from, uint256 count) external returns (uint256 next) {
        DealView deal = Deals.known(dealid);
        deal.requireIndex(dealid, from);
        uint256 end = deal.finalDeadline();
        require(end <= block.timestamp, DealNotOver(dealid, end, block.timestamp));

        // Compared before it is added, for `count` may be any number.
        uint256 left = deal.first() + deal.size() - from;
        next = from + (count < left ? count : left);
        for (uint256 idx = from; idx < next; ++idx) {
            bytes32 taskid = Tasks.idOf(dealid, idx);
            TaskWord word = _tasks[taskid].word;
            TaskStatus status = word.status();
            if (status == TaskStatus.COMPLETED || status == TaskStatus.FAILED) continue;
            if (status == TaskStatus.UNSET) word = Tasks.begin(taskid, dealid, idx, deal);
            _fail(taskid, word, deal);
        }
    }

    function _claim(bytes32 taskid) private {
        TaskWord word = _tasks[taskid].word;
        TaskStatus status = word.status();
        require(status == TaskStatus.ACTIVE || status == TaskStatus.REVEALING, TaskNotClaimable(taskid, status));
        DealView deal = Deals.open(word.dealKey());
        _requireOver(taskid, deal);
        _fail(taskid, word, deal);
    }

    function _requireOver(bytes32 taskid, DealView deal) private view {
        uint256 end = deal.finalDeadline();
        require(end <= block.timestamp, FinalDeadlineAhead(taskid, end, block.timestamp));
    }

    /// @dev Ends an unfinished task whose time is over, whether or not its word was ever kept.
    function _fail(bytes32 taskid, TaskWord word, DealView deal) private {
        TaskRecord storage record = _tasks[taskid];
        record.word = word.withStatus(TaskStatus.FAILED);

        uint256 stake = deal.schedulerStake();
        _book.unlock(deal.sponsor(), deal.taskPrice());
        _book.seize(deal.workerpoolOwner(), stake, taskid);
        _book.rewardFrozen(Kitty.ACCOUNT, stake, taskid);
        uint256 burnt = word.reveals() == 0
            ? _release(taskid, record, word, deal.workerStake())
            : _book.payFailed(record, taskid, word, deal.workerStake());
        _book.burnSeized(burnt, taskid);
        emit TaskClaimed(taskid);
    }

    /// @dev Nobody revealed. Silent were the rejected and, where there is a consensus, all who agree with it: they are the ones
    /// who were asked. Nobody else could have done more.
    /// @return seized The stakes of the silent.
    function _release(bytes32 taskid, TaskRecord storage record, TaskWord word, uint256 stake)
        private
        returns (uint256 seized)
    {
        bool agreed = word.status() == TaskStatus.REVEALING;
        uint256 count = word.contributions();
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord contribution = record.contributions[i].word;
            bool silent = contribution.status() == ContributionStatus.REJECTED
                || (agreed && contribution.group() == word.winning());
            if (silent) {
                _book.seize(contribution.worker(), stake, taskid);
                seized += stake;
            } else {
                _book.unlock(contribution.worker(), stake);
            }
        }
    }

    function _abandon(bytes32 dealid, uint256 idx) private {
        DealView deal = Deals.known(dealid);
        address owner_ = deal.workerpoolOwner();
        require(msg.sender == owner_, ITask.NotTheWorkerpoolOwner(msg.sender, owner_));
        deal.requireIndex(dealid, idx);
        bytes32 taskid = Tasks.idOf(dealid, idx);
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        bool unset = word.status() == TaskStatus.UNSET;
        if (!unset) word.requireActive(taskid);
        // Later it is no longer early: whoever waited that long pays the whole stake, when the task is claimed.
        uint256 end = deal.contributionDeadline();
        require(block.timestamp < end, IContribution.ContributionDeadlineReached(taskid, end, block.timestamp));

        if (unset) word = Tasks.begin(taskid, dealid, idx, deal);
        record.word = word.withStatus(TaskStatus.FAILED);
        _book.unlock(deal.sponsor(), deal.taskPrice());
        uint256 burnt = _compensate(taskid, record, word.contributions(), deal);
        _book.burnSeized(burnt, taskid);
        emit TaskClaimed(taskid);
        emit TaskAbandoned(taskid);
    }

    /// @dev Divides the scheduler's stake among those who wait for a consensus, and gives them their own back.
    /// @return burnt The part of it that is always burnt, what the division left over, and the stakes of the rejected.
    function _compensate(bytes32 taskid, TaskRecord storage record, uint256 count, DealView deal)
        private
        returns (uint256 burnt)
    {
        ContributionWord[] memory contributions = new ContributionWord[](count);
        uint256 waiting = 0;
        for (uint256 i = 0; i < count; ++i) {
            contributions[i] = record.contributions[i].word;
            if (contributions[i].status() == ContributionStatus.CONTRIBUTED) ++waiting;
        }

        uint256 stake = deal.schedulerStake();
        burnt = Math.ceilDiv(stake, BURNT_PART);
        uint256 share = 0;
        if (waiting == 0) {
            _book.seize(deal.workerpoolOwner(), burnt, taskid);
            _book.unlock(deal.workerpoolOwner(), stake - burnt);
        } else {
            _book.seize(deal.workerpoolOwner(), stake, taskid);
            share = (stake - burnt) / waiting;
            burnt = stake - share * waiting;
        }

        uint256 own = deal.workerStake();
        for (uint256 i = 0; i < count; ++i) {
            address worker = contributions[i].worker();
            if (contributions[i].status() == ContributionStatus.CONTRIBUTED) {
                _book.unlock(worker, own);
                if (share > 0) _book.reward(worker, share, taskid);
            } else {
                _book.seize(worker, own, taskid);
                burnt += own;
            }
        }
    }
}
