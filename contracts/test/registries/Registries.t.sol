// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The three registries and what they hand out: addresses known beforehand, content that says what was registered,
// ownership that follows the token, predecessors, refusals. Gas of reading them is in snapshots/.

import { IApp, IDataset, IEntry, IWorkerpool } from "../../src/interfaces/IEntry.sol";
import { IRegistry } from "../../src/interfaces/IRegistry.sol";
import { AppRegistry } from "../../src/registries/AppRegistry.sol";
import { DatasetRegistry } from "../../src/registries/DatasetRegistry.sol";
import { WorkerpoolRegistry } from "../../src/registries/WorkerpoolRegistry.sol";
import { Test } from "../support/Test.sol";
import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IERC721Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { IERC721Enumerable } from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Enumerable.sol";

/// @dev Deploys what a registry of the family would deploy, but is nobody's registry.
contract Impostor {
    bytes public entryCode = hex"00";

    function make(bytes memory initCode, bytes32 salt) external returns (address made) {
        assembly {
            made := create2(0, add(initCode, 0x20), mload(initCode), salt)
        }
    }
}

contract RegistriesTest is Test {
    AppRegistry private apps;
    DatasetRegistry private datasets;
    WorkerpoolRegistry private pools;
    address private alice;
    address private bob;

    bytes private constant MULTIADDR = "/ipfs/bafkreihvv5ddgk3ehkyxhdq5j4ffab4";
    bytes32 private constant CHECKSUM = keccak256("the program");

    function setUp() public {
        apps = new AppRegistry(address(this));
        datasets = new DatasetRegistry(address(this));
        pools = new WorkerpoolRegistry(address(this));
        apps.initialize(address(0));
        datasets.initialize(address(0));
        pools.initialize(address(0));
        alice = someone("alice");
        bob = someone("bob");
    }

    // What an entry says of itself

    function test_an_app_says_what_was_registered(
        string memory name,
        string memory kind,
        bytes memory multiaddr,
        bytes32 checksum,
        bytes memory mrenclave
    ) public {
        address predicted = apps.predictApp(alice, name, kind, multiaddr, checksum, mrenclave);
        IApp app = IApp(apps.createApp(alice, name, kind, multiaddr, checksum, mrenclave));
        vm.assertEq(address(app), predicted);
        vm.assertEq(app.m_appName(), name);
        vm.assertEq(app.m_appType(), kind);
        vm.assertEq(app.m_appMultiaddr(), multiaddr);
        vm.assertEq(app.m_appChecksum(), checksum);
        vm.assertEq(app.m_appMREnclave(), mrenclave);
        vm.assertEq(app.owner(), alice);
        vm.assertEq(app.registry(), address(apps));
    }

    function test_a_dataset_says_what_was_registered(string memory name, bytes memory multiaddr, bytes32 checksum)
        public
    {
        address predicted = datasets.predictDataset(alice, name, multiaddr, checksum);
        IDataset dataset = IDataset(datasets.createDataset(alice, name, multiaddr, checksum));
        vm.assertEq(address(dataset), predicted);
        vm.assertEq(dataset.m_datasetName(), name);
        vm.assertEq(dataset.m_datasetMultiaddr(), multiaddr);
        vm.assertEq(dataset.m_datasetChecksum(), checksum);
        vm.assertEq(dataset.owner(), alice);
        vm.assertEq(dataset.registry(), address(datasets));
    }

    function test_a_workerpool_says_what_was_registered(string memory description) public {
        address predicted = pools.predictWorkerpool(alice, description);
        IWorkerpool pool = IWorkerpool(pools.createWorkerpool(alice, description));
        vm.assertEq(address(pool), predicted);
        vm.assertEq(pool.m_workerpoolDescription(), description);
        vm.assertEq(pool.owner(), alice);
        vm.assertEq(pool.registry(), address(pools));
    }

    function test_content_as_long_as_code_may_be_is_kept_and_one_byte_more_is_refused() public {
        // 45 bytes of delegation and 2 of length stand before the description.
        string memory longest = string(text(24_576 - 47));
        IWorkerpool pool = IWorkerpool(pools.createWorkerpool(alice, longest));
        vm.assertEq(pool.m_workerpoolDescription(), longest);

        vm.expectRevert(abi.encodeWithSelector(IRegistry.ContentTooLong.selector, uint256(24_577), uint256(24_576)));
        pools.createWorkerpool(alice, string(text(24_576 - 46)));
    }

    function test_content_beyond_what_a_length_field_can_say_is_refused() public {
        vm.expectPartialRevert(IRegistry.ContentTooLong.selector);
        pools.createWorkerpool(alice, string(text(65_536)));
    }

    function test_a_long_entry_leaves_nothing_behind_for_a_short_one_of_the_same_transaction() public {
        (address long_, address short_) = new Twice().create(pools, alice);
        vm.assertEq(IWorkerpool(long_).m_workerpoolDescription(), string(text(500)));
        vm.assertEq(IWorkerpool(short_).m_workerpoolDescription(), "short");
    }

    function test_no_entry_code_is_held_outside_of_a_creation() public {
        createPool(alice, "first");
        vm.assertEq(pools.entryCode(), "");
        vm.assertEq(new Twice().leftover(pools, alice), "");
    }

    // Addresses

    function test_the_address_is_the_create2_rule_of_the_protocol() public {
        bytes memory initializer = abi.encodeWithSignature(
            "initialize(string,string,bytes,bytes32,bytes)", "a", "WASM", MULTIADDR, CHECKSUM, ""
        );
        bytes32 salt = keccak256(abi.encodePacked(initializer, alice));
        vm.assertEq(apps.proxyCodeHash(), keccak256(apps.proxyCode()));
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(apps), salt, keccak256(apps.proxyCode())));
        vm.assertEq(createApp(alice, "a"), address(uint160(uint256(hash))));

        initializer = abi.encodeWithSignature("initialize(string,bytes,bytes32)", "d", MULTIADDR, CHECKSUM);
        salt = keccak256(abi.encodePacked(initializer, alice));
        hash = keccak256(abi.encodePacked(hex"ff", address(datasets), salt, datasets.proxyCodeHash()));
        vm.assertEq(createDataset(alice, "d"), address(uint160(uint256(hash))));

        initializer = abi.encodeWithSignature("initialize(string)", "p");
        salt = keccak256(abi.encodePacked(initializer, alice));
        hash = keccak256(abi.encodePacked(hex"ff", address(pools), salt, pools.proxyCodeHash()));
        vm.assertEq(createPool(alice, "p"), address(uint160(uint256(hash))));
    }

    function test_the_creator_does_not_matter_only_content_and_owner_do() public {
        address predicted = pools.predictWorkerpool(alice, "p");
        vm.prank(bob);
        vm.assertEq(pools.createWorkerpool(alice, "p"), predicted);
        vm.assertEq(IEntry(predicted).owner(), alice);
        vm.assertNotEq(pools.predictWorkerpool(bob, "p"), predicted);
        vm.assertNotEq(pools.predictWorkerpool(alice, "q"), predicted);
    }

    function test_the_same_content_for_the_same_owner_is_refused_even_after_a_sale() public {
        address app = createApp(alice, "a");
        vm.prank(alice);
        apps.transferFrom(alice, bob, uint160(app));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.EntryAlreadyExists.selector, app));
        apps.createApp(alice, "a", "WASM", MULTIADDR, CHECKSUM, "");

        address dataset = createDataset(alice, "d");
        vm.expectRevert(abi.encodeWithSelector(IRegistry.EntryAlreadyExists.selector, dataset));
        datasets.createDataset(alice, "d", MULTIADDR, CHECKSUM);

        address pool = createPool(alice, "p");
        vm.expectRevert(abi.encodeWithSelector(IRegistry.EntryAlreadyExists.selector, pool));
        pools.createWorkerpool(alice, "p");
    }

    function test_the_same_content_for_two_owners_is_two_entries() public {
        vm.assertNotEq(createApp(alice, "a"), createApp(bob, "a"));
        vm.assertEq(apps.totalSupply(), 2);
    }

    function test_nobody_can_own_an_entry_as_zero() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0)));
        pools.createWorkerpool(address(0), "p");
    }

    function test_an_owner_that_is_a_contract_is_not_asked() public {
        vm.assertEq(IEntry(createPool(address(this), "p")).owner(), address(this));
    }

    function test_a_copy_deployed_by_anybody_else_is_not_registered() public {
        Impostor impostor = new Impostor();
        address made = impostor.make(pools.proxyCode(), 0);
        vm.assertNotEq(made, address(0));
        vm.assertFalse(pools.isRegistered(made));
    }

    function test_the_init_code_is_the_same_for_all_three() public view {
        vm.assertEq(apps.proxyCodeHash(), datasets.proxyCodeHash());
        vm.assertEq(apps.proxyCodeHash(), pools.proxyCodeHash());
    }

    // Entries are complete, and their master is nothing

    function test_an_entry_cannot_be_initialized_again() public {
        IApp app = IApp(createApp(alice, "a"));
        vm.expectRevert(IEntry.AlreadyInitialized.selector);
        app.initialize("b", "WASM", MULTIADDR, CHECKSUM, "");
        IDataset dataset = IDataset(createDataset(alice, "d"));
        vm.expectRevert(IEntry.AlreadyInitialized.selector);
        dataset.initialize("e", MULTIADDR, CHECKSUM);
        IWorkerpool pool = IWorkerpool(createPool(alice, "p"));
        vm.expectRevert(IEntry.AlreadyInitialized.selector);
        pool.initialize("q");
    }

    function test_the_master_describes_nothing_and_belongs_to_nobody() public {
        IApp master = IApp(apps.master());
        vm.expectRevert(abi.encodeWithSelector(IEntry.NotAnEntry.selector, master));
        master.m_appName();
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, uint160(address(master))));
        master.owner();
        vm.expectRevert(IEntry.AlreadyInitialized.selector);
        master.initialize("b", "WASM", MULTIADDR, CHECKSUM, "");
        vm.assertFalse(apps.isRegistered(address(master)));
    }

    // Ownership follows the token

    function test_a_sale_changes_the_owner_of_the_entry() public {
        address app = createApp(alice, "a");
        vm.prank(alice);
        apps.transferFrom(alice, bob, uint160(app));
        vm.assertEq(IEntry(app).owner(), bob);
        vm.assertEq(apps.ownerOfEntry(app), bob);
        vm.assertEq(apps.ownerOf(uint160(app)), bob);
    }

    function test_a_stranger_cannot_sell_an_entry() public {
        address app = createApp(alice, "a");
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, bob, uint256(uint160(app)))
        );
        apps.transferFrom(alice, bob, uint160(app));
    }

    function test_tokens_can_be_counted_and_listed() public {
        address[3] memory entries = [createPool(alice, "1"), createPool(alice, "2"), createPool(alice, "3")];
        vm.prank(alice);
        pools.transferFrom(alice, bob, uint160(entries[0]));

        vm.assertEq(pools.totalSupply(), 3);
        vm.assertEq(pools.balanceOf(alice), 2);
        vm.assertEq(pools.balanceOf(bob), 1);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(pools.tokenByIndex(i), uint160(entries[i]));
        }
        vm.assertEq(pools.tokenOfOwnerByIndex(bob, 0), uint160(entries[0]));
        // The last of the list fills the gap.
        vm.assertEq(pools.tokenOfOwnerByIndex(alice, 0), uint160(entries[2]));
        vm.assertEq(pools.tokenOfOwnerByIndex(alice, 1), uint160(entries[1]));
    }

    function test_a_registry_is_an_enumerable_erc721_with_the_names_of_the_protocol() public view {
        vm.assertTrue(apps.supportsInterface(type(IERC721).interfaceId));
        vm.assertTrue(apps.supportsInterface(type(IERC721Enumerable).interfaceId));
        vm.assertEq(apps.name(), "iExec Application Registry (V5)");
        vm.assertEq(apps.symbol(), "iExecAppsV5");
        vm.assertEq(datasets.name(), "iExec Dataset Registry (V5)");
        vm.assertEq(datasets.symbol(), "iExecDatasetsV5");
        vm.assertEq(pools.name(), "iExec Workerpool Registry (V5)");
        vm.assertEq(pools.symbol(), "iExecWorkerpoolV5");
    }

    function test_a_token_uri_is_the_base_and_the_address_in_decimal() public {
        address app = createApp(alice, "a");
        vm.assertEq(apps.tokenURI(uint160(app)), "");
        apps.setBaseURI("https://nfts.example/app/");
        vm.assertEq(apps.baseURI(), "https://nfts.example/app/");
        vm.assertEq(
            apps.tokenURI(uint160(app)), string.concat("https://nfts.example/app/", vm.toString(uint256(uint160(app))))
        );
    }

    // Predecessors

    function test_an_entry_of_a_predecessor_is_registered_and_owned_there() public {
        address old = createApp(alice, "a");
        AppRegistry second = new AppRegistry(address(this));
        second.initialize(address(apps));
        AppRegistry third = new AppRegistry(address(this));
        third.initialize(address(second));

        vm.assertTrue(third.isRegistered(old));
        vm.assertEq(third.ownerOfEntry(old), alice);
        vm.assertFalse(third.isRegistered(bob));
        vm.assertEq(third.ownerOfEntry(bob), address(0));

        address fresh = third.createApp(alice, "a", "WASM", MULTIADDR, CHECKSUM, "");
        vm.assertNotEq(fresh, old);
        vm.assertTrue(third.isRegistered(fresh));
        vm.assertFalse(second.isRegistered(fresh));
        vm.assertEq(third.previous(), address(second));
    }

    // The epoch of an entry

    function test_an_epoch_counts_transfers_and_nothing_else() public {
        address app = createApp(alice, "a");
        address other = createApp(alice, "b");
        vm.assertEq(apps.epochOf(app), 0);
        vm.assertEq(apps.epochOf(bob), 0);
        vm.startPrank(alice);
        apps.approve(bob, uint160(app));
        vm.assertEq(apps.epochOf(app), 0);
        apps.transferFrom(alice, bob, uint160(app));
        vm.stopPrank();
        vm.assertEq(apps.epochOf(app), 1);
        vm.prank(bob);
        apps.safeTransferFrom(bob, alice, uint160(app));
        vm.assertEq(apps.epochOf(app), 2);
        // To oneself is a transfer too.
        vm.prank(alice);
        apps.transferFrom(alice, alice, uint160(app));
        vm.assertEq(apps.epochOf(app), 3);
        vm.assertEq(apps.epochOf(other), 0);
    }

    function test_a_transfer_that_is_refused_does_not_count() public {
        address pool = createPool(alice, "p");
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, bob, uint256(uint160(pool)))
        );
        pools.transferFrom(alice, bob, uint160(pool));
        vm.assertEq(pools.epochOf(pool), 0);
    }

    function test_the_epoch_of_an_entry_of_a_predecessor_is_counted_there() public {
        address old = createApp(alice, "a");
        vm.prank(alice);
        apps.transferFrom(alice, bob, uint160(old));
        AppRegistry second = new AppRegistry(address(this));
        second.initialize(address(apps));
        AppRegistry third = new AppRegistry(address(this));
        third.initialize(address(second));
        vm.assertEq(third.epochOf(old), 1);
        vm.prank(bob);
        apps.transferFrom(bob, alice, uint160(old));
        vm.assertEq(third.epochOf(old), 2);

        address fresh = third.createApp(alice, "a", "WASM", MULTIADDR, CHECKSUM, "");
        vm.prank(alice);
        third.transferFrom(alice, bob, uint160(fresh));
        vm.assertEq(third.epochOf(fresh), 1);
        vm.assertEq(second.epochOf(fresh), 0);
    }

    function test_a_registry_is_initialized_once() public {
        AppRegistry fresh = new AppRegistry(address(this));
        vm.assertFalse(fresh.initialized());
        fresh.initialize(address(apps));
        vm.assertTrue(fresh.initialized());
        vm.expectRevert(abi.encodeWithSelector(IRegistry.AlreadyInitialized.selector, apps));
        fresh.initialize(address(0));
        vm.assertEq(fresh.previous(), address(apps));
    }

    // What is the registry owner's alone

    function test_a_stranger_administers_nothing() public {
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, bob);
        AppRegistry fresh = new AppRegistry(address(this));
        vm.startPrank(bob);
        vm.expectRevert(refusal);
        fresh.initialize(address(0));
        vm.expectRevert(refusal);
        fresh.setBaseURI("x");
        vm.expectRevert(refusal);
        fresh.setName(bob, "x");
        vm.stopPrank();
    }

    function test_names_are_set_by_nobody() public {
        bytes memory refusal = abi.encodeWithSelector(IRegistry.NamingUnsupported.selector, bob, "pool.eth");
        vm.expectRevert(refusal);
        pools.setName(bob, "pool.eth");

        IEntry pool = IEntry(createPool(alice, "p"));
        vm.prank(alice);
        vm.expectRevert(refusal);
        pool.setName(bob, "pool.eth");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IEntry.CallerIsNotTheOwner.selector, bob, alice));
        pool.setName(bob, "pool.eth");
    }

    // The workerpool's policy

    function test_a_new_pool_stakes_30_and_keeps_1_percent() public {
        IWorkerpool pool = IWorkerpool(createPool(alice, "p"));
        vm.assertEq(pool.m_workerStakeRatioPolicy(), 30);
        vm.assertEq(pool.m_schedulerRewardRatioPolicy(), 1);
    }

    function test_the_owner_changes_the_policy_and_zeros_are_a_choice_too(uint256 stake, uint256 reward) public {
        stake = bound(stake, 0, 1000);
        reward = bound(reward, 0, 100);
        IWorkerpool pool = IWorkerpool(createPool(alice, "p"));
        vm.startPrank(alice);
        vm.expectEmit(address(pool));
        emit IWorkerpool.PolicyUpdate(30, stake, 1, reward);
        pool.changePolicy(stake, reward);
        vm.assertEq(pool.m_workerStakeRatioPolicy(), stake);
        vm.assertEq(pool.m_schedulerRewardRatioPolicy(), reward);

        vm.expectEmit(address(pool));
        emit IWorkerpool.PolicyUpdate(stake, 0, reward, 0);
        pool.changePolicy(0, 0);
        vm.assertEq(pool.m_workerStakeRatioPolicy(), 0);
        vm.assertEq(pool.m_schedulerRewardRatioPolicy(), 0);
        vm.stopPrank();
    }

    function test_a_policy_belongs_to_one_pool() public {
        IWorkerpool one = IWorkerpool(createPool(alice, "1"));
        IWorkerpool two = IWorkerpool(createPool(alice, "2"));
        vm.prank(alice);
        one.changePolicy(35, 5);
        vm.assertEq(two.m_workerStakeRatioPolicy(), 30);
        vm.assertEq(two.m_schedulerRewardRatioPolicy(), 1);
        vm.assertEq(one.m_workerpoolDescription(), "1");
    }

    function test_a_policy_is_changed_by_the_owner_of_the_day_only() public {
        IWorkerpool pool = IWorkerpool(createPool(alice, "p"));
        vm.prank(alice);
        pools.transferFrom(alice, bob, uint160(address(pool)));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IEntry.CallerIsNotTheOwner.selector, alice, bob));
        pool.changePolicy(35, 5);
        vm.prank(bob);
        pool.changePolicy(35, 5);
    }

    function test_ratios_beyond_their_limits_are_refused() public {
        IWorkerpool pool = IWorkerpool(createPool(alice, "p"));
        vm.startPrank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IWorkerpool.SchedulerRewardRatioTooHigh.selector, uint256(101), uint256(100))
        );
        pool.changePolicy(35, 101);
        vm.expectRevert(
            abi.encodeWithSelector(IWorkerpool.WorkerStakeRatioTooHigh.selector, uint256(1001), uint256(1000))
        );
        pool.changePolicy(1001, 5);
        uint256 most = type(uint256).max;
        vm.expectRevert(abi.encodeWithSelector(IWorkerpool.WorkerStakeRatioTooHigh.selector, most, uint256(1000)));
        pool.changePolicy(most, 5);
        // What would be cut off by the word it is kept in is refused too.
        vm.expectRevert(
            abi.encodeWithSelector(IWorkerpool.WorkerStakeRatioTooHigh.selector, uint256(1 << 16), uint256(1000))
        );
        pool.changePolicy(1 << 16, 5);
        vm.stopPrank();
    }

    // What creating costs is in test/hub/Gas.t.sol.

    function test_gas_of_reading() public {
        address app = createApp(alice, "town-renderer");
        address pool = createPool(alice, "a pool of three");
        vm.prank(alice);
        IWorkerpool(pool).changePolicy(35, 5);
        vm.snapshotGasLastCall("Registries", "changePolicy");
        apps.ownerOfEntry(app);
        vm.snapshotGasLastCall("Registries", "ownerOfEntry, read");
        IEntry(app).owner();
        vm.snapshotGasLastCall("Registries", "owner, read");
        apps.epochOf(app);
        vm.snapshotGasLastCall("Registries", "epochOf, read");
    }

    function createApp(address owner, string memory name) private returns (address) {
        return apps.createApp(owner, name, "WASM", MULTIADDR, CHECKSUM, "");
    }

    function createDataset(address owner, string memory name) private returns (address) {
        return datasets.createDataset(owner, name, MULTIADDR, CHECKSUM);
    }

    function createPool(address owner, string memory description) private returns (address) {
        return pools.createWorkerpool(owner, description);
    }
}

function text(uint256 length) pure returns (bytes memory long) {
    long = new bytes(length);
    for (uint256 i = 0; i < length; ++i) {
        long[i] = bytes1(uint8(97 + i % 26));
    }
}

/// @dev Does several things in one transaction.
contract Twice {
    function create(WorkerpoolRegistry pools, address owner) external returns (address long_, address short_) {
        long_ = pools.createWorkerpool(owner, string(text(500)));
        short_ = pools.createWorkerpool(owner, "short");
    }

    function leftover(WorkerpoolRegistry pools, address owner) external returns (bytes memory) {
        pools.createWorkerpool(owner, "leftover");
        return pools.entryCode();
    }
}
