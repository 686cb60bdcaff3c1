// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What an order asks for in its salt. The typed data of orders is PoCo's and has no field for an end, so an order that is to
// end by itself is marked: its salt begins with "oxec", and then says when. The name of the market makes it all but
// impossible that a salt drawn at random is taken for a mark, and the random part keeps equal orders apart as ever.
//
//     255    224 223     216 215   208 207    168 167          144 143         120 119          104 103          96 95    0
//     | "oxec" 32 | version 8 | flags 8 | expiry 40 | signer epoch 24 | asset epoch 24 | stake ratio 16 | reward ratio 8 | random 96 |
//
//     flag  1  EXPIRY        dies at that second
//           2  SIGNER_EPOCH  dies when its signer raises his epoch
//           4  ASSET_EPOCH   dies when its asset is transferred, and stays dead when it comes back; not of requests
//           8  POLICY        dies when its workerpool has another policy; of workerpool orders only
//
// A field whose flag is not set means nothing and may hold anything. A mark of a version, or with a flag, that is not known
// here for this kind of order is refused: whoever asks for a protection he would not get has to hear of it.
//
// What is not here: the epoch of an asset, which its registry counts, and a policy, which its workerpool knows.

type Salt is bytes32;

using Salts for Salt global;

/// @dev What is kept of an account that signs. The epoch is wider than what a salt can name, so it never comes round again.
struct Signer {
    bool unmarkedRefused;
    uint248 epoch;
}

library Salts {
    uint256 internal constant EXPIRY = 1;
    uint256 internal constant SIGNER_EPOCH = 2;
    uint256 internal constant ASSET_EPOCH = 4;
    uint256 internal constant POLICY = 8;

    /// @dev What each kind of order may ask for.
    uint256 internal constant OF_REQUEST = EXPIRY | SIGNER_EPOCH;
    uint256 internal constant OF_ASSET = OF_REQUEST | ASSET_EPOCH;
    uint256 internal constant OF_WORKERPOOL = OF_ASSET | POLICY;

    bytes4 private constant MARK = "oxec";
    uint256 private constant VERSION = 1;

    function isMarked(Salt salt) internal pure returns (bool) {
        return bytes4(Salt.unwrap(salt)) == MARK;
    }

    /// @dev Whether an order that may ask for `known` can be told what this salt means: it asks for nothing else, or is no
    /// mark at all.
    function isUnderstood(Salt salt, uint256 known) internal pure returns (bool) {
        return !salt.isMarked() || (_field(salt, 216, 8) == VERSION && salt.flags() & ~known == 0);
    }

    function asksFor(Salt salt, uint256 flag) internal pure returns (bool) {
        return salt.flags() & flag != 0;
    }

    /// @dev None where there is no mark.
    function flags(Salt salt) internal pure returns (uint256) {
        return salt.isMarked() ? _field(salt, 208, 8) : 0;
    }

    /// @dev The first second at which the order is dead.
    function expiry(Salt salt) internal pure returns (uint256) {
        return _field(salt, 168, 40);
    }

    function signerEpoch(Salt salt) internal pure returns (uint256) {
        return _field(salt, 144, 24);
    }

    function assetEpoch(Salt salt) internal pure returns (uint256) {
        return _field(salt, 120, 24);
    }

    /// @dev The workers' stake, in per cent.
    function stakeRatio(Salt salt) internal pure returns (uint256) {
        return _field(salt, 104, 16);
    }

    /// @dev The scheduler's part, in per cent.
    function rewardRatio(Salt salt) internal pure returns (uint256) {
        return _field(salt, 96, 8);
    }

    function _field(Salt salt, uint256 from, uint256 bits) private pure returns (uint256) {
        return uint256(Salt.unwrap(salt)) >> from & ((1 << bits) - 1);
    }
}
