// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Tasks: the units of a deal
/// @notice UNSET -initialize-> ACTIVE -contribute-> REVEALING -finalize-> COMPLETED; REVEALING -reopen-> ACTIVE;
/// ACTIVE -contributeAndFinalize-> COMPLETED; UNSET or ACTIVE -abandon-> FAILED; ACTIVE or REVEALING -claim-> FAILED (for the
/// last two see ITaskEnd). With T the time of the deal's category and t0 its start: contributions until t0 + 7T, reveals for
/// 2T after the consensus, the worker's turn to finalize T / 2 after that, the end at t0 + 10T; a deadline is over from its
/// very second on. A task's identifier is keccak256(dealid ++ index).

enum TaskStatus {
    UNSET,
    ACTIVE,
    REVEALING,
    COMPLETED,
    FAILED
}

/// @notice A task.
struct Task {
    TaskStatus status;
    bytes32 dealid;
    uint256 idx;
    /// T, in seconds.
    uint256 timeref;
    uint256 contributionDeadline;
    /// Zero until there is a consensus.
    uint256 revealDeadline;
    uint256 finalDeadline;
    /// keccak256(taskid ++ digest) of the result that won; zero until there is a consensus.
    bytes32 consensusValue;
    uint256 revealCounter;
    /// Contributions that agree with the consensus.
    uint256 winnerCounter;
    /// In the order in which they contributed.
    address[] contributors;
    /// Zero until the first reveal.
    bytes32 resultDigest;
    bytes results;
    /// Always zero.
    uint256 resultsTimestamp;
    bytes resultsCallback;
}

interface ITask {
    event TaskInitialize(bytes32 indexed taskid, address indexed workerpool);
    event TaskReopen(bytes32 indexed taskid);

    /// @notice The deal has tasks `first` to `first + size - 1`.
    error TaskIndexOutOfRange(bytes32 dealid, uint256 idx, uint256 first, uint256 size);
    error TaskAlreadyInitialized(bytes32 taskid, TaskStatus status);
    error TaskNotActive(bytes32 taskid, TaskStatus status);
    error TaskNotRevealing(bytes32 taskid, TaskStatus status);
    error FinalDeadlineReached(bytes32 taskid, uint256 deadline, uint256 time);
    /// @notice The task can be reopened only from `deadline` on.
    error RevealDeadlineAhead(bytes32 taskid, uint256 deadline, uint256 time);
    /// @notice Somebody revealed, so the task can be finalized and not reopened.
    error AlreadyRevealed(bytes32 taskid, uint256 reveals);
    error NotTheWorkerpoolOwner(address sender, address owner);
    error LengthMismatch(uint256 left, uint256 right);

    /// @notice Start a task of a deal. Anyone, at any time.
    /// @return taskid The identifier of the task.
    function initialize(bytes32 dealid, uint256 idx) external returns (bytes32 taskid);

    /// @notice Start several tasks, all or none.
    function initializeArray(bytes32[] calldata dealid, uint256[] calldata idx) external returns (bool);

    /// @notice Take the work back to contributions when nobody of the consensus revealed in time. By the owner of the
    /// workerpool. Whoever agreed with the consensus is rejected, and pays for it however the task ends.
    function reopen(bytes32 taskid) external;

    /// @notice The task; all zero where it was not started.
    function viewTask(bytes32 taskid) external view returns (Task memory);

    /// @notice 7: contributions are taken for that many times T.
    function contribution_deadline_ratio() external pure returns (uint256);

    /// @notice 2: reveals are taken for that many times T.
    function reveal_deadline_ratio() external pure returns (uint256);

    /// @notice 10: a task ends after that many times T.
    function final_deadline_ratio() external pure returns (uint256);
}
