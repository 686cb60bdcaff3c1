// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The fields of a salt, byte by byte, as whoever writes one with pencil and paper would read it.

import { Salt, Salts } from "../../src/libraries/Salts.sol";
import { Test } from "../support/Test.sol";

contract SaltsTest is Test {
    function test_a_salt_is_marked_by_its_first_four_bytes_and_nothing_else(bytes32 word) public pure {
        bool marked = word[0] == "o" && word[1] == "x" && word[2] == "e" && word[3] == "c";
        vm.assertEq(Salt.wrap(word).isMarked(), marked);
        vm.assertTrue(Salt.wrap(_marked(word)).isMarked());
        for (uint256 i = 0; i < 32; ++i) {
            // One bit off is no mark.
            vm.assertFalse(Salt.wrap(_marked(word) ^ bytes32(uint256(1) << 224 + i)).isMarked());
        }
    }

    /// @dev Random words are hardly ever marked, so they are read both as they come and marked.
    function test_every_field_is_where_it_is_drawn(bytes32 word) public pure {
        _reads(word);
        _reads(_marked(word));
    }

    function test_an_unmarked_salt_asks_for_nothing_and_is_always_understood(bytes32 word, uint256 known) public pure {
        if (Salt.wrap(word).isMarked()) word = ~word;
        vm.assertTrue(Salt.wrap(word).isUnderstood(known));
        for (uint256 bit = 0; bit < 8; ++bit) {
            vm.assertFalse(Salt.wrap(word).asksFor(1 << bit));
        }
    }

    /// @dev Every version and every set of flags, for every kind of order.
    function test_a_mark_is_understood_by_its_version_and_flags_alone(bytes32 word, uint8 version, uint8 flags)
        public
        pure
    {
        word = _marked(word) & ~bytes32(uint256(0xffff) << 208) | bytes32(uint256(version) << 216)
            | bytes32(uint256(flags) << 208);
        Salt salt = Salt.wrap(word);
        vm.assertEq(salt.isUnderstood(Salts.OF_REQUEST), version == 1 && flags <= 3);
        vm.assertEq(salt.isUnderstood(Salts.OF_ASSET), version == 1 && flags <= 7);
        vm.assertEq(salt.isUnderstood(Salts.OF_WORKERPOOL), version == 1 && flags <= 15);
        for (uint256 bit = 0; bit < 8; ++bit) {
            vm.assertEq(salt.asksFor(1 << bit), flags / 2 ** bit % 2 == 1);
        }
    }

    function test_a_salt_written_out() public pure {
        Salt salt = Salt.wrap(0x6f786563_01_0f_006b4a3f00_000007_000102_001e_01_aabbccddeeff001122334455);
        vm.assertTrue(salt.isMarked());
        vm.assertTrue(salt.isUnderstood(Salts.OF_WORKERPOOL));
        vm.assertEq(salt.flags(), Salts.EXPIRY | Salts.SIGNER_EPOCH | Salts.ASSET_EPOCH | Salts.POLICY);
        vm.assertEq(salt.expiry(), 1_800_027_904);
        vm.assertEq(salt.signerEpoch(), 7);
        vm.assertEq(salt.assetEpoch(), 258);
        vm.assertEq(salt.stakeRatio(), 30);
        vm.assertEq(salt.rewardRatio(), 1);
    }

    function _reads(bytes32 word) private pure {
        Salt salt = Salt.wrap(word);
        vm.assertEq(salt.flags(), salt.isMarked() ? _number(word, 5, 1) : 0);
        vm.assertEq(salt.expiry(), _number(word, 6, 5));
        vm.assertEq(salt.signerEpoch(), _number(word, 11, 3));
        vm.assertEq(salt.assetEpoch(), _number(word, 14, 3));
        vm.assertEq(salt.stakeRatio(), _number(word, 17, 2));
        vm.assertEq(salt.rewardRatio(), _number(word, 19, 1));
    }

    function _number(bytes32 word, uint256 from, uint256 length) private pure returns (uint256 number) {
        for (uint256 i = 0; i < length; ++i) {
            number = number * 256 + uint8(word[from + i]);
        }
    }

    function _marked(bytes32 word) private pure returns (bytes32) {
        return bytes32("oxec") | (word & bytes32(type(uint256).max >> 32));
    }
}
