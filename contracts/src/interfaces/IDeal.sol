// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import { AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder } from "./IOrder.sol";

/// @title Deals: orders matched on chain
/// @notice A deal fixes who, what, for how much and how many tasks. It never changes once made. Its identifier is
/// keccak256(request order hash ++ volume of that order consumed before), so one request order may lead to many deals.

/// @notice One side of a deal: an asset, its owner at the time of the match, and the price per task.
struct Resource {
    address pointer;
    address owner;
    uint256 price;
}

/// @notice A deal.
struct Deal {
    Resource app;
    /// All zero where the deal uses no dataset.
    Resource dataset;
    Resource workerpool;
    /// At least 1.
    uint256 trust;
    uint256 category;
    /// Everything the app, the dataset and the request ask for.
    bytes32 tag;
    address requester;
    address beneficiary;
    address callback;
    string params;
    /// Seconds since the epoch; all tasks of the deal count from here.
    uint256 startTime;
    /// The first task's index.
    uint256 botFirst;
    /// How many tasks.
    uint256 botSize;
    /// What a worker stakes with each contribution, nRLC.
    uint256 workerStake;
    /// The scheduler's part of what workers earn, in per cent.
    uint256 schedulerRewardRatio;
    /// Who pays: the requester, or whoever sent `sponsorMatchOrders`.
    address sponsor;
}

interface IDeal {
    /// @notice Tells the scheduler of `workerpool` that there is work.
    event SchedulerNotice(address indexed workerpool, bytes32 dealid);
    /// @notice Four orders became a deal of `volume` tasks; `datasetHash` is zero without dataset.
    event OrdersMatched(
        bytes32 dealid,
        bytes32 appHash,
        bytes32 datasetHash,
        bytes32 workerpoolHash,
        bytes32 requestHash,
        uint256 volume
    );
    /// @notice `sponsor` pays for the deal.
    event DealSponsored(bytes32 dealId, address sponsor);

    // The refusals of a match, in the order in which the rules are looked at. What an order's salt says is looked at right
    // after its signature; those refusals are in IOrder.

    error CategoryMismatch(uint256 requested, uint256 offered);
    error UnknownCategory(uint256 category, uint256 count);
    error InsufficientTrust(uint256 requested, uint256 offered);
    error AppOverpriced(uint256 price, uint256 maxPrice);
    error DatasetOverpriced(uint256 price, uint256 maxPrice);
    error WorkerpoolOverpriced(uint256 price, uint256 maxPrice);
    /// @notice `tag`, everything asked for, has a bit that the workerpool does not offer.
    error TagNotOffered(bytes32 tag, bytes32 workerpoolTag);
    /// @notice The deal asks for a trusted execution environment, and the application is not made for one.
    error AppNotConfidential(bytes32 tag, bytes32 appTag);
    error AppMismatch(address requested, address offered);
    error DatasetMismatch(address requested, address offered);
    error WorkerpoolRestrictedByRequest(address restriction, address account);
    error DatasetRestrictedByApp(address restriction, address account);
    error WorkerpoolRestrictedByApp(address restriction, address account);
    error RequesterRestrictedByApp(address restriction, address account);
    error AppRestrictedByDataset(address restriction, address account);
    error WorkerpoolRestrictedByDataset(address restriction, address account);
    error RequesterRestrictedByDataset(address restriction, address account);
    error AppRestrictedByWorkerpool(address restriction, address account);
    error DatasetRestrictedByWorkerpool(address restriction, address account);
    error RequesterRestrictedByWorkerpool(address restriction, address account);
    error AppNotRegistered(address app);
    error InvalidAppOrderSignature(bytes32 orderHash, address owner);
    error DatasetNotRegistered(address dataset);
    error InvalidDatasetOrderSignature(bytes32 orderHash, address owner);
    error WorkerpoolNotRegistered(address workerpool);
    error InvalidWorkerpoolOrderSignature(bytes32 orderHash, address owner);
    error InvalidRequestOrderSignature(bytes32 orderHash, address requester);
    /// @notice Nothing is left of at least one order. What is left of each, in the order of the arguments; the dataset
    /// order's is the greatest possible number where the deal uses none.
    error OrdersConsumed(uint256 app, uint256 dataset, uint256 workerpool, uint256 request);

    // The bounds of this hub.

    /// @notice A price, or the worker's stake it leads to, has to fit in 64 bits.
    error PriceTooLarge(uint256 price, uint256 limit);
    /// @notice Workers cannot be asked for a stake of more than ten times the price; a workerpool of the registry keeps to
    /// that by itself, one of a registry before it may not.
    error StakeRatioTooHigh(address workerpool, uint256 ratio, uint256 limit);
    /// @notice The scheduler's part cannot be more than all; a workerpool of the registry keeps to that by itself.
    error SchedulerRatioTooHigh(uint256 ratio, uint256 limit);
    /// @notice The trust of a request has to fit in 32 bits.
    error TrustTooHigh(uint256 trust, uint256 limit);
    /// @notice The indices of a deal's tasks have to fit in 32 bits.
    error TooManyTasks(uint256 first, uint256 size, uint256 limit);
    /// @notice The parameters have to fit in the code of a contract together with the rest of the deal.
    error ParamsTooLong(uint256 length, uint256 limit);

    /// @notice There is no such deal.
    error UnknownDeal(bytes32 dealid);
    /// @notice The dataset order is closed, or nothing is left of its volume.
    error DatasetOrderConsumed(bytes32 orderHash, uint256 consumed, uint256 volume);
    /// @notice The deal already has a dataset of its own.
    error DealHasDataset(bytes32 dealid, address dataset);

    /// @notice Make a deal of four orders; the requester pays. Anyone may call.
    /// @dev The orders' prices times the volume are locked on the requester's account, 30 % of the workerpool's price
    /// times the volume on its owner's. The workerpool's policy (worker stake, scheduler's part) is read now. Where the
    /// request asks for no dataset, nobody signed the dataset order: its tag and price count for nothing.
    /// Assumes of the registries and of the workerpool entry that they answer truthfully; restrictions, signers with
    /// code and the callback may be anyone's contracts and are only ever called statically here.
    /// @return dealid The identifier of the new deal.
    function matchOrders(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external returns (bytes32 dealid);

    /// @notice The same, but the caller pays.
    function sponsorMatchOrders(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external returns (bytes32 dealid);

    /// @notice How many tasks the four orders are still good for together. Neither signatures nor salts are looked at.
    function computeDealVolume(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external view returns (uint256);

    /// @notice Refuses unless the dataset of this order may be used in a deal that was made without one. Its salt is looked
    /// at as in a match, price is not, nothing is consumed or paid.
    function assertDatasetDealCompatibility(DatasetOrder calldata datasetorder, bytes32 dealid) external view;

    /// @notice The deal; all zero where there is none of that identifier.
    function viewDeal(bytes32 dealid) external view returns (Deal memory);

    /// @notice Per cent of the workerpool's price that its owner stakes: 30.
    function workerpool_stake_ratio() external pure returns (uint256);

    /// @notice The ERC-734 purpose that makes an account member of a group: 4.
    function groupmember_purpose() external pure returns (uint256);
}
