// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Refusals that honest parts never bring about: a token that says no or has no end, a workerpool that is none of the
// registry's making, calls that are cut short.

import { IContribution } from "../../src/interfaces/IContribution.sol";
import { IDeal } from "../../src/interfaces/IDeal.sol";
import { IHub } from "../../src/interfaces/IHub.sol";
import { AppOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { IResult } from "../../src/interfaces/IResult.sol";
import { Listener } from "../support/Callbacks.sol";
import { Town } from "../support/Town.sol";

/// @dev A token without end, which may refuse to move.
contract StrangeToken {
    bool public willing = true;

    function refuse() external {
        willing = false;
    }

    function transferFrom(address, address, uint256) external view returns (bool) {
        return willing;
    }

    function transfer(address, uint256) external view returns (bool) {
        return willing;
    }
}

/// @dev A registry and its workerpool in one, asking for more than all.
contract StrangePool {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function ownerOfEntry(address) external view returns (address) {
        return _owner;
    }

    function m_workerStakeRatioPolicy() external pure returns (uint256) {
        return 30;
    }

    function m_schedulerRewardRatioPolicy() external pure returns (uint256) {
        return 101;
    }
}

contract FormerHub {
    function viewScore(address) external pure returns (uint256) {
        return 12;
    }
}

contract StrangeTest is Town {
    StrangeToken private token;
    IHub private strange;

    /// @dev A second hub, with a strange token and a hub before it.
    function setUp() public override {
        super.setUp();
        token = new StrangeToken();
        address governance = vm.deployCode("HubGovernance.sol:HubGovernance");
        address orders = vm.deployCode("HubOrders.sol:HubOrders", abi.encode(governance));
        strange = IHub(vm.deployCode("Hub.sol:Hub", abi.encode(orders, address(this))));
        strange.configure(
            address(token), "", "", 9, address(apps), address(datasets), address(pools), address(new FormerHub())
        );
    }

    function test_all_there_is_of_the_token_has_to_fit_in_96_bits() public {
        uint256 limit = type(uint96).max;
        vm.expectRevert(abi.encodeWithSelector(IPayment.AmountTooLarge.selector, limit + 1, limit));
        strange.deposit(limit + 1);
        strange.depositFor(limit - 1, stranger.account);
        vm.expectRevert(abi.encodeWithSelector(IPayment.AmountTooLarge.selector, 2, 1));
        strange.deposit(2);
        strange.deposit(1);
        vm.prank(stranger.account);
        strange.transfer(address(this), limit - 1);
        vm.assertEq(strange.balanceOf(address(this)), limit);
        vm.assertEq(strange.balanceOf(stranger.account), 0);
        vm.assertEq(strange.viewScore(address(this)), 0);
        vm.assertEq(strange.frozenOf(address(this)), 0);
    }

    function test_a_token_that_says_no_is_believed() public {
        strange.deposit(10);
        token.refuse();
        vm.expectRevert(abi.encodeWithSelector(IPayment.TokenTransferFailed.selector, address(token)));
        strange.deposit(1);
        vm.expectRevert(abi.encodeWithSelector(IPayment.TokenTransferFailed.selector, address(token)));
        strange.withdraw(1);
    }

    function test_a_score_is_imported_once() public {
        strange.deposit(10);
        strange.importScore(address(this));
        vm.assertEq(strange.viewScore(address(this)), 12);
        vm.assertEq(strange.balanceOf(address(this)), 10);
        vm.expectRevert(abi.encodeWithSelector(IContribution.ScoreAlreadyImported.selector, address(this)));
        strange.importScore(address(this));
    }

    function test_a_scheduler_cannot_keep_more_than_all() public {
        address greedy = address(new StrangePool(scheduler.account));
        hub.changeRegistries(address(apps), address(datasets), greedy);
        AppOrder memory a = signedBy(developer, appOrder());
        WorkerpoolOrder memory p = poolOrder();
        p.workerpool = greedy;
        signedBy(scheduler, p);
        RequestOrder memory r = signedBy(requester, requestOrder());
        vm.expectRevert(abi.encodeWithSelector(IDeal.SchedulerRatioTooHigh.selector, 101, 100));
        hub.matchOrders(a, noDataset(), p, r);
    }

    /// @dev The requester is where it should be, and the rest is missing.
    function test_a_match_cut_short_fails_as_such() public {
        bytes memory call_ = bytes.concat(
            IDeal.matchOrders.selector,
            bytes32(0),
            bytes32(0),
            bytes32(0),
            bytes32(uint256(128)),
            new bytes(6 * 32),
            bytes32(uint256(uint160(stranger.account)))
        );
        vm.expectRevert(IPayment.OperationFailed.selector);
        vm.prank(stranger.account);
        rlc.approveAndCall(address(hub), 1, call_);
    }

    /// @dev Nobody can put anything there first; if two deals ever had one key, the second would be refused.
    function test_a_deal_is_not_made_where_something_stands() public {
        RequestOrder memory request = requestOrder();
        bytes16 key = bytes16(keccak256(abi.encodePacked(hashOf(request), uint256(0))));
        bytes32 initCode = keccak256(hex"5f5f5f5f335afa3d5f5f3e3d5ff3");
        bytes32 place = keccak256(abi.encodePacked(hex"ff", address(hub), bytes32(key), initCode));
        vm.etch(address(uint160(uint256(place))), hex"00");
        AppOrder memory a = signedBy(developer, appOrder());
        WorkerpoolOrder memory p = signedBy(scheduler, poolOrder());
        signedBy(requester, request);
        vm.expectRevert(abi.encodeWithSelector(IHub.ContentNotWritten.selector, bytes32(key)));
        hub.matchOrders(a, noDataset(), p, request);
    }

    /// @dev The books say that a task's money is frozen. Were they wrong, the task could not be ended at another's cost.
    function test_what_is_not_frozen_cannot_be_taken() public {
        bytes32 taskid = started(1);
        bytes32 account = keccak256(abi.encode(requester.account, uint256(2)));
        vm.store(address(hub), account, 0);
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.warp(START + 10 * XS_TIME);
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.InsufficientFrozen.selector, requester.account, 0, APP_PRICE + POOL_PRICE)
        );
        hub.claim(taskid);
    }

    function test_a_callback_wants_its_gas() public {
        RequestOrder memory request = requestOrder();
        request.callback = address(new Listener());
        bytes32 taskid = hub.initialize(matched(request), 0);
        bytes memory data = new bytes(64);
        contribute(taskid, workers[0], keccak256(data));
        reveal(taskid, workers[0], keccak256(data));
        // So much that a 63rd of it would never be left.
        hub.setCallbackGas(1 << 40);
        vm.expectPartialRevert(IResult.CallbackGasMissing.selector);
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, data);
    }
}
