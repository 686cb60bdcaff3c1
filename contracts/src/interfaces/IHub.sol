// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import { IConsensus } from "./IConsensus.sol";
import { IContribution } from "./IContribution.sol";
import { IDeal } from "./IDeal.sol";
import { IGovernance } from "./IGovernance.sol";
import { IOrder } from "./IOrder.sol";
import { IPayment } from "./IPayment.sol";
import { IResult } from "./IResult.sol";
import { ITask } from "./ITask.sol";
import { ITaskEnd } from "./ITaskEnd.sol";

/// @title The whole hub
/// @notice Order, deal, task, contribution, consensus, result, payment: the law of the marketplace, and the one contract
/// everybody talks to. Selectors, events, typed data, identifiers and arithmetic are those of iExec PoCo's classic path;
/// refusals are errors with names and values.
interface IHub is IOrder, IDeal, ITask, ITaskEnd, IContribution, IConsensus, IResult, IPayment, IGovernance {
    /// @notice What was to be kept in code under `key` could not be: the key is taken, or the gas ran out just there.
    error ContentNotWritten(bytes32 key);
}
