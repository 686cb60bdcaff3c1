// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What everybody holds in the hub, and the six ways it moves: mint, burn, move, lock and unlock, seize, reward.
//
// One word per account, so that a step of the protocol touches each of its parties once:
//
//     255        192 191         96 95          0
//     |  score 64   |  frozen 96   | balance 96 |
//
// and one word for the whole house. The hub's own balance (all that is frozen, and what was seized and not yet paid out)
// stands beside the supply, since most steps change it:
//
//     255        192 191         96 95          0
//     |  unused 64  | hub's own 96 |  supply 96 |
//
// Additions inside a word cannot carry into the neighbouring field: balances add up to the supply, the frozen add up to
// no more than the hub's own balance, and `mint` refuses a supply beyond 96 bits. Subtractions are checked one by one.

import { IPayment } from "../interfaces/IPayment.sol";

type AccountWord is uint256;

type HouseWord is uint256;

struct Book {
    mapping(address account => AccountWord) words;
    HouseWord house;
}

using Accounts for AccountWord global;
using Accounts for HouseWord global;

/// @dev Where money goes that is to be nobody's. An account like any other, though without a key, so that it depends on no
/// token's way of burning and all sums still add up.
address constant BURNT = 0x000000000000000000000000000000000000dEaD;

uint256 constant AMOUNT_LIMIT = type(uint96).max;
uint256 constant SCORE_LIMIT = type(uint64).max;

library Accounts {
    uint256 private constant OWN = 1 << 96;
    uint256 private constant FROZEN = 1 << 96;
    uint256 private constant SCORE = 1 << 192;

    function balance(AccountWord word) internal pure returns (uint256) {
        return uint96(AccountWord.unwrap(word));
    }

    function frozen(AccountWord word) internal pure returns (uint256) {
        return uint96(AccountWord.unwrap(word) >> 96);
    }

    function score(AccountWord word) internal pure returns (uint256) {
        return AccountWord.unwrap(word) >> 192;
    }

    function supply(HouseWord word) internal pure returns (uint256) {
        return uint96(HouseWord.unwrap(word));
    }

    function own(HouseWord word) internal pure returns (uint256) {
        return uint96(HouseWord.unwrap(word) >> 96);
    }

    function balanceOf(Book storage book, address account) internal view returns (uint256) {
        return account == address(this) ? book.house.own() : book.words[account].balance();
    }

    /// @dev New money: `amount` came into the hub's hands for `account`.
    function mint(Book storage book, address account, uint256 amount) internal {
        require(account != address(0), IPayment.ZeroAddress());
        HouseWord house = book.house;
        uint256 room = AMOUNT_LIMIT - house.supply();
        require(amount <= room, IPayment.AmountTooLarge(amount, room));

        // Cannot carry: there is room for the amount.
        unchecked {
            book.house = HouseWord.wrap(HouseWord.unwrap(house) + amount);
        }
        _credit(book, account, amount);
        emit IPayment.Transfer(address(0), account, amount);
    }

    /// @dev Money on its way out of the hub's hands.
    function burn(Book storage book, address account, uint256 amount) internal {
        _debit(book, account, amount);
        // Cannot borrow: the account had the amount, so the supply has it.
        unchecked {
            book.house = HouseWord.wrap(HouseWord.unwrap(book.house) - amount);
        }
        emit IPayment.Transfer(account, address(0), amount);
    }

    function move(Book storage book, address from, address to, uint256 amount) internal {
        require(from != address(0) && to != address(0), IPayment.ZeroAddress());
        _debit(book, from, amount);
        _credit(book, to, amount);
        emit IPayment.Transfer(from, to, amount);
    }

    /// @dev From the account's balance to its frozen part. Never called for the hub's own account, which cannot sign,
    /// send or sponsor.
    function lock(Book storage book, address account, uint256 amount) internal {
        AccountWord word = book.words[account];
        require(amount <= word.balance(), IPayment.InsufficientBalance(account, word.balance(), amount));

        // Cannot carry or borrow: the balance has the amount; see the head of this file for the sums.
        unchecked {
            book.words[account] = AccountWord.wrap(AccountWord.unwrap(word) - amount + amount * FROZEN);
            book.house = HouseWord.wrap(HouseWord.unwrap(book.house) + amount * OWN);
        }
        emit IPayment.Transfer(account, address(this), amount);
        emit IPayment.Lock(account, amount);
    }

    /// @dev The reverse.
    function unlock(Book storage book, address account, uint256 amount) internal {
        AccountWord word = book.words[account];
        require(amount <= word.frozen(), IPayment.InsufficientFrozen(account, word.frozen(), amount));

        // Cannot carry or borrow: the frozen part has the amount, and the hub's own balance has all that is frozen.
        unchecked {
            book.words[account] = AccountWord.wrap(AccountWord.unwrap(word) + amount - amount * FROZEN);
            book.house = HouseWord.wrap(HouseWord.unwrap(book.house) - amount * OWN);
        }
        emit IPayment.Transfer(address(this), account, amount);
        emit IPayment.Unlock(account, amount);
    }

    /// @dev The account loses what it had frozen; the value stays in the hub's own balance until it is paid out.
    function seize(Book storage book, address account, uint256 amount, bytes32 ref) internal {
        AccountWord word = book.words[account];
        require(amount <= word.frozen(), IPayment.InsufficientFrozen(account, word.frozen(), amount));

        // Cannot borrow: the frozen part has the amount.
        unchecked {
            book.words[account] = AccountWord.wrap(AccountWord.unwrap(word) - amount * FROZEN);
        }
        emit IPayment.Seize(account, amount, ref);
    }

    /// @dev Pays out of what was seized.
    function reward(Book storage book, address account, uint256 amount, bytes32 ref) internal {
        uint256 seized = book.house.own();
        require(amount <= seized, IPayment.InsufficientBalance(address(this), seized, amount));

        // Cannot borrow: the hub's own balance has the amount.
        unchecked {
            book.house = HouseWord.wrap(HouseWord.unwrap(book.house) - amount * OWN);
        }
        _credit(book, account, amount);
        emit IPayment.Transfer(address(this), account, amount);
        emit IPayment.Reward(account, amount, ref);
    }

    /// @dev What was seized and is to be nobody's. Where that is nothing, nothing is said either.
    function burnSeized(Book storage book, uint256 amount, bytes32 ref) internal {
        if (amount > 0) reward(book, BURNT, amount, ref);
    }

    /// @dev Pays out of what was seized, straight into the frozen part: a reward and a lock in one, so that no token
    /// moves and only their two events are left.
    function rewardFrozen(Book storage book, address account, uint256 amount, bytes32 ref) internal {
        // Cannot carry: what was seized just before is frozen again, no more.
        unchecked {
            book.words[account] = AccountWord.wrap(AccountWord.unwrap(book.words[account]) + amount * FROZEN);
        }
        emit IPayment.Reward(account, amount, ref);
        emit IPayment.Lock(account, amount);
    }

    function setScore(Book storage book, address account, uint256 to) internal {
        uint256 capped = to < SCORE_LIMIT ? to : SCORE_LIMIT;
        uint256 rest = AccountWord.unwrap(book.words[account]) & (SCORE - 1);
        book.words[account] = AccountWord.wrap(rest | capped * SCORE);
    }

    function _credit(Book storage book, address account, uint256 amount) private {
        // Cannot carry: no balance exceeds the supply.
        unchecked {
            if (account == address(this)) {
                book.house = HouseWord.wrap(HouseWord.unwrap(book.house) + amount * OWN);
            } else {
                book.words[account] = AccountWord.wrap(AccountWord.unwrap(book.words[account]) + amount);
            }
        }
    }

    /// @dev Never called for the hub's own account: it neither sends nor approves.
    function _debit(Book storage book, address account, uint256 amount) private {
        AccountWord word = book.words[account];
        require(amount <= word.balance(), IPayment.InsufficientBalance(account, word.balance(), amount));

        // Cannot borrow: the balance has the amount.
        unchecked {
            book.words[account] = AccountWord.wrap(AccountWord.unwrap(word) - amount);
        }
    }
}
