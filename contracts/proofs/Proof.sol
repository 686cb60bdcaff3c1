// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What every proof starts from. halmos runs each function called `check_…` with arguments that stand for every value at
// once, and looks for one with which an `assert` fails; a path that reverts is no answer, so what must not revert is said
// by asserting that a call succeeded. Run by tools/halmos; forge never sees this folder.

interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
}

abstract contract Proof {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
}
