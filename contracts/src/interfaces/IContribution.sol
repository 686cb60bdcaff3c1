// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Contributions: workers' sealed claims about a task's result
/// @notice A worker first commits to a result without showing it: hash = keccak256(taskid ++ digest), the same for all
/// who agree, and seal = keccak256(worker ++ taskid ++ digest), which nobody can copy. After the consensus those who won
/// reveal the digest.

enum ContributionStatus {
    UNSET,
    CONTRIBUTED,
    PROVED,
    REJECTED
}

/// @notice A contribution.
struct Contribution {
    ContributionStatus status;
    bytes32 resultHash;
    bytes32 resultSeal;
    /// The key of the enclave it ran in; zero outside of one.
    address enclaveChallenge;
    /// floor(log2) of the worker's weight when contributing; the shares of the payment.
    uint256 weight;
}

interface IContribution {
    event TaskContribute(bytes32 indexed taskid, address indexed worker, bytes32 hash);
    event TaskReveal(bytes32 indexed taskid, address indexed worker, bytes32 digest);
    /// @notice The worker was right in a task that others ran too: the score rises by one.
    event AccurateContribution(address indexed worker, bytes32 indexed taskid);
    /// @notice The worker was wrong, or silent after the consensus: the score falls to two thirds.
    event FaultyContribution(address indexed worker, bytes32 indexed taskid);

    error ContributionDeadlineReached(bytes32 taskid, uint256 deadline, uint256 time);
    error AlreadyContributed(bytes32 taskid, address worker);
    /// @notice The deal asks for an enclave, and the contribution names none.
    error EnclaveRequired(bytes32 taskid);
    /// @notice Not a signature by `signer` of (worker, taskid, enclave) as an Ethereum message.
    error InvalidAuthorization(bytes32 taskid, address worker, address enclave, address signer);
    /// @notice Not a signature by `enclave` of (hash, seal) as an Ethereum message.
    error InvalidEnclaveSignature(bytes32 taskid, address enclave);
    /// @notice A task takes 512 contributions at most, so that it can always be finalized or claimed.
    error TooManyContributions(bytes32 taskid, uint256 limit);
    error RevealDeadlineReached(bytes32 taskid, uint256 deadline, uint256 time);
    /// @notice The sender has no contribution of this task left to reveal.
    error NothingToReveal(bytes32 taskid, address worker, ContributionStatus status);
    /// @notice The sender contributed another result than the one that won.
    error NotTheConsensus(bytes32 taskid, address worker, bytes32 hash, bytes32 consensus);
    /// @notice The digest does not lead to the hash that was contributed.
    error DigestMismatch(bytes32 taskid, bytes32 digest, bytes32 hash);
    /// @notice The digest does not lead to the seal that was contributed: the hash was copied.
    error SealMismatch(bytes32 taskid, address worker, bytes32 seal);
    /// @notice This hub has no predecessor to import from.
    error NoFormerHub();
    error ScoreAlreadyImported(address worker);

    /// @notice Claim a result without showing it. By a worker whom the workerpool's owner authorised for this task (or the
    /// broker of enclaves, where one is set and an enclave is named). Locks the worker's stake; may reach the consensus.
    /// @dev A signer with code (the pool's owner, the broker, the enclave) is asked by ERC-1271, in a call that can change nothing.
    /// @param taskid The task.
    /// @param resultHash keccak256(taskid ++ digest).
    /// @param resultSeal keccak256(sender ++ taskid ++ digest).
    /// @param enclaveChallenge The key of the enclave; zero outside of one.
    /// @param enclaveSign The enclave's signature of (hash, seal); empty without enclave.
    /// @param authorizationSign The signature of (sender, taskid, enclaveChallenge).
    function contribute(
        bytes32 taskid,
        bytes32 resultHash,
        bytes32 resultSeal,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external;

    /// @notice Show the digest behind a contribution that agrees with the consensus, before the reveal deadline. Whoever agreed and
    /// does not loses the stake, however the task ends.
    function reveal(bytes32 taskid, bytes32 resultDigest) external;

    /// @notice The contribution of `worker` to the task; all zero where there is none.
    function viewContribution(bytes32 taskid, address worker) external view returns (Contribution memory);

    /// @notice The history of a worker as one number.
    function viewScore(address worker) external view returns (uint256);

    /// @notice Take over a worker's score from the hub before this one, once, if it is higher.
    /// @dev Believes that hub, which the owner named when this one was configured.
    function importScore(address worker) external;
}
