// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Results: where the outcome lies, and who is told
/// @notice `results` says where the bytes lie (free text to the hub), `resultsCallback` is what a contract can use. Both
/// are kept for ever.
interface IResult {
    event TaskFinalize(bytes32 indexed taskid, bytes results);

    /// @notice Not all who agree with the consensus have revealed, and there is time left (or nobody has, and there is none).
    error RevealsMissing(bytes32 taskid, uint256 reveals, uint256 winners, uint256 deadline);
    /// @notice The data for the callback do not have the digest of the consensus.
    error CallbackDataMismatch(bytes32 taskid, bytes32 dataDigest, bytes32 resultDigest);
    /// @notice The workerpool is to finalize; its workers may from `from` on.
    error WorkersTurnAhead(bytes32 taskid, uint256 from, uint256 time);
    /// @notice A worker who finalizes says nothing about where the bytes lie: only the digest was agreed on.
    error ResultsNotAllowed(bytes32 taskid, uint256 length);
    /// @notice The results have to fit in the code of a contract.
    error ResultsTooLong(uint256 length, uint256 limit);
    /// @notice Somebody has contributed already, so nobody can contribute and finalize in one step.
    error TaskHasContributions(bytes32 taskid, uint256 contributions);
    /// @notice Contribute and finalize in one step is for deals of trust 1.
    error TrustNotOne(bytes32 taskid, uint256 trust);
    /// @notice Too little gas is left to give the callback its due.
    error CallbackGasMissing(uint256 left, uint256 needed);
    /// @notice The task is not completed.
    error TaskPending(bytes32 taskid);

    /// @notice Record the result, pay everybody, and call the requester's contract where one was named. By the owner of the
    /// workerpool, once all who agree with the consensus have revealed, or some have and the time for it is over.
    /// From half a T after the reveal deadline on, any worker who revealed may do it as well, whoever comes first, so that a
    /// silent workerpool keeps nobody's pay back. The worker then earns what the scheduler would have earned of the price;
    /// the scheduler's stake returns as ever, and the kitty pays nothing. Such a worker leaves `results` empty: clients find
    /// the bytes by the digest. The data for the callback are checked against the digest as ever.
    /// @dev The callback gets `callbackgas()` and comes last. Whether it fails does not matter here: a requester cannot
    /// keep the payment back by breaking the place where the result goes.
    function finalize(bytes32 taskid, bytes calldata results, bytes calldata resultsCallback) external;

    /// @notice Contribute, reveal and finalize in one step, for deals of trust 1, by an authorised worker. Stakes nothing
    /// and moves no score.
    function contributeAndFinalize(
        bytes32 taskid,
        bytes32 resultDigest,
        bytes calldata results,
        bytes calldata resultsCallback,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external;

    /// @notice What the task has for other contracts (ERC-1154), once it is completed.
    function resultFor(bytes32 id) external view returns (bytes memory);

    /// @notice The gas given to a callback.
    function callbackgas() external view returns (uint256);
}

/// @title A contract that wants to be told (ERC-1154)
interface IOracleConsumer {
    /// @notice The task `id` is completed, everybody is paid, and this is what its workers agreed on. Called by the hub once, with
    /// `callbackgas()`; a failure is not told to anybody. Whoever else may call this is not the hub's business.
    function receiveResult(bytes32 id, bytes calldata result) external;
}
