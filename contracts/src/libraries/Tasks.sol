// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the hub keeps of a task: one word of its own, a word per group of contributors who agree, and two words per
// contribution (three from an enclave).
//
//     255            128 127 124 123           84 83        72 71      60 59      48 47           36 35        4 3      0
//     |  deal key 128  |  0 4  |  reveal until 40 | winning 12 | reveals 12 | winners 12 | contributions 12 | index 32 | status 4 |
//
// "Reveal until" is zero until there is a consensus; "winning" is the number of the group that reached it. A group's word
// holds the hash its members claim, until the first of the winners reveals; from then on it holds the digest, of which the
// hash can be made again. Groups are numbered as they come up; how many there are follows from the contributions.

import { ITask, TaskStatus } from "../interfaces/ITask.sol";
import { ContributionRecord } from "./Contributions.sol";
import { DealKey, DealView, Deals } from "./Deals.sol";

type TaskWord is uint256;

/// @dev So few that a task can always be ended: `finalize`, `claim` and `abandon` go through all of them, at 16,000 gas each, and
/// a transaction has no more than 16,777,216 (EIP-7825). What nobody can claim would stay frozen for ever.
uint256 constant CONTRIBUTIONS_LIMIT = 512;

/// @dev The arrays are never written in full: they give each entry a place next to the task's own.
struct TaskRecord {
    TaskWord word;
    bytes32[CONTRIBUTIONS_LIMIT] groups;
    ContributionRecord[CONTRIBUTIONS_LIMIT] contributions;
}

using Tasks for TaskWord global;

library Tasks {
    uint256 private constant INDEX = 4;
    uint256 private constant CONTRIBUTIONS = 36;
    uint256 private constant WINNERS = 48;
    uint256 private constant REVEALS = 60;
    uint256 private constant WINNING = 72;
    uint256 private constant REVEAL_UNTIL = 84;
    uint256 private constant CONSENSUS_BITS = ((1 << 76) - 1) << WINNERS;

    function idOf(bytes32 dealid, uint256 idx) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, idx));
    }

    /// @dev Says that a task of the deal starts, and makes its word; to keep it is the caller's business, who may end it at once.
    function begin(bytes32 taskid, bytes32 dealid, uint256 idx, DealView deal) internal returns (TaskWord) {
        emit ITask.TaskInitialize(taskid, deal.workerpool());
        return fresh(Deals.keyOf(dealid), idx);
    }

    /// @dev An active task without contributions. The index was checked against the deal, whose indices fit in 32 bits.
    function fresh(DealKey key, uint256 idx) internal pure returns (TaskWord) {
        return TaskWord.wrap(uint256(bytes32(DealKey.unwrap(key))) | idx << INDEX | uint256(TaskStatus.ACTIVE));
    }

    function dealKey(TaskWord word) internal pure returns (DealKey) {
        return DealKey.wrap(bytes16(bytes32(TaskWord.unwrap(word))));
    }

    function status(TaskWord word) internal pure returns (TaskStatus) {
        return TaskStatus(TaskWord.unwrap(word) & 0xf);
    }

    function index(TaskWord word) internal pure returns (uint256) {
        return uint32(TaskWord.unwrap(word) >> INDEX);
    }

    function contributions(TaskWord word) internal pure returns (uint256) {
        return TaskWord.unwrap(word) >> CONTRIBUTIONS & 0xfff;
    }

    function winners(TaskWord word) internal pure returns (uint256) {
        return TaskWord.unwrap(word) >> WINNERS & 0xfff;
    }

    function reveals(TaskWord word) internal pure returns (uint256) {
        return TaskWord.unwrap(word) >> REVEALS & 0xfff;
    }

    function winning(TaskWord word) internal pure returns (uint256) {
        return TaskWord.unwrap(word) >> WINNING & 0xfff;
    }

    /// @dev Zero until there is a consensus.
    function revealDeadline(TaskWord word) internal pure returns (uint256) {
        return uint40(TaskWord.unwrap(word) >> REVEAL_UNTIL);
    }

    function withStatus(TaskWord word, TaskStatus to) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(word) & ~uint256(0xf) | uint256(to));
    }

    /// @dev Cannot carry: `contribute` refuses beyond the limit.
    function withContribution(TaskWord word) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(word) + (1 << CONTRIBUTIONS));
    }

    /// @dev Cannot carry: there are no more reveals than winners.
    function withReveal(TaskWord word) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(word) + (1 << REVEALS));
    }

    /// @dev The word of a task without consensus, with one. All numbers fit: there are no more winners or groups than
    /// contributions, and deadlines stay below 2^40 because categories are bounded.
    function withConsensus(TaskWord word, uint256 group, uint256 winners_, uint256 until)
        internal
        pure
        returns (TaskWord)
    {
        return TaskWord.wrap(
            TaskWord.unwrap(word.withStatus(TaskStatus.REVEALING)) | group << WINNING | winners_ << WINNERS | until
                << REVEAL_UNTIL
        );
    }

    function withoutConsensus(TaskWord word) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(word.withStatus(TaskStatus.ACTIVE)) & ~CONSENSUS_BITS);
    }

    /// @dev What the task's contributions agreed on: a result hash, zero without consensus.
    function consensus(TaskRecord storage record, bytes32 taskid, TaskWord word) internal view returns (bytes32) {
        return word.revealDeadline() == 0 ? bytes32(0) : groupHash(record, taskid, word, word.winning());
    }

    /// @dev The digest of the result, zero until the first reveal.
    function digest(TaskRecord storage record, TaskWord word) internal view returns (bytes32) {
        return word.reveals() == 0 ? bytes32(0) : record.groups[word.winning()];
    }

    /// @dev What the members of a group claim.
    function groupHash(TaskRecord storage record, bytes32 taskid, TaskWord word, uint256 group)
        internal
        view
        returns (bytes32)
    {
        bytes32 kept = record.groups[group];
        bool revealed = word.reveals() != 0 && group == word.winning();
        return revealed ? keccak256(abi.encodePacked(taskid, kept)) : kept;
    }

    function requireIndex(DealView deal, bytes32 dealid, uint256 idx) internal pure {
        (uint256 first, uint256 size) = (deal.first(), deal.size());
        require(first <= idx && idx < first + size, ITask.TaskIndexOutOfRange(dealid, idx, first, size));
    }

    function requireUnset(TaskWord word, bytes32 taskid) internal pure {
        require(word.status() == TaskStatus.UNSET, ITask.TaskAlreadyInitialized(taskid, word.status()));
    }

    function requireActive(TaskWord word, bytes32 taskid) internal pure {
        require(word.status() == TaskStatus.ACTIVE, ITask.TaskNotActive(taskid, word.status()));
    }

    function requireRevealing(TaskWord word, bytes32 taskid) internal pure {
        require(word.status() == TaskStatus.REVEALING, ITask.TaskNotRevealing(taskid, word.status()));
    }
}
