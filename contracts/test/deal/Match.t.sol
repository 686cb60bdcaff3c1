// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Four orders become a deal: every rule broken once, in the order in which the hub looks at them, and what a deal is made of.

import { Deal, IDeal } from "../../src/interfaces/IDeal.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    IOrder,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder
} from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { Four, FourOrders, Group, Purse } from "../support/Four.sol";

contract MatchTest is FourOrders {
    bytes32 private constant GPU = bytes32(uint256(0x100));
    address private constant NOBODY = address(0xdead);

    // A deal

    function test_a_deal_says_all_that_was_agreed() public {
        Four memory four = fourOrders();
        four.request.callback = address(0xca11);
        four.request.beneficiary = stranger.account;
        four.request.volume = 7;
        four.request.trust = 5;
        four.app.tag = GPU;
        four.pool.tag = GPU;
        signAll(four);
        bytes32 dealid = keccak256(abi.encodePacked(hashOf(four.request), uint256(0)));
        uint256 price = APP_PRICE + DATASET_PRICE + POOL_PRICE;

        vm.expectEmit(address(hub));
        emit IPayment.Transfer(requester.account, address(hub), price * 7);
        vm.expectEmit(address(hub));
        emit IPayment.Lock(requester.account, price * 7);
        vm.expectEmit(address(hub));
        emit IPayment.Transfer(scheduler.account, address(hub), STAKE * 7);
        vm.expectEmit(address(hub));
        emit IPayment.Lock(scheduler.account, STAKE * 7);
        vm.expectEmit(address(hub));
        emit IDeal.SchedulerNotice(pool, dealid);
        vm.expectEmit(address(hub));
        emit IDeal.OrdersMatched(
            dealid, hashOf(four.app), hashOf(four.data), hashOf(four.pool), hashOf(four.request), 7
        );
        vm.assertEq(matchFour(four), dealid);

        Deal memory deal = hub.viewDeal(dealid);
        vm.assertEq(deal.app.pointer, app);
        vm.assertEq(deal.app.owner, developer.account);
        vm.assertEq(deal.app.price, APP_PRICE);
        vm.assertEq(deal.dataset.pointer, dataset);
        vm.assertEq(deal.dataset.owner, curator.account);
        vm.assertEq(deal.dataset.price, DATASET_PRICE);
        vm.assertEq(deal.workerpool.pointer, pool);
        vm.assertEq(deal.workerpool.owner, scheduler.account);
        vm.assertEq(deal.workerpool.price, POOL_PRICE);
        vm.assertEq(deal.trust, 5);
        vm.assertEq(deal.category, XS);
        vm.assertEq(deal.tag, GPU);
        vm.assertEq(deal.requester, requester.account);
        vm.assertEq(deal.beneficiary, stranger.account);
        vm.assertEq(deal.callback, address(0xca11));
        vm.assertEq(deal.params, PARAMS);
        vm.assertEq(deal.startTime, START);
        vm.assertEq(deal.botFirst, 0);
        vm.assertEq(deal.botSize, 7);
        vm.assertEq(deal.workerStake, STAKE);
        vm.assertEq(deal.schedulerRewardRatio, 1);
        vm.assertEq(deal.sponsor, requester.account);
        vm.assertEq(hub.frozenOf(requester.account), price * 7);
        vm.assertEq(hub.frozenOf(scheduler.account), STAKE * 7);
        vm.assertEq(hub.balanceOf(address(hub)), (price + STAKE) * 7);
    }

    function test_a_deal_keeps_every_combination_of_what_may_be_absent(
        bool withDataset,
        bool withTag,
        address callback,
        address beneficiary,
        bool sponsored,
        string memory params
    ) public {
        Four memory four = fourOrders();
        if (!withDataset) {
            four.data = noDataset();
            four.request.dataset = address(0);
        }
        if (withTag) {
            four.request.tag = bytes32(type(uint256).max << 1);
            four.pool.tag = four.request.tag;
        }
        four.request.callback = callback;
        four.request.beneficiary = beneficiary;
        four.request.params = params;
        signAll(four);
        if (sponsored) vm.prank(stranger.account);
        bytes32 dealid =
            sponsored ? hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request) : matchFour(four);

        Deal memory deal = hub.viewDeal(dealid);
        vm.assertEq(deal.dataset.pointer, withDataset ? dataset : address(0));
        vm.assertEq(deal.dataset.owner, withDataset ? curator.account : address(0));
        vm.assertEq(deal.dataset.price, withDataset ? DATASET_PRICE : 0);
        vm.assertEq(deal.tag, four.request.tag);
        vm.assertEq(deal.callback, callback);
        vm.assertEq(deal.beneficiary, beneficiary);
        vm.assertEq(deal.sponsor, sponsored ? stranger.account : requester.account);
        vm.assertEq(deal.params, params);
        vm.assertEq(deal.requester, requester.account);
    }

    function test_a_deal_that_is_not_there_is_all_zero() public view {
        Deal memory deal = hub.viewDeal(keccak256("nothing"));
        vm.assertEq(deal.requester, address(0));
        vm.assertEq(deal.botSize, 0);
        vm.assertEq(deal.params, "");
    }

    /// @dev The code of a deal is found by half of its identifier, but it is not the deal of a neighbour's.
    function test_half_an_identifier_is_not_the_deal() public {
        bytes32 dealid = matched(1, 1);
        bytes32 neighbour = bytes32(uint256(dealid) ^ 1);
        vm.assertEq(hub.viewDeal(neighbour).requester, address(0));
        vm.expectRevert(abi.encodeWithSelector(IDeal.UnknownDeal.selector, neighbour));
        hub.initialize(neighbour, 0);
    }

    function test_trust_nought_counts_as_one() public {
        Four memory four = fourOrders();
        four.request.trust = 0;
        vm.assertEq(hub.viewDeal(signAndMatch(four)).trust, 1);
    }

    function test_a_sponsor_pays_in_place_of_the_requester() public {
        Four memory four = signAll(fourOrders());
        bytes32 dealid = keccak256(abi.encodePacked(hashOf(four.request), uint256(0)));
        vm.expectEmit(address(hub));
        emit IDeal.DealSponsored(dealid, stranger.account);
        vm.prank(stranger.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        vm.assertEq(hub.frozenOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(stranger.account), APP_PRICE + DATASET_PRICE + POOL_PRICE);
    }

    function test_the_policy_of_the_pool_is_read_at_thematchFour() public {
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(55, 12);
        Deal memory deal = hub.viewDeal(matched(1, 1));
        vm.assertEq(deal.workerStake, POOL_PRICE * 55 / 100);
        vm.assertEq(deal.schedulerRewardRatio, 12);
    }

    // Volume

    function test_what_is_left_of_a_request_makes_the_next_deal() public {
        Four memory four = fourOrders();
        four.request.volume = 10;
        four.pool.volume = 4;
        signAll(four);
        vm.assertEq(hub.computeDealVolume(four.app, four.data, four.pool, four.request), 4);
        matchFour(four);
        four.pool.salt = keccak256("next");
        four.pool.volume = 100;
        signAll(four);
        bytes32 dealid = matchFour(four);
        vm.assertEq(dealid, keccak256(abi.encodePacked(hashOf(four.request), uint256(4))));
        vm.assertEq(hub.viewDeal(dealid).botFirst, 4);
        vm.assertEq(hub.viewDeal(dealid).botSize, 6);
        vm.assertEq(hub.viewConsumed(hashOf(four.request)), 10);
        vm.assertEq(hub.viewConsumed(hashOf(four.app)), 10);
        vm.assertEq(hub.viewConsumed(hashOf(four.data)), 10);
        vm.assertEq(hub.viewConsumed(hashOf(four.pool)), 6);
        refuseFour(four, abi.encodeWithSelector(IDeal.OrdersConsumed.selector, 990, 990, 94, 0));
        vm.assertEq(hub.computeDealVolume(four.app, four.data, four.pool, four.request), 0);
    }

    function test_an_order_used_up_isrefuseFour() public {
        Four memory four = fourOrders();
        four.request.volume = 0;
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IDeal.OrdersConsumed.selector, 1000, 1000, 1000, 0));
        four.data = noDataset();
        four.request.dataset = address(0);
        signAll(four);
        refuseFour(four, abi.encodeWithSelector(IDeal.OrdersConsumed.selector, 1000, type(uint256).max, 1000, 0));
    }

    // The rules, one broken at a time

    function test_the_category_has_to_be_the_same() public {
        Four memory four = fourOrders();
        four.request.category = 1;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.CategoryMismatch.selector, 1, 0));
    }

    function test_the_category_has_to_exist() public {
        Four memory four = fourOrders();
        four.request.category = 5;
        four.pool.category = 5;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.UnknownCategory.selector, 5, 5));
    }

    function test_the_pool_has_to_take_on_the_trust() public {
        Four memory four = fourOrders();
        four.request.trust = 1001;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.InsufficientTrust.selector, 1001, 1000));
    }

    function test_no_price_may_exceed_what_the_request_allows() public {
        Four memory four = fourOrders();
        four.request.appmaxprice = APP_PRICE - 1;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.AppOverpriced.selector, APP_PRICE, APP_PRICE - 1));
        four = fourOrders();
        four.request.datasetmaxprice = DATASET_PRICE - 1;
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.DatasetOverpriced.selector, DATASET_PRICE, DATASET_PRICE - 1)
        );
        four = fourOrders();
        four.request.workerpoolmaxprice = POOL_PRICE - 1;
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.WorkerpoolOverpriced.selector, POOL_PRICE, POOL_PRICE - 1)
        );
    }

    function test_the_pool_has_to_offer_every_tag() public {
        Four memory four = fourOrders();
        four.data.tag = bytes32(uint256(0x20e));
        four.request.tag = GPU;
        // The kinds of enclave a dataset names do not count.
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.TagNotOffered.selector, bytes32(uint256(0x300)), bytes32(0))
        );
        four.pool.tag = bytes32(uint256(0x300));
        vm.assertEq(hub.viewDeal(signAndMatch(four)).tag, bytes32(uint256(0x300)));
    }

    function test_a_confidential_deal_wants_an_app_made_for_it() public {
        Four memory four = fourOrders();
        four.request.tag = CONFIDENTIAL;
        four.pool.tag = CONFIDENTIAL;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.AppNotConfidential.selector, CONFIDENTIAL, bytes32(0)));
        four.app.tag = CONFIDENTIAL;
        signAndMatch(four);
    }

    function test_the_app_and_the_dataset_have_to_be_those_requested() public {
        Four memory four = fourOrders();
        four.request.app = NOBODY;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.AppMismatch.selector, NOBODY, app));
        four = fourOrders();
        four.request.dataset = address(0);
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.DatasetMismatch.selector, address(0), dataset));
    }

    function test_every_restriction_is_kept() public {
        Four memory four = fourOrders();
        four.request.workerpool = NOBODY;
        _restricted(four, IDeal.WorkerpoolRestrictedByRequest.selector, pool);
        four = fourOrders();
        four.app.datasetrestrict = NOBODY;
        _restricted(four, IDeal.DatasetRestrictedByApp.selector, dataset);
        four = fourOrders();
        four.app.workerpoolrestrict = NOBODY;
        _restricted(four, IDeal.WorkerpoolRestrictedByApp.selector, pool);
        four = fourOrders();
        four.app.requesterrestrict = NOBODY;
        _restricted(four, IDeal.RequesterRestrictedByApp.selector, requester.account);
        four = fourOrders();
        four.data.apprestrict = NOBODY;
        _restricted(four, IDeal.AppRestrictedByDataset.selector, app);
        four = fourOrders();
        four.data.workerpoolrestrict = NOBODY;
        _restricted(four, IDeal.WorkerpoolRestrictedByDataset.selector, pool);
        four = fourOrders();
        four.data.requesterrestrict = NOBODY;
        _restricted(four, IDeal.RequesterRestrictedByDataset.selector, requester.account);
        four = fourOrders();
        four.pool.apprestrict = NOBODY;
        _restricted(four, IDeal.AppRestrictedByWorkerpool.selector, app);
        four = fourOrders();
        four.pool.datasetrestrict = NOBODY;
        _restricted(four, IDeal.DatasetRestrictedByWorkerpool.selector, dataset);
        four = fourOrders();
        four.pool.requesterrestrict = NOBODY;
        _restricted(four, IDeal.RequesterRestrictedByWorkerpool.selector, requester.account);
    }

    function test_a_restriction_may_name_the_account_or_a_group_it_is_in() public {
        Four memory four = fourOrders();
        four.request.workerpool = pool;
        four.app.datasetrestrict = dataset;
        four.app.workerpoolrestrict = address(new Group(pool));
        four.app.requesterrestrict = address(new Group(requester.account));
        four.pool.apprestrict = address(new Group(app));
        signAndMatch(four);
        four.pool.apprestrict = address(new Group(pool));
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.AppRestrictedByWorkerpool.selector, four.pool.apprestrict, app)
        );
        // A contract that is no group has no members.
        four.pool.apprestrict = address(rlc);
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.AppRestrictedByWorkerpool.selector, address(rlc), app));
    }

    function test_all_sides_have_to_be_registered() public {
        Four memory four = fourOrders();
        four.app.app = NOBODY;
        four.request.app = NOBODY;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.AppNotRegistered.selector, NOBODY));
        four = fourOrders();
        four.data.dataset = app;
        four.request.dataset = app;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.DatasetNotRegistered.selector, app));
        four = fourOrders();
        four.pool.workerpool = dataset;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.WorkerpoolNotRegistered.selector, dataset));
    }

    function test_every_order_has_to_be_signed_by_its_owner() public {
        Four memory four = signAll(fourOrders());
        signedBy(stranger, four.app);
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidAppOrderSignature.selector, hashOf(four.app), developer.account)
        );
        signAll(four);
        signedBy(stranger, four.data);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidDatasetOrderSignature.selector, hashOf(four.data), curator.account)
        );
        signAll(four);
        signedBy(stranger, four.pool);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidWorkerpoolOrderSignature.selector, hashOf(four.pool), scheduler.account)
        );
        signAll(four);
        signedBy(stranger, four.request);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), requester.account)
        );
        four.request.sign = "short";
        refuseFour(four, abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 5));
    }

    function test_any_change_after_signing_is_noticed() public {
        Four memory four = signAll(fourOrders());
        four.pool.trust = 999;
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidWorkerpoolOrderSignature.selector, hashOf(four.pool), scheduler.account)
        );
    }

    function test_whoever_gets_the_token_of_an_app_signs_for_it() public {
        Four memory four = signAll(fourOrders());
        vm.prank(developer.account);
        apps.transferFrom(developer.account, stranger.account, uint256(uint160(app)));
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidAppOrderSignature.selector, hashOf(four.app), stranger.account)
        );
        signedBy(stranger, four.app);
        vm.assertEq(hub.viewDeal(matchFour(four)).app.owner, stranger.account);
    }

    /// @dev Under PoCo's rule a signature that is none recovers to the zero address, which was taken for its signer: anybody
    /// could make deals in nobody's name, with a sponsor to pay for them.
    function test_nobody_cannot_request_even_with_a_sponsor() public {
        Four memory four = fourOrders();
        four.request.requester = address(0);
        signAll(four);
        bytes memory reason =
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), address(0));
        vm.startPrank(stranger.account);
        vm.expectRevert(reason);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        four.request.sign = new bytes(65);
        vm.assertEq(ecrecover(hashOf(four.request), 0, 0, 0), address(0));
        vm.expectRevert(reason);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        four.request.sign = new bytes(64);
        vm.expectRevert(reason);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        vm.expectRevert(reason);
        hub.matchOrders(four.app, four.data, four.pool, four.request);
        vm.stopPrank();
    }

    /// @dev Nobody signs a dataset order that stands for "none". Under PoCo's rule its tag counted all the same, so whoever
    /// matched could make a cheap task ask for the dearest machine that the pool has, or for an enclave.
    function test_whoever_matches_adds_no_tag_through_the_dataset_that_is_not_there() public {
        Four memory four = fourOrders();
        four.data = noDataset();
        four.request.dataset = address(0);
        four.app.tag = CONFIDENTIAL;
        four.pool.tag = GPU | CONFIDENTIAL;
        signedBy(developer, four.app);
        signedBy(scheduler, four.pool);
        signedBy(requester, four.request);
        four.data.tag = GPU | CONFIDENTIAL;
        vm.prank(stranger.account);
        vm.assertEq(hub.viewDeal(matchFour(four)).tag, CONFIDENTIAL);

        // Nor can he keep a match from being made by a tag that the pool does not offer.
        four.request.beneficiary = stranger.account;
        signedBy(requester, four.request);
        four.data.tag = bytes32(type(uint256).max);
        vm.assertEq(hub.viewDeal(matchFour(four)).tag, CONFIDENTIAL);
    }

    /// @dev Its mark counts for nothing either, as nobody signed it.
    function test_a_dataset_order_for_none_has_no_salt_to_be_read() public {
        Four memory four = fourOrders();
        four.data = noDataset();
        four.request.dataset = address(0);
        signedBy(developer, four.app);
        signedBy(scheduler, four.pool);
        signedBy(requester, four.request);
        four.data.salt = bytes32(bytes6("oxec\xff\xff"));
        matchFour(four);
    }

    function test_a_contract_signs_by_agreeing() public {
        Purse purse = new Purse();
        vm.prank(requester.account);
        hub.transfer(address(purse), 100e9);
        Four memory four = fourOrders();
        four.request.requester = address(purse);
        signAll(four);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), address(purse))
        );
        purse.agree(hashOf(four.request));
        four.request.sign = "";
        vm.assertEq(hub.viewDeal(matchFour(four)).requester, address(purse));
    }

    function test_orders_may_be_signed_on_chain() public {
        Four memory four = fourOrders();
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.SIGN, ""));
        vm.prank(requester.account);
        hub.manageRequestOrder(RequestOrderOperation(four.request, OrderOperation.SIGN, ""));
        signedBy(curator, four.data);
        signedBy(scheduler, four.pool);
        matchFour(four);
        vm.assertEq(hub.viewPresigned(hashOf(four.app)), developer.account);
        vm.assertEq(hub.viewConsumed(hashOf(four.app)), 1);
    }

    function test_both_sides_need_the_money() public {
        Four memory four = fourOrders();
        four.request.volume = 1000;
        uint256 price = (APP_PRICE + DATASET_PRICE + POOL_PRICE) * 1000;
        refuseFour(
            signAll(four),
            abi.encodeWithSelector(IPayment.InsufficientBalance.selector, requester.account, 1000e9, price)
        );
        vm.prank(scheduler.account);
        hub.withdraw(1000e9);
        four.request.volume = 2;
        refuseFour(
            signAll(four),
            abi.encodeWithSelector(IPayment.InsufficientBalance.selector, scheduler.account, 0, STAKE * 2)
        );
    }

    // Bounds

    function test_a_price_beyond_all_money_isrefuseFour() public {
        uint256 limit = type(uint64).max;
        Four memory four = fourOrders();
        four.app.appprice = limit + 1;
        four.request.appmaxprice = limit + 1;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.PriceTooLarge.selector, limit + 1, limit));
        // The price is in bounds, ten times it is not.
        vm.prank(scheduler.account);
        IWorkerpool(pool).changePolicy(1000, 0);
        four = fourOrders();
        four.pool.workerpoolprice = limit / 10 + 1;
        four.request.workerpoolmaxprice = limit / 10 + 1;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.PriceTooLarge.selector, (limit / 10 + 1) * 10, limit));
    }

    function test_trust_and_indices_are_bounded() public {
        Four memory four = fourOrders();
        four.pool.trust = type(uint256).max;
        four.request.trust = uint256(1) << 32;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.TrustTooHigh.selector, 1 << 32, type(uint32).max));
        four = fourOrders();
        four.app.volume = uint256(1) << 96;
        refuseFour(signAll(four), abi.encodeWithSelector(IOrder.VolumeTooLarge.selector, 1 << 96, type(uint96).max));
        four = _free();
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.TooManyTasks.selector, 0, type(uint96).max, type(uint32).max)
        );
    }

    function test_the_longest_parameters_have_room_beside_everything_else() public {
        Four memory four = fourOrders();
        four.request.callback = address(0xca11);
        four.request.beneficiary = stranger.account;
        four.request.tag = GPU;
        four.pool.tag = GPU;
        four.request.params = string(new bytes(24_270));
        signAll(four);
        vm.prank(stranger.account);
        bytes32 dealid = hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        vm.assertEq(bytes(hub.viewDeal(dealid).params).length, 24_270);
        four.request.params = string(new bytes(24_271));
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.ParamsTooLong.selector, 24_271, 24_270));
    }

    // Datasets used in deals made without one

    function test_a_dataset_may_join_a_deal_whose_rules_it_likes() public {
        bytes32 dealid = matched(1, 1);
        DatasetOrder memory data = datasetOrder();
        data.apprestrict = app;
        data.workerpoolrestrict = pool;
        data.requesterrestrict = requester.account;
        data.tag = bytes32(uint256(0xe));
        hub.assertDatasetDealCompatibility(signedBy(curator, data), dealid);
    }

    function test_a_dataset_may_not_join_just_any_deal() public {
        bytes32 dealid = matched(1, 1);
        DatasetOrder memory data = signedBy(curator, datasetOrder());
        _cannotJoin(data, bytes32(0), abi.encodeWithSelector(IDeal.UnknownDeal.selector, bytes32(0)));
        bytes32 other = signAndMatch(fourOrders());
        _cannotJoin(data, other, abi.encodeWithSelector(IDeal.DealHasDataset.selector, other, dataset));
        data.volume = 0;
        _cannotJoin(data, dealid, abi.encodeWithSelector(IDeal.DatasetOrderConsumed.selector, hashOf(data), 0, 0));
        data = signedBy(stranger, datasetOrder());
        data.salt = 0;
        _cannotJoin(
            data,
            dealid,
            abi.encodeWithSelector(IDeal.InvalidDatasetOrderSignature.selector, hashOf(data), curator.account)
        );
        data.apprestrict = NOBODY;
        signedBy(curator, data);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IDeal.AppRestrictedByDataset.selector, NOBODY, app));
        data.apprestrict = address(0);
        data.workerpoolrestrict = NOBODY;
        signedBy(curator, data);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IDeal.WorkerpoolRestrictedByDataset.selector, NOBODY, pool));
        data.workerpoolrestrict = address(0);
        data.requesterrestrict = NOBODY;
        signedBy(curator, data);
        _cannotJoin(
            data, dealid, abi.encodeWithSelector(IDeal.RequesterRestrictedByDataset.selector, NOBODY, requester.account)
        );
        data.requesterrestrict = address(0);
        data.tag = CONFIDENTIAL;
        signedBy(curator, data);
        _cannotJoin(data, dealid, abi.encodeWithSelector(IDeal.TagNotOffered.selector, CONFIDENTIAL, bytes32(0)));
    }

    // Words of this file

    /// @dev Without price or end.
    function _free() private view returns (Four memory four) {
        four = fourOrders();
        (four.app.appprice, four.data.datasetprice, four.pool.workerpoolprice) = (0, 0, 0);
        four.app.volume = type(uint96).max;
        four.data.volume = type(uint96).max;
        four.pool.volume = type(uint96).max;
        four.request.volume = type(uint96).max;
    }

    function _restricted(Four memory four, bytes4 selector, address account) private {
        refuseFour(signAll(four), abi.encodeWithSelector(selector, NOBODY, account));
    }

    function _cannotJoin(DatasetOrder memory data, bytes32 dealid, bytes memory reason) private {
        vm.expectRevert(reason);
        hub.assertDatasetDealCompatibility(data, dealid);
    }
}
