// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import { TaskStatus } from "./ITask.sol";

/// @title Tasks that nobody finishes: given up by the workerpool, or claimed when their time is over
/// @notice Either way the payer gets the price of the task back. What somebody loses by it goes to workers who did their
/// part, to the kitty or to nobody (`burnt_address()`); never to the payer, and never to the workerpool's owner, or failing on
/// purpose would be free. Nobody loses anything who did what the protocol let him do. Scores stay as they are.
///
/// A task takes 512 contributions at most, so each call here for one task fits in a transaction. Several tasks in one call
/// are the same as one call each, in the same order; where all of them are too many, they can be split anywhere.
interface ITaskEnd {
    /// @notice The task failed: its time was over, or it was abandoned.
    event TaskClaimed(bytes32 indexed taskid);
    /// @notice The workerpool gave the task up.
    event TaskAbandoned(bytes32 indexed taskid);

    /// @notice A claim is for a task that is active or revealing.
    error TaskNotClaimable(bytes32 taskid, TaskStatus status);
    /// @notice The task can be claimed only from `deadline` on.
    error FinalDeadlineAhead(bytes32 taskid, uint256 deadline, uint256 time);
    /// @notice A whole deal can be claimed only from `end` on, the final deadline of its tasks.
    error DealNotOver(bytes32 dealid, uint256 end, uint256 time);

    /// @notice Give a task up before the contribution deadline, while there is no consensus; it need not have been started.
    /// By the owner of the workerpool of the deal. The payer gets the price back at once. A tenth of the scheduler's stake in
    /// the task, rounded up, is burnt. The rest is shared equally by the contributors, who get their own stakes back too; if
    /// there are none, it returns to the scheduler. Whoever was rejected by a reopening has no share and loses the stake, which is
    /// burnt, and so is what a division leaves over.
    /// @dev The tenth is burnt even where there are contributors: any of them may be the scheduler under another name.
    /// Announced by TaskInitialize where the task was not started, then the payments: the payer; the scheduler's Seize (and
    /// Unlock where there is no contributor); each contributor in turn, Unlock and Reward or Seize; the Reward of
    /// `burnt_address()`; then TaskClaimed, for those who know only claims, and TaskAbandoned. A Reward of nothing is not made.
    function abandon(bytes32 dealid, uint256 idx) external;

    /// @notice Give up several tasks, all or none.
    function abandonArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool);

    /// @notice End a task that nobody finished in time. Anyone. The payer gets the price back, and the scheduler's stake goes to
    /// the kitty. Of the contributors,
    /// * without a consensus: all get their stakes back, but for those rejected by a reopening, whose stakes are burnt;
    /// * with a consensus that nobody revealed: those who agreed with it were silent, and their stakes are burnt, as are those
    ///   of the rejected; all others get theirs back;
    /// * with a consensus that somebody revealed: who revealed gets the stake back and shares those of all others by weight, as
    ///   when a task is finalized; what the division leaves over is burnt.
    /// @dev The payments come in this order: the payer, the scheduler, the kitty, each contributor in turn (Unlock and Reward,
    /// or Seize), `burnt_address()`; then TaskClaimed. But for the kitty's, a Reward of nothing is not made.
    function claim(bytes32 taskid) external;

    /// @notice Claim several tasks, all or none.
    function claimArray(bytes32[] calldata taskid) external returns (bool);

    /// @notice Start and at once claim several tasks of deals that are over, all or none.
    function initializeAndClaimArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool);

    /// @notice Claim what is unfinished among `count` tasks of a deal that is over, from index `from` on, or among all that
    /// follow where there are fewer. Tasks never started are started first; finished ones are passed over.
    /// @return next The first index that was not looked at: where the next call has to go on, or the one after the deal's last.
    function claimDeal(bytes32 dealid, uint256 from, uint256 count) external returns (uint256 next);
}
