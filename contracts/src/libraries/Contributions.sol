// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the hub keeps of a contribution. Contributions are numbered in the order in which they come, and found by looking
// through a task's: there are few, and each of them was let in by the scheduler.
//
//     255   244 243      240 239     236 235     224 223       160 159        0
//     |  0 12   | enclave 4  | status 4  | group 12  | weight 64  | worker 160 |
//
// The weight is the one of the consensus; it comes from the score at the time and is zero after a contribution in one
// step with the finalization, which weighs nothing against nobody. "Enclave" says whether the third word is in use.

import { ContributionStatus } from "../interfaces/IContribution.sol";

type ContributionWord is uint256;

struct ContributionRecord {
    ContributionWord word;
    bytes32 seal;
    address enclave;
}

using Contributions for ContributionWord global;

library Contributions {
    uint256 private constant WEIGHT = 160;
    uint256 private constant GROUP = 224;
    uint256 private constant STATUS = 236;
    uint256 private constant ENCLAVE = 240;

    /// @dev The group is below 512 and the weight below 2^63, as is a third of a score.
    function make(address worker_, uint256 weight_, uint256 group_, ContributionStatus status_, bool enclave_)
        internal
        pure
        returns (ContributionWord)
    {
        return ContributionWord.wrap(
            uint160(worker_) | weight_ << WEIGHT | group_ << GROUP | uint256(status_) << STATUS
                | (enclave_ ? 1 << ENCLAVE : 0)
        );
    }

    function worker(ContributionWord word) internal pure returns (address) {
        return address(uint160(ContributionWord.unwrap(word)));
    }

    function weight(ContributionWord word) internal pure returns (uint256) {
        return uint64(ContributionWord.unwrap(word) >> WEIGHT);
    }

    function group(ContributionWord word) internal pure returns (uint256) {
        return ContributionWord.unwrap(word) >> GROUP & 0xfff;
    }

    function status(ContributionWord word) internal pure returns (ContributionStatus) {
        return ContributionStatus(ContributionWord.unwrap(word) >> STATUS & 0xf);
    }

    function inEnclave(ContributionWord word) internal pure returns (bool) {
        return ContributionWord.unwrap(word) >> ENCLAVE & 1 != 0;
    }

    function withStatus(ContributionWord word, ContributionStatus to) internal pure returns (ContributionWord) {
        return ContributionWord.wrap(ContributionWord.unwrap(word) & ~(uint256(0xf) << STATUS) | uint256(to) << STATUS);
    }

    /// @dev The same for all who agree.
    function hashOf(bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(taskid, digest));
    }

    /// @dev A worker's own.
    function sealOf(address worker_, bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(worker_, taskid, digest));
    }
}
