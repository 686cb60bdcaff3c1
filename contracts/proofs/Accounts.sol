// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// No money is created or lost. A move touches at most two accounts and the hub, so what is proven of them and "the rest" is
// proven of any number of accounts, for every amount.
//
// What holds before each move, and after it:
//
//     one + other + rest + own = supply <= 2^96 - 1           the balances add up to the supply
//     frozen of one + of the other + of the rest <= own       all that is frozen is in the hub's hands
//
// It is shown field by field: the words after the move are those in which exactly the named fields have changed by the
// amount, and these new fields keep to the two lines.

import { AMOUNT_LIMIT, AccountWord, Accounts, Book, HouseWord } from "../src/libraries/Accounts.sol";
import { Proof } from "./Proof.sol";

contract AccountsProof is Proof {
    using Accounts for Book;

    address private constant ONE = address(0x1111);
    address private constant OTHER = address(0x2222);

    Book private book;

    struct Fields {
        uint96 balance;
        uint96 frozen;
        uint64 score;
    }

    struct House {
        uint96 own;
        uint96 rest;
        uint96 restFrozen;
    }

    function check_mint(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= AMOUNT_LIMIT - supply);
        book.mint(ONE, amount);
        one.balance += amount;
        _check(one, house, supply + amount);
    }

    function check_mint_for_the_hub(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= AMOUNT_LIMIT - supply);
        book.mint(address(this), amount);
        house.own += amount;
        _check(one, house, supply + amount);
    }

    function check_burn(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.balance);
        book.burn(ONE, amount);
        one.balance -= amount;
        _check(one, house, supply - amount);
    }

    function check_move(Fields memory one, Fields memory other, House memory house, uint96 amount) external {
        uint256 supply = _set(one, other, house);
        vm.assume(amount <= one.balance);
        book.move(ONE, OTHER, amount);
        one.balance -= amount;
        other.balance += amount;
        _check(one, other, house, supply);
    }

    function check_move_to_oneself(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.balance);
        book.move(ONE, ONE, amount);
        _check(one, house, supply);
    }

    function check_move_to_the_hub(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.balance);
        book.move(ONE, address(this), amount);
        one.balance -= amount;
        house.own += amount;
        _check(one, house, supply);
    }

    function check_lock(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.balance);
        book.lock(ONE, amount);
        one.balance -= amount;
        one.frozen += amount;
        house.own += amount;
        _check(one, house, supply);
    }

    function check_unlock(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.frozen);
        book.unlock(ONE, amount);
        one.balance += amount;
        one.frozen -= amount;
        house.own -= amount;
        _check(one, house, supply);
    }

    function check_seize(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= one.frozen);
        book.seize(ONE, amount, 0);
        one.frozen -= amount;
        _check(one, house, supply);
    }

    /// @dev No more than was seized before: what the hub has beside the frozen.
    function check_reward(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= uint256(house.own) - one.frozen - house.restFrozen);
        book.reward(ONE, amount, 0);
        one.balance += amount;
        house.own -= amount;
        _check(one, house, supply);
    }

    function check_reward_frozen(Fields memory one, House memory house, uint96 amount) external {
        uint256 supply = _set(one, house);
        vm.assume(amount <= uint256(house.own) - one.frozen - house.restFrozen);
        book.rewardFrozen(ONE, amount, 0);
        one.frozen += amount;
        _check(one, house, supply);
    }

    function check_a_score_is_no_money(Fields memory one, House memory house, uint256 to) external {
        uint256 supply = _set(one, house);
        book.setScore(ONE, to);
        one.score = to < type(uint64).max ? uint64(to) : type(uint64).max;
        _check(one, house, supply);
    }

    /// @dev Every move is refused exactly when the amount is not there, whatever 256 bits the amount has.
    function check_only_what_is_not_there_is_refused(Fields memory one, House memory house, uint256 amount, uint8 what)
        external
    {
        uint256 supply = _set(one, house);
        vm.assume(what < 6);
        uint256 there = what == 0 ? AMOUNT_LIMIT - supply : what < 4 ? one.balance : one.frozen;
        (bool done,) = address(this).call(abi.encodeCall(this.act, (what, amount)));
        assert(done == (amount <= there));
    }

    function act(uint8 what, uint256 amount) external {
        if (what == 0) book.mint(ONE, amount);
        else if (what == 1) book.burn(ONE, amount);
        else if (what == 2) book.move(ONE, OTHER, amount);
        else if (what == 3) book.lock(ONE, amount);
        else if (what == 4) book.unlock(ONE, amount);
        else book.seize(ONE, amount, 0);
    }

    /// @dev Any state in which the books are right.
    function _set(Fields memory one, House memory house) private returns (uint256 supply) {
        return _set(one, Fields(0, 0, 0), house);
    }

    function _set(Fields memory one, Fields memory other, House memory house) private returns (uint256 supply) {
        supply = uint256(one.balance) + other.balance + house.rest + house.own;
        vm.assume(supply <= AMOUNT_LIMIT);
        vm.assume(uint256(one.frozen) + other.frozen + house.restFrozen <= house.own);
        book.house = HouseWord.wrap(supply | uint256(house.own) << 96);
        book.words[ONE] = _word(one);
        book.words[OTHER] = _word(other);
    }

    function _check(Fields memory one, House memory house, uint256 supply) private view {
        _check(one, Fields(0, 0, 0), house, supply);
    }

    function _check(Fields memory one, Fields memory other, House memory house, uint256 supply) private view {
        assert(AccountWord.unwrap(book.words[ONE]) == AccountWord.unwrap(_word(one)));
        assert(AccountWord.unwrap(book.words[OTHER]) == AccountWord.unwrap(_word(other)));
        assert(HouseWord.unwrap(book.house) == supply | uint256(house.own) << 96);
        assert(uint256(one.balance) + other.balance + house.rest + house.own == supply && supply <= AMOUNT_LIMIT);
        assert(uint256(one.frozen) + other.frozen + house.restFrozen <= house.own);
    }

    function _word(Fields memory fields) private pure returns (AccountWord) {
        return AccountWord.wrap(fields.balance | uint256(fields.frozen) << 96 | uint256(fields.score) << 192);
    }
}
