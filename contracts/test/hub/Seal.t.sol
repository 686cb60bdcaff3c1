// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What the owner of the hub can do, before and after it is sealed; and that setting up goes wrong in no way that lasts.

import { IDeal } from "../../src/interfaces/IDeal.sol";
import { IGovernance } from "../../src/interfaces/IGovernance.sol";
import { IHub } from "../../src/interfaces/IHub.sol";
import { AppOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IOracleConsumer } from "../../src/interfaces/IResult.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Glutton } from "../support/Callbacks.sol";
import { Town } from "../support/Town.sol";

/// @dev A registry that says that everything is one's.
contract Flatterer {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function ownerOfEntry(address) external view returns (address) {
        return _owner;
    }

    function initialized() external pure returns (bool) {
        return true;
    }
}

/// @dev Answers the question whether it is initialized in a way of its own.
contract Mumbler {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

/// @dev Remembers how much gas it was given, which takes less than the least there may be.
contract GasMeter is IOracleConsumer {
    uint256 public given;

    function receiveResult(bytes32, bytes calldata) external {
        given = gasleft();
    }
}

contract FormerHub {
    function viewScore(address) external pure returns (uint256) {
        return 12;
    }
}

contract SealTest is Town {
    uint256 private constant LEAST_GAS = 50_000;
    uint256 private constant MOST_GAS = 2_000_000;

    // Setting up

    /// @dev Under PoCo's rule a hub whose callback gas was set first could never be configured.
    function test_a_hub_whose_callback_gas_was_set_first_can_still_be_configured() public {
        IHub fresh = _hub();
        fresh.setCallbackGas(1);
        _configure(fresh);
        vm.assertEq(fresh.callbackgas(), 200_000);
        vm.assertEq(fresh.token(), address(rlc));
        vm.expectRevert(IGovernance.AlreadyConfigured.selector);
        _configure(fresh);
    }

    /// @dev And one without callback gas could be configured again.
    function test_a_hub_without_callback_gas_is_configured_all_the_same() public {
        hub.setCallbackGas(0);
        vm.expectRevert(IGovernance.AlreadyConfigured.selector);
        _configure(hub);
    }

    function test_a_hub_is_configured_with_everything_it_needs() public {
        IHub fresh = _hub();
        address t = address(rlc);
        (address a, address d, address p) = (address(apps), address(datasets), address(pools));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.ZeroArgument.selector, "token"));
        fresh.configure(address(0), "", "", 9, a, d, p, address(0));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.ZeroArgument.selector, "appregistry"));
        fresh.configure(t, "", "", 9, address(0), d, p, address(0));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.ZeroArgument.selector, "datasetregistry"));
        fresh.configure(t, "", "", 9, a, address(0), p, address(0));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.ZeroArgument.selector, "workerpoolregistry"));
        fresh.configure(t, "", "", 9, a, d, address(0), address(0));
        fresh.configure(t, "", "", 9, a, d, p, address(0));
        vm.assertEq(fresh.datasetregistry(), d);
    }

    /// @dev A slip of the finger, and there would be no more categories, ever.
    function test_nobody_cannot_be_the_owner() public {
        vm.expectRevert(abi.encodeWithSelector(IGovernance.ZeroArgument.selector, "newOwner"));
        hub.transferOwnership(address(0));
        vm.assertEq(hub.owner(), address(this));
    }

    // Sealing

    function test_a_hub_is_sealed_once_by_its_owner() public {
        vm.assertFalse(hub.isSealed());
        vm.expectRevert(_notTheOwner());
        vm.prank(stranger.account);
        hub.seal();
        vm.expectEmit(address(hub));
        emit IGovernance.HubSealed();
        hub.seal();
        vm.assertTrue(hub.isSealed());
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.seal();
    }

    function test_a_hub_is_not_sealed_before_it_is_configured() public {
        IHub fresh = _hub();
        vm.expectRevert(abi.encodeWithSelector(IGovernance.NotReadyToSeal.selector, address(fresh)));
        fresh.seal();
        _configure(fresh);
        fresh.seal();
    }

    /// @dev A registry that was not initialized could be given any predecessor by its owner, and with it any asset.
    function test_a_hub_is_not_sealed_before_its_registries_are_initialized() public {
        address[3] memory rooms = [address(apps), address(datasets), address(pools)];
        string[3] memory artifacts = [
            "AppRegistry.sol:AppRegistry",
            "DatasetRegistry.sol:DatasetRegistry",
            "WorkerpoolRegistry.sol:WorkerpoolRegistry"
        ];
        for (uint256 i = 0; i < 3; ++i) {
            address ready = rooms[i];
            rooms[i] = vm.deployCode(artifacts[i], abi.encode(address(this)));
            hub.changeRegistries(rooms[0], rooms[1], rooms[2]);
            vm.expectRevert(abi.encodeWithSelector(IGovernance.NotReadyToSeal.selector, rooms[i]));
            hub.seal();
            rooms[i] = ready;
        }
        hub.changeRegistries(rooms[0], rooms[1], rooms[2]);
        hub.seal();
    }

    function test_a_hub_is_not_sealed_with_what_is_no_registry() public {
        _notReady(address(0));
        _notReady(stranger.account);
        _notReady(address(rlc));
        _notReady(address(new Mumbler("")));
        _notReady(address(new Mumbler(hex"01")));
        _notReady(address(new Mumbler(abi.encode(0))));
        _notReady(address(new Mumbler(abi.encode(2))));
        _notReady(address(new Mumbler(abi.encode(1, 1))));
    }

    function test_a_hub_is_not_sealed_with_a_callback_gas_out_of_bounds() public {
        hub.setCallbackGas(LEAST_GAS - 1);
        _outOfBounds(LEAST_GAS - 1);
        hub.seal();
        hub.setCallbackGas(MOST_GAS + 1);
        _outOfBounds(MOST_GAS + 1);
        hub.seal();
        hub.setCallbackGas(MOST_GAS);
        hub.seal();
        vm.assertEq(hub.callbackgas(), MOST_GAS);
    }

    // Afterwards

    function test_a_sealed_hub_trusts_for_ever_whom_it_trusts() public {
        hub.seal();
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        _configure(hub);
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.changeRegistries(address(1), address(2), address(3));
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.setTeeBroker(address(1));
        vm.prank(stranger.account);
        rlc.transfer(address(hub), 3e9);
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.recover();
        vm.assertEq(hub.appregistry(), address(apps));
        vm.assertEq(hub.datasetregistry(), address(datasets));
        vm.assertEq(hub.workerpoolregistry(), address(pools));
        vm.assertEq(hub.teebroker(), address(0));
        vm.assertEq(hub.balanceOf(address(this)), 0);
    }

    function test_a_stranger_hears_first_that_he_is_one() public {
        hub.seal();
        vm.startPrank(stranger.account);
        vm.expectRevert(_notTheOwner());
        _configure(hub);
        vm.expectRevert(_notTheOwner());
        hub.changeRegistries(address(1), address(2), address(3));
        vm.expectRevert(_notTheOwner());
        hub.setTeeBroker(address(1));
        vm.expectRevert(_notTheOwner());
        hub.recover();
        vm.expectRevert(_notTheOwner());
        hub.setCallbackGas(LEAST_GAS);
        vm.expectRevert(_notTheOwner());
        hub.seal();
        vm.stopPrank();
    }

    function test_what_is_left_to_the_owner_of_a_sealed_hub() public {
        hub.seal();
        vm.assertEq(hub.createCategory("XXL", "", 100_000), 5);
        hub.transferOwnership(stranger.account);
        vm.startPrank(stranger.account);
        vm.assertEq(hub.createCategory("XXXL", "", 200_000), 6);
        hub.setCallbackGas(LEAST_GAS);
        vm.assertEq(hub.callbackgas(), LEAST_GAS);
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.setTeeBroker(stranger.account);
        vm.stopPrank();
    }

    function test_the_callback_gas_of_a_sealed_hub_has_bounds(uint256 callbackgas) public {
        hub.setCallbackGas(1);
        vm.assertEq(hub.callbackgas(), 1);
        hub.setCallbackGas(200_000);
        hub.seal();
        hub.setCallbackGas(LEAST_GAS);
        hub.setCallbackGas(MOST_GAS);
        uint256[3] memory some = [LEAST_GAS - 1, MOST_GAS + 1, callbackgas];
        for (uint256 i = 0; i < 3; ++i) {
            bool fine = some[i] >= LEAST_GAS && some[i] <= MOST_GAS;
            if (!fine) _outOfBounds(some[i]);
            hub.setCallbackGas(some[i]);
            vm.assertEq(hub.callbackgas(), fine ? some[i] : MOST_GAS);
        }
    }

    /// @dev At either bound a callback gets what was set, and one that burns all of it holds nothing up.
    function test_callbacks_of_a_sealed_hub_get_what_was_set() public {
        hub.seal();
        uint256[2] memory some = [LEAST_GAS, MOST_GAS];
        for (uint256 i = 0; i < 2; ++i) {
            hub.setCallbackGas(some[i]);
            GasMeter meter = new GasMeter();
            _finalizeFor(address(meter));
            vm.assertLe(meter.given(), some[i]);
            vm.assertGe(meter.given(), some[i] * 99 / 100);
            _finalizeFor(address(new Glutton()));
        }
    }

    /// @dev An owner gone bad, or his key in other hands. Before the hub is sealed he puts a registry of his own in the place
    /// of the apps', which says that everything is his accomplice's; who signs an order for the app everybody asks for, and
    /// is paid for it.
    function test_the_owner_of_a_sealed_hub_cannot_make_anybody_the_owner_of_the_apps() public {
        address flatterer = address(new Flatterer(stranger.account));
        WorkerpoolOrder memory p = signedBy(scheduler, poolOrder());
        RequestOrder memory r = signedBy(requester, requestOrder());
        AppOrder memory accomplices = signedBy(stranger, appOrder());
        uint256 before = vm.snapshotState();
        hub.changeRegistries(flatterer, address(datasets), address(pools));
        bytes32 dealid = hub.matchOrders(accomplices, noDataset(), p, r);
        vm.assertEq(hub.viewDeal(dealid).app.owner, stranger.account);
        vm.revertToState(before);

        hub.seal();
        vm.expectRevert(IGovernance.HubIsSealed.selector);
        hub.changeRegistries(flatterer, address(datasets), address(pools));
        vm.expectRevert(
            abi.encodeWithSelector(IDeal.InvalidAppOrderSignature.selector, hashOf(accomplices), developer.account)
        );
        hub.matchOrders(accomplices, noDataset(), p, r);
        hub.matchOrders(signedBy(developer, appOrder()), noDataset(), p, r);
    }

    /// @dev Scores come from the hub that was named at the start, and no other.
    function test_scores_are_imported_from_the_same_hub_as_before() public {
        formerHub = address(new FormerHub());
        IHub fresh = _hub();
        _configure(fresh);
        fresh.seal();
        fresh.importScore(workers[0].account);
        vm.assertEq(fresh.viewScore(workers[0].account), 12);
    }

    function test_the_market_goes_on() public {
        bytes32 taskid = started(1);
        hub.seal();
        contribute(taskid, workers[0], digest("result"));
        reveal(taskid, workers[0], digest("result"));
        finalize(taskid);
        requireStatus(taskid, TaskStatus.COMPLETED);
        RequestOrder memory next = requestOrder();
        next.salt = keccak256("next");
        matched(next);
    }

    // Words of this file

    function _hub() private returns (IHub) {
        address governance = vm.deployCode("HubGovernance.sol:HubGovernance");
        address orders = vm.deployCode("HubOrders.sol:HubOrders", abi.encode(governance));
        return IHub(vm.deployCode("Hub.sol:Hub", abi.encode(orders, address(this))));
    }

    function _configure(IHub which) private {
        which.configure(
            address(rlc), "Staked RLC", "SRLC", 9, address(apps), address(datasets), address(pools), formerHub
        );
    }

    function _finalizeFor(address consumer) private {
        RequestOrder memory request = requestOrder();
        request.callback = consumer;
        bytes32 taskid = hub.initialize(matched(request), 0);
        contribute(taskid, workers[0], keccak256("data"));
        reveal(taskid, workers[0], keccak256("data"));
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, "data");
        requireStatus(taskid, TaskStatus.COMPLETED);
    }

    function _notReady(address room) private {
        hub.changeRegistries(address(apps), room, address(pools));
        vm.expectRevert(abi.encodeWithSelector(IGovernance.NotReadyToSeal.selector, room));
        hub.seal();
        vm.assertFalse(hub.isSealed());
    }

    function _outOfBounds(uint256 callbackgas) private {
        vm.expectRevert(
            abi.encodeWithSelector(IGovernance.CallbackGasOutOfBounds.selector, callbackgas, LEAST_GAS, MOST_GAS)
        );
    }

    function _notTheOwner() private view returns (bytes memory) {
        return abi.encodeWithSelector(IGovernance.NotTheOwner.selector, stranger.account, address(this));
    }
}
