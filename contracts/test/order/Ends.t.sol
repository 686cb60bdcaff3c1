// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Orders that end by themselves, because their salt says so. Under PoCo's rule an order ends when it is used up or closed,
// one by one, and a seller who forgot one of them, or sold the asset in between, is bound by it. Each rule is shown twice:
// what somebody can do with an order that is not marked, which means what it meant there, and what becomes of it with one
// that is.

import { Deal, IDeal } from "../../src/interfaces/IDeal.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    IOrder,
    OrderOperation,
    RequestOrderOperation,
    WorkerpoolOrderOperation
} from "../../src/interfaces/IOrder.sol";
import { IAppRegistry, IDatasetRegistry, IRegistry, IWorkerpoolRegistry } from "../../src/interfaces/IRegistry.sol";
import { Four, FourOrders, Purse } from "../support/Four.sol";
import { Person } from "../support/Town.sol";

/// @dev A registry of the older protocol: it knows its entries, and counts no transfers. It is its only entry, too.
contract OlderRegistry {
    address private immutable _owner;

    constructor(address owner_) {
        _owner = owner_;
    }

    function isRegistered(address entry) external view returns (bool) {
        return entry == address(this);
    }

    function owner() external view returns (address) {
        return _owner;
    }
}

contract EndsTest is FourOrders {
    uint256 private constant EXPIRY = 1;
    uint256 private constant SIGNER_EPOCH = 2;
    uint256 private constant ASSET_EPOCH = 4;
    uint256 private constant POLICY = 8;

    // The kinds of orders, in the order in which a match looks at them.
    uint256 private constant APP = 0;
    uint256 private constant DATA = 1;
    uint256 private constant POOL = 2;
    uint256 private constant REQUEST = 3;

    uint256 private _matches;

    // Unmarked

    /// @dev All of what follows at once: a hundred years on, after closing nothing, selling and buying back everything,
    /// raising every epoch and changing the policy, anybody can match what was signed at the start.
    function test_an_unmarked_order_means_what_it_meant() public {
        Four memory four = signAll(fourOrders());
        _sellAndBuyBack(APP);
        _sellAndBuyBack(DATA);
        _sellAndBuyBack(POOL);
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            _raise(_signer(kind), false);
        }
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(40, 90);
        vm.warp(START + 36_500 days);
        vm.prank(stranger.account);
        Deal memory deal = hub.viewDeal(matchFour(four));
        vm.assertEq(deal.schedulerRewardRatio, 90);
        vm.assertEq(deal.workerStake, POOL_PRICE * 40 / 100);
    }

    /// @dev Whatever a salt holds, without the mark it is a number.
    function test_a_salt_without_the_mark_says_nothing(bytes32 salt) public {
        if (bytes4(salt) == "oxec") salt = ~salt;
        Four memory four = fourOrders();
        (four.app.salt, four.data.salt, four.pool.salt, four.request.salt) = (salt, salt, salt, salt);
        signAndMatch(four);
    }

    /// @dev Nor does a field whose flag is not set.
    function test_a_field_without_its_flag_says_nothing(bytes32 salt) public {
        salt = bytes32(bytes6("oxec\x01\x00")) | (salt & bytes32(type(uint256).max >> 48));
        Four memory four = fourOrders();
        (four.app.salt, four.data.salt, four.pool.salt, four.request.salt) = (salt, salt, salt, salt);
        signAndMatch(four);
    }

    // Marks nobody knows

    /// @dev An order that asks for what the hub cannot do is not matched as if it had not asked.
    function test_a_mark_that_is_not_understood_is_refused(uint8 version, uint8 flags, bytes32 rest) public {
        uint8[4] memory known = [7, 7, 15, 3];
        bytes32 salt = bytes32(bytes4("oxec")) | bytes32(uint256(version) << 216) | bytes32(uint256(flags) << 208)
            | (rest & bytes32(type(uint256).max >> 48));
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            if (version == 1 && flags & ~known[kind] == 0) continue;
            Four memory four = fourOrders();
            _setSalt(four, kind, salt);
            signAll(four);
            refuseFour(four, abi.encodeWithSelector(IOrder.UnknownSalt.selector, _hash(four, kind), salt));
        }
    }

    function test_flags_that_a_kind_cannot_have_are_unknown_there() public {
        _unknown(APP, _salt(POLICY));
        _unknown(DATA, _salt(POLICY));
        _unknown(REQUEST, _salt(POLICY));
        _unknown(REQUEST, _salt(ASSET_EPOCH));
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            _unknown(kind, _salt(16));
            _unknown(kind, _salt(128));
            // Versions that are not here, or not yet.
            _unknown(kind, bytes32(bytes6("oxec\x00\x00")));
            _unknown(kind, bytes32(bytes6("oxec\x02\x00")));
        }
    }

    // Expiry

    /// @dev A price that was good for a day is good for the day.
    function test_an_order_dies_at_its_second() public {
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            vm.warp(START);
            Four memory four = _fresh();
            _setSalt(four, kind, _expiring(START + 1 days));
            signAll(four);
            vm.warp(START + 1 days);
            bytes memory reason = abi.encodeWithSelector(
                IOrder.OrderExpired.selector, _hash(four, kind), START + 1 days, START + 1 days
            );
            refuseFour(four, reason);
            vm.warp(START + 1 days - 1);
            matchFour(four);
        }
    }

    function test_an_expiry_of_nought_is_long_past() public {
        Four memory four = fourOrders();
        four.app.salt = _expiring(0);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.OrderExpired.selector, hashOf(four.app), 0, START));
    }

    // The signer's epoch

    function test_an_epoch_starts_at_nought_and_goes_up_by_one() public {
        _requireEpoch(stranger, 0, false);
        vm.expectEmit(address(hub));
        emit IOrder.EpochRaised(stranger.account, 1, false);
        vm.prank(stranger.account);
        vm.assertEq(hub.raiseEpoch(false), 1);
        _requireEpoch(stranger, 1, false);
        vm.expectEmit(address(hub));
        emit IOrder.EpochRaised(stranger.account, 2, true);
        vm.prank(stranger.account);
        vm.assertEq(hub.raiseEpoch(true), 2);
        _requireEpoch(stranger, 2, true);
        _requireEpoch(requester, 0, false);
    }

    /// @dev Three orders are about; under PoCo's rule each has to be found and closed in a transaction of its own, and one
    /// that is forgotten stays good.
    function test_one_step_ends_all_orders_of_an_epoch() public {
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            Person memory signer = _signer(kind);
            Four[3] memory about;
            for (uint256 i = 0; i < 3; ++i) {
                about[i] = _fresh();
                _setSalt(about[i], kind, bytes32(uint256(_ofEpoch(0)) ^ i));
                signAll(about[i]);
            }
            matchFour(about[0]);
            _raise(signer, false);
            for (uint256 i = 1; i < 3; ++i) {
                refuseFour(
                    about[i],
                    abi.encodeWithSelector(
                        IOrder.OrderEpochPassed.selector, _hash(about[i], kind), signer.account, 0, 1
                    )
                );
            }
            Four memory next = _fresh();
            _setSalt(next, kind, _ofEpoch(1));
            signAndMatch(next);
        }
    }

    /// @dev An order of an epoch to come is not good yet, so that nobody has to think of those when he raises.
    function test_an_order_of_an_epoch_to_come_waits() public {
        Four memory four = fourOrders();
        four.app.salt = _ofEpoch(1);
        signAll(four);
        refuseFour(
            four, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.app), developer.account, 1, 0)
        );
        _raise(developer, false);
        matchFour(four);
    }

    function test_an_epoch_is_its_signers_alone() public {
        Four memory four = fourOrders();
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            _setSalt(four, kind, _ofEpoch(0));
        }
        _raise(stranger, true);
        signAll(four);
        // Not the sponsor's, either.
        vm.prank(stranger.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
    }

    /// @dev An epoch never comes round: beyond what a salt can name, no order is of it.
    function test_an_epoch_beyond_what_a_salt_can_name_is_nobodys() public {
        // Where the signers are kept (see HubState): the flag in the lowest byte, the epoch above.
        bytes32 place = keccak256(abi.encode(developer.account, uint256(18)));
        vm.store(address(hub), place, bytes32(uint256(type(uint24).max) << 8));
        _requireEpoch(developer, type(uint24).max, false);
        Four memory four = _fresh();
        four.app.salt = _ofEpoch(type(uint24).max);
        signAndMatch(four);
        _raise(developer, false);
        four = _fresh();
        four.app.salt = _ofEpoch(0);
        signAll(four);
        refuseFour(
            four,
            abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.app), developer.account, 0, 1 << 24)
        );
    }

    // Refusing what is not marked

    /// @dev A key that signed for years under PoCo, or a signature in the hands of somebody who waits: nothing of it is
    /// good any more.
    function test_a_signer_may_refuse_all_that_is_not_of_an_epoch() public {
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            Person memory signer = _signer(kind);
            uint256 before = vm.snapshotState();
            _raise(signer, true);
            Four memory four = signAll(_fresh());
            bytes memory reason =
                abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, _hash(four, kind), signer.account);
            refuseFour(four, reason);
            // A mark that speaks of other things is none of an epoch.
            _setSalt(four, kind, _expiring(START + 1));
            signAll(four);
            reason = abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, _hash(four, kind), signer.account);
            refuseFour(four, reason);
            _setSalt(four, kind, _ofEpoch(1));
            signAndMatch(four);
            vm.revertToState(before);
        }
    }

    /// @dev Were it to be taken back, whoever keeps an old order would only have to wait.
    function test_a_refusal_is_for_ever() public {
        _raise(developer, true);
        vm.expectEmit(address(hub));
        emit IOrder.EpochRaised(developer.account, 2, true);
        _raise(developer, false);
        _requireEpoch(developer, 2, true);
        Four memory four = signAll(fourOrders());
        refuseFour(
            four, abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, hashOf(four.app), developer.account)
        );
    }

    /// @dev A signature on chain is one like any other.
    function test_an_order_signed_on_chain_ends_as_well() public {
        Four memory four = signAll(fourOrders());
        four.app.salt = _ofEpoch(0);
        four.app.sign = "";
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.SIGN, ""));
        four.data.sign = "";
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(four.data, OrderOperation.SIGN, ""));
        four.pool.salt = _salt(POLICY);
        four.pool.sign = "";
        vm.prank(scheduler.account);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(four.pool, OrderOperation.SIGN, ""));
        four.request.sign = "";
        vm.prank(requester.account);
        hub.manageRequestOrder(RequestOrderOperation(four.request, OrderOperation.SIGN, ""));
        vm.assertTrue(hub.verifyPresignature(developer.account, hashOf(four.app)));
        uint256 before = vm.snapshotState();
        matchFour(four);

        vm.revertToState(before);
        _raise(developer, false);
        refuseFour(
            four, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.app), developer.account, 0, 1)
        );

        vm.revertToState(before);
        _raise(requester, true);
        refuseFour(
            four, abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, hashOf(four.request), requester.account)
        );

        vm.revertToState(before);
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(31, 1);
        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, 31, 1));
    }

    function test_a_marked_order_can_be_closed_by_itself() public {
        Four memory four = fourOrders();
        four.app.salt = _salt(EXPIRY | SIGNER_EPOCH | ASSET_EPOCH);
        signAll(four);
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.CLOSE, ""));
        four.app.salt = _salt(SIGNER_EPOCH | ASSET_EPOCH);
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.CLOSE, ""));
        signAll(four);
        vm.expectPartialRevert(IDeal.OrdersConsumed.selector);
        matchFour(four);
        // What is left of an order is a question of volume alone.
        four.app.salt = _expiring(0);
        vm.assertEq(hub.computeDealVolume(four.app, four.data, four.pool, four.request), 1);
    }

    /// @dev A contract has an epoch like anybody: as the owner of an app, and as the one who asks.
    function test_a_contract_that_signs_has_an_epoch_too() public {
        Purse purse = new Purse();
        vm.prank(requester.account);
        hub.transfer(address(purse), 500e9);
        vm.prank(developer.account);
        apps.transferFrom(developer.account, address(purse), uint160(app));
        Four memory four = fourOrders();
        four.request.requester = address(purse);
        four.app.salt = _salt(SIGNER_EPOCH | ASSET_EPOCH, 0, 0, 1, 0, 0);
        four.request.salt = _ofEpoch(0);
        signedBy(curator, four.data);
        signedBy(scheduler, four.pool);
        purse.agree(hashOf(four.app));
        purse.agree(hashOf(four.request));
        uint256 before = vm.snapshotState();
        matchFour(four);
        vm.revertToState(before);

        purse.tell(address(hub), abi.encodeCall(hub.raiseEpoch, (true)));
        refuseFour(
            four, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.app), address(purse), 0, 1)
        );
        four.app.salt = _salt(SIGNER_EPOCH | ASSET_EPOCH, 0, 1, 1, 0, 0);
        purse.agree(hashOf(four.app));
        refuseFour(
            four, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.request), address(purse), 0, 1)
        );
        four.request.salt = 0;
        purse.agree(hashOf(four.request));
        refuseFour(
            four, abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, hashOf(four.request), address(purse))
        );
        four.request.salt = _ofEpoch(1);
        purse.agree(hashOf(four.request));
        matchFour(four);
    }

    // The asset's epoch

    /// @dev The developer sells the app with a cheap order of his forgotten, and buys it back at its worth. Under PoCo's
    /// rule the order is dead in between, and then alive again, for whoever kept it.
    function test_an_order_dies_with_the_sale_and_stays_dead() public {
        for (uint256 kind = APP; kind <= POOL; ++kind) {
            uint256 before = vm.snapshotState();
            Four memory unmarked = signAll(_fresh());
            Four memory four = _fresh();
            _setSalt(four, kind, _salt(ASSET_EPOCH));
            signAll(four);
            Four memory used = _fresh();
            _setSalt(used, kind, _salt(ASSET_EPOCH));
            signAndMatch(used);

            _move(kind, _signer(kind), stranger);
            vm.expectRevert();
            matchFour(unmarked);
            vm.expectRevert();
            matchFour(four);
            // Of the buyer it is worth as much as the number he signs.
            _signAs(stranger, four, kind);
            refuseFour(
                four, abi.encodeWithSelector(IOrder.AssetTransferred.selector, _hash(four, kind), _asset(kind), 0, 1)
            );
            Four memory his = _fresh();
            _setSalt(his, kind, _salt(ASSET_EPOCH, 0, 0, 1, 0, 0));
            signAll(his);
            _signAs(stranger, his, kind);
            matchFour(his);

            _move(kind, stranger, _signer(kind));
            vm.prank(stranger.account);
            matchFour(unmarked);
            signAll(four);
            refuseFour(
                four, abi.encodeWithSelector(IOrder.AssetTransferred.selector, _hash(four, kind), _asset(kind), 0, 2)
            );
            vm.revertToState(before);
        }
    }

    function test_handing_an_asset_to_oneself_ends_its_orders() public {
        Four memory four = fourOrders();
        four.app.salt = _salt(ASSET_EPOCH);
        signAll(four);
        _move(APP, developer, developer);
        refuseFour(four, abi.encodeWithSelector(IOrder.AssetTransferred.selector, hashOf(four.app), app, 0, 1));
    }

    /// @dev The hub knows new registries by now; what the former ones hold is counted there, for ever.
    function test_the_epoch_of_an_asset_of_a_former_registry_counts() public {
        _move(DATA, curator, curator);
        IAppRegistry nextApps = IAppRegistry(_next("AppRegistry.sol:AppRegistry", address(apps)));
        IDatasetRegistry nextData = IDatasetRegistry(_next("DatasetRegistry.sol:DatasetRegistry", address(datasets)));
        IWorkerpoolRegistry nextPools =
            IWorkerpoolRegistry(_next("WorkerpoolRegistry.sol:WorkerpoolRegistry", address(pools)));
        hub.changeRegistries(address(nextApps), address(nextData), address(nextPools));

        uint256[3] memory epochs = [uint256(0), 1, 0];
        for (uint256 kind = APP; kind <= POOL; ++kind) {
            Four memory four = _fresh();
            _setSalt(four, kind, _salt(ASSET_EPOCH, 0, 0, epochs[kind], 0, 0));
            signAndMatch(four);
            four = _fresh();
            _setSalt(four, kind, _salt(ASSET_EPOCH, 0, 0, epochs[kind], 0, 0));
            signAll(four);
            _sellAndBuyBack(kind);
            refuseFour(
                four,
                abi.encodeWithSelector(
                    IOrder.AssetTransferred.selector, _hash(four, kind), _asset(kind), epochs[kind], epochs[kind] + 2
                )
            );
        }
        // And of one that is new the new one knows.
        app = nextApps.createApp(developer.account, "new", "WASM", "", 0, "");
        Four memory new_ = _fresh();
        new_.app.salt = _salt(ASSET_EPOCH);
        signAndMatch(new_);
    }

    /// @dev A registry that counts nothing cannot be asked: the order that relies on it is refused, others are not.
    function test_of_a_registry_that_does_not_count_no_order_can_name_an_epoch() public {
        OlderRegistry older = new OlderRegistry(developer.account);
        IAppRegistry nextApps = IAppRegistry(_next("AppRegistry.sol:AppRegistry", address(older)));
        hub.changeRegistries(address(nextApps), address(datasets), address(pools));
        app = address(older);
        signAndMatch(_fresh());
        Four memory four = _fresh();
        four.app.salt = _salt(ASSET_EPOCH);
        signAll(four);
        vm.expectRevert();
        matchFour(four);
    }

    // The policy

    /// @dev The requester looked at the pool, and so did its workers: a stake of 30 % and 1 % for the scheduler. Right
    /// before the match the pool asks for ten times the price and keeps all. Under PoCo's rule that is the deal.
    function test_a_pool_that_changes_its_policy_takes_no_orders_signed_before() public {
        Four memory unmarked = signAll(_fresh());
        Four memory four = _fresh();
        four.pool.salt = _salt(POLICY);
        signAll(four);
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(1000, 100);
        Deal memory deal = hub.viewDeal(matchFour(unmarked));
        vm.assertEq(deal.workerStake, POOL_PRICE * 10);
        vm.assertEq(deal.schedulerRewardRatio, 100);

        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, 1000, 100));
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(30, 2);
        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, 30, 2));
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(29, 1);
        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, 29, 1));
        // What was signed is what it is again.
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(30, 1);
        deal = hub.viewDeal(matchFour(four));
        vm.assertEq(deal.workerStake, STAKE);
        vm.assertEq(deal.schedulerRewardRatio, 1);
    }

    function test_every_policy_can_be_signed(uint256 stake, uint256 reward, uint256 signedStake, uint256 signedReward)
        public
    {
        (stake, reward) = (bound(stake, 0, 1000), bound(reward, 0, 100));
        (signedStake, signedReward) = (bound(signedStake, 0, type(uint16).max), bound(signedReward, 0, 255));
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(stake, reward);
        Four memory four = _fresh();
        four.pool.salt = _salt(POLICY, 0, 0, 0, stake, reward);
        Deal memory deal = hub.viewDeal(signAndMatch(four));
        vm.assertEq(deal.workerStake, POOL_PRICE * stake / 100);
        vm.assertEq(deal.schedulerRewardRatio, reward);
        if (signedStake == stake && signedReward == reward) return;
        four = _fresh();
        four.pool.salt = _salt(POLICY, 0, 0, 0, signedStake, signedReward);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, stake, reward));
    }

    // Everything together

    /// @dev A pool order that is wrong in every way, put right one by one; and the signature comes before all of it.
    function test_the_salt_is_read_in_one_order() public {
        _sellAndBuyBack(POOL);
        _raise(scheduler, false);
        Four memory four = fourOrders();
        four.pool.salt = bytes32(bytes6("oxec\x01\x1f"));
        signAll(four);
        signedBy(stranger, four.pool);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidWorkerpoolOrderSignature.selector, hashOf(four.pool), scheduler.account)
        );
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.UnknownSalt.selector, hashOf(four.pool), four.pool.salt));
        four.pool.salt = _salt(15, START, 0, 0, 31, 1);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.OrderExpired.selector, hashOf(four.pool), START, START));
        four.pool.salt = _salt(15, START + 1, 0, 0, 31, 1);
        signAll(four);
        refuseFour(
            four, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hashOf(four.pool), scheduler.account, 0, 1)
        );
        four.pool.salt = _salt(15, START + 1, 1, 0, 31, 1);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.AssetTransferred.selector, hashOf(four.pool), pool, 0, 2));
        four.pool.salt = _salt(15, START + 1, 1, 2, 31, 1);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.PolicyChanged.selector, hashOf(four.pool), pool, 30, 1));
        four.pool.salt = _salt(15, START + 1, 1, 2, 30, 1);
        signAndMatch(four);
    }

    /// @dev One order after the other, each with its signature: app, dataset, workerpool, request.
    function test_the_orders_are_read_in_one_order() public {
        Four memory four = fourOrders();
        bytes32 dead = _expiring(START);
        (four.app.salt, four.data.salt, four.pool.salt, four.request.salt) = (dead, dead, dead, dead);
        for (uint256 kind = APP; kind <= REQUEST; ++kind) {
            signAll(four);
            refuseFour(four, abi.encodeWithSelector(IOrder.OrderExpired.selector, _hash(four, kind), START, START));
            // The next one's signature is not looked at before.
            if (kind < REQUEST) {
                _signAs(stranger, four, kind + 1);
                refuseFour(four, abi.encodeWithSelector(IOrder.OrderExpired.selector, _hash(four, kind), START, START));
            }
            _setSalt(four, kind, _expiring(START + 1));
        }
        signAndMatch(four);
    }

    function test_deposit_and_match_in_one_step_keeps_to_it() public {
        Four memory four = fourOrders();
        four.request.salt = _expiring(START + 1);
        signAll(four);
        bytes memory words = abi.encodeCall(hub.matchOrders, (four.app, four.data, four.pool, four.request));
        _raise(developer, true);
        vm.expectRevert(
            abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, hashOf(four.app), developer.account)
        );
        vm.prank(requester.account);
        rlc.approveAndCall(address(hub), 1e9, words);

        four.app.salt = _ofEpoch(1);
        signAll(four);
        words = abi.encodeCall(hub.matchOrders, (four.app, four.data, four.pool, four.request));
        vm.warp(START + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IOrder.OrderExpired.selector, hashOf(four.request), START + 1, START + 1)
        );
        vm.prank(requester.account);
        rlc.approveAndCall(address(hub), 1e9, words);
        vm.warp(START);
        vm.prank(requester.account);
        rlc.approveAndCall(address(hub), 1e9, words);
        vm.assertEq(hub.frozenOf(requester.account), APP_PRICE + DATASET_PRICE + POOL_PRICE);
    }

    // Datasets used in deals made without one

    function test_a_dataset_joins_a_deal_while_its_order_lives() public {
        bytes32 dealid = matched(1, 1);
        DatasetOrder memory data = datasetOrder();
        data.salt = _salt(7, START + 1 days, 0, 0, 0, 0);
        signedBy(curator, data);
        hub.assertDatasetDealCompatibility(data, dealid);
        bytes32 hash = hashOf(data);
        uint256 before = vm.snapshotState();

        vm.warp(START + 1 days);
        _cannotJoin(
            data, dealid, abi.encodeWithSelector(IOrder.OrderExpired.selector, hash, START + 1 days, START + 1 days)
        );
        vm.warp(START);
        _raise(curator, true);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IOrder.OrderEpochPassed.selector, hash, curator.account, 0, 1));
        DatasetOrder memory plain = signedBy(curator, datasetOrder());
        _cannotJoin(
            plain, dealid, abi.encodeWithSelector(IOrder.UnmarkedOrderRefused.selector, hashOf(plain), curator.account)
        );
        vm.revertToState(before);

        _sellAndBuyBack(DATA);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IOrder.AssetTransferred.selector, hash, dataset, 0, 2));
        hub.assertDatasetDealCompatibility(plain, dealid);
        data.salt = _salt(POLICY);
        signedBy(curator, data);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IOrder.UnknownSalt.selector, hashOf(data), data.salt));
        // Before all that, its signature.
        signedBy(stranger, data);
        _cannotJoin(
            data,
            dealid,
            abi.encodeWithSelector(IDeal.InvalidDatasetOrderSignature.selector, hashOf(data), curator.account)
        );
    }

    // Words of this file

    function _salt(uint256 flags) private pure returns (bytes32) {
        return _salt(flags, 0, 0, 0, 30, 1);
    }

    function _expiring(uint256 expiry) private pure returns (bytes32) {
        return _salt(EXPIRY, expiry, 0, 0, 0, 0);
    }

    function _ofEpoch(uint256 epoch) private pure returns (bytes32) {
        return _salt(SIGNER_EPOCH, 0, epoch, 0, 0, 0);
    }

    function _salt(
        uint256 flags,
        uint256 expiry,
        uint256 signerEpoch,
        uint256 assetEpoch,
        uint256 stakeRatio,
        uint256 rewardRatio
    ) private pure returns (bytes32) {
        return bytes32(
            abi.encodePacked(
                "oxec",
                uint8(1),
                uint8(flags),
                uint40(expiry),
                uint24(signerEpoch),
                uint24(assetEpoch),
                uint16(stakeRatio),
                uint8(rewardRatio),
                bytes12(keccak256("random"))
            )
        );
    }

    /// @dev Four orders of which the request is no other's, so that it can be matched whatever was matched before.
    function _fresh() private returns (Four memory four) {
        four = fourOrders();
        four.request.beneficiary = address(uint160(++_matches));
    }

    function _unknown(uint256 kind, bytes32 salt) private {
        Four memory four = fourOrders();
        _setSalt(four, kind, salt);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IOrder.UnknownSalt.selector, _hash(four, kind), salt));
    }

    function _setSalt(Four memory four, uint256 kind, bytes32 salt) private pure {
        if (kind == APP) four.app.salt = salt;
        else if (kind == DATA) four.data.salt = salt;
        else if (kind == POOL) four.pool.salt = salt;
        else four.request.salt = salt;
    }

    function _signAs(Person memory who, Four memory four, uint256 kind) private view {
        if (kind == APP) signedBy(who, four.app);
        else if (kind == DATA) signedBy(who, four.data);
        else if (kind == POOL) signedBy(who, four.pool);
        else signedBy(who, four.request);
    }

    function _hash(Four memory four, uint256 kind) private view returns (bytes32) {
        if (kind == APP) return hashOf(four.app);
        if (kind == DATA) return hashOf(four.data);
        return kind == POOL ? hashOf(four.pool) : hashOf(four.request);
    }

    function _signer(uint256 kind) private view returns (Person memory) {
        if (kind == APP) return developer;
        if (kind == DATA) return curator;
        return kind == POOL ? scheduler : requester;
    }

    function _asset(uint256 kind) private view returns (address) {
        return kind == APP ? app : kind == DATA ? dataset : pool;
    }

    function _registry(uint256 kind) private view returns (IRegistry) {
        return kind == APP ? IRegistry(apps) : kind == DATA ? IRegistry(datasets) : IRegistry(pools);
    }

    function _move(uint256 kind, Person memory from, Person memory to) private {
        vm.prank(from.account);
        _registry(kind).transferFrom(from.account, to.account, uint160(_asset(kind)));
    }

    function _sellAndBuyBack(uint256 kind) private {
        _move(kind, _signer(kind), stranger);
        _move(kind, stranger, _signer(kind));
    }

    function _raise(Person memory who, bool refuseUnmarked) private {
        vm.prank(who.account);
        hub.raiseEpoch(refuseUnmarked);
    }

    function _requireEpoch(Person memory who, uint256 epoch, bool unmarkedRefused) private view {
        (uint256 kept, bool refused) = hub.viewEpoch(who.account);
        vm.assertEq(kept, epoch);
        vm.assertEq(refused, unmarkedRefused);
    }

    function _next(string memory artifact, address previous) private returns (address registry) {
        registry = vm.deployCode(artifact, abi.encode(address(this)));
        IRegistry(registry).initialize(previous);
    }

    function _cannotJoin(DatasetOrder memory data, bytes32 dealid, bytes memory reason) private {
        vm.expectRevert(reason);
        hub.assertDatasetDealCompatibility(data, dealid);
    }
}
