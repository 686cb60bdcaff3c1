// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The hub as one contract: its governance, what it refuses to be, and the size of its parts.

import { SaleTerms } from "../../src/interfaces/ICrowdsale.sol";
import { AppInfo, Category, DatasetInfo, IGovernance, WorkerpoolInfo } from "../../src/interfaces/IGovernance.sol";
import { IOrder } from "../../src/interfaces/IOrder.sol";
import { Town } from "../support/Town.sol";

interface IUnknown {
    function renounceOwnership() external;
}

contract HubTest is Town {
    uint256 private constant CODE_LIMIT = 24_576;

    function test_what_the_hub_does_not_know_it_refuses() public {
        vm.expectRevert(
            abi.encodeWithSelector(IGovernance.UnknownFunction.selector, IUnknown.renounceOwnership.selector)
        );
        IUnknown(address(hub)).renounceOwnership();
        (bool done, bytes memory answer) = address(hub).call("");
        vm.assertFalse(done);
        vm.assertEq(answer, abi.encodeWithSelector(IGovernance.UnknownFunction.selector, bytes4(0)));
    }

    function test_the_hub_takes_no_ether() public {
        vm.deal(address(this), 1 ether);
        (bool done,) = address(hub).call{ value: 1 }("");
        vm.assertFalse(done);
        (done,) = address(hub).call{ value: 1 }(abi.encodeCall(IGovernance.countCategory, ()));
        vm.assertFalse(done);
        (done,) = address(hub).call{ value: 1 }(abi.encodeCall(IOrder.domain, ()));
        vm.assertFalse(done);
    }

    function test_the_hub_is_configured_once() public {
        vm.expectRevert(IGovernance.AlreadyConfigured.selector);
        hub.configure(address(rlc), "", "", 9, address(apps), address(datasets), address(pools), address(0));
        vm.assertEq(hub.appregistry(), address(apps));
        vm.assertEq(hub.datasetregistry(), address(datasets));
        vm.assertEq(hub.workerpoolregistry(), address(pools));
        vm.assertEq(hub.teebroker(), address(0));
        vm.assertEq(hub.callbackgas(), 200_000);
        vm.assertEq(hub.workerpool_stake_ratio(), 30);
        vm.assertEq(hub.groupmember_purpose(), 4);
    }

    function test_the_owner_may_be_another() public {
        vm.assertEq(hub.owner(), address(this));
        vm.expectEmit(address(hub));
        emit IGovernance.OwnershipTransferred(address(this), stranger.account);
        hub.transferOwnership(stranger.account);
        vm.assertEq(hub.owner(), stranger.account);
        vm.expectRevert(_notTheOwner(address(this), stranger.account));
        hub.transferOwnership(address(this));
    }

    function test_only_the_owner_governs() public {
        bytes memory reason = _notTheOwner(stranger.account, address(this));
        vm.startPrank(stranger.account);
        vm.expectRevert(reason);
        hub.configure(address(rlc), "", "", 9, address(apps), address(datasets), address(pools), address(0));
        vm.expectRevert(reason);
        hub.createCategory("", "", 1);
        vm.expectRevert(reason);
        hub.setTeeBroker(stranger.account);
        vm.expectRevert(reason);
        hub.setCallbackGas(1);
        vm.expectRevert(reason);
        hub.changeRegistries(address(1), address(2), address(3));
        vm.stopPrank();

        hub.setTeeBroker(stranger.account);
        hub.setCallbackGas(5);
        hub.changeRegistries(address(1), address(2), address(3));
        vm.assertEq(hub.teebroker(), stranger.account);
        vm.assertEq(hub.callbackgas(), 5);
        vm.assertEq(hub.workerpoolregistry(), address(3));
    }

    function test_categories_are_added_and_never_change() public {
        vm.assertEq(hub.countCategory(), 5);
        vm.expectEmit(address(hub));
        emit IGovernance.CreateCategory(5, "XXL", "very long", 100_000);
        vm.assertEq(hub.createCategory("XXL", "very long", 100_000), 5);
        Category memory category = hub.viewCategory(5);
        vm.assertEq(category.name, "XXL");
        vm.assertEq(category.description, "very long");
        vm.assertEq(category.workClockTimeRef, 100_000);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.NoSuchCategory.selector, 6, 6));
        hub.viewCategory(6);
        uint256 limit = type(uint32).max;
        hub.createCategory("", "", limit);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.CategoryTimeTooLong.selector, limit + 1, limit));
        hub.createCategory("", "", limit + 1);
    }

    function test_there_are_no_more_categories_than_a_deal_can_name() public {
        // Where the number of categories is kept (see HubState).
        bytes32 slot = bytes32(uint256(15));
        vm.assertEq(uint256(vm.load(address(hub), slot)), 5);
        vm.store(address(hub), slot, bytes32(uint256(65_534)));
        vm.assertEq(hub.createCategory("", "", 1), 65_534);
        vm.expectRevert(abi.encodeWithSelector(IGovernance.TooManyCategories.selector, 65_535));
        hub.createCategory("", "", 1);
    }

    function test_the_hub_shows_what_entries_say() public view {
        AppInfo memory a = hub.viewApp(app);
        vm.assertEq(a.owner, developer.account);
        vm.assertEq(a.m_appName, "shout");
        vm.assertEq(a.m_appType, "WASM");
        vm.assertEq(a.m_appMultiaddr, "/ipfs/bafkreiapp");
        vm.assertEq(a.m_appChecksum, keccak256("app"));
        vm.assertEq(a.m_appMREnclave, "");
        DatasetInfo memory d = hub.viewDataset(dataset);
        vm.assertEq(d.owner, curator.account);
        vm.assertEq(d.m_datasetName, "words");
        vm.assertEq(d.m_datasetMultiaddr, "/ipfs/bafkreidata");
        vm.assertEq(d.m_datasetChecksum, keccak256("data"));
        WorkerpoolInfo memory p = hub.viewWorkerpool(pool);
        vm.assertEq(p.owner, scheduler.account);
        vm.assertEq(p.m_workerpoolDescription, "a pool");
        vm.assertEq(p.m_workerStakeRatioPolicy, 30);
        vm.assertEq(p.m_schedulerRewardRatioPolicy, 1);
    }

    /// @dev A part called by itself has nobody's money and obeys nobody.
    function test_a_part_alone_is_nothing() public {
        address governance = vm.deployCode("HubGovernance.sol:HubGovernance");
        vm.expectRevert(_notTheOwner(address(this), address(0)));
        IGovernance(governance).setCallbackGas(1);
    }

    function test_every_part_fits_the_chain() public {
        _size("HubGovernance", vm.deployCode("HubGovernance.sol:HubGovernance"));
        _size("HubOrders", vm.deployCode("HubOrders.sol:HubOrders", abi.encode(address(1))));
        _size("Hub", address(hub));
        SaleTerms memory terms = SaleTerms(address(1), address(2), address(3), address(4), address(5), 1);
        _size("Crowdsale", vm.deployCode("Crowdsale.sol:Crowdsale", abi.encode(rlc, terms)));
    }

    function _size(string memory name, address part) private {
        vm.assertLe(part.code.length, CODE_LIMIT, name);
        vm.snapshotValue("Sizes", name, part.code.length);
        vm.snapshotValue("Sizes", string.concat(name, ", slack"), CODE_LIMIT - part.code.length);
    }

    function _notTheOwner(address sender, address owner) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGovernance.NotTheOwner.selector, sender, owner);
    }
}
