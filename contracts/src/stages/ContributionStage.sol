// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Workers claim a result under seal, and show it once enough of them agree.

import { HubState } from "../HubState.sol";
import { IConsensus } from "../interfaces/IConsensus.sol";
import { Contribution, ContributionStatus, IContribution } from "../interfaces/IContribution.sol";
import { Accounts, Book } from "../libraries/Accounts.sol";
import { Consensus } from "../libraries/Consensus.sol";
import { ContributionRecord, ContributionWord, Contributions } from "../libraries/Contributions.sol";
import { DealView, Deals } from "../libraries/Deals.sol";
import { Signatures } from "../libraries/Signatures.sol";
import { CONTRIBUTIONS_LIMIT, TaskRecord, TaskWord, Tasks } from "../libraries/Tasks.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice The hub before this one, as far as scores go.
interface IFormerHub {
    function viewScore(address worker) external view returns (uint256);
}

abstract contract ContributionStage is IContribution, IConsensus, HubState {
    using Accounts for Book;
    using Tasks for TaskRecord;

    /// @inheritdoc IContribution
    function contribute(
        bytes32 taskid,
        bytes32 resultHash,
        bytes32 resultSeal,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        word.requireActive(taskid);
        DealView deal = Deals.open(word.dealKey());
        uint256 end = deal.contributionDeadline();
        require(block.timestamp < end, ContributionDeadlineReached(taskid, end, block.timestamp));
        uint256 count = word.contributions();
        require(count < CONTRIBUTIONS_LIMIT, TooManyContributions(taskid, CONTRIBUTIONS_LIMIT));

        uint256 weight = Consensus.weightOf(_book.words[msg.sender].score());
        Consensus.Tally memory tally = Consensus.tally(record, taskid, count, resultHash, msg.sender, weight);
        _requireAdmission(taskid, deal, enclaveChallenge, authorizationSign);
        _requireEnclave(taskid, resultHash, resultSeal, enclaveChallenge, enclaveSign);

        if (tally.isNew) record.groups[tally.group] = resultHash;
        _keep(
            record.contributions[count],
            Contributions.make(
                msg.sender, weight, tally.group, ContributionStatus.CONTRIBUTED, enclaveChallenge != address(0)
            ),
            resultSeal,
            enclaveChallenge
        );
        word = word.withContribution();
        bool consensus = Consensus.reached(tally, deal.trust());
        if (consensus) {
            uint256 until = block.timestamp + Deals.REVEAL_RATIO * deal.categoryTime();
            word = word.withConsensus(tally.group, tally.members, until);
        }
        record.word = word;
        _book.lock(msg.sender, deal.workerStake());

        emit TaskContribute(taskid, msg.sender, resultHash);
        if (consensus) emit TaskConsensus(taskid, resultHash);
    }

    /// @inheritdoc IContribution
    function reveal(bytes32 taskid, bytes32 resultDigest) external {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        word.requireRevealing(taskid);
        uint256 until = word.revealDeadline();
        require(block.timestamp < until, RevealDeadlineReached(taskid, until, block.timestamp));

        (bool found, ContributionRecord storage contribution) = _find(record, word.contributions(), msg.sender);
        ContributionWord own = contribution.word;
        ContributionStatus status = found ? own.status() : ContributionStatus.UNSET;
        require(status == ContributionStatus.CONTRIBUTED, NothingToReveal(taskid, msg.sender, status));
        bytes32 consensus = record.consensus(taskid, word);
        // Not a `require`, which would make up the reason for everybody.
        if (own.group() != word.winning()) {
            revert NotTheConsensus(taskid, msg.sender, record.groupHash(taskid, word, own.group()), consensus);
        }
        require(
            Contributions.hashOf(taskid, resultDigest) == consensus, DigestMismatch(taskid, resultDigest, consensus)
        );
        bytes32 seal = contribution.seal;
        require(Contributions.sealOf(msg.sender, taskid, resultDigest) == seal, SealMismatch(taskid, msg.sender, seal));

        contribution.word = own.withStatus(ContributionStatus.PROVED);
        if (word.reveals() == 0) record.groups[word.winning()] = resultDigest;
        record.word = word.withReveal();
        emit TaskReveal(taskid, msg.sender, resultDigest);
    }

    /// @inheritdoc IContribution
    function viewContribution(bytes32 taskid, address worker) external view returns (Contribution memory) {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        (bool found, ContributionRecord storage contribution) = _find(record, word.contributions(), worker);
        if (!found) return Contribution(ContributionStatus.UNSET, 0, 0, address(0), 0);
        ContributionWord own = contribution.word;
        return Contribution({
            status: own.status(),
            resultHash: record.groupHash(taskid, word, own.group()),
            resultSeal: contribution.seal,
            enclaveChallenge: own.inEnclave() ? contribution.enclave : address(0),
            weight: Math.log2(own.weight())
        });
    }

    /// @inheritdoc IContribution
    function viewScore(address worker) external view returns (uint256) {
        return _book.words[worker].score();
    }

    /// @inheritdoc IContribution
    function importScore(address worker) external {
        require(_formerHub != address(0), NoFormerHub());
        require(!_scoreImported[worker], ScoreAlreadyImported(worker));
        _scoreImported[worker] = true;
        uint256 former = IFormerHub(_formerHub).viewScore(worker);
        if (former > _book.words[worker].score()) _book.setScore(worker, former);
    }

    /// @dev The worker was sent: by the broker of enclaves where one is set and an enclave is named, otherwise by the
    /// owner of the workerpool.
    function _requireAdmission(bytes32 taskid, DealView deal, address enclave, bytes calldata signature) internal view {
        require(enclave != address(0) || !deal.confidential(), EnclaveRequired(taskid));
        address broker = enclave == address(0) ? address(0) : _teeBroker;
        address signer = broker == address(0) ? deal.workerpoolOwner() : broker;
        bytes32 hash = Signatures.asMessage(keccak256(abi.encodePacked(msg.sender, taskid, enclave)));
        require(Signatures.isSigner(signer, hash, signature), InvalidAuthorization(taskid, msg.sender, enclave, signer));
    }

    /// @dev What came out of an enclave is signed there.
    function _requireEnclave(bytes32 taskid, bytes32 hash, bytes32 seal, address enclave, bytes calldata signature)
        internal
        view
    {
        if (enclave == address(0)) return;
        bytes32 message = Signatures.asMessage(keccak256(abi.encodePacked(hash, seal)));
        require(Signatures.isSigner(enclave, message, signature), InvalidEnclaveSignature(taskid, enclave));
    }

    function _keep(ContributionRecord storage record, ContributionWord word, bytes32 seal, address enclave) internal {
        record.word = word;
        record.seal = seal;
        if (enclave != address(0)) record.enclave = enclave;
    }

    /// @dev Where the worker has none, the record is not to be used.
    function _find(TaskRecord storage record, uint256 count, address worker)
        internal
        view
        returns (bool, ContributionRecord storage)
    {
        for (uint256 i = 0; i < count; ++i) {
            ContributionRecord storage contribution = record.contributions[i];
            if (contribution.word.worker() == worker) return (true, contribution);
        }
        return (false, record.contributions[0]);
    }
}
