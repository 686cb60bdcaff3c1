// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The sale that first brings the token among people: 30 days, a bonus for those who come early, a least and a most to be
// sold, and what was not sold is burnt. Amounts of token are nRLC (9 decimals), amounts of ether are wei, times are seconds.
//
//     WAITING ──start──► OPEN ──finalize──► SUCCEEDED   claim, withdraw
//                          └────finalize──► FAILED      refund
//
// What the sale takes for granted about the outside:
//
// * the token is RLC: a transfer moves its amount and nothing else, `burn` shrinks the supply by its amount, and neither
//   calls anybody. The token is chosen by who deploys the sale; look at it before you buy.
// * the time of a block is right to a few seconds; who makes blocks can move a purchase across a border by that much, and
//   gains nothing by it that an earlier transaction would not have given.
// * a buyer, a beneficiary and an address that ether is to be sent to may be any contract, and hostile. Ether can be forced
//   on the sale without a call; no rule looks at its balance.
//
// The rate does not follow the market and no coin but ether is taken, so the sale asks nobody for a price and trusts no
// reporter.

import { IRLC } from "./IRLC.sol";

/// @notice Where the sale stands.
enum SaleStage {
    WAITING,
    OPEN,
    SUCCEEDED,
    FAILED
}

/// @notice What is settled when the sale is deployed, for good.
struct SaleTerms {
    /// Opens the sale, and may close it once it is as good as sold out. Can do nothing else.
    address owner;
    /// Gets the ether of a sale that succeeded.
    address beneficiary;
    /// Get their parts of the token when the sale succeeded.
    address bounty;
    address reserve;
    address team;
    /// nRLC for one ether, before any bonus.
    uint256 rate;
}

interface ICrowdsale {
    /// @notice One of the addresses in the terms, or of a buyer, is zero.
    error ZeroAddress();
    /// @notice At this rate nothing would be sold, or the least purchase could be more than is left before the sale may end.
    error RateOutOfBounds(uint256 rate, uint256 most);
    error NotTheOwner(address caller, address owner);
    /// @notice The sale opens with the whole token in its hands: it holds `held` of `supply`, and both should be `wanted`.
    error TokensMissing(uint256 held, uint256 supply, uint256 wanted);
    error WrongStage(SaleStage stage, SaleStage needed);
    error SaleOver(uint256 end, uint256 timestamp);
    /// @notice There is time left and more than a remainder to sell.
    error SaleNotOver(uint256 end, uint256 timestamp, uint256 left);
    error PurchaseTooSmall(uint256 paid, uint256 least);
    /// @notice The purchase is more than is left, and a purchase is never cut.
    error CapExceeded(uint256 bought, uint256 left);
    /// @notice Nothing was bought for `buyer`, or it has been claimed or refunded.
    error NothingBought(address buyer);
    error EtherRefused(address target, uint256 amount);
    error TokenTransferFailed(address target, uint256 amount);

    event Started(uint256 start, uint256 end);
    /// @notice `payer` paid `paid` wei for `bought` nRLC (bonus included), which are `buyer`'s.
    event Purchased(address indexed payer, address indexed buyer, uint256 paid, uint256 bought);
    /// @notice The sale succeeded.
    event Succeeded(uint256 sold, uint256 bounty, uint256 reserve, uint256 team, uint256 burnt);
    /// @notice The sale sold less than the least; all tokens are burnt.
    event Failed(uint256 sold, uint256 burnt);
    event Claimed(address indexed buyer, uint256 amount);
    event Refunded(address indexed buyer, address indexed target, uint256 amount);
    event Withdrawn(address indexed beneficiary, uint256 amount);

    /// @notice The same as `buy` for oneself.
    /// @dev Takes more gas than the 2,300 that some wallets' contracts send along.
    receive() external payable;

    /// @notice Buys for `buyer`, with all the ether sent along. The tokens stay in the sale until it has succeeded; if it
    /// fails, the ether is `buyer`'s too.
    /// @dev Refused as a whole where it is more than is left: see `left`. Calls nobody. Rounded down twice, before and
    /// after the bonus is added: a buyer loses less than 2 nRLC by it.
    function buy(address buyer) external payable;

    /// @notice Opens the sale for 30 days from now. Only for the owner, only once, and only while the sale holds every
    /// token there is.
    function start() external;

    /// @notice Ends the sale. For everybody once its time is over; before, for the owner, once no more than a remainder
    /// (5,000 RLC) is left.
    /// @dev When it succeeded, the three parts are paid and whatever is not sold is burnt. When it failed, everything is.
    function finalize() external;

    /// @notice Hands `buyer` what was bought for him, after a sale that succeeded. Anybody may call.
    function claim(address buyer) external;

    /// @notice Pays the caller's ether back to `target`, after a sale that failed. There is no date after which it is lost.
    /// @dev Calls `target`, last.
    function refund(address target) external;

    /// @notice Pays the beneficiary, after a sale that succeeded. Anybody may call.
    /// @dev Pays whatever ether there is, also what was forced on the sale, since it owes none to anybody else. Calls the
    /// beneficiary, last.
    function withdraw() external;

    /// @notice The token that is sold.
    function token() external view returns (IRLC);

    /// @notice What was settled when the sale was deployed.
    function terms() external view returns (SaleTerms memory);

    /// @notice Where the sale stands.
    function stage() external view returns (SaleStage);

    /// @notice When the sale opened; zero before.
    function startTime() external view returns (uint256);

    /// @notice The first second at which nothing is sold any more; zero before the sale has opened.
    function endTime() external view returns (uint256);

    /// @notice What was sold so far, bonuses included.
    function sold() external view returns (uint256);

    /// @notice What can still be sold.
    function left() external view returns (uint256);

    /// @notice All that was paid in purchases; refunds and withdrawals do not make it less.
    function raised() external view returns (uint256);

    /// @notice What was paid and bought for `buyer`, and has been neither claimed nor refunded.
    function purchaseOf(address buyer) external view returns (uint256 paid, uint256 bought);

    /// @notice The bonus in percent, `age` seconds after the start: 20 in the first ten days, 10 in the next ten, then none.
    function bonusAt(uint256 age) external pure returns (uint256 percent);

    /// @notice What `paid` wei buy, `age` seconds after the start, without a look at what is left.
    function quote(uint256 paid, uint256 age) external view returns (uint256 bought);

    /// @notice The three parts beside `sold_` nRLC.
    function partsFor(uint256 sold_) external pure returns (uint256 bounty, uint256 reserve, uint256 team);
}
