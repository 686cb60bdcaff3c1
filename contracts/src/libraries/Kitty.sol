// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// The kitty gathers, frozen, the stakes of schedulers that failed, and pays a part of them to each who succeeds later.

library Kitty {
    /// @dev The first 20 bytes of keccak256("iExecKitty") less one; nobody has its key.
    address internal constant ACCOUNT = 0x99c2268479b93fDe36232351229815DF80837e23;
    uint256 internal constant RATIO = 10;
    uint256 internal constant LEAST = 1e9;

    /// @dev What a success gets out of a kitty that is not empty: a tenth, or 1 RLC if that is more, or all there is.
    function part(uint256 kitty) internal pure returns (uint256) {
        uint256 tenth = kitty * RATIO / 100;
        uint256 wanted = tenth > LEAST ? tenth : LEAST;
        return wanted < kitty ? wanted : kitty;
    }
}
