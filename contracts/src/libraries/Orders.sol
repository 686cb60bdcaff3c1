// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Orders on chain: their EIP-712 hashes, and one word per order that was ever used, signed or closed.
//
//     255            96 95          0
//     |  presigner 160 | consumed 96 |

import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    IOrder,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "../interfaces/IOrder.sol";

type OrderWord is uint256;

using Orders for OrderWord global;

library Orders {
    string internal constant DOMAIN_NAME = "iExecODB";
    string internal constant DOMAIN_VERSION = "5.0.0";
    uint256 internal constant VOLUME_LIMIT = type(uint96).max;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    string private constant APP_FIELDS =
        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string private constant DATASET_FIELDS =
        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string private constant WORKERPOOL_FIELDS =
        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)";
    string private constant REQUEST_FIELDS =
        "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)";
    bytes32 private constant APP_TYPE = keccak256(bytes(APP_FIELDS));
    bytes32 private constant DATASET_TYPE = keccak256(bytes(DATASET_FIELDS));
    bytes32 private constant WORKERPOOL_TYPE = keccak256(bytes(WORKERPOOL_FIELDS));
    bytes32 private constant REQUEST_TYPE = keccak256(bytes(REQUEST_FIELDS));
    bytes32 private constant APP_OPERATION_TYPE =
        keccak256(abi.encodePacked("AppOrderOperation(AppOrder order,uint256 operation)", APP_FIELDS));
    bytes32 private constant DATASET_OPERATION_TYPE =
        keccak256(abi.encodePacked("DatasetOrderOperation(DatasetOrder order,uint256 operation)", DATASET_FIELDS));
    bytes32 private constant WORKERPOOL_OPERATION_TYPE = keccak256(
        abi.encodePacked("WorkerpoolOrderOperation(WorkerpoolOrder order,uint256 operation)", WORKERPOOL_FIELDS)
    );
    bytes32 private constant REQUEST_OPERATION_TYPE =
        keccak256(abi.encodePacked("RequestOrderOperation(RequestOrder order,uint256 operation)", REQUEST_FIELDS));

    function consumed(OrderWord word) internal pure returns (uint256) {
        return uint96(OrderWord.unwrap(word));
    }

    function presigner(OrderWord word) internal pure returns (address) {
        return address(uint160(OrderWord.unwrap(word) >> 96));
    }

    /// @dev `to` is at most a volume, and volumes are at most `VOLUME_LIMIT`.
    function withConsumed(OrderWord word, uint256 to) internal pure returns (OrderWord) {
        return OrderWord.wrap(OrderWord.unwrap(word) & ~VOLUME_LIMIT | to);
    }

    function withPresigner(OrderWord word, address by) internal pure returns (OrderWord) {
        return OrderWord.wrap(uint256(uint160(by)) << 96 | uint96(OrderWord.unwrap(word)));
    }

    /// @dev What is left of an order of this volume.
    function left(OrderWord word, uint256 volume) internal pure returns (uint256) {
        require(volume <= VOLUME_LIMIT, IOrder.VolumeTooLarge(volume, VOLUME_LIMIT));
        uint256 used = word.consumed();
        return used < volume ? volume - used : 0;
    }

    /// @dev Made anew each time, from the chain's id as it is now: a few hundred gas, less than reading it from storage.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPE,
                keccak256(bytes(DOMAIN_NAME)),
                keccak256(bytes(DOMAIN_VERSION)),
                block.chainid,
                address(this)
            )
        );
    }

    function typed(bytes32 separator, bytes32 content) internal pure returns (bytes32 hash) {
        // Memory-safe: the third word reaches into the free memory pointer's slot, which is put back.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(0x00, hex"1901")
            mstore(0x02, separator)
            mstore(0x22, content)
            hash := keccak256(0x00, 0x42)
            mstore(0x40, free)
        }
    }

    /// @dev The fields before `sign` are eight words in the order of the type, so they are hashed as they lie.
    function structHash(AppOrder calldata order) internal pure returns (bytes32) {
        return _hashWords(APP_TYPE, _place(order), 8);
    }

    function structHash(DatasetOrder calldata order) internal pure returns (bytes32) {
        return _hashWords(DATASET_TYPE, _place(order), 8);
    }

    function structHash(WorkerpoolOrder calldata order) internal pure returns (bytes32) {
        return _hashWords(WORKERPOOL_TYPE, _place(order), 10);
    }

    /// @dev Thirteen words as they lie, then the hash of the parameters, then the salt.
    function structHash(RequestOrder calldata order) internal pure returns (bytes32 hash) {
        bytes32 type_ = REQUEST_TYPE;
        bytes32 params = keccak256(bytes(order.params));
        bytes32 salt = order.salt;
        // Memory-safe: writes beyond the free memory pointer, which is allowed without moving it.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, type_)
            calldatacopy(add(free, 32), order, 416)
            mstore(add(free, 448), params)
            mstore(add(free, 480), salt)
            hash := keccak256(free, 512)
        }
    }

    function structHash(AppOrderOperation calldata operation) internal pure returns (bytes32) {
        return keccak256(abi.encode(APP_OPERATION_TYPE, structHash(operation.order), operation.operation));
    }

    function structHash(DatasetOrderOperation calldata operation) internal pure returns (bytes32) {
        return keccak256(abi.encode(DATASET_OPERATION_TYPE, structHash(operation.order), operation.operation));
    }

    function structHash(WorkerpoolOrderOperation calldata operation) internal pure returns (bytes32) {
        return keccak256(abi.encode(WORKERPOOL_OPERATION_TYPE, structHash(operation.order), operation.operation));
    }

    function structHash(RequestOrderOperation calldata operation) internal pure returns (bytes32) {
        return keccak256(abi.encode(REQUEST_OPERATION_TYPE, structHash(operation.order), operation.operation));
    }

    /// @dev Words are hashed without being cleaned. An address with dirt above its 160 bits makes a hash that no signer
    /// of orders makes, and matching reads the fields one by one, which refuses dirt.
    function _hashWords(bytes32 type_, uint256 place, uint256 words) private pure returns (bytes32 hash) {
        // Memory-safe: writes beyond the free memory pointer, which is allowed without moving it.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, type_)
            calldatacopy(add(free, 32), place, shl(5, words))
            hash := keccak256(free, add(32, shl(5, words)))
        }
    }

    function _place(AppOrder calldata order) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := order
        }
    }

    function _place(DatasetOrder calldata order) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := order
        }
    }

    function _place(WorkerpoolOrder calldata order) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := order
        }
    }
}
