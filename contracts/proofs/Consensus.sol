// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Which claim is true: the hub's way of counting (from the contributions, anew each time) is the protocol's (a book of groups
// and a total), and the rule has the properties people rely on.
//
// The counting is proven for up to four contributors with weights of 16 bits, for every way in which they can agree and in
// which some of them were rejected before. What four such groups weigh fits in 64 bits; the rule is proven for any 64 bits,
// and for the trusts in `_trust`.

import { ContributionStatus } from "../src/interfaces/IContribution.sol";
import { Consensus } from "../src/libraries/Consensus.sol";
import { Contributions } from "../src/libraries/Contributions.sol";
import { TaskRecord } from "../src/libraries/Tasks.sol";
import { Proof } from "./Proof.sol";

contract ConsensusProof is Proof {
    bytes32 private constant TASK = bytes32(uint256(0x7a5));
    address private constant WORKER = address(0xbeef);

    TaskRecord private record;

    // The counting. Groups are numbered as they come up: the first contribution is in group 0, the second in 0 or 1, and so
    // on. The newest may join any group or be of a new opinion.

    /// @dev The first contribution.
    function check_count_of_one(uint16 weight, bytes32 hash) external view {
        Consensus.Tally memory tally = Consensus.tally(record, TASK, 0, hash, WORKER, weight);
        assert(tally.isNew && tally.group == 0 && tally.members == 1);
        assert(tally.groupWeight == weight && tally.total == 1 + uint256(weight));
    }

    function check_count_of_two(uint16[2] memory weights, bool rejected) external {
        _add(0, 0, weights[0], rejected);
        _check(1, 1, weights[1]);
    }

    function check_count_of_three_after_agreement(uint16[3] memory weights, bool[2] memory rejected) external {
        _add(0, 0, weights[0], rejected[0]);
        _add(1, 0, weights[1], rejected[1]);
        _check(2, 1, weights[2]);
    }

    function check_count_of_three_after_disagreement(uint16[3] memory weights, bool[2] memory rejected) external {
        _add(0, 0, weights[0], rejected[0]);
        _add(1, 1, weights[1], rejected[1]);
        _check(2, 2, weights[2]);
    }

    function check_count_of_four_after_aaa(uint16[4] memory weights, bool[3] memory rejected) external {
        _four(0, 0, 1, weights, rejected);
    }

    function check_count_of_four_after_aab(uint16[4] memory weights, bool[3] memory rejected) external {
        _four(0, 1, 2, weights, rejected);
    }

    function check_count_of_four_after_aba(uint16[4] memory weights, bool[3] memory rejected) external {
        _four(1, 0, 2, weights, rejected);
    }

    function check_count_of_four_after_abb(uint16[4] memory weights, bool[3] memory rejected) external {
        _four(1, 1, 2, weights, rejected);
    }

    function check_count_of_four_after_abc(uint16[4] memory weights, bool[3] memory rejected) external {
        _four(1, 2, 3, weights, rejected);
    }

    /// @dev Who contributed before is refused, wherever among the three.
    function check_nobody_counts_twice(uint16[3] memory weights, bool[3] memory rejected, bytes32 hash) external {
        for (uint256 i = 0; i < 3; ++i) {
            _add(i, i, weights[i], rejected[i]);
        }
        for (uint256 i = 0; i < 3; ++i) {
            (bool done,) = address(this).call(abi.encodeCall(this.count, (3, hash, _worker(i), 2)));
            assert(!done);
        }
    }

    // The rule. The others may weigh anything up to 64 bits, and so may the group.

    /// @dev A group wins when it outweighs one and all the others together, trust less one times. From this follows, by
    /// plain reading: two groups never both win where the trust is 2 or more; who agrees with a winner never undoes the win,
    /// and who disagrees never makes one; those who all agree win from the trust on that their product reaches; and where
    /// the trust is 1, whoever comes first wins.
    function check_a_win_outweighs_all_others(uint64 group, uint64 rest, uint8 which) external pure {
        uint256 trust = _trust(which);
        bool outweighs = group > (1 + uint256(rest)) * (trust - 1);
        assert(_reached(group, 1 + uint256(group) + rest, trust) == outweighs);
    }

    /// @dev No weight is below 2, none is above what its field keeps, and more history never weighs less.
    function check_weights(uint64 score, uint64 more) external pure {
        uint256 weight = Consensus.weightOf(score);
        assert(weight >= 2 && weight < 1 << 63);
        if (more >= score) assert(Consensus.weightOf(more) >= weight);
    }

    function count(uint256 contributions, bytes32 hash, address worker, uint256 weight) external view {
        Consensus.tally(record, TASK, contributions, hash, worker, weight);
    }

    function _reached(uint256 group, uint256 total, uint256 trust) private pure returns (bool) {
        Consensus.Tally memory tally;
        tally.groupWeight = group;
        tally.total = total;
        return Consensus.reached(tally, trust);
    }

    // The protocol's book, kept beside the record.

    uint256[4] private bookWeight;
    uint256[4] private bookMembers;

    function _add(uint256 index, uint256 group, uint256 weight, bool rejected) private {
        record.groups[group] = _hash(group);
        record.contributions[index].word = Contributions.make(
            _worker(index),
            weight,
            group,
            rejected ? ContributionStatus.REJECTED : ContributionStatus.CONTRIBUTED,
            false
        );
        vm.assume(weight >= 2);
        if (rejected) return;
        bookWeight[group] = bookMembers[group] == 0 ? weight : bookWeight[group] * weight;
        ++bookMembers[group];
    }

    function _four(uint256 second, uint256 third, uint256 groups, uint16[4] memory weights, bool[3] memory rejected)
        private
    {
        _add(0, 0, weights[0], rejected[0]);
        _add(1, second, weights[1], rejected[1]);
        _add(2, third, weights[2], rejected[2]);
        _check(3, groups, weights[3]);
    }

    /// @dev One more contribution, to each of the groups and to a new one.
    function _check(uint256 contributions, uint256 groups, uint256 weight) private view {
        vm.assume(weight >= 2);
        for (uint256 group = 0; group <= groups; ++group) {
            uint256 total = 1;
            for (uint256 i = 0; i < groups; ++i) {
                if (i != group) total += bookWeight[i];
            }
            uint256 expected = bookMembers[group] == 0 ? weight : bookWeight[group] * weight;
            total += expected;

            Consensus.Tally memory tally = Consensus.tally(record, TASK, contributions, _hash(group), WORKER, weight);
            assert(tally.isNew == (group == groups) && tally.group == group);
            assert(tally.members == bookMembers[group] + 1);
            assert(tally.groupWeight == expected);
            assert(tally.total == total);
        }
    }

    /// @dev Every trust up to 64, and some beyond: one for each value of `which`. Multiplying by a number is within a solver's
    /// reach; by an unknown of 32 bits it is not.
    function _trust(uint256 which) private pure returns (uint256) {
        for (uint256 trust = 1; trust <= 64; ++trust) {
            if (which == trust) return trust;
        }
        if (which == 65) return 100;
        if (which == 66) return 127;
        if (which == 67) return 128;
        if (which == 68) return 1_000;
        if (which == 69) return 65_535;
        if (which == 70) return 65_536;
        if (which == 71) return 1_000_003;
        vm.assume(which == 72);
        return type(uint32).max;
    }

    function _worker(uint256 index) private pure returns (address) {
        return address(uint160(0x1000 + index));
    }

    /// @dev What a group claims: any hashes do, as long as they differ.
    function _hash(uint256 group) private pure returns (bytes32) {
        return bytes32(0xfeed00 + group);
    }
}
