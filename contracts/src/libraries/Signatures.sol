// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Who signed, and who belongs to whom. The zero address signs nothing.

import { IOrder } from "../interfaces/IOrder.sol";

interface IERC1271 {
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
}

interface IERC734 {
    function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool);
}

library Signatures {
    /// @dev The ERC-734 purpose that makes an account member of a group.
    uint256 internal constant GROUP_MEMBER = 4;

    /// @dev Half the order of the curve: of the two equivalent values of s, the lower is the valid one (EIP-2).
    uint256 private constant LOW_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev The key is asked first, and the code only where the key says no: it spares a look at an account that most
    /// steps never touch otherwise, and an account that lent itself code (EIP-7702) keeps signing with its key.
    function isSigner(address account, bytes32 hash, bytes calldata signature) internal view returns (bool) {
        if (account == address(0)) return false;
        bool wellFormed = signature.length == 64 || signature.length == 65;
        if (wellFormed && _recover(hash, signature) == account) return true;
        if (account.code.length != 0) return _approves(account, hash, signature);
        require(wellFormed, IOrder.InvalidSignatureLength(signature.length));
        return false;
    }

    /// @dev The form in which wallets sign a plain hash (EIP-191).
    function asMessage(bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
    }

    /// @dev Whether `account` is what a restriction asks for: anyone, itself, or a member of that group.
    function isAuthorized(address restriction, address account) internal view returns (bool) {
        if (restriction == address(0) || restriction == account) return true;
        if (restriction.code.length == 0) return false;
        (bool answered, bytes32 word) = _ask(
            restriction, abi.encodeCall(IERC734.keyHasPurpose, (bytes32(uint256(uint160(account))), GROUP_MEMBER))
        );
        return answered && uint256(word) == 1;
    }

    function _approves(address account, bytes32 hash, bytes calldata signature) private view returns (bool) {
        (bool answered, bytes32 word) = _ask(account, abi.encodeCall(IERC1271.isValidSignature, (hash, signature)));
        return answered && bytes4(word) == IERC1271.isValidSignature.selector;
    }

    /// @dev A stranger's answer of one word; whatever else it does or says is no answer.
    function _ask(address stranger, bytes memory question) private view returns (bool answered, bytes32 word) {
        // Memory-safe: the answer goes to scratch space, and no more of it than a word.
        assembly ("memory-safe") {
            answered := staticcall(gas(), stranger, add(question, 32), mload(question), 0, 32)
            answered := and(answered, gt(returndatasize(), 31))
            word := mload(0)
        }
    }

    /// @dev Zero where the signature is none.
    function _recover(bytes32 hash, bytes calldata signature) private pure returns (address) {
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v;
        if (signature.length == 65) {
            v = uint8(signature[64]);
        } else {
            // The compact form (EIP-2098) keeps the parity in the highest bit of s.
            v = 27 + uint8(uint256(s) >> 255);
            s = s & bytes32(type(uint256).max >> 1);
        }
        return uint256(s) > LOW_S ? address(0) : ecrecover(hash, v, r, s);
    }
}
