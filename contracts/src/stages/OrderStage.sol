// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Orders signed, closed and shown on chain, and the signatures that stand behind them.

import { HubState } from "../HubState.sol";
import { IEntry } from "../interfaces/IEntry.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    EIP712Domain,
    IOrder,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "../interfaces/IOrder.sol";
import { Orders } from "../libraries/Orders.sol";
import { Signer } from "../libraries/Salts.sol";
import { Signatures } from "../libraries/Signatures.sol";

abstract contract OrderStage is IOrder, HubState {
    /// @inheritdoc IOrder
    function manageAppOrder(AppOrderOperation calldata operation) external {
        address owner = _ownerOf(operation.order.app);
        bytes32 hash =
            _authorized(Orders.structHash(operation.order), Orders.structHash(operation), owner, operation.sign);
        if (operation.operation == OrderOperation.SIGN) {
            _presign(hash, owner);
            emit SignedAppOrder(hash);
        } else {
            _close(hash, operation.order.volume);
            emit ClosedAppOrder(hash);
        }
    }

    /// @inheritdoc IOrder
    function manageDatasetOrder(DatasetOrderOperation calldata operation) external {
        address owner = _ownerOf(operation.order.dataset);
        bytes32 hash =
            _authorized(Orders.structHash(operation.order), Orders.structHash(operation), owner, operation.sign);
        if (operation.operation == OrderOperation.SIGN) {
            _presign(hash, owner);
            emit SignedDatasetOrder(hash);
        } else {
            _close(hash, operation.order.volume);
            emit ClosedDatasetOrder(hash);
        }
    }

    /// @inheritdoc IOrder
    function manageWorkerpoolOrder(WorkerpoolOrderOperation calldata operation) external {
        address owner = _ownerOf(operation.order.workerpool);
        bytes32 hash =
            _authorized(Orders.structHash(operation.order), Orders.structHash(operation), owner, operation.sign);
        if (operation.operation == OrderOperation.SIGN) {
            _presign(hash, owner);
            emit SignedWorkerpoolOrder(hash);
        } else {
            _close(hash, operation.order.volume);
            emit ClosedWorkerpoolOrder(hash);
        }
    }

    /// @inheritdoc IOrder
    function manageRequestOrder(RequestOrderOperation calldata operation) external {
        address requester = operation.order.requester;
        bytes32 hash =
            _authorized(Orders.structHash(operation.order), Orders.structHash(operation), requester, operation.sign);
        if (operation.operation == OrderOperation.SIGN) {
            _presign(hash, requester);
            emit SignedRequestOrder(hash);
        } else {
            _close(hash, operation.order.volume);
            emit ClosedRequestOrder(hash);
        }
    }

    /// @inheritdoc IOrder
    function raiseEpoch(bool refuseUnmarked) external returns (uint256 epoch) {
        Signer memory signer = _signers[msg.sender];
        epoch = ++signer.epoch;
        if (refuseUnmarked) signer.unmarkedRefused = true;
        _signers[msg.sender] = signer;
        emit EpochRaised(msg.sender, epoch, signer.unmarkedRefused);
    }

    /// @inheritdoc IOrder
    function viewEpoch(address signer) external view returns (uint256 epoch, bool unmarkedRefused) {
        return (_signers[signer].epoch, _signers[signer].unmarkedRefused);
    }

    /// @inheritdoc IOrder
    function verifySignature(address identity, bytes32 hash, bytes calldata signature) external view returns (bool) {
        return Signatures.isSigner(identity, hash, signature);
    }

    /// @inheritdoc IOrder
    function verifyPresignature(address identity, bytes32 hash) external view returns (bool) {
        return _isPresigner(identity, hash);
    }

    /// @inheritdoc IOrder
    function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return _isPresigner(identity, hash) || Signatures.isSigner(identity, hash, signature);
    }

    /// @inheritdoc IOrder
    function broadcastAppOrder(AppOrder calldata order) external {
        emit BroadcastAppOrder(order);
    }

    /// @inheritdoc IOrder
    function broadcastDatasetOrder(DatasetOrder calldata order) external {
        emit BroadcastDatasetOrder(order);
    }

    /// @inheritdoc IOrder
    function broadcastWorkerpoolOrder(WorkerpoolOrder calldata order) external {
        emit BroadcastWorkerpoolOrder(order);
    }

    /// @inheritdoc IOrder
    function broadcastRequestOrder(RequestOrder calldata order) external {
        emit BroadcastRequestOrder(order);
    }

    /// @inheritdoc IOrder
    function viewConsumed(bytes32 id) external view returns (uint256) {
        return _orders[id].consumed();
    }

    /// @inheritdoc IOrder
    function viewPresigned(bytes32 id) external view returns (address) {
        return _orders[id].presigner();
    }

    /// @inheritdoc IOrder
    function domain() external view returns (EIP712Domain memory) {
        return EIP712Domain(Orders.DOMAIN_NAME, Orders.DOMAIN_VERSION, block.chainid, address(this));
    }

    /// @inheritdoc IOrder
    function eip712domain_separator() external view returns (bytes32) {
        return Orders.domainSeparator();
    }

    /// @inheritdoc IOrder
    function updateDomainSeparator() external { }

    function _isPresigner(address identity, bytes32 hash) private view returns (bool) {
        return identity != address(0) && _orders[hash].presigner() == identity;
    }

    function _ownerOf(address asset) private view returns (address) {
        require(asset.code.length != 0, AssetWithoutOwner(asset));
        return IEntry(asset).owner();
    }

    /// @dev The hash of the order, once it is clear that `owner` wants the operation.
    function _authorized(bytes32 order, bytes32 operation, address owner, bytes calldata signature)
        private
        view
        returns (bytes32 hash)
    {
        bytes32 separator = Orders.domainSeparator();
        hash = Orders.typed(separator, order);
        if (msg.sender == owner) return hash;
        require(
            Signatures.isSigner(owner, Orders.typed(separator, operation), signature),
            OperationNotAuthorized(hash, owner, msg.sender)
        );
    }

    function _presign(bytes32 hash, address owner) private {
        _orders[hash] = _orders[hash].withPresigner(owner);
    }

    function _close(bytes32 hash, uint256 volume) private {
        require(volume <= Orders.VOLUME_LIMIT, VolumeTooLarge(volume, Orders.VOLUME_LIMIT));
        _orders[hash] = _orders[hash].withConsumed(volume);
    }
}
