// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A workerpool: a description for ever, and two ratios its owner may change. The hub reads the ratios at every match,
// so both share one word, and a pool that never touched them has written nothing.

import { IWorkerpool } from "../interfaces/IEntry.sol";
import { Entry } from "./Entry.sol";
import { EntryCode } from "./EntryCode.sol";

/// @dev The only field of a workerpool.
library WorkerpoolContent {
    function pack(string calldata workerpoolDescription) internal pure returns (bytes memory) {
        return EntryCode.field(bytes(workerpoolDescription));
    }
}

contract Workerpool is IWorkerpool, Entry {
    /// @dev One word. `changed` tells the zeros of an untouched policy, which means the defaults, from chosen zeros.
    struct Policy {
        bool changed;
        uint8 schedulerRewardRatio;
        uint16 workerStakeRatio;
    }

    uint256 private constant DEFAULT_WORKER_STAKE_RATIO = 30;
    uint256 private constant DEFAULT_SCHEDULER_REWARD_RATIO = 1;
    /// @dev Ten times the price. A stake that nobody has, or a policy made absurd right before a match, keeps workers out.
    uint256 private constant WORKER_STAKE_RATIO_LIMIT = 1000;
    uint256 private constant SCHEDULER_REWARD_RATIO_LIMIT = 100;

    Policy private _policy;

    /// @inheritdoc IWorkerpool
    function initialize(string calldata) external pure {
        revert AlreadyInitialized();
    }

    /// @inheritdoc IWorkerpool
    function m_workerpoolDescription() external view returns (string memory) {
        return string(_content(0));
    }

    /// @inheritdoc IWorkerpool
    function m_workerStakeRatioPolicy() public view returns (uint256) {
        return _policy.changed ? _policy.workerStakeRatio : DEFAULT_WORKER_STAKE_RATIO;
    }

    /// @inheritdoc IWorkerpool
    function m_schedulerRewardRatioPolicy() public view returns (uint256) {
        return _policy.changed ? _policy.schedulerRewardRatio : DEFAULT_SCHEDULER_REWARD_RATIO;
    }

    /// @inheritdoc IWorkerpool
    function changePolicy(uint256 newWorkerStakeRatioPolicy, uint256 newSchedulerRewardRatioPolicy) external onlyOwner {
        require(
            newSchedulerRewardRatioPolicy <= SCHEDULER_REWARD_RATIO_LIMIT,
            SchedulerRewardRatioTooHigh(newSchedulerRewardRatioPolicy, SCHEDULER_REWARD_RATIO_LIMIT)
        );
        require(
            newWorkerStakeRatioPolicy <= WORKER_STAKE_RATIO_LIMIT,
            WorkerStakeRatioTooHigh(newWorkerStakeRatioPolicy, WORKER_STAKE_RATIO_LIMIT)
        );
        emit PolicyUpdate(
            m_workerStakeRatioPolicy(),
            newWorkerStakeRatioPolicy,
            m_schedulerRewardRatioPolicy(),
            newSchedulerRewardRatioPolicy
        );
        // Both casts were bounded above.
        _policy = Policy(true, uint8(newSchedulerRewardRatioPolicy), uint16(newWorkerStakeRatioPolicy));
    }
}
