// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Who may stand behind the sides of a match: sponsors, accounts with code, owners who signed on chain, groups, payers who
// deposit at the same moment, pools of a registry before this one. And each time, who may not.

import { Deal, IDeal } from "../../src/interfaces/IDeal.sol";
import {
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    IOrder,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrderOperation
} from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { IRegistry } from "../../src/interfaces/IRegistry.sol";
import { Four, FourOrders, Group, Purse } from "../support/Four.sol";

/// @dev Answers everything with the same words, or the same refusal.
contract Parrot {
    bytes private _words;
    bool private _refuses;

    constructor(bytes memory words, bool refuses) {
        (_words, _refuses) = (words, refuses);
    }

    fallback(bytes calldata) external returns (bytes memory words) {
        words = _words;
        if (_refuses) {
            assembly {
                revert(add(words, 32), mload(words))
            }
        }
    }
}

/// @dev Uses up all the gas it is given.
contract Burner {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// @dev A registry of before and its workerpool in one, which bounds nothing.
contract OldPool {
    address private immutable _owner;
    uint256 private immutable _stakeRatio;

    constructor(address owner_, uint256 stakeRatio) {
        (_owner, _stakeRatio) = (owner_, stakeRatio);
    }

    function isRegistered(address entry) external view returns (bool) {
        return entry == address(this);
    }

    function owner() external view returns (address) {
        return _owner;
    }

    function m_workerStakeRatioPolicy() external view returns (uint256) {
        return _stakeRatio;
    }

    function m_schedulerRewardRatioPolicy() external pure returns (uint256) {
        return 1;
    }
}

contract PartiesTest is FourOrders {
    address private constant NOBODY = address(0xdead);
    bytes4 private constant AGREED = 0x1626ba7e;
    uint256 private constant PRICE = APP_PRICE + DATASET_PRICE + POOL_PRICE;

    // Sponsors

    /// @dev Whoever sends the match pays, and nobody else's money is touched, at the success or the failure of a task. Under
    /// PoCo's Boost a sponsored task was paid out of what the requester had frozen for another.
    function test_a_sponsor_pays_and_is_refunded_and_the_requester_is_not_touched() public {
        matched(_requestOf(keccak256("the requester's own"), 1));
        uint256 frozen = hub.frozenOf(requester.account);
        bytes32 dealid = _sponsored(_requestOf(keccak256("sponsored"), 2));
        uint256 price = APP_PRICE + POOL_PRICE;
        vm.assertEq(hub.frozenOf(stranger.account), 2 * price);

        bytes32 done = hub.initialize(dealid, 0);
        contribute(done, workers[0], digest("result"));
        reveal(done, workers[0], digest("result"));
        finalize(done);
        vm.assertEq(hub.frozenOf(stranger.account), price);
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9 - 2 * price);

        vm.warp(START + 10 * XS_TIME);
        hub.claim(hub.initialize(dealid, 1));
        vm.assertEq(hub.frozenOf(stranger.account), 0);
        vm.assertEq(hub.balanceOf(stranger.account), 1000e9 - price);
        vm.assertEq(hub.frozenOf(requester.account), frozen);
    }

    function test_a_sponsor_needs_the_money_and_the_requester_does_not() public {
        vm.prank(requester.account);
        hub.withdraw(1000e9);
        vm.prank(stranger.account);
        hub.withdraw(1000e9 - PRICE + 1);
        Four memory four = signAll(fourOrders());
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.InsufficientBalance.selector, stranger.account, PRICE - 1, PRICE)
        );
        vm.prank(stranger.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        vm.prank(curator.account);
        hub.transfer(stranger.account, 1);
        vm.prank(stranger.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
    }

    function test_the_requester_or_the_pool_may_sponsor() public {
        Four memory four = signAll(fourOrders());
        vm.expectEmit(address(hub));
        emit IDeal.DealSponsored(keccak256(abi.encodePacked(hashOf(four.request), uint256(0))), requester.account);
        vm.prank(requester.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        four.request.salt = keccak256("another");
        signAll(four);
        vm.prank(scheduler.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
        vm.assertEq(hub.frozenOf(scheduler.account), 2 * STAKE + PRICE);
    }

    /// @dev A sponsor gives money, not his word: every order still has to be signed.
    function test_a_sponsor_signs_for_nobody() public {
        Four memory four = signAll(fourOrders());
        signedBy(stranger, four.request);
        vm.expectRevert(
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), requester.account)
        );
        vm.prank(stranger.account);
        hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
    }

    // Signatures of keys

    function test_a_match_takes_signatures_in_the_short_form() public {
        Four memory four = signAll(fourOrders());
        four.app.sign = shortened(four.app.sign);
        four.data.sign = shortened(four.data.sign);
        four.pool.sign = shortened(four.pool.sign);
        four.request.sign = shortened(four.request.sign);
        vm.assertEq(four.app.sign.length, 64);
        matchFour(four);
    }

    function test_a_signature_of_another_length_is_none() public {
        Four memory four = signAll(fourOrders());
        four.data.sign = bytes.concat(four.data.sign, hex"00");
        refuseFour(four, abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 66));
        four.data.sign = "";
        refuseFour(four, abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 0));
    }

    /// @dev An account that lent itself code (EIP-7702) keeps signing with its key, whatever the code says.
    function test_a_key_whose_account_has_code_signs_on() public {
        Four memory four = signAll(fourOrders());
        bytes memory code = address(new Parrot("no", true)).code;
        vm.etch(developer.account, code);
        vm.etch(requester.account, code);
        matchFour(four);
    }

    // Signatures of contracts

    function test_a_contract_may_stand_on_every_side() public {
        Purse purse = new Purse();
        Four memory four = _allOf(purse);
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidAppOrderSignature.selector, hashOf(four.app), address(purse))
        );
        purse.agree(hashOf(four.app));
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidDatasetOrderSignature.selector, hashOf(four.data), address(purse))
        );
        purse.agree(hashOf(four.data));
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidWorkerpoolOrderSignature.selector, hashOf(four.pool), address(purse))
        );
        purse.agree(hashOf(four.pool));
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), address(purse))
        );
        purse.agree(hashOf(four.request));
        Deal memory deal = hub.viewDeal(matchFour(four));
        vm.assertEq(deal.app.owner, address(purse));
        vm.assertEq(deal.dataset.owner, address(purse));
        vm.assertEq(deal.workerpool.owner, address(purse));
        vm.assertEq(deal.requester, address(purse));
        vm.assertEq(hub.frozenOf(address(purse)), PRICE + STAKE);
    }

    /// @dev Anything but the four bytes is a no, and none of it stops the hub from saying so by name.
    function test_a_contract_that_answers_otherwise_has_not_signed() public {
        _hasNotSigned(address(new Parrot("", false)));
        _hasNotSigned(address(new Parrot(abi.encodePacked(AGREED), false)));
        _hasNotSigned(address(new Parrot(abi.encode(uint256(1)), false)));
        _hasNotSigned(address(new Parrot(abi.encode(bytes4(0x1626ba7f)), false)));
        _hasNotSigned(address(new Parrot(abi.encode(uint256(uint32(AGREED))), false)));
        _hasNotSigned(address(new Parrot(abi.encode(AGREED), true)));
        _hasNotSigned(address(rlc));
        // A longer answer that begins with them is a yes, as it is to Solidity.
        address yes = address(new Parrot(abi.encode(AGREED, uint256(7)), false));
        vm.assertTrue(hub.verifySignature(yes, keccak256("anything"), ""));
    }

    /// @dev A contract that burns all it is given leaves the hub a 64th, which is enough to say no.
    function test_a_contract_that_burns_its_gas_has_not_signed_and_is_no_group() public {
        address burner = address(new Burner());
        vm.assertFalse(hub.verifySignature{ gas: 1_000_000 }(burner, keccak256("anything"), ""));
        Four memory four = fourOrders();
        four.request.requester = burner;
        signAll(four);
        vm.expectRevert(
            abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), burner)
        );
        hub.matchOrders{ gas: 5_000_000 }(four.app, four.data, four.pool, four.request);
        four = fourOrders();
        four.app.workerpoolrestrict = burner;
        signAll(four);
        vm.expectRevert(abi.encodeWithSelector(IDeal.WorkerpoolRestrictedByApp.selector, burner, pool));
        hub.matchOrders{ gas: 5_000_000 }(four.app, four.data, four.pool, four.request);
    }

    function test_a_contract_closes_and_signs_on_chain_too() public {
        Purse purse = new Purse();
        Four memory four = _allOf(purse);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOrder.OperationNotAuthorized.selector, hashOf(four.app), address(purse), address(this)
            )
        );
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.SIGN, ""));
        purse.tell(
            address(hub), abi.encodeCall(hub.manageAppOrder, (AppOrderOperation(four.app, OrderOperation.SIGN, "")))
        );
        vm.assertTrue(hub.verifyPresignature(address(purse), hashOf(four.app)));
        bytes32 content = keccak256(
            abi.encode(
                keccak256(bytes(string.concat("AppOrderOperation(AppOrder order,uint256 operation)", APP_TYPE))),
                contentOf(four.app),
                uint256(1)
            )
        );
        purse.agree(typed(content));
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.CLOSE, ""));
        vm.assertEq(hub.viewConsumed(hashOf(four.app)), 1000);
    }

    // Signed on chain

    function test_a_match_of_orders_all_signed_on_chain_carries_no_signature() public {
        Four memory four = fourOrders();
        _presignAll(four);
        four.request.sign = "anything";
        matchFour(four);
    }

    /// @dev A signature on chain is the owner's of that day; the next owner has not signed.
    function test_a_signature_on_chain_does_not_pass_on_with_the_asset() public {
        Four memory four = fourOrders();
        _presignAll(four);
        vm.prank(scheduler.account);
        pools.transferFrom(scheduler.account, stranger.account, uint160(pool));
        four.pool.sign = new bytes(65);
        refuseFour(
            four,
            abi.encodeWithSelector(IDeal.InvalidWorkerpoolOrderSignature.selector, hashOf(four.pool), stranger.account)
        );
    }

    function test_a_signature_on_chain_is_of_that_order_alone() public {
        Four memory four = fourOrders();
        _presignAll(four);
        four.app.appprice -= 1;
        four.app.sign = new bytes(65);
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidAppOrderSignature.selector, hashOf(four.app), developer.account)
        );
    }

    // Groups

    function test_every_restriction_may_name_a_group() public {
        address[10] memory who =
            [pool, dataset, pool, requester.account, app, pool, requester.account, app, dataset, requester.account];
        bytes4[10] memory refusals = [
            IDeal.WorkerpoolRestrictedByRequest.selector,
            IDeal.DatasetRestrictedByApp.selector,
            IDeal.WorkerpoolRestrictedByApp.selector,
            IDeal.RequesterRestrictedByApp.selector,
            IDeal.AppRestrictedByDataset.selector,
            IDeal.WorkerpoolRestrictedByDataset.selector,
            IDeal.RequesterRestrictedByDataset.selector,
            IDeal.AppRestrictedByWorkerpool.selector,
            IDeal.DatasetRestrictedByWorkerpool.selector,
            IDeal.RequesterRestrictedByWorkerpool.selector
        ];
        address[5] memory strange = [
            address(new Group(NOBODY)),
            address(new Parrot(abi.encode(true), true)),
            address(new Parrot(abi.encode(uint256(2)), false)),
            address(new Parrot(hex"01", false)),
            stranger.account
        ];
        for (uint256 i = 0; i < 10; ++i) {
            Four memory four = fourOrders();
            four.request.beneficiary = address(uint160(i + 1));
            for (uint256 k = 0; k < strange.length; ++k) {
                _restrict(four, i, strange[k]);
                refuseFour(signAll(four), abi.encodeWithSelector(refusals[i], strange[k], who[i]));
            }
            _restrict(four, i, address(new Group(who[i])));
            signAndMatch(four);
        }
    }

    /// @dev Without a dataset a restriction to one cannot be kept, unless its group takes the zero address for a member.
    function test_a_restriction_to_a_dataset_asks_for_one() public {
        Four memory four = fourOrders();
        four.data = noDataset();
        four.request.dataset = address(0);
        four.app.datasetrestrict = dataset;
        signedBy(developer, four.app);
        signedBy(scheduler, four.pool);
        signedBy(requester, four.request);
        refuseFour(four, abi.encodeWithSelector(IDeal.DatasetRestrictedByApp.selector, dataset, address(0)));
        four.app.datasetrestrict = address(new Group(address(0)));
        signedBy(developer, four.app);
        matchFour(four);
    }

    // Deposit and match at once

    function test_deposit_and_match_pays_out_of_what_is_there_and_what_comes() public {
        Four memory four = signAll(fourOrders());
        bytes memory words = abi.encodeCall(hub.matchOrders, (four.app, four.data, four.pool, four.request));
        vm.startPrank(requester.account);
        hub.withdraw(1000e9 - 10e9);
        rlc.approveAndCall(address(hub), PRICE - 10e9, words);
        vm.stopPrank();
        vm.assertEq(hub.balanceOf(requester.account), 0);
        vm.assertEq(hub.frozenOf(requester.account), PRICE);
        vm.assertEq(hub.frozenOf(address(rlc)), 0);
    }

    /// @dev All or nothing: where the match is refused, the deposit is not made either.
    function test_deposit_and_match_is_refused_as_a_whole() public {
        Four memory four = signAll(fourOrders());
        bytes memory words = abi.encodeCall(hub.matchOrders, (four.app, four.data, four.pool, four.request));
        uint256 held = rlc.balanceOf(requester.account);
        vm.startPrank(requester.account);
        hub.withdraw(1000e9);
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.InsufficientBalance.selector, requester.account, PRICE - 1, PRICE)
        );
        rlc.approveAndCall(address(hub), PRICE - 1, words);
        vm.stopPrank();
        vm.assertEq(rlc.balanceOf(requester.account), held + 1000e9);
        vm.assertEq(rlc.allowance(requester.account, address(hub)), 0);
        vm.assertEq(hub.viewConsumed(hashOf(four.request)), 0);
    }

    /// @dev The token would be the sponsor.
    function test_deposit_and_match_does_not_sponsor() public {
        Four memory four = signAll(fourOrders());
        bytes memory words = abi.encodeCall(hub.sponsorMatchOrders, (four.app, four.data, four.pool, four.request));
        vm.expectRevert(
            abi.encodeWithSelector(IPayment.UnsupportedOperation.selector, IDeal.sponsorMatchOrders.selector)
        );
        vm.prank(requester.account);
        rlc.approveAndCall(address(hub), PRICE, words);
    }

    // Pools of before

    /// @dev A pool of the registries here cannot ask for more than ten times the price; one that was carried over may, and
    /// then it would freeze a worker's whole account for a task, or let nobody work at all.
    function test_an_absurd_stake_is_refused_wherever_the_pool_comes_from() public {
        _stakeRefused(1001);
        _stakeRefused(type(uint240).max);
        _stakeRefused(type(uint256).max);
        Four memory four = _onOldPool(1000);
        vm.assertEq(hub.viewDeal(signAndMatch(four)).workerStake, 10 * POOL_PRICE);
        four = _onOldPool(0);
        vm.assertEq(hub.viewDeal(signAndMatch(four)).workerStake, 0);
    }

    /// @dev The bounds come one after the other: the price, then the ratio, then the stake they make.
    function test_an_absurd_stake_is_looked_at_between_the_price_and_the_stake() public {
        uint256 limit = type(uint64).max;
        Four memory four = _onOldPool(1001);
        four.pool.workerpoolprice = limit + 1;
        four.request.workerpoolmaxprice = limit + 1;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.PriceTooLarge.selector, limit + 1, limit));
        four.pool.workerpoolprice = limit;
        refuseFour(
            signAll(four), abi.encodeWithSelector(IDeal.StakeRatioTooHigh.selector, four.pool.workerpool, 1001, 1000)
        );
        four = _onOldPool(101);
        four.pool.workerpoolprice = limit;
        four.request.workerpoolmaxprice = limit;
        refuseFour(signAll(four), abi.encodeWithSelector(IDeal.PriceTooLarge.selector, limit * 101 / 100, limit));
    }

    // Datasets used in deals made without one

    function test_a_dataset_joins_by_whatever_way_its_order_is_signed() public {
        bytes32 dealid = matched(1, 1);
        DatasetOrder memory data = datasetOrder();
        data.apprestrict = address(new Group(app));
        data.workerpoolrestrict = address(new Group(pool));
        data.requesterrestrict = address(new Group(requester.account));
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(data, OrderOperation.SIGN, ""));
        hub.assertDatasetDealCompatibility(data, dealid);

        Purse purse = new Purse();
        vm.prank(curator.account);
        datasets.transferFrom(curator.account, address(purse), uint160(dataset));
        vm.expectRevert(
            abi.encodeWithSelector(IDeal.InvalidDatasetOrderSignature.selector, hashOf(data), address(purse))
        );
        hub.assertDatasetDealCompatibility(data, dealid);
        purse.agree(hashOf(data));
        hub.assertDatasetDealCompatibility(data, dealid);
    }

    function test_a_dataset_that_is_none_or_whose_order_is_closed_joins_nothing() public {
        bytes32 dealid = matched(1, 1);
        DatasetOrder memory data = datasetOrder();
        data.dataset = app;
        signedBy(curator, data);
        vm.expectRevert(abi.encodeWithSelector(IDeal.DatasetNotRegistered.selector, app));
        hub.assertDatasetDealCompatibility(data, dealid);
        data.dataset = address(0);
        data.sign = new bytes(65);
        vm.expectRevert(abi.encodeWithSelector(IDeal.DatasetNotRegistered.selector, address(0)));
        hub.assertDatasetDealCompatibility(data, dealid);

        data = signedBy(curator, datasetOrder());
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(data, OrderOperation.CLOSE, ""));
        vm.expectRevert(abi.encodeWithSelector(IDeal.DatasetOrderConsumed.selector, hashOf(data), 1000, 1000));
        hub.assertDatasetDealCompatibility(data, dealid);
    }

    function test_a_dataset_joins_while_there_is_volume_and_uses_none() public {
        Four memory four = fourOrders();
        four.data.volume = 2;
        signAndMatch(four);
        bytes32 dealid = matched(_requestOf(keccak256("without"), 1));
        hub.assertDatasetDealCompatibility(four.data, dealid);
        vm.assertEq(hub.viewConsumed(hashOf(four.data)), 1);
        four.request.salt = keccak256("with");
        signAndMatch(four);
        vm.expectRevert(abi.encodeWithSelector(IDeal.DatasetOrderConsumed.selector, hashOf(four.data), 2, 2));
        hub.assertDatasetDealCompatibility(four.data, dealid);
    }

    // Words of this file

    function _requestOf(bytes32 salt, uint256 volume) private view returns (RequestOrder memory request) {
        request = requestOrder();
        request.salt = salt;
        request.volume = volume;
    }

    function _sponsored(RequestOrder memory request) private returns (bytes32) {
        Four memory four = Four(appOrder(), noDataset(), poolOrder(), request);
        signedBy(developer, four.app);
        signedBy(scheduler, four.pool);
        signedBy(requester, four.request);
        vm.prank(stranger.account);
        return hub.sponsorMatchOrders(four.app, four.data, four.pool, four.request);
    }

    /// @dev Everything is the purse's, and it has the money.
    function _allOf(Purse purse) private returns (Four memory four) {
        vm.prank(developer.account);
        apps.transferFrom(developer.account, address(purse), uint160(app));
        vm.prank(curator.account);
        datasets.transferFrom(curator.account, address(purse), uint160(dataset));
        vm.prank(scheduler.account);
        pools.transferFrom(scheduler.account, address(purse), uint160(pool));
        vm.prank(stranger.account);
        hub.transfer(address(purse), PRICE + STAKE);
        four = fourOrders();
        four.request.requester = address(purse);
    }

    function _hasNotSigned(address account) private {
        vm.assertFalse(hub.verifySignature(account, keccak256("anything"), new bytes(65)));
        vm.assertFalse(hub.verifySignature(account, keccak256("anything"), ""));
        Four memory four = fourOrders();
        four.request.requester = account;
        signAll(four);
        refuseFour(
            four, abi.encodeWithSelector(IDeal.InvalidRequestOrderSignature.selector, hashOf(four.request), account)
        );
    }

    function _presignAll(Four memory four) private {
        vm.prank(developer.account);
        hub.manageAppOrder(AppOrderOperation(four.app, OrderOperation.SIGN, ""));
        vm.prank(curator.account);
        hub.manageDatasetOrder(DatasetOrderOperation(four.data, OrderOperation.SIGN, ""));
        vm.prank(scheduler.account);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(four.pool, OrderOperation.SIGN, ""));
        vm.prank(requester.account);
        hub.manageRequestOrder(RequestOrderOperation(four.request, OrderOperation.SIGN, ""));
    }

    function _restrict(Four memory four, uint256 place, address to) private pure {
        if (place == 0) four.request.workerpool = to;
        else if (place == 1) four.app.datasetrestrict = to;
        else if (place == 2) four.app.workerpoolrestrict = to;
        else if (place == 3) four.app.requesterrestrict = to;
        else if (place == 4) four.data.apprestrict = to;
        else if (place == 5) four.data.workerpoolrestrict = to;
        else if (place == 6) four.data.requesterrestrict = to;
        else if (place == 7) four.pool.apprestrict = to;
        else if (place == 8) four.pool.datasetrestrict = to;
        else four.pool.requesterrestrict = to;
    }

    /// @dev The hub's registry has one before it, which knows but this pool.
    function _onOldPool(uint256 stakeRatio) private returns (Four memory four) {
        address old = address(new OldPool(scheduler.account, stakeRatio));
        IRegistry next =
            IRegistry(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry", abi.encode(address(this))));
        next.initialize(old);
        hub.changeRegistries(address(apps), address(datasets), address(next));
        four = fourOrders();
        four.pool.workerpool = old;
        four.request.beneficiary = old;
    }

    function _stakeRefused(uint256 stakeRatio) private {
        Four memory four = _onOldPool(stakeRatio);
        refuseFour(
            signAll(four),
            abi.encodeWithSelector(IDeal.StakeRatioTooHigh.selector, four.pool.workerpool, stakeRatio, 1000)
        );
    }
}
