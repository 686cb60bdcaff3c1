// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Orders: signed offers and signed requests
/// @notice An order is made and signed away from the chain (EIP-712). The chain sees it when it is matched, signed on
/// chain, closed, or broadcast. It has a volume, of which each match consumes a part, and no field for an end.
///
/// An order that is to end by itself says so in its salt, 32 bytes, highest first:
///
///     "oxec" 4 | version 1 | flags 1 | expiry 5 | signer epoch 3 | asset epoch 3 | stake ratio 2 | reward ratio 1 | random 12
///
/// The version is 1. Flag 1: it cannot be matched from the second `expiry` on. Flag 2: only while its signer (today's owner
/// of the asset, or the requester) has that epoch. Flag 4, not in a request: only while its asset has that epoch, which is
/// the number of its transfers. Flag 8, in a workerpool order: only while the workerpool has that policy. These are looked
/// at, in this order, right after the order's signature. Salts that do not begin with "oxec" say nothing.
///
/// Bounds of this hub, narrower than the types of the ABI because they are packed: a price fits in 64 bits (all the RLC
/// there is fits in 57), a volume in 96, the trust of a request in 32, the last task index of a request in 32.

/// @notice An application, offered by its owner.
struct AppOrder {
    /// The application, an entry of the application registry.
    address app;
    /// nRLC per task.
    uint256 appprice;
    /// Tasks this order is good for.
    uint256 volume;
    /// Features the application brings or needs.
    bytes32 tag;
    /// Only with this dataset (or group of datasets); zero for any.
    address datasetrestrict;
    /// Only on this workerpool (or group of workerpools); zero for any.
    address workerpoolrestrict;
    /// Only for this requester (or group of requesters); zero for any.
    address requesterrestrict;
    /// Tells two otherwise equal orders apart, and may say how the order ends; see above.
    bytes32 salt;
    /// The owner's signature; not part of the signed structure.
    bytes sign;
}

/// @notice A dataset, offered by its owner.
struct DatasetOrder {
    /// The dataset, an entry of the dataset registry; zero where a deal uses none.
    address dataset;
    /// nRLC per task.
    uint256 datasetprice;
    /// Tasks this order is good for.
    uint256 volume;
    /// Features the dataset needs.
    bytes32 tag;
    /// Only for this application (or group); zero for any.
    address apprestrict;
    /// Only on this workerpool (or group); zero for any.
    address workerpoolrestrict;
    /// Only for this requester (or group); zero for any.
    address requesterrestrict;
    /// Tells two otherwise equal orders apart, and may say how the order ends; see above.
    bytes32 salt;
    /// The owner's signature; not part of the signed structure.
    bytes sign;
}

/// @notice Computing time, offered by the owner of a workerpool.
struct WorkerpoolOrder {
    /// The workerpool, an entry of the workerpool registry.
    address workerpool;
    /// nRLC per task.
    uint256 workerpoolprice;
    /// Tasks this order is good for.
    uint256 volume;
    /// Features the pool offers.
    bytes32 tag;
    /// The category of tasks it takes.
    uint256 category;
    /// The highest trust it takes on.
    uint256 trust;
    /// Only for this application (or group); zero for any.
    address apprestrict;
    /// Only with this dataset (or group); zero for any.
    address datasetrestrict;
    /// Only for this requester (or group); zero for any.
    address requesterrestrict;
    /// Tells two otherwise equal orders apart, and may say how the order ends; see above.
    bytes32 salt;
    /// The owner's signature; not part of the signed structure.
    bytes sign;
}

/// @notice What a requester asks for.
struct RequestOrder {
    /// The application to run.
    address app;
    /// The most to pay for it, nRLC per task.
    uint256 appmaxprice;
    /// The dataset to use; zero for none.
    address dataset;
    /// The most to pay for it, nRLC per task.
    uint256 datasetmaxprice;
    /// The workerpool (or group of workerpools) to run on; zero for any.
    address workerpool;
    /// The most to pay for it, nRLC per task.
    uint256 workerpoolmaxprice;
    /// Who asks, and pays unless somebody sponsors the deal.
    address requester;
    /// How many tasks.
    uint256 volume;
    /// Features asked for.
    bytes32 tag;
    /// The category: how long a task may take.
    uint256 category;
    /// Confidence asked for is 1 - 1/trust.
    uint256 trust;
    /// Whom the result is for (who may decrypt it); the hub only records it.
    address beneficiary;
    /// A contract to call with the result; zero for none.
    address callback;
    /// Parameters for the application, free text to the hub.
    string params;
    /// Tells two otherwise equal orders apart, and may say how the order ends; see above.
    bytes32 salt;
    /// The requester's signature; not part of the signed structure.
    bytes sign;
}

/// @notice What to do with an order on chain.
enum OrderOperation {
    SIGN,
    CLOSE
}

/// @notice Sign or close an application order.
struct AppOrderOperation {
    AppOrder order;
    OrderOperation operation;
    /// The owner's signature of this operation, where somebody else sends it.
    bytes sign;
}

/// @notice Sign or close a dataset order.
struct DatasetOrderOperation {
    DatasetOrder order;
    OrderOperation operation;
    /// The owner's signature of this operation, where somebody else sends it.
    bytes sign;
}

/// @notice Sign or close a workerpool order.
struct WorkerpoolOrderOperation {
    WorkerpoolOrder order;
    OrderOperation operation;
    /// The owner's signature of this operation, where somebody else sends it.
    bytes sign;
}

/// @notice Sign or close a request order.
struct RequestOrderOperation {
    RequestOrder order;
    OrderOperation operation;
    /// The requester's signature of this operation, where somebody else sends it.
    bytes sign;
}

/// @notice The domain under which orders and operations are signed.
struct EIP712Domain {
    string name;
    string version;
    uint256 chainId;
    address verifyingContract;
}

interface IOrder {
    /// @notice The owner of the application signed the order on chain.
    event SignedAppOrder(bytes32 appHash);
    /// @notice The owner of the dataset signed the order on chain.
    event SignedDatasetOrder(bytes32 datasetHash);
    /// @notice The owner of the workerpool signed the order on chain.
    event SignedWorkerpoolOrder(bytes32 workerpoolHash);
    /// @notice The requester signed the order on chain.
    event SignedRequestOrder(bytes32 requestHash);

    /// @notice All orders that `signer` marked with an epoch below `epoch` can no longer be matched; and, if
    /// `unmarkedRefused`, none that is not marked with one.
    event EpochRaised(address indexed signer, uint256 epoch, bool unmarkedRefused);

    /// @notice The order can no longer be matched.
    event ClosedAppOrder(bytes32 appHash);
    /// @notice The order can no longer be matched.
    event ClosedDatasetOrder(bytes32 datasetHash);
    /// @notice The order can no longer be matched.
    event ClosedWorkerpoolOrder(bytes32 workerpoolHash);
    /// @notice The order can no longer be matched.
    event ClosedRequestOrder(bytes32 requestHash);

    /// @notice Somebody showed this order to the world; nothing about it was checked.
    event BroadcastAppOrder(AppOrder apporder);
    /// @notice Somebody showed this order to the world; nothing about it was checked.
    event BroadcastDatasetOrder(DatasetOrder datasetorder);
    /// @notice Somebody showed this order to the world; nothing about it was checked.
    event BroadcastWorkerpoolOrder(WorkerpoolOrder workerpoolorder);
    /// @notice Somebody showed this order to the world; nothing about it was checked.
    event BroadcastRequestOrder(RequestOrder requestorder);

    /// @notice `sender` is not `owner`, and no signature of the operation by `owner` came along.
    error OperationNotAuthorized(bytes32 orderHash, address owner, address sender);
    /// @notice A signature by a plain account has 65 bytes, or 64 in the compact form of EIP-2098.
    error InvalidSignatureLength(uint256 length);
    /// @notice The asset has no code, so it has no owner who could sign or close its orders.
    error AssetWithoutOwner(address asset);
    /// @notice The volume of an order has to fit in 96 bits.
    error VolumeTooLarge(uint256 volume, uint256 limit);

    // The refusals of a match by what the salt of a signed order says, in the order in which it is read.

    /// @notice The salt is marked, but with a version that this hub does not know, or a flag that it does not know for this
    /// kind of order.
    error UnknownSalt(bytes32 orderHash, bytes32 salt);
    error OrderExpired(bytes32 orderHash, uint256 expiry, uint256 time);
    /// @notice The order is of another epoch of its signer's.
    error OrderEpochPassed(bytes32 orderHash, address signer, uint256 signedEpoch, uint256 currentEpoch);
    /// @notice The order is not marked with an epoch, and its signer once said that such orders are none of his.
    error UnmarkedOrderRefused(bytes32 orderHash, address signer);
    /// @notice The asset changed hands since, though it may be back.
    error AssetTransferred(bytes32 orderHash, address asset, uint256 signedEpoch, uint256 currentEpoch);
    /// @notice The workerpool's policy is not the one that was signed; the ratios are today's, in per cent.
    error PolicyChanged(bytes32 orderHash, address workerpool, uint256 stakeRatio, uint256 rewardRatio);

    /// @notice Sign an application order on chain, or close it for good. By the owner of the application, or by anyone
    /// who carries the owner's signature of the operation.
    /// @dev The order itself is not validated. An operation may be sent twice; the second changes nothing.
    function manageAppOrder(AppOrderOperation calldata operation) external;

    /// @notice Sign a dataset order on chain, or close it for good. As `manageAppOrder`.
    function manageDatasetOrder(DatasetOrderOperation calldata operation) external;

    /// @notice Sign a workerpool order on chain, or close it for good. As `manageAppOrder`.
    function manageWorkerpoolOrder(WorkerpoolOrderOperation calldata operation) external;

    /// @notice Sign a request order on chain, or close it for good. As `manageAppOrder`, by the requester.
    function manageRequestOrder(RequestOrderOperation calldata operation) external;

    /// @notice End, at once, all orders of the caller's that are marked with his epoch.
    /// @dev An epoch that does not fit in the salt any more, after 16,777,215 raises, can be named by no order.
    /// @param refuseUnmarked Refuse also, from now on and for ever, every order by the caller that is not marked with an
    /// epoch. Once said it cannot be taken back: whoever gets hold of an old order could wait for that.
    /// @return epoch The epoch from now on; it starts at 0 and goes up by one.
    function raiseEpoch(bool refuseUnmarked) external returns (uint256 epoch);

    /// @notice The epoch of an account, and whether it refuses orders that are not marked with one.
    function viewEpoch(address signer) external view returns (uint256 epoch, bool unmarkedRefused);

    /// @notice Whether `signature` is one of `hash` by `identity`: ERC-1271 where `identity` has code, ECDSA
    /// otherwise. The zero address signs nothing.
    function verifySignature(address identity, bytes32 hash, bytes calldata signature) external view returns (bool);

    /// @notice Whether `identity` signed the order of this hash on chain.
    function verifyPresignature(address identity, bytes32 hash) external view returns (bool);

    /// @notice Either of the two.
    function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool);

    /// @notice Show an order to the world through an event. No check is made and nothing is kept.
    function broadcastAppOrder(AppOrder calldata order) external;

    /// @notice Show an order to the world through an event. No check is made and nothing is kept.
    function broadcastDatasetOrder(DatasetOrder calldata order) external;

    /// @notice Show an order to the world through an event. No check is made and nothing is kept.
    function broadcastWorkerpoolOrder(WorkerpoolOrder calldata order) external;

    /// @notice Show an order to the world through an event. No check is made and nothing is kept.
    function broadcastRequestOrder(RequestOrder calldata order) external;

    /// @notice How much of the volume of the order of this hash is used up.
    function viewConsumed(bytes32 id) external view returns (uint256);

    /// @notice Who signed the order of this hash on chain; zero for nobody.
    function viewPresigned(bytes32 id) external view returns (address);

    /// @notice The domain under which orders are signed: ("iExecODB", "5.0.0", chain, hub).
    function domain() external view returns (EIP712Domain memory);

    /// @notice The EIP-712 separator of that domain. It follows the chain's id by itself.
    function eip712domain_separator() external view returns (bytes32);

    /// @notice Kept for callers of older hubs: the separator is never stored, so there is nothing to update.
    function updateDomainSeparator() external;
}
