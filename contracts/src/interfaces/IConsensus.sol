// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Consensus: the hub's decision which claim is true
/// @notice A worker of score s weighs w = max(floor(s / 3), 3) - 1. The weight of a group (all who claim the same hash) is
/// the product of theirs; the total is 1 plus the sum over the groups. A hash wins once
/// weight * trust > total * (trust - 1).
interface IConsensus {
    /// @notice The contributions agree well enough on `consensus`, a result hash.
    event TaskConsensus(bytes32 indexed taskid, bytes32 consensus);
}
