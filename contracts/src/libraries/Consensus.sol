// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Which claim is true. A worker of score s weighs w = max(floor(s / 3), 3) - 1; a group weighs the product of its members;
// the total is 1 plus the sum over the groups. A group wins once its weight * trust > total * (trust - 1).
//
// Group weights are not stored: each contribution keeps its own weight, and a new one looks through the others, which it
// has to do anyway. Members that were rejected when the task was reopened no longer count. All arithmetic is checked, so
// a product beyond 256 bits refuses the contribution that would make it, and only that.

import { ContributionStatus, IContribution } from "../interfaces/IContribution.sol";
import { ContributionWord } from "./Contributions.sol";
import { TaskRecord } from "./Tasks.sol";

library Consensus {
    uint256 private constant SCORE_PER_WEIGHT = 3;
    uint256 private constant LEAST_SHARE = 3;

    /// @dev What a task's contributions say once one more is counted.
    struct Tally {
        /// The number of the new one's group; unknown before to the task if `isNew`.
        uint256 group;
        bool isNew;
        /// What the group weighs now, what all weigh now, and how many members the group has.
        uint256 groupWeight;
        uint256 total;
        uint256 members;
    }

    function weightOf(uint256 score) internal pure returns (uint256) {
        uint256 share = score / SCORE_PER_WEIGHT;
        return (share > LEAST_SHARE ? share : LEAST_SHARE) - 1;
    }

    /// @dev Counts a claim of `hash` by `worker` beside the `count` contributions there are.
    function tally(
        TaskRecord storage record,
        bytes32 taskid,
        uint256 count,
        bytes32 hash,
        address worker,
        uint256 weight
    ) internal view returns (Tally memory result) {
        result.members = 1;
        result.groupWeight = weight;
        if (count == 0) {
            result.isNew = true;
            result.total = 1 + weight;
            return result;
        }

        // Zero stands for a group without members, which weighs nothing until it has one.
        uint256[] memory weights = new uint256[](count);
        uint256[] memory members = new uint256[](count);
        uint256 groups = 0;
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord other = record.contributions[i].word;
            require(other.worker() != worker, IContribution.AlreadyContributed(taskid, worker));
            uint256 group = other.group();
            if (group >= groups) groups = group + 1;
            if (other.status() != ContributionStatus.CONTRIBUTED) continue;
            weights[group] = weights[group] == 0 ? other.weight() : weights[group] * other.weight();
            ++members[group];
        }

        result.group = groups;
        result.isNew = true;
        result.total = 1;
        for (uint256 group = 0; group < groups; ++group) {
            if (result.isNew && record.groups[group] == hash) {
                result.isNew = false;
                result.group = group;
                result.members = members[group] + 1;
                if (weights[group] != 0) result.groupWeight = weights[group] * weight;
            } else {
                result.total += weights[group];
            }
        }
        result.total += result.groupWeight;
    }

    function reached(Tally memory counted, uint256 trust) internal pure returns (bool) {
        return counted.groupWeight * trust > counted.total * (trust - 1);
    }
}
