// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Whatever the sale sells, there is enough for the three parts, so that a sale can always be ended.

import { SaleTerms } from "../src/interfaces/ICrowdsale.sol";
import { IRLC } from "../src/interfaces/IRLC.sol";
import { Crowdsale } from "../src/token/Crowdsale.sol";
import { Proof } from "./Proof.sol";

contract CrowdsaleProof is Proof {
    Crowdsale private sale;

    function setUp() external {
        address somebody = address(1);
        sale = new Crowdsale(IRLC(address(2)), SaleTerms(somebody, somebody, somebody, somebody, somebody, 200e9));
    }

    function check_there_is_enough_for_the_parts(uint64 sold) external view {
        vm.assume(sold <= sale.MOST_SOLD());
        (uint256 bounty, uint256 reserve, uint256 team) = sale.partsFor(sold);
        assert(sold + bounty + reserve + team <= sale.SUPPLY());
        assert(bounty <= 6_000_000e9 && reserve <= 6_000_000e9 && team <= 15_000_000e9);
    }

    /// @dev At the first rate: a purchase is never worth more than its ether with the highest bonus, and never less than its
    /// ether without, but for the last unit.
    function check_a_purchase_is_worth_its_ether(uint96 paid, uint64 age) external view {
        uint256 bought = sale.quote(paid, age);
        assert(bought * 5_000_000 * 100 <= uint256(paid) * 120);
        assert((bought + 1) * 5_000_000 > paid);
    }
}
