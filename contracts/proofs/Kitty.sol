// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What comes out of the kitty is in the kitty.

import { Kitty } from "../src/libraries/Kitty.sol";
import { Proof } from "./Proof.sol";

contract KittyProof is Proof {
    /// @dev Never more than there is, never less than 1 RLC or all there is, never less than a tenth. For every kitty.
    function check_part(uint96 kitty) external pure {
        uint256 part = Kitty.part(kitty);
        assert(part <= kitty);
        assert(part >= Kitty.LEAST || part == kitty);
        assert(part * 10 + 9 >= kitty);
        if (kitty != 0) assert(part != 0);
    }
}
