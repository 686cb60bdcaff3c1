// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Orders signed and closed on chain, by their owner or by anyone who carries the owner's signature of the operation, and the
// signatures the hub accepts.

import { IDeal } from "../../src/interfaces/IDeal.sol";
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
} from "../../src/interfaces/IOrder.sol";
import { Town } from "../support/Town.sol";

contract OrdersTest is Town {
    uint256 private constant CURVE = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    // Typed data

    function test_the_domain_is_that_of_the_market() public {
        EIP712Domain memory domain = hub.domain();
        vm.assertEq(domain.name, "iExecODB");
        vm.assertEq(domain.version, "5.0.0");
        vm.assertEq(domain.chainId, block.chainid);
        vm.assertEq(domain.verifyingContract, address(hub));
        vm.assertEq(hub.eip712domain_separator(), separator());
        vm.chainId(134);
        vm.assertEq(hub.eip712domain_separator(), separator());
        hub.updateDomainSeparator();
    }

    /// @dev The hashes as the market has published them.
    function test_the_types_are_those_of_the_market() public pure {
        vm.assertEq(keccak256(bytes(APP_TYPE)), 0x60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008);
        vm.assertEq(keccak256(bytes(DATASET_TYPE)), 0x6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c);
        vm.assertEq(keccak256(bytes(POOL_TYPE)), 0xaa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb);
        vm.assertEq(keccak256(bytes(REQUEST_TYPE)), 0xf24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0);
        vm.assertEq(
            _operationType("AppOrder", APP_TYPE), 0x0638bb0702457e2b4b01be8a202579b8bf97e587fb4f2cc4d4aad01f21a06ee0
        );
        vm.assertEq(
            _operationType("DatasetOrder", DATASET_TYPE),
            0x075eb6f7578ff4292c241bd2484cd5c1d5e6ecc2ddd3317e1d8176b5a45865ec
        );
        vm.assertEq(
            _operationType("WorkerpoolOrder", POOL_TYPE),
            0x322d980b7d7a6a1f7c39ff0c5445da6ae1d8e0393ff0dd468c8be3e2c8644388
        );
        vm.assertEq(
            _operationType("RequestOrder", REQUEST_TYPE),
            0x0ded7b52c2d77595a40d242eca751df172b18e686326dbbed3f4748828af77c7
        );
    }

    // Signing and closing

    function test_an_owner_signs_on_chain() public {
        bytes32 hash = hashOf(appOrder());
        vm.expectEmit(address(hub));
        emit IOrder.SignedAppOrder(hash);
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.SIGN, ""));
        vm.assertEq(hub.viewPresigned(hash), developer.account);

        hash = hashOf(datasetOrder());
        vm.expectEmit(address(hub));
        emit IOrder.SignedDatasetOrder(hash);
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(datasetOrder(), OrderOperation.SIGN, ""));
        vm.assertEq(hub.viewPresigned(hash), curator.account);

        hash = hashOf(poolOrder());
        vm.expectEmit(address(hub));
        emit IOrder.SignedWorkerpoolOrder(hash);
        vm.prank(scheduler.account);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(poolOrder(), OrderOperation.SIGN, ""));
        vm.assertEq(hub.viewPresigned(hash), scheduler.account);

        hash = hashOf(requestOrder());
        vm.expectEmit(address(hub));
        emit IOrder.SignedRequestOrder(hash);
        vm.prank(requester.account);
        hub.manageRequestOrder(RequestOrderOperation(requestOrder(), OrderOperation.SIGN, ""));
        vm.assertEq(hub.viewPresigned(hash), requester.account);
    }

    function test_an_owner_closes_for_good() public {
        bytes32 hash = hashOf(appOrder());
        vm.expectEmit(address(hub));
        emit IOrder.ClosedAppOrder(hash);
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewConsumed(hash), 1000);

        hash = hashOf(datasetOrder());
        vm.expectEmit(address(hub));
        emit IOrder.ClosedDatasetOrder(hash);
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(datasetOrder(), OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewConsumed(hash), 1000);

        hash = hashOf(poolOrder());
        vm.expectEmit(address(hub));
        emit IOrder.ClosedWorkerpoolOrder(hash);
        vm.prank(scheduler.account);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(poolOrder(), OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewConsumed(hash), 1000);

        hash = hashOf(requestOrder());
        vm.expectEmit(address(hub));
        emit IOrder.ClosedRequestOrder(hash);
        vm.prank(requester.account);
        hub.manageRequestOrder(RequestOrderOperation(requestOrder(), OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewConsumed(hash), 1);
    }

    function test_a_closed_order_cannot_be_matched_even_if_signed_again() public {
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.CLOSE, ""));
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.SIGN, ""));
        AppOrder memory a = signedBy(developer, appOrder());
        WorkerpoolOrder memory p = signedBy(scheduler, poolOrder());
        RequestOrder memory r = signedBy(requester, requestOrder());
        vm.expectRevert(abi.encodeWithSelector(IDeal.OrdersConsumed.selector, 0, type(uint256).max, 1000, 1));
        hub.matchOrders(a, noDataset(), p, r);
    }

    function test_closing_leaves_the_signature_and_signing_the_volume() public {
        bytes32 hash = hashOf(appOrder());
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.SIGN, ""));
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewPresigned(hash), developer.account);
        vm.assertEq(hub.viewConsumed(hash), 1000);
    }

    function test_anyone_may_carry_the_owners_wish() public {
        AppOrderOperation memory operation = AppOrderOperation(appOrder(), OrderOperation.CLOSE, "");
        bytes32 content =
            keccak256(abi.encode(_operationType("AppOrder", APP_TYPE), contentOf(operation.order), uint256(1)));
        operation.sign = signed(developer.key, typed(content));
        vm.prank(stranger.account);
        hub.manageAppOrder(operation);
        vm.assertEq(hub.viewConsumed(hashOf(operation.order)), 1000);

        RequestOrderOperation memory request = RequestOrderOperation(requestOrder(), OrderOperation.SIGN, "");
        content =
            keccak256(abi.encode(_operationType("RequestOrder", REQUEST_TYPE), contentOf(request.order), uint256(0)));
        request.sign = signed(requester.key, typed(content));
        vm.prank(stranger.account);
        hub.manageRequestOrder(request);
        vm.assertEq(hub.viewPresigned(hashOf(request.order)), requester.account);
    }

    function test_anyone_may_carry_the_wish_of_the_other_owners_too() public {
        DatasetOrderOperation memory data = DatasetOrderOperation(datasetOrder(), OrderOperation.SIGN, "");
        bytes32 content =
            keccak256(abi.encode(_operationType("DatasetOrder", DATASET_TYPE), contentOf(data.order), uint256(0)));
        data.sign = signed(curator.key, typed(content));
        WorkerpoolOrderOperation memory offer = WorkerpoolOrderOperation(poolOrder(), OrderOperation.CLOSE, "");
        content =
            keccak256(abi.encode(_operationType("WorkerpoolOrder", POOL_TYPE), contentOf(offer.order), uint256(1)));
        offer.sign = signed(scheduler.key, typed(content));
        vm.startPrank(stranger.account);
        hub.manageDatasetOrder(data);
        hub.manageWorkerpoolOrder(offer);
        vm.stopPrank();
        vm.assertEq(hub.viewPresigned(hashOf(data.order)), curator.account);
        vm.assertEq(hub.viewConsumed(hashOf(offer.order)), 1000);
    }

    function test_nobody_else_signs_or_closes() public {
        // The signature of the order is not one of the operation.
        AppOrder memory order = signedBy(developer, appOrder());
        AppOrderOperation memory operation = AppOrderOperation(order, OrderOperation.CLOSE, order.sign);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOrder.OperationNotAuthorized.selector, hashOf(order), developer.account, stranger.account
            )
        );
        vm.prank(stranger.account);
        hub.manageAppOrder(operation);

        operation.sign = "";
        vm.expectRevert(abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 0));
        vm.prank(stranger.account);
        hub.manageAppOrder(operation);
    }

    function test_nobody_cannot_request_on_chain_either() public {
        RequestOrder memory order = requestOrder();
        order.requester = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(IOrder.OperationNotAuthorized.selector, hashOf(order), address(0), address(this))
        );
        hub.manageRequestOrder(RequestOrderOperation(order, OrderOperation.SIGN, new bytes(65)));
    }

    function test_an_asset_without_code_has_no_owner() public {
        AppOrder memory order = appOrder();
        order.app = stranger.account;
        vm.expectRevert(abi.encodeWithSelector(IOrder.AssetWithoutOwner.selector, stranger.account));
        hub.manageAppOrder(AppOrderOperation(order, OrderOperation.SIGN, ""));
    }

    function test_a_volume_beyond_bounds_cannot_be_closed_and_need_not() public {
        AppOrder memory order = appOrder();
        order.volume = uint256(1) << 96;
        vm.expectRevert(abi.encodeWithSelector(IOrder.VolumeTooLarge.selector, order.volume, type(uint96).max));
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(order, OrderOperation.CLOSE, ""));
    }

    // Signatures

    function test_a_key_signs_in_the_long_and_in_the_short_form(bytes32 hash) public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(stranger.key, hash);
        vm.assertTrue(hub.verifySignature(stranger.account, hash, abi.encodePacked(r, s, v)));
        bytes32 short = bytes32(uint256(s) | uint256(v - 27) << 255);
        vm.assertTrue(hub.verifySignature(stranger.account, hash, abi.encodePacked(r, short)));
        vm.assertFalse(hub.verifySignature(requester.account, hash, abi.encodePacked(r, s, v)));
    }

    function test_the_other_of_the_two_equivalent_signatures_is_none(bytes32 hash) public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(stranger.key, hash);
        bytes32 high = bytes32(CURVE - uint256(s));
        vm.assertFalse(hub.verifySignature(stranger.account, hash, abi.encodePacked(r, high, v == 27 ? 28 : 27)));
    }

    function test_the_zero_address_signs_nothing(bytes32 hash) public view {
        vm.assertFalse(hub.verifySignature(address(0), hash, new bytes(65)));
        vm.assertFalse(hub.verifyPresignature(address(0), hash));
        vm.assertFalse(hub.verifyPresignatureOrSignature(address(0), hash, new bytes(65)));
    }

    function test_a_signature_has_a_length() public {
        vm.expectRevert(abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 66));
        hub.verifySignature(stranger.account, bytes32(0), new bytes(66));
    }

    function test_a_signature_on_chain_counts_as_well_as_one_that_comes_along() public {
        bytes32 hash = hashOf(appOrder());
        vm.assertFalse(hub.verifyPresignature(developer.account, hash));
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(appOrder(), OrderOperation.SIGN, ""));
        vm.assertTrue(hub.verifyPresignature(developer.account, hash));
        vm.assertTrue(hub.verifyPresignatureOrSignature(developer.account, hash, ""));
        bytes memory signature = signed(stranger.key, hash);
        vm.assertTrue(hub.verifyPresignatureOrSignature(stranger.account, hash, signature));
    }

    // Broadcast

    function test_an_order_may_be_shown_to_the_world() public {
        vm.expectEmit(address(hub));
        emit IOrder.BroadcastAppOrder(appOrder());
        hub.broadcastAppOrder(appOrder());
        vm.expectEmit(address(hub));
        emit IOrder.BroadcastDatasetOrder(datasetOrder());
        hub.broadcastDatasetOrder(datasetOrder());
        vm.expectEmit(address(hub));
        emit IOrder.BroadcastWorkerpoolOrder(poolOrder());
        hub.broadcastWorkerpoolOrder(poolOrder());
        vm.expectEmit(address(hub));
        emit IOrder.BroadcastRequestOrder(requestOrder());
        hub.broadcastRequestOrder(requestOrder());
    }

    function _operationType(string memory order, string memory fields) private pure returns (bytes32) {
        return keccak256(bytes(string.concat(order, "Operation(", order, " order,uint256 operation)", fields)));
    }
}
