// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Sells the token for ether; what happens when, and to whom, is drawn in ICrowdsale.
//
// Tokens are locked by staying here: the token has no owner who could lock it, and a purchase is then two numbers in a word.
// So buying calls nobody, a refund needs no token back, and the token is free to move for all from the moment the sale ends.
//
// Not here: other coins than ether, a price from outside, an emergency stop, and any way for the owner to reach the ether
// before the sale has succeeded or the tokens ever. The reasons are in docs/decisions/crowdsale.md.

import { ICrowdsale, SaleStage, SaleTerms } from "../interfaces/ICrowdsale.sol";
import { IRLC } from "../interfaces/IRLC.sol";

contract Crowdsale is ICrowdsale {
    /// @dev 60 million for sale, and at most 6 + 6 + 15 million for the three parts.
    uint256 public constant SUPPLY = 87_000_000e9;
    uint256 public constant LEAST_SOLD = 12_000_000e9;
    uint256 public constant MOST_SOLD = 60_000_000e9;
    /// @dev So little that the owner need not wait for somebody who buys it.
    uint256 public constant REMAINDER = 5_000e9;
    uint256 public constant LEAST_PURCHASE = 1 ether;
    /// @dev At this rate the least purchase, with the highest bonus, is still no more than the remainder: as long as the
    /// sale cannot be closed, everybody can buy.
    uint256 public constant MOST_RATE = REMAINDER * 100 / (100 + FIRST_BONUS);

    uint256 public constant DURATION = 30 days;
    uint256 private constant FIRST_BONUS = 20;
    uint256 private constant FIRST_BONUS_UNTIL = 10 days;
    uint256 private constant SECOND_BONUS = 10;
    uint256 private constant SECOND_BONUS_UNTIL = 20 days;

    uint256 private constant BOUNTY = 1_700_000e9;
    uint256 private constant RESERVE = 1_700_000e9;
    uint256 private constant TEAM = 12_000_000e9;
    uint256 private constant MOST_BOUNTY = 6_000_000e9;
    uint256 private constant MOST_RESERVE = 6_000_000e9;

    /// @dev All that a purchase changes besides the buyer's own word. Sold fits: it is no more than 60 million RLC, below
    /// 2^56 nRLC. Raised fits: a purchase is of 1 nRLC at least, so it is less than 2 ether for each nRLC sold.
    struct Sale {
        SaleStage stage;
        uint40 start;
        uint64 sold;
        uint128 raised;
    }

    /// @dev Parts of the above, so they fit too.
    struct Purchase {
        uint128 paid;
        uint64 bought;
    }

    IRLC private immutable _token;
    address private immutable _owner;
    address private immutable _beneficiary;
    address private immutable _bounty;
    address private immutable _reserve;
    address private immutable _team;
    uint256 private immutable _rate;

    Sale private _sale;
    mapping(address buyer => Purchase) private _purchases;

    constructor(IRLC token_, SaleTerms memory terms_) {
        require(
            address(token_) != address(0) && terms_.owner != address(0) && terms_.beneficiary != address(0)
                && terms_.bounty != address(0) && terms_.reserve != address(0) && terms_.team != address(0),
            ZeroAddress()
        );
        require(terms_.rate != 0 && terms_.rate <= MOST_RATE, RateOutOfBounds(terms_.rate, MOST_RATE));
        _token = token_;
        _owner = terms_.owner;
        _beneficiary = terms_.beneficiary;
        _bounty = terms_.bounty;
        _reserve = terms_.reserve;
        _team = terms_.team;
        _rate = terms_.rate;
    }

    /// @inheritdoc ICrowdsale
    receive() external payable {
        _buy(msg.sender);
    }

    /// @inheritdoc ICrowdsale
    function buy(address buyer) external payable {
        require(buyer != address(0), ZeroAddress());
        _buy(buyer);
    }

    /// @inheritdoc ICrowdsale
    function start() external {
        require(msg.sender == _owner, NotTheOwner(msg.sender, _owner));
        _require(SaleStage.WAITING);
        uint256 held = _token.balanceOf(address(this));
        uint256 supply = _token.totalSupply();
        require(held == SUPPLY && supply == SUPPLY, TokensMissing(held, supply, SUPPLY));

        _sale.stage = SaleStage.OPEN;
        // Fits for the next 34,000 years.
        _sale.start = uint40(block.timestamp);
        emit Started(block.timestamp, block.timestamp + DURATION);
    }

    /// @inheritdoc ICrowdsale
    function finalize() external {
        _require(SaleStage.OPEN);
        if (block.timestamp < endTime()) {
            require(left() <= REMAINDER, SaleNotOver(endTime(), block.timestamp, left()));
            require(msg.sender == _owner, NotTheOwner(msg.sender, _owner));
        }

        if (_sale.sold >= LEAST_SOLD) _succeed();
        else _fail();
    }

    /// @inheritdoc ICrowdsale
    function claim(address buyer) external {
        _require(SaleStage.SUCCEEDED);
        uint256 bought = _purchases[buyer].bought;
        require(bought != 0, NothingBought(buyer));

        delete _purchases[buyer];
        emit Claimed(buyer, bought);
        _send(buyer, bought);
    }

    /// @inheritdoc ICrowdsale
    function refund(address target) external {
        _require(SaleStage.FAILED);
        uint256 paid = _purchases[msg.sender].paid;
        require(paid != 0, NothingBought(msg.sender));
        require(target != address(0), ZeroAddress());

        delete _purchases[msg.sender];
        emit Refunded(msg.sender, target, paid);
        _pay(target, paid);
    }

    /// @inheritdoc ICrowdsale
    function withdraw() external {
        _require(SaleStage.SUCCEEDED);
        uint256 amount = address(this).balance;

        emit Withdrawn(_beneficiary, amount);
        _pay(_beneficiary, amount);
    }

    /// @inheritdoc ICrowdsale
    function token() external view returns (IRLC) {
        return _token;
    }

    /// @inheritdoc ICrowdsale
    function terms() external view returns (SaleTerms memory) {
        return SaleTerms(_owner, _beneficiary, _bounty, _reserve, _team, _rate);
    }

    /// @inheritdoc ICrowdsale
    function stage() external view returns (SaleStage) {
        return _sale.stage;
    }

    /// @inheritdoc ICrowdsale
    function startTime() external view returns (uint256) {
        return _sale.start;
    }

    /// @inheritdoc ICrowdsale
    function endTime() public view returns (uint256) {
        return _sale.start == 0 ? 0 : _sale.start + DURATION;
    }

    /// @inheritdoc ICrowdsale
    function sold() external view returns (uint256) {
        return _sale.sold;
    }

    /// @inheritdoc ICrowdsale
    function left() public view returns (uint256) {
        return MOST_SOLD - _sale.sold;
    }

    /// @inheritdoc ICrowdsale
    function raised() external view returns (uint256) {
        return _sale.raised;
    }

    /// @inheritdoc ICrowdsale
    function purchaseOf(address buyer) external view returns (uint256 paid, uint256 bought) {
        Purchase storage purchase = _purchases[buyer];
        return (purchase.paid, purchase.bought);
    }

    /// @inheritdoc ICrowdsale
    function bonusAt(uint256 age) public pure returns (uint256 percent) {
        if (age < FIRST_BONUS_UNTIL) return FIRST_BONUS;
        return age < SECOND_BONUS_UNTIL ? SECOND_BONUS : 0;
    }

    /// @inheritdoc ICrowdsale
    function quote(uint256 paid, uint256 age) public view returns (uint256 bought) {
        uint256 plain = paid * _rate / 1 ether;
        return plain + plain * bonusAt(age) / 100;
    }

    /// @inheritdoc ICrowdsale
    function partsFor(uint256 sold_) public pure returns (uint256 bounty, uint256 reserve, uint256 team) {
        bounty = _least(BOUNTY + sold_ / 10, MOST_BOUNTY);
        reserve = _least(RESERVE + sold_ / 10, MOST_RESERVE);
        team = TEAM + sold_ / 20;
    }

    function _buy(address buyer) private {
        _require(SaleStage.OPEN);
        Sale memory sale = _sale;
        uint256 end = sale.start + DURATION;
        require(block.timestamp < end, SaleOver(end, block.timestamp));
        require(msg.value >= LEAST_PURCHASE, PurchaseTooSmall(msg.value, LEAST_PURCHASE));
        uint256 bought = quote(msg.value, block.timestamp - sale.start);
        uint256 room = MOST_SOLD - sale.sold;
        require(bought <= room, CapExceeded(bought, room));

        // All fit, because what is bought is no more than there is room for; see Sale.
        sale.sold += uint64(bought);
        sale.raised += uint128(msg.value);
        _sale = sale;
        Purchase storage purchase = _purchases[buyer];
        purchase.paid += uint128(msg.value);
        purchase.bought += uint64(bought);
        emit Purchased(msg.sender, buyer, msg.value, bought);
    }

    function _succeed() private {
        uint256 sold_ = _sale.sold;
        (uint256 bounty, uint256 reserve, uint256 team) = partsFor(sold_);
        uint256 unsold = SUPPLY - sold_ - bounty - reserve - team;

        _sale.stage = SaleStage.SUCCEEDED;
        emit Succeeded(sold_, bounty, reserve, team, unsold);
        _send(_bounty, bounty);
        _send(_reserve, reserve);
        _send(_team, team);
        _burn(unsold);
    }

    function _fail() private {
        _sale.stage = SaleStage.FAILED;
        emit Failed(_sale.sold, SUPPLY);
        _burn(SUPPLY);
    }

    function _send(address target, uint256 amount) private {
        require(_token.transfer(target, amount), TokenTransferFailed(target, amount));
    }

    function _burn(uint256 amount) private {
        require(_token.burn(amount), TokenTransferFailed(address(0), amount));
    }

    function _pay(address target, uint256 amount) private {
        (bool taken,) = target.call{ value: amount }("");
        require(taken, EtherRefused(target, amount));
    }

    function _require(SaleStage needed) private view {
        SaleStage now_ = _sale.stage;
        require(now_ == needed, WrongStage(now_, needed));
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
