// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The result is recorded, everybody is paid, and the requester's contract is told, in this order: nothing that happens
// in a stranger's contract can undo or precede a payment.

import { ContributionStatus } from "../interfaces/IContribution.sol";
import { IOracleConsumer, IResult } from "../interfaces/IResult.sol";
import { ITask, TaskStatus } from "../interfaces/ITask.sol";
import { Accounts, Book } from "../libraries/Accounts.sol";
import { ContributionRecord, Contributions } from "../libraries/Contributions.sol";
import { DealView, Deals } from "../libraries/Deals.sol";
import { Kitty } from "../libraries/Kitty.sol";
import { Results } from "../libraries/Results.sol";
import { Shares } from "../libraries/Shares.sol";
import { TaskRecord, TaskWord, Tasks } from "../libraries/Tasks.sol";
import { ContributionStage } from "./ContributionStage.sol";

abstract contract ResultStage is IResult, ContributionStage {
    using Accounts for Book;
    using Shares for Book;
    using Tasks for TaskRecord;

    /// @dev More than calling a stranger takes of the gas before the rest is divided: two accounts never looked at before,
    /// its own and the one whose code it lent itself, and the few steps on the way.
    uint256 private constant CALL_COST = 6000;

    /// @dev A worker may finalize one part of so many of T after the reveal deadline. That is before the end: a consensus is
    /// reached before 7T, so reveals are over before 9T.
    uint256 private constant WORKERS_TURN = 2;

    /// @inheritdoc IResult
    function finalize(bytes32 taskid, bytes calldata results, bytes calldata resultsCallback) external {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        word.requireRevealing(taskid);
        DealView deal = Deals.open(word.dealKey());

        bool byWorker = msg.sender != deal.workerpoolOwner();
        if (byWorker) _requireWorkersTurn(taskid, record, word, deal);
        uint256 end = deal.finalDeadline();
        require(block.timestamp < end, ITask.FinalDeadlineReached(taskid, end, block.timestamp));
        _requireReveals(taskid, word);
        if (byWorker) require(results.length == 0, ResultsNotAllowed(taskid, results.length));
        _requireCallbackData(taskid, deal, record.digest(word), resultsCallback);

        record.word = word.withStatus(TaskStatus.COMPLETED);
        Results.record(taskid, results, resultsCallback);
        _settle(taskid, deal);
        if (!byWorker) _payFromKitty(taskid, deal);
        uint256 rest = _book.payFinished(
            record, taskid, word, deal.workerStake(), deal.workerpoolPrice(), deal.schedulerRewardRatio()
        );
        // The scheduler's, or the worker's who did the scheduler's work.
        _book.reward(msg.sender, rest, taskid);

        emit TaskFinalize(taskid, results);
        _tell(deal.callback(), taskid, resultsCallback);
    }

    /// @inheritdoc IResult
    function contributeAndFinalize(
        bytes32 taskid,
        bytes32 resultDigest,
        bytes calldata results,
        bytes calldata resultsCallback,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external {
        DealView deal = _openForOneStep(taskid);
        _requireCallbackData(taskid, deal, resultDigest, resultsCallback);
        _requireAdmission(taskid, deal, enclaveChallenge, authorizationSign);
        bytes32 resultHash = Contributions.hashOf(taskid, resultDigest);
        bytes32 resultSeal = Contributions.sealOf(msg.sender, taskid, resultDigest);
        _requireEnclave(taskid, resultHash, resultSeal, enclaveChallenge, enclaveSign);

        _recordOneStep(taskid, deal, resultDigest, resultSeal, enclaveChallenge);
        Results.record(taskid, results, resultsCallback);
        _settle(taskid, deal);
        _payFromKitty(taskid, deal);
        uint256 price = deal.workerpoolPrice();
        uint256 earned = price * (100 - deal.schedulerRewardRatio()) / 100;
        _book.reward(msg.sender, earned, taskid);
        _book.reward(deal.workerpoolOwner(), price - earned, taskid);

        emit TaskContribute(taskid, msg.sender, resultHash);
        emit TaskConsensus(taskid, resultHash);
        emit TaskReveal(taskid, msg.sender, resultDigest);
        emit TaskFinalize(taskid, results);
        _tell(deal.callback(), taskid, resultsCallback);
    }

    /// @inheritdoc IResult
    function resultFor(bytes32 id) external view returns (bytes memory resultsCallback) {
        require(_tasks[id].word.status() == TaskStatus.COMPLETED, TaskPending(id));
        (, resultsCallback) = Results.read(id);
    }

    /// @inheritdoc IResult
    function callbackgas() external view returns (uint256) {
        return _callbackGas;
    }

    /// @dev The deal of an untouched task that one worker may finish alone.
    function _openForOneStep(bytes32 taskid) private view returns (DealView deal) {
        TaskWord word = _tasks[taskid].word;
        word.requireActive(taskid);
        deal = Deals.open(word.dealKey());
        uint256 end = deal.contributionDeadline();
        require(block.timestamp < end, ContributionDeadlineReached(taskid, end, block.timestamp));
        uint256 count = word.contributions();
        require(count == 0, TaskHasContributions(taskid, count));
        require(deal.trust() == 1, TrustNotOne(taskid, deal.trust()));
    }

    /// @dev One contribution, proved, without a weight: it was compared with nobody's.
    function _recordOneStep(bytes32 taskid, DealView deal, bytes32 digest, bytes32 seal, address enclave) private {
        TaskRecord storage record = _tasks[taskid];
        bool inEnclave = enclave != address(0);
        _keep(
            record.contributions[0],
            Contributions.make(msg.sender, 0, 0, ContributionStatus.PROVED, inEnclave),
            seal,
            enclave
        );
        record.groups[0] = digest;
        uint256 until = block.timestamp + Deals.REVEAL_RATIO * deal.categoryTime();
        TaskWord word = record.word.withContribution().withConsensus(0, 1, until).withReveal();
        record.word = word.withStatus(TaskStatus.COMPLETED);
    }

    /// @dev The caller is a worker who revealed, and the pool was silent for half a T in which it alone could finalize.
    function _requireWorkersTurn(bytes32 taskid, TaskRecord storage record, TaskWord word, DealView deal) private view {
        (bool found, ContributionRecord storage contribution) = _find(record, word.contributions(), msg.sender);
        require(
            found && contribution.word.status() == ContributionStatus.PROVED,
            ITask.NotTheWorkerpoolOwner(msg.sender, deal.workerpoolOwner())
        );
        uint256 from = word.revealDeadline() + deal.categoryTime() / WORKERS_TURN;
        require(from <= block.timestamp, WorkersTurnAhead(taskid, from, block.timestamp));
    }

    /// @dev All who agree with the consensus have revealed, or some have and the time for it is over.
    function _requireReveals(bytes32 taskid, TaskWord word) private view {
        (uint256 reveals, uint256 winners, uint256 until) = (word.reveals(), word.winners(), word.revealDeadline());
        require(
            reveals == winners || (reveals > 0 && until <= block.timestamp),
            RevealsMissing(taskid, reveals, winners, until)
        );
    }

    /// @dev Data for other contracts have to be what the workers agreed on. There need be none where nobody is called.
    function _requireCallbackData(bytes32 taskid, DealView deal, bytes32 digest, bytes calldata data) private pure {
        if (data.length == 0 && deal.callback() == address(0)) return;
        bytes32 dataDigest = keccak256(data);
        require(dataDigest == digest, CallbackDataMismatch(taskid, dataDigest, digest));
    }

    /// @dev What every success has in common: the sponsor pays, the owners of app and dataset earn, the scheduler gets the
    /// stake back.
    function _settle(bytes32 taskid, DealView deal) private {
        _book.seize(deal.sponsor(), deal.taskPrice(), taskid);
        if (deal.appPrice() > 0) _book.reward(deal.appOwner(), deal.appPrice(), taskid);
        if (deal.datasetPrice() > 0) _book.reward(deal.datasetOwner(), deal.datasetPrice(), taskid);
        _book.unlock(deal.workerpoolOwner(), deal.schedulerStake());
    }

    /// @dev A scheduler who succeeds gets a part of what those lost who did not.
    function _payFromKitty(bytes32 taskid, DealView deal) private {
        uint256 kitty = _book.words[Kitty.ACCOUNT].frozen();
        if (kitty > 0) {
            uint256 part = Kitty.part(kitty);
            _book.seize(Kitty.ACCOUNT, part, taskid);
            _book.reward(deal.workerpoolOwner(), part, taskid);
        }
    }

    /// @dev Comes last. Its failure changes nothing, but it must have its gas. A call gets no more than 63 of 64 parts of
    /// what there is, so that is looked at before; afterwards nobody could tell from what is left whether it was enough,
    /// since the consumer may give some back after a call of its own ran out.
    function _tell(address consumer, bytes32 taskid, bytes calldata data) private {
        if (consumer == address(0)) return;
        uint256 given = _callbackGas;
        bytes memory message = abi.encodeCall(IOracleConsumer.receiveResult, (taskid, data));
        uint256 available = gasleft();
        available = available > CALL_COST ? (available - CALL_COST) / 64 * 63 : 0;
        require(available >= given, CallbackGasMissing(available, given));
        // Memory-safe: takes no answer, so a stranger's long one costs nothing.
        assembly ("memory-safe") {
            pop(call(given, consumer, 0, add(message, 32), mload(message), 0, 0))
        }
    }
}
