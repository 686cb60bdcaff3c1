// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The result is recorded, everybody is paid, and the requester's contract is told, in this order: nothing that happens
// in a stranger's contract can undo or precede a payment.

import { ContributionStatus } from "../interfaces/IContribution.sol";
import { IOracleConsumer, IResult } from "../interfaces/IResult.sol";
import { ITask, TaskStatus } from "../interfaces/ITask.sol";
import { Accounts, Book } from "../libraries/Accounts.sol";
import { ContributionWord, Contributions } from "../libraries/Contributions.sol";
import { DealView, Deals } from "../libraries/Deals.sol";
import { Kitty } from "../libraries/Kitty.sol";
import { Results } from "../libraries/Results.sol";
import { TaskRecord, TaskWord, Tasks } from "../libraries/Tasks.sol";
import { ContributionStage } from "./ContributionStage.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

abstract contract ResultStage is IResult, ContributionStage {
    using Accounts for Book;
    using Tasks for TaskRecord;

    /// @dev More than calling a stranger takes of the gas before the rest is divided: two accounts never looked at before,
    /// its own and the one whose code it lent itself, and the few steps on the way.
    uint256 private constant CALL_COST = 6000;

    /// @inheritdoc IResult
    function finalize(bytes32 taskid, bytes calldata results, bytes calldata resultsCallback) external {
        TaskRecord storage record = _tasks[taskid];
        TaskWord word = record.word;
        word.requireRevealing(taskid);
        DealView deal = Deals.open(word.dealKey());

        address owner_ = deal.workerpoolOwner();
        require(msg.sender == owner_, ITask.NotTheWorkerpoolOwner(msg.sender, owner_));
        uint256 end = deal.finalDeadline();
        require(block.timestamp < end, ITask.FinalDeadlineReached(taskid, end, block.timestamp));
        _requireReveals(taskid, word);
        _requireCallbackData(taskid, deal, record.digest(word), resultsCallback);

        record.word = word.withStatus(TaskStatus.COMPLETED);
        Results.record(taskid, results, resultsCallback);
        _settle(taskid, deal);
        _payWorkers(taskid, record, word.contributions(), deal);

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
    /// stake back and a part of the kitty.
    function _settle(bytes32 taskid, DealView deal) private {
        _book.seize(deal.sponsor(), deal.taskPrice(), taskid);
        if (deal.appPrice() > 0) _book.reward(deal.appOwner(), deal.appPrice(), taskid);
        if (deal.datasetPrice() > 0) _book.reward(deal.datasetOwner(), deal.datasetPrice(), taskid);
        _book.unlock(deal.workerpoolOwner(), deal.schedulerStake());

        uint256 kitty = _book.words[Kitty.ACCOUNT].frozen();
        if (kitty > 0) {
            uint256 part = Kitty.part(kitty);
            _book.seize(Kitty.ACCOUNT, part, taskid);
            _book.reward(deal.workerpoolOwner(), part, taskid);
        }
    }

    /// @dev Who revealed shares the price and the stakes of all others by weight; the scheduler gets the rest.
    function _payWorkers(bytes32 taskid, TaskRecord storage record, uint256 count, DealView deal) private {
        ContributionWord[] memory contributions = new ContributionWord[](count);
        uint256 stake = deal.workerStake();
        uint256 pot = deal.workerpoolPrice();
        uint256 shares = 0;
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord contribution = record.contributions[i].word;
            contributions[i] = contribution;
            if (contribution.status() == ContributionStatus.PROVED) shares += Math.log2(contribution.weight());
            else pot += stake;
        }

        uint256 workersPot = pot * (100 - deal.schedulerRewardRatio()) / 100;
        for (uint256 i = 0; i < count; ++i) {
            ContributionWord contribution = contributions[i];
            address worker = contribution.worker();
            if (contribution.status() == ContributionStatus.PROVED) {
                uint256 earned = workersPot * Math.log2(contribution.weight()) / shares;
                pot -= earned;
                _book.unlock(worker, stake);
                _book.reward(worker, earned, taskid);
                if (count > 1) {
                    _book.setScore(worker, _book.words[worker].score() + 1);
                    emit AccurateContribution(worker, taskid);
                }
            } else {
                _book.seize(worker, stake, taskid);
                _book.setScore(worker, _book.words[worker].score() * 2 / 3);
                emit FaultyContribution(worker, taskid);
            }
        }
        _book.reward(deal.workerpoolOwner(), pot, taskid);
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
