// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A task's beginning, and its way back to contributions. Its end is in ResultStage, or in TaskEndStage if nobody finishes it.

import { HubState } from "../HubState.sol";
import { ContributionStatus } from "../interfaces/IContribution.sol";
import { ITask, Task, TaskStatus } from "../interfaces/ITask.sol";
import { ContributionRecord } from "../libraries/Contributions.sol";
import { DealView, Deals } from "../libraries/Deals.sol";
import { Results } from "../libraries/Results.sol";
import { TaskRecord, TaskWord, Tasks } from "../libraries/Tasks.sol";

abstract contract TaskStage is ITask, HubState {
    using Tasks for DealView;
    using Tasks for TaskRecord;

    /// @inheritdoc ITask
    function initialize(bytes32 dealid, uint256 idx) external returns (bytes32) {
        return _initialize(dealid, idx);
    }

    /// @inheritdoc ITask
    function initializeArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool) {
        require(dealid.length == idx.length, LengthMismatch(dealid.length, idx.length));
        for (uint256 i = 0; i < dealid.length; ++i) {
            _initialize(dealid[i], idx[i]);
        }
        return true;
    }

    /// @inheritdoc ITask
    function reopen(bytes32 taskid) external {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        word.requireRevealing(taskid);
        DealView deal = Deals.open(word.dealKey());

        address owner_ = deal.workerpoolOwner();
        require(msg.sender == owner_, NotTheWorkerpoolOwner(msg.sender, owner_));
        uint256 end = deal.finalDeadline();
        require(block.timestamp < end, FinalDeadlineReached(taskid, end, block.timestamp));
        require(word.reveals() == 0, AlreadyRevealed(taskid, word.reveals()));
        uint256 until = word.revealDeadline();
        require(until <= block.timestamp, RevealDeadlineAhead(taskid, until, block.timestamp));

        uint256 count = word.contributions();
        for (uint256 i = 0; i < count; ++i) {
            ContributionRecord storage contribution = record.contributions[i];
            if (contribution.word.group() == word.winning()) {
                contribution.word = contribution.word.withStatus(ContributionStatus.REJECTED);
            }
        }
        record.word = word.withoutConsensus();
        emit TaskReopen(taskid);
    }

    /// @inheritdoc ITask
    function viewTask(bytes32 taskid) external view returns (Task memory task) {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        task.status = word.status();
        if (task.status == TaskStatus.UNSET) return task;

        DealView deal = Deals.open(word.dealKey());
        task.dealid = bytes32(TaskWord.unwrap(word) >> 128 << 128 | deal.idLow());
        task.idx = word.index();
        task.timeref = deal.categoryTime();
        task.contributionDeadline = deal.contributionDeadline();
        task.revealDeadline = word.revealDeadline();
        task.finalDeadline = deal.finalDeadline();
        task.consensusValue = record.consensus(taskid, word);
        task.revealCounter = word.reveals();
        task.winnerCounter = word.winners();
        task.contributors = new address[](word.contributions());
        for (uint256 i = 0; i < task.contributors.length; ++i) {
            task.contributors[i] = record.contributions[i].word.worker();
        }
        task.resultDigest = record.digest(word);
        if (task.status == TaskStatus.COMPLETED) (task.results, task.resultsCallback) = Results.read(taskid);
    }

    /// @inheritdoc ITask
    function contribution_deadline_ratio() external pure returns (uint256) {
        return Deals.CONTRIBUTION_RATIO;
    }

    /// @inheritdoc ITask
    function reveal_deadline_ratio() external pure returns (uint256) {
        return Deals.REVEAL_RATIO;
    }

    /// @inheritdoc ITask
    function final_deadline_ratio() external pure returns (uint256) {
        return Deals.FINAL_RATIO;
    }

    function _initialize(bytes32 dealid, uint256 idx) private returns (bytes32 taskid) {
        DealView deal = Deals.known(dealid);
        deal.requireIndex(dealid, idx);
        taskid = Tasks.idOf(dealid, idx);
        TaskRecord storage record = _tasks[taskid];
        record.word.requireUnset(taskid);
        record.word = Tasks.begin(taskid, dealid, idx, deal);
    }
}
