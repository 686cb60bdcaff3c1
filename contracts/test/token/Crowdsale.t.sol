// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The sale by its rules: what is bought when and for how much, what becomes of every last unit of token and ether, and who
// may do what. The rate is the first one of 2017, 200 RLC for an ether, so 1 nRLC costs 5,000,000 wei without a bonus.

import { ICrowdsale, SaleStage, SaleTerms } from "../../src/interfaces/ICrowdsale.sol";
import { IRLC } from "../../src/interfaces/IRLC.sol";
import { Crowdsale } from "../../src/token/Crowdsale.sol";
import { RLC } from "../../src/token/RLC.sol";
import { Test } from "../support/Test.sol";

/// @dev Buys, and when it is paid back calls the sale again, in each of the ways that could pay.
contract Thief {
    Crowdsale private immutable _sale;
    uint256 public paidTimes;
    uint256 public refusals;

    constructor(Crowdsale sale) {
        _sale = sale;
    }

    function buy() external payable {
        _sale.buy{ value: msg.value }(address(this));
    }

    function refund() external {
        _sale.refund(address(this));
    }

    receive() external payable {
        ++paidTimes;
        if (paidTimes > 3) return;
        _again(abi.encodeCall(_sale.refund, (address(this))));
        _again(abi.encodeCall(_sale.claim, (address(this))));
        _again(abi.encodeCall(_sale.finalize, ()));
        if (_sale.stage() == SaleStage.FAILED) _again(abi.encodeCall(_sale.withdraw, ()));
        else _sale.withdraw();
    }

    function _again(bytes memory words) private {
        (bool done,) = address(_sale).call(words);
        if (!done) ++refusals;
    }
}

/// @dev Takes no ether.
contract Miser {
    function buy(Crowdsale sale) external payable {
        sale.buy{ value: msg.value }(address(this));
    }

    function refund(Crowdsale sale, address target) external {
        sale.refund(target);
    }
}

/// @dev A token that says no to what it is told to.
contract Stubborn {
    uint256 public constant totalSupply = 87_000_000e9;
    bool public sends;

    function setSends(bool to) external {
        sends = to;
    }

    function balanceOf(address) external pure returns (uint256) {
        return totalSupply;
    }

    function transfer(address, uint256) external view returns (bool) {
        return sends;
    }

    function burn(uint256) external pure returns (bool) {
        return false;
    }
}

contract CrowdsaleTest is Test {
    uint256 private constant SUPPLY = 87_000_000e9;
    uint256 private constant RATE = 200e9;
    uint256 private constant OPENED = 1_492_560_000;

    RLC private token;
    Crowdsale private sale;
    SaleTerms private terms;
    address private alice;
    address private bob;

    function setUp() public {
        vm.warp(OPENED);
        alice = someone("alice");
        bob = someone("bob");
        vm.deal(alice, 1e9 ether);
        vm.deal(bob, 1e9 ether);
        terms = SaleTerms({
            owner: someone("owner"),
            beneficiary: someone("beneficiary"),
            bounty: someone("bounty"),
            reserve: someone("reserve"),
            team: someone("team"),
            rate: RATE
        });
        open();
    }

    // Terms.

    function test_terms_are_what_it_was_deployed_with() public view {
        SaleTerms memory kept = sale.terms();
        vm.assertEq(kept.owner, terms.owner);
        vm.assertEq(kept.beneficiary, terms.beneficiary);
        vm.assertEq(kept.bounty, terms.bounty);
        vm.assertEq(kept.reserve, terms.reserve);
        vm.assertEq(kept.team, terms.team);
        vm.assertEq(kept.rate, RATE);
        vm.assertEq(address(sale.token()), address(token));
        vm.assertEq(sale.SUPPLY(), SUPPLY);
        vm.assertEq(sale.LEAST_SOLD(), 12_000_000e9);
        vm.assertEq(sale.MOST_SOLD(), 60_000_000e9);
        vm.assertEq(sale.REMAINDER(), 5_000e9);
        vm.assertEq(sale.LEAST_PURCHASE(), 1 ether);
        vm.assertEq(sale.DURATION(), 30 days);
    }

    function test_an_address_zero_is_refused_in_every_place() public {
        refused_terms(IRLC(address(0)), terms);
        for (uint256 i = 0; i < 5; ++i) {
            SaleTerms memory broken = terms;
            if (i == 0) broken.owner = address(0);
            if (i == 1) broken.beneficiary = address(0);
            if (i == 2) broken.bounty = address(0);
            if (i == 3) broken.reserve = address(0);
            if (i == 4) broken.team = address(0);
            refused_terms(token, broken);
        }
    }

    function test_a_rate_is_within_bounds() public {
        uint256 most = sale.MOST_RATE();
        terms.rate = most;
        new Crowdsale(token, terms);
        terms.rate = 1;
        new Crowdsale(token, terms);
        terms.rate = 0;
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.RateOutOfBounds.selector, uint256(0), most));
        new Crowdsale(token, terms);
        terms.rate = most + 1;
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.RateOutOfBounds.selector, most + 1, most));
        new Crowdsale(token, terms);
    }

    /// @dev As long as the owner cannot close the sale, more than the remainder is left, and that is enough for anybody.
    function test_the_least_purchase_fits_for_as_long_as_the_sale_cannot_be_closed(uint256 rate, uint256 age) public {
        terms.rate = bound(rate, 1, sale.MOST_RATE());
        sale = new Crowdsale(token, terms);
        vm.assertLe(sale.quote(1 ether, bound(age, 0, 30 days)), sale.REMAINDER());
        vm.assertGe(sale.quote(1 ether, age), 1);
    }

    // Start.

    function test_only_the_owner_starts() public {
        waiting();
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.NotTheOwner.selector, alice, terms.owner));
        vm.prank(alice);
        sale.start();
    }

    function test_it_starts_once() public {
        refused_stage(SaleStage.OPEN, SaleStage.WAITING);
        vm.prank(terms.owner);
        sale.start();
    }

    function test_it_starts_with_the_whole_token_in_hand() public {
        token = new RLC(address(this));
        sale = new Crowdsale(token, terms);
        token.transfer(address(sale), SUPPLY - 1);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.TokensMissing.selector, SUPPLY - 1, SUPPLY, SUPPLY));
        vm.prank(terms.owner);
        sale.start();

        token.burn(1);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.TokensMissing.selector, SUPPLY - 1, SUPPLY - 1, SUPPLY));
        vm.prank(terms.owner);
        sale.start();
    }

    function test_it_is_open_for_30_days() public {
        waiting();
        vm.assertEq(sale.startTime(), 0);
        vm.assertEq(sale.endTime(), 0);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Started(OPENED, OPENED + 30 days);
        vm.prank(terms.owner);
        sale.start();
        vm.assertEq(sale.startTime(), OPENED);
        vm.assertEq(sale.endTime(), OPENED + 30 days);
        vm.assertTrue(sale.stage() == SaleStage.OPEN);
    }

    function test_nothing_happens_before_the_start() public {
        waiting();
        refused_stage(SaleStage.WAITING, SaleStage.OPEN);
        vm.prank(alice);
        sale.buy{ value: 1 ether }(alice);
        refused_stage(SaleStage.WAITING, SaleStage.OPEN);
        sale.finalize();
        refused_stage(SaleStage.WAITING, SaleStage.SUCCEEDED);
        sale.claim(alice);
        refused_stage(SaleStage.WAITING, SaleStage.FAILED);
        sale.refund(alice);
        refused_stage(SaleStage.WAITING, SaleStage.SUCCEEDED);
        sale.withdraw();
    }

    // Buying.

    function test_the_bonus_changes_at_its_seconds() public {
        check_bought_at(0, 240e9);
        check_bought_at(10 days - 1, 240e9);
        check_bought_at(10 days, 220e9);
        check_bought_at(20 days - 1, 220e9);
        check_bought_at(20 days, 200e9);
        check_bought_at(30 days - 1, 200e9);
    }

    function test_at_the_end_nothing_is_sold() public {
        vm.warp(OPENED + 30 days);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.SaleOver.selector, OPENED + 30 days, OPENED + 30 days));
        vm.prank(alice);
        sale.buy{ value: 1 ether }(alice);
    }

    /// @dev Any amount at any time: the formula written out for this rate, and not a token moves.
    function test_a_purchase_is_worth_its_ether(uint256 paid, uint256 age) public {
        paid = bound(paid, 1 ether, 250_000 ether);
        age = bound(age, 0, 30 days - 1);
        uint256 plain = paid / 5_000_000;
        uint256 bought = plain + plain * (age < 10 days ? 20 : age < 20 days ? 10 : 0) / 100;

        vm.warp(OPENED + age);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Purchased(alice, alice, paid, bought);
        purchase(alice, paid);
        check_purchase(alice, paid, bought);
        vm.assertEq(sale.sold(), bought);
        vm.assertEq(sale.left(), 60_000_000e9 - bought);
        vm.assertEq(sale.raised(), paid);
        vm.assertEq(address(sale).balance, paid);
        vm.assertEq(token.balanceOf(address(sale)), SUPPLY);
        vm.assertEq(sale.quote(paid, age), bought);
        vm.assertEq(sale.bonusAt(age), age < 10 days ? 20 : age < 20 days ? 10 : 0);
    }

    function test_ether_sent_without_a_word_buys_too() public {
        vm.prank(alice);
        (bool done,) = address(sale).call{ value: 2 ether }("");
        vm.assertTrue(done);
        check_purchase(alice, 2 ether, 480e9);
    }

    function test_ether_with_unknown_words_is_refused() public {
        vm.prank(alice);
        (bool done,) = address(sale).call{ value: 2 ether }(hex"12345678");
        vm.assertFalse(done);
    }

    function test_one_may_buy_for_another() public {
        vm.expectEmit(address(sale));
        emit ICrowdsale.Purchased(alice, bob, 1 ether, 240e9);
        vm.prank(alice);
        sale.buy{ value: 1 ether }(bob);
        check_purchase(alice, 0, 0);
        check_purchase(bob, 1 ether, 240e9);
    }

    function test_nobody_buys_for_nobody() public {
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.ZeroAddress.selector));
        vm.prank(alice);
        sale.buy{ value: 1 ether }(address(0));
    }

    function test_purchases_add_up() public {
        purchase(alice, 1 ether);
        purchase(bob, 3 ether);
        vm.warp(OPENED + 15 days);
        purchase(alice, 2 ether);
        check_purchase(alice, 3 ether, 240e9 + 440e9);
        check_purchase(bob, 3 ether, 720e9);
        vm.assertEq(sale.sold(), 1_400e9);
        vm.assertEq(sale.raised(), 6 ether);
    }

    function test_a_wei_below_the_least_purchase_is_refused() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICrowdsale.PurchaseTooSmall.selector, uint256(1 ether - 1), uint256(1 ether))
        );
        vm.prank(alice);
        sale.buy{ value: 1 ether - 1 }(alice);
    }

    // The most.

    function test_the_very_last_unit_can_be_sold() public {
        vm.warp(OPENED + 20 days);
        purchase(alice, 299_999 ether);
        vm.assertEq(sale.left(), 200e9);
        purchase(bob, 1 ether);
        vm.assertEq(sale.left(), 0);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.CapExceeded.selector, uint256(200e9), uint256(0)));
        vm.prank(alice);
        sale.buy{ value: 1 ether }(alice);
    }

    function test_a_purchase_beyond_what_is_left_is_refused_whole() public {
        purchase(alice, 249_999 ether);
        uint256 left = sale.left();
        vm.assertEq(left, 240e9);
        // Five million wei more buy one unit more; with a bonus that rounds down, the same.
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.CapExceeded.selector, left + 1, left));
        vm.prank(bob);
        sale.buy{ value: 1 ether + 5_000_000 }(bob);
        check_purchase(bob, 0, 0);
        vm.assertEq(bob.balance, 1e9 ether);
        vm.assertEq(sale.left(), left);
        purchase(bob, 1 ether);
        vm.assertEq(sale.left(), 0);
    }

    function test_the_bonus_counts_towards_the_most(uint256 age, uint256 more) public {
        age = bound(age, 0, 30 days - 1);
        uint256 paid = age < 10 days ? 250_000 ether : age < 20 days ? 272_727 ether : 300_000 ether;
        vm.warp(OPENED + age);
        purchase(alice, paid);
        more = bound(more, 1 ether, 1e8 ether);
        uint256 left = sale.left();
        if (sale.quote(more, age) > left) {
            vm.expectRevert(abi.encodeWithSelector(ICrowdsale.CapExceeded.selector, sale.quote(more, age), left));
        }
        vm.prank(bob);
        sale.buy{ value: more }(bob);
        vm.assertLe(sale.sold(), 60_000_000e9);
    }

    // The end.

    function test_anybody_ends_it_once_its_time_is_over() public {
        purchase(alice, 100_000 ether);
        vm.warp(OPENED + 30 days);
        vm.prank(bob);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.SUCCEEDED);
    }

    function test_a_second_before_its_time_it_cannot_be_ended() public {
        purchase(alice, 100_000 ether);
        vm.warp(OPENED + 30 days - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICrowdsale.SaleNotOver.selector, OPENED + 30 days, OPENED + 30 days - 1, uint256(36_000_000e9)
            )
        );
        vm.prank(terms.owner);
        sale.finalize();
    }

    function test_the_owner_ends_it_early_when_a_remainder_is_left() public {
        vm.warp(OPENED + 20 days);
        // One unit more than the remainder is left.
        purchase(alice, 299_975 ether - 5_000_000);
        vm.assertEq(sale.left(), 5_000e9 + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICrowdsale.SaleNotOver.selector, OPENED + 30 days, OPENED + 20 days, uint256(5_000e9 + 1)
            )
        );
        vm.prank(terms.owner);
        sale.finalize();

        open();
        vm.warp(OPENED + 20 days);
        purchase(alice, 299_975 ether);
        vm.assertEq(sale.left(), 5_000e9);
        vm.prank(terms.owner);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.SUCCEEDED);
    }

    function test_nobody_else_ends_it_early() public {
        purchase(alice, 250_000 ether);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.NotTheOwner.selector, alice, terms.owner));
        vm.prank(alice);
        sale.finalize();
    }

    function test_it_ends_once() public {
        succeed(100_000 ether);
        refused_stage(SaleStage.SUCCEEDED, SaleStage.OPEN);
        sale.finalize();
        refused_stage(SaleStage.SUCCEEDED, SaleStage.OPEN);
        vm.prank(alice);
        sale.buy{ value: 1 ether }(alice);
        refused_stage(SaleStage.SUCCEEDED, SaleStage.WAITING);
        vm.prank(terms.owner);
        sale.start();
        refused_stage(SaleStage.SUCCEEDED, SaleStage.FAILED);
        vm.prank(alice);
        sale.refund(alice);
    }

    function test_twelve_million_are_enough() public {
        vm.warp(OPENED + 20 days);
        purchase(alice, 60_000 ether);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.SUCCEEDED);
    }

    function test_one_unit_less_is_not_enough() public {
        vm.warp(OPENED + 20 days);
        purchase(alice, 60_000 ether - 1);
        vm.assertEq(sale.sold(), 12_000_000e9 - 1);
        vm.warp(OPENED + 30 days);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Failed(12_000_000e9 - 1, SUPPLY);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.FAILED);
    }

    function test_a_sale_without_buyers_fails() public {
        vm.warp(OPENED + 30 days);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.FAILED);
        vm.assertEq(token.totalSupply(), 0);
    }

    // Who gets the tokens.

    function test_a_full_sale_burns_nothing() public {
        purchase(alice, 250_000 ether);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Succeeded(60_000_000e9, 6_000_000e9, 6_000_000e9, 15_000_000e9, 0);
        vm.prank(terms.owner);
        sale.finalize();
        check_parts(6_000_000e9, 6_000_000e9, 15_000_000e9);
        vm.assertEq(token.totalSupply(), SUPPLY);
    }

    function test_the_least_sale_burns_most() public {
        vm.warp(OPENED + 20 days);
        purchase(alice, 60_000 ether);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        check_parts(2_900_000e9, 2_900_000e9, 12_600_000e9);
        vm.assertEq(token.totalSupply(), 30_400_000e9);
    }

    function test_bounty_and_reserve_grow_up_to_six_million() public view {
        check_parts_for(0, 1_700_000e9, 12_000_000e9);
        check_parts_for(9, 1_700_000e9, 12_000_000e9);
        check_parts_for(10, 1_700_000e9 + 1, 12_000_000e9);
        check_parts_for(20, 1_700_000e9 + 2, 12_000_000e9 + 1);
        check_parts_for(43_000_000e9 - 1, 6_000_000e9 - 1, 14_150_000e9 - 1);
        check_parts_for(43_000_000e9, 6_000_000e9, 14_150_000e9);
        check_parts_for(43_000_000e9 + 20, 6_000_000e9, 14_150_000e9 + 1);
        check_parts_for(60_000_000e9, 6_000_000e9, 15_000_000e9);
    }

    /// @dev Whatever is sold: what the buyers, the three and the fire get is all there was, to the last unit.
    function test_every_unit_goes_somewhere(uint256 paidByAlice, uint256 paidByBob, uint256 age) public {
        paidByAlice = bound(paidByAlice, 60_000 ether, 150_000 ether);
        paidByBob = bound(paidByBob, 1 ether, 100_000 ether);
        purchase(alice, paidByAlice);
        vm.warp(OPENED + bound(age, 0, 30 days - 1));
        purchase(bob, paidByBob);
        uint256 sold = sale.sold();
        vm.warp(OPENED + 30 days);
        sale.finalize();

        uint256 bounty = token.balanceOf(terms.bounty);
        uint256 reserve = token.balanceOf(terms.reserve);
        uint256 team = token.balanceOf(terms.team);
        vm.assertEq(bounty, sold > 43_000_000e9 ? 6_000_000e9 : 1_700_000e9 + sold / 10);
        vm.assertEq(reserve, bounty);
        vm.assertEq(team, 12_000_000e9 + sold / 20);
        vm.assertEq(token.balanceOf(address(sale)), sold);
        vm.assertEq(token.totalSupply(), sold + bounty + reserve + team);

        sale.claim(alice);
        sale.claim(bob);
        vm.assertEq(token.balanceOf(address(sale)), 0);
        vm.assertEq(token.balanceOf(alice) + token.balanceOf(bob), sold);
        sale.withdraw();
        vm.assertEq(address(sale).balance, 0);
        vm.assertEq(terms.beneficiary.balance, paidByAlice + paidByBob);
    }

    function test_tokens_are_locked_until_the_end() public {
        purchase(alice, 60_000 ether);
        vm.assertEq(token.balanceOf(alice), 0);
        refused_stage(SaleStage.OPEN, SaleStage.SUCCEEDED);
        sale.claim(alice);
        vm.warp(OPENED + 30 days);
        refused_stage(SaleStage.OPEN, SaleStage.SUCCEEDED);
        sale.claim(alice);
        sale.finalize();
        sale.claim(alice);
        vm.prank(alice);
        token.transfer(bob, 14_400_000e9);
        vm.assertEq(token.balanceOf(bob), 14_400_000e9);
    }

    function test_anybody_may_bring_a_buyer_his_own_once() public {
        succeed(100_000 ether);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Claimed(alice, 24_000_000e9);
        vm.prank(bob);
        sale.claim(alice);
        vm.assertEq(token.balanceOf(alice), 24_000_000e9);
        check_purchase(alice, 0, 0);
        refused_nothing(alice);
        sale.claim(alice);
        refused_nothing(bob);
        sale.claim(bob);
    }

    function test_a_failed_sale_leaves_no_token_and_no_claim() public {
        fail(100 ether);
        vm.assertEq(token.totalSupply(), 0);
        vm.assertEq(token.balanceOf(terms.team), 0);
        refused_stage(SaleStage.FAILED, SaleStage.SUCCEEDED);
        sale.claim(alice);
    }

    // Who gets the ether.

    function test_before_the_end_nobody_gets_the_ether() public {
        purchase(alice, 100_000 ether);
        refused_stage(SaleStage.OPEN, SaleStage.SUCCEEDED);
        vm.prank(terms.beneficiary);
        sale.withdraw();
        refused_stage(SaleStage.OPEN, SaleStage.FAILED);
        vm.prank(alice);
        sale.refund(alice);
    }

    function test_of_a_failed_sale_the_beneficiary_gets_nothing_ever() public {
        fail(100 ether);
        vm.warp(OPENED + 3650 days);
        refused_stage(SaleStage.FAILED, SaleStage.SUCCEEDED);
        vm.prank(terms.beneficiary);
        sale.withdraw();
    }

    /// @dev However late, in any order: each gets what was paid for him, once.
    function test_of_a_failed_sale_everybody_gets_everything_back(uint256 paid, uint256 late) public {
        paid = bound(paid, 1 ether, 40_000 ether);
        purchase(alice, paid);
        purchase(bob, 1 ether);
        purchase(alice, 2 ether);
        vm.warp(OPENED + 30 days + bound(late, 0, 36_500 days));
        sale.finalize();

        vm.expectEmit(address(sale));
        emit ICrowdsale.Refunded(alice, alice, paid + 2 ether);
        vm.prank(alice);
        sale.refund(alice);
        vm.assertEq(alice.balance, 1e9 ether);
        vm.assertEq(address(sale).balance, 1 ether);
        refused_nothing(alice);
        vm.prank(alice);
        sale.refund(alice);

        vm.prank(bob);
        sale.refund(someone("bob's other wallet"));
        vm.assertEq(someone("bob's other wallet").balance, 1 ether);
        vm.assertEq(address(sale).balance, 0);
    }

    function test_a_refund_goes_somewhere() public {
        fail(100 ether);
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.ZeroAddress.selector));
        vm.prank(alice);
        sale.refund(address(0));
    }

    function test_of_a_purchase_for_another_the_other_is_refunded() public {
        vm.prank(alice);
        sale.buy{ value: 5 ether }(bob);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        refused_nothing(alice);
        vm.prank(alice);
        sale.refund(alice);
        vm.prank(bob);
        sale.refund(bob);
        vm.assertEq(bob.balance, 1e9 ether + 5 ether);
    }

    function test_the_beneficiary_is_paid_whoever_asks() public {
        succeed(100_000 ether);
        vm.expectEmit(address(sale));
        emit ICrowdsale.Withdrawn(terms.beneficiary, 100_000 ether);
        vm.prank(bob);
        sale.withdraw();
        vm.assertEq(terms.beneficiary.balance, 100_000 ether);
        vm.assertEq(sale.raised(), 100_000 ether);
        sale.withdraw();
        vm.assertEq(terms.beneficiary.balance, 100_000 ether);
    }

    // Hostile company.

    function test_a_buyer_that_calls_back_is_refunded_once() public {
        Thief thief = new Thief(sale);
        thief.buy{ value: 7 ether }();
        purchase(alice, 100 ether);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        thief.refund();
        vm.assertEq(thief.paidTimes(), 1);
        vm.assertEq(thief.refusals(), 4);
        vm.assertEq(address(thief).balance, 7 ether);
        vm.assertEq(address(sale).balance, 100 ether);
    }

    function test_a_beneficiary_that_calls_back_gets_no_more() public {
        // The sale has to know the thief before the thief can know the sale.
        terms.beneficiary = vm.addr(1);
        open();
        Thief thief = new Thief(sale);
        vm.etch(terms.beneficiary, address(thief).code);
        succeed(100_000 ether);
        sale.withdraw();
        vm.assertEq(terms.beneficiary.balance, 100_000 ether);
        vm.assertEq(Thief(payable(terms.beneficiary)).paidTimes(), 4);
        sale.claim(alice);
        vm.assertEq(token.balanceOf(alice), 24_000_000e9);
    }

    function test_a_buyer_that_takes_no_ether_names_another_place() public {
        Miser miser = new Miser();
        miser.buy{ value: 3 ether }(sale);
        purchase(alice, 4 ether);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.EtherRefused.selector, address(miser), uint256(3 ether)));
        miser.refund(sale, address(miser));
        vm.prank(alice);
        sale.refund(alice);
        miser.refund(sale, bob);
        vm.assertEq(bob.balance, 1e9 ether + 3 ether);
    }

    function test_a_beneficiary_that_takes_no_ether_holds_up_nobody_else() public {
        terms.beneficiary = address(new Miser());
        open();
        succeed(100_000 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ICrowdsale.EtherRefused.selector, terms.beneficiary, uint256(100_000 ether))
        );
        sale.withdraw();
        sale.claim(alice);
        vm.assertEq(token.balanceOf(alice), 24_000_000e9);
    }

    /// @dev Ether comes without a call from a block's fees or a contract that destroys itself.
    function test_forced_ether_changes_no_rule_and_goes_to_the_beneficiary() public {
        vm.deal(address(sale), 1_000_000 ether);
        vm.assertEq(sale.left(), 60_000_000e9);
        vm.assertEq(sale.raised(), 0);
        vm.deal(address(sale), 77 ether);
        succeed(100_000 ether);
        sale.withdraw();
        vm.assertEq(terms.beneficiary.balance, 100_077 ether);
        vm.assertEq(sale.raised(), 100_000 ether);
    }

    function test_forced_ether_neither_saves_a_sale_nor_adds_to_a_refund() public {
        vm.deal(address(sale), 1_000_000 ether);
        fail(100 ether);
        vm.prank(alice);
        sale.refund(alice);
        vm.assertEq(alice.balance, 1e9 ether);
        vm.assertEq(address(sale).balance, 1_000_000 ether);
    }

    function test_a_token_that_does_not_do_as_told_stops_the_end() public {
        Stubborn stubborn = new Stubborn();
        sale = new Crowdsale(IRLC(address(stubborn)), terms);
        vm.prank(terms.owner);
        sale.start();
        purchase(alice, 100_000 ether);
        vm.warp(OPENED + 30 days);
        vm.expectRevert(
            abi.encodeWithSelector(ICrowdsale.TokenTransferFailed.selector, terms.bounty, uint256(4_100_000e9))
        );
        sale.finalize();
        stubborn.setSends(true);
        uint256 unsold = SUPPLY - 24_000_000e9 - 2 * 4_100_000e9 - 13_200_000e9;
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.TokenTransferFailed.selector, address(0), unsold));
        sale.finalize();
    }

    /// @dev A whole life with eight buyers: the books of the sale beside a plain sum, and in the end everybody has his due.
    function test_a_life_of_many_purchases_adds_up(uint256 seed) public {
        uint256[8] memory paid;
        uint256[8] memory bought;
        uint256 sold;
        uint256 raised;
        uint256 age;
        for (uint256 i = 0; i < 24; ++i) {
            uint256 chance = uint256(keccak256(abi.encode(seed, i)));
            uint256 who = chance % 8;
            uint256 amount = 1 ether + (chance >> 8) % ((chance >> 16) % 2 == 0 ? 2_000 ether : 30_000 ether);
            age += (chance >> 128) % (36 hours);
            vm.warp(OPENED + age);
            if (age >= 30 days || sold + sale.quote(amount, age) > 60_000_000e9) continue;
            address buyer = vm.addr(100 + who);
            vm.deal(buyer, amount);
            uint256 worth = sale.quote(amount, age);
            purchase(buyer, amount);
            paid[who] += amount;
            bought[who] += worth;
            sold += worth;
            raised += amount;
        }
        vm.assertEq(sale.sold(), sold);
        vm.assertEq(sale.raised(), raised);
        vm.assertEq(address(sale).balance, raised);
        vm.warp(OPENED + 40 days);
        sale.finalize();

        bool succeeded = sold >= 12_000_000e9;
        vm.assertTrue(sale.stage() == (succeeded ? SaleStage.SUCCEEDED : SaleStage.FAILED));
        for (uint256 who = 0; who < 8; ++who) {
            if (paid[who] == 0) continue;
            address buyer = vm.addr(100 + who);
            check_purchase(buyer, paid[who], bought[who]);
            vm.prank(buyer);
            if (succeeded) sale.claim(buyer);
            else sale.refund(buyer);
            vm.assertEq(token.balanceOf(buyer), succeeded ? bought[who] : 0);
            vm.assertEq(buyer.balance, succeeded ? 0 : paid[who]);
        }
        vm.assertEq(token.balanceOf(address(sale)), 0);
        if (succeeded) sale.withdraw();
        vm.assertEq(terms.beneficiary.balance, succeeded ? raised : 0);
        vm.assertEq(address(sale).balance, 0);
    }

    // Figures kept in git.

    /// @dev Of each step, as a chain charges it.
    function test_gas() public {
        purchase(bob, 60_000 ether);
        purchase(alice, 2 ether);
        measured("buy, first of the buyer");
        purchase(alice, 2 ether);
        measured("buy, again");
        vm.warp(OPENED + 30 days);
        uint256 before = vm.snapshotState();
        sale.finalize();
        measured("finalize, succeeded");
        sale.claim(bob);
        sale.claim(alice);
        measured("claim");
        sale.withdraw();
        measured("withdraw");
        vm.revertToState(before);

        open();
        purchase(bob, 1 ether);
        purchase(alice, 2 ether);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        measured("finalize, failed");
        vm.prank(alice);
        sale.refund(alice);
        measured("refund");
    }

    // Words used above.

    function measured(string memory name) private {
        vm.snapshotGasLastCall("Crowdsale", name);
    }

    function waiting() private {
        token = new RLC(address(this));
        sale = new Crowdsale(token, terms);
        token.transfer(address(sale), SUPPLY);
    }

    function open() private {
        vm.warp(OPENED);
        waiting();
        vm.prank(terms.owner);
        sale.start();
    }

    function purchase(address buyer, uint256 paid) private {
        vm.prank(buyer);
        sale.buy{ value: paid }(buyer);
    }

    function succeed(uint256 paid) private {
        purchase(alice, paid);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.SUCCEEDED);
    }

    function fail(uint256 paid) private {
        purchase(alice, paid);
        vm.warp(OPENED + 30 days);
        sale.finalize();
        vm.assertTrue(sale.stage() == SaleStage.FAILED);
    }

    function check_bought_at(uint256 age, uint256 bought) private {
        vm.warp(OPENED + age);
        (, uint256 before) = sale.purchaseOf(alice);
        purchase(alice, 1 ether);
        (, uint256 afterwards) = sale.purchaseOf(alice);
        vm.assertEq(afterwards - before, bought);
    }

    function check_purchase(address buyer, uint256 paid, uint256 bought) private view {
        (uint256 keptPaid, uint256 keptBought) = sale.purchaseOf(buyer);
        vm.assertEq(keptPaid, paid);
        vm.assertEq(keptBought, bought);
    }

    function check_parts(uint256 bounty, uint256 reserve, uint256 team) private view {
        vm.assertEq(token.balanceOf(terms.bounty), bounty);
        vm.assertEq(token.balanceOf(terms.reserve), reserve);
        vm.assertEq(token.balanceOf(terms.team), team);
    }

    function check_parts_for(uint256 sold, uint256 bountyAndReserve, uint256 team) private view {
        (uint256 bounty, uint256 reserve, uint256 teams) = sale.partsFor(sold);
        vm.assertEq(bounty, bountyAndReserve);
        vm.assertEq(reserve, bountyAndReserve);
        vm.assertEq(teams, team);
    }

    function refused_terms(IRLC token_, SaleTerms memory terms_) private {
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.ZeroAddress.selector));
        new Crowdsale(token_, terms_);
    }

    function refused_stage(SaleStage stage, SaleStage needed) private {
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.WrongStage.selector, stage, needed));
    }

    function refused_nothing(address buyer) private {
        vm.expectRevert(abi.encodeWithSelector(ICrowdsale.NothingBought.selector, buyer));
    }
}
