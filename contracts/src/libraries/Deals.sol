// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Deals never change, so they live in code (see CodeStore). A step of a task reads the few fields it needs from there;
// nobody copies a deal whole but `viewDeal`.
//
// The key of a deal is the higher half of its identifier, short enough to stand in every task's word. The lower half is
// part of the content and compared wherever an identifier comes from outside. Two deals with the same higher half would
// take 2^64 tries of one's own orders to find, and then the second of them cannot be matched: nothing else happens.
//
//     byte  0  lower half of the identifier   16      byte 41  worker's stake       8
//          16  start, seconds                  5           49  workerpool's price   8
//          21  time of the category, seconds   4           57  app's price          8
//          25  category                        2           65  workerpool          20
//          27  first index                     4           85  its owner           20
//          31  size                            4          105  app                 20
//          35  trust                           4          125  its owner           20
//          39  scheduler's part, per cent      1          145  requester           20
//          40  flags                           1          165  what the flags say, in the order of the flags
//
//     flag  1  sponsor                        20      absent: the requester pays
//           2  callback                       20      absent: none
//           4  beneficiary                    20      absent: none
//           8  (nothing stored)                       the beneficiary is the requester
//          16  dataset, its owner, its price  48      absent: none
//          32  tag                            32      absent: zero
//     after them, to the end, the parameters

import { Deal, IDeal, Resource } from "../interfaces/IDeal.sol";
import { CodeStore } from "./CodeStore.sol";

/// @dev The higher half of a deal's identifier.
type DealKey is bytes16;

/// @dev Where in memory the fields of a deal begin. All but the parameters are there.
type DealView is uint256;

using Deals for DealView global;

/// @dev What a match settles, before it is written down.
struct Terms {
    address app;
    address appOwner;
    uint256 appPrice;
    address dataset;
    address datasetOwner;
    uint256 datasetPrice;
    address workerpool;
    address workerpoolOwner;
    uint256 workerpoolPrice;
    address requester;
    address beneficiary;
    address callback;
    address sponsor;
    bytes32 tag;
    uint256 category;
    uint256 categoryTime;
    uint256 trust;
    uint256 first;
    uint256 size;
    uint256 workerStakeRatio;
    uint256 workerStake;
    uint256 schedulerRewardRatio;
}

library Deals {
    uint256 internal constant PRICE_LIMIT = type(uint64).max;
    uint256 internal constant TRUST_LIMIT = type(uint32).max;
    uint256 internal constant TASKS_LIMIT = type(uint32).max;
    /// @dev What is left for the parameters by the longest of all other fields.
    uint256 internal constant PARAMS_LIMIT = CodeStore.LIMIT - FIELDS_LENGTH;

    uint256 internal constant STAKE_RATIO = 30;
    uint256 internal constant CONTRIBUTION_RATIO = 7;
    uint256 internal constant REVEAL_RATIO = 2;
    uint256 internal constant FINAL_RATIO = 10;

    uint256 private constant SPONSOR = 1;
    uint256 private constant CALLBACK = 2;
    uint256 private constant BENEFICIARY = 4;
    uint256 private constant BENEFICIARY_IS_REQUESTER = 8;
    uint256 private constant DATASET = 16;
    uint256 private constant TAG = 32;

    uint256 private constant FIXED_LENGTH = 165;
    /// @dev FIXED_LENGTH + 20 + 20 + 20 + 48 + 32, written out because assembly takes no sums.
    uint256 private constant FIELDS_LENGTH = 305;

    function keyOf(bytes32 dealid) internal pure returns (DealKey) {
        return DealKey.wrap(bytes16(dealid));
    }

    /// @dev Writes a deal down. The caller has checked the limits above; category and its time are bounded where
    /// categories are made, the scheduler's part is at most 100, so no cast here cuts anything off.
    function record(bytes32 dealid, Terms memory terms, string calldata params) internal {
        uint256 flags = 0;
        bytes memory extras = "";
        if (terms.sponsor != terms.requester) {
            flags |= SPONSOR;
            extras = abi.encodePacked(terms.sponsor);
        }
        if (terms.callback != address(0)) {
            flags |= CALLBACK;
            extras = abi.encodePacked(extras, terms.callback);
        }
        if (terms.beneficiary == terms.requester) {
            flags |= BENEFICIARY_IS_REQUESTER;
        } else if (terms.beneficiary != address(0)) {
            flags |= BENEFICIARY;
            extras = abi.encodePacked(extras, terms.beneficiary);
        }
        if (terms.dataset != address(0)) {
            flags |= DATASET;
            extras = abi.encodePacked(extras, terms.dataset, terms.datasetOwner, uint64(terms.datasetPrice));
        }
        if (terms.tag != 0) {
            flags |= TAG;
            extras = abi.encodePacked(extras, terms.tag);
        }

        bytes memory numbers = abi.encodePacked(
            bytes1(0),
            uint128(uint256(dealid)),
            uint40(block.timestamp),
            uint32(terms.categoryTime),
            uint16(terms.category),
            uint32(terms.first),
            uint32(terms.size),
            uint32(terms.trust),
            uint8(terms.schedulerRewardRatio),
            uint8(flags),
            uint64(terms.workerStake),
            uint64(terms.workerpoolPrice),
            uint64(terms.appPrice)
        );
        bytes memory parties =
            abi.encodePacked(terms.workerpool, terms.workerpoolOwner, terms.app, terms.appOwner, terms.requester);
        CodeStore.write(bytes16(dealid), abi.encodePacked(numbers, parties, extras, params));
    }

    /// @dev The deal of a task. It exists, because tasks are only made of deals that do.
    function open(DealKey key) internal view returns (DealView deal) {
        return _open(CodeStore.locate(DealKey.unwrap(key)));
    }

    /// @dev The deal of an identifier that came from outside.
    function find(bytes32 dealid) internal view returns (bool found, DealView deal) {
        deal = open(keyOf(dealid));
        found = deal.startTime() != 0 && deal.idLow() == uint128(uint256(dealid));
    }

    /// @dev The deal of an identifier that came from outside and must be one.
    function known(bytes32 dealid) internal view returns (DealView) {
        (bool found, DealView deal) = find(dealid);
        require(found, IDeal.UnknownDeal(dealid));
        return deal;
    }

    function idLow(DealView deal) internal pure returns (uint256) {
        return _number(deal, 0, 16);
    }

    /// @dev Never zero for a deal that exists.
    function startTime(DealView deal) internal pure returns (uint256) {
        return _number(deal, 16, 5);
    }

    function categoryTime(DealView deal) internal pure returns (uint256) {
        return _number(deal, 21, 4);
    }

    function category(DealView deal) internal pure returns (uint256) {
        return _number(deal, 25, 2);
    }

    function first(DealView deal) internal pure returns (uint256) {
        return _number(deal, 27, 4);
    }

    function size(DealView deal) internal pure returns (uint256) {
        return _number(deal, 31, 4);
    }

    function trust(DealView deal) internal pure returns (uint256) {
        return _number(deal, 35, 4);
    }

    function schedulerRewardRatio(DealView deal) internal pure returns (uint256) {
        return _number(deal, 39, 1);
    }

    function workerStake(DealView deal) internal pure returns (uint256) {
        return _number(deal, 41, 8);
    }

    function workerpoolPrice(DealView deal) internal pure returns (uint256) {
        return _number(deal, 49, 8);
    }

    function appPrice(DealView deal) internal pure returns (uint256) {
        return _number(deal, 57, 8);
    }

    function workerpool(DealView deal) internal pure returns (address) {
        return _party(deal, 65);
    }

    function workerpoolOwner(DealView deal) internal pure returns (address) {
        return _party(deal, 85);
    }

    function app(DealView deal) internal pure returns (address) {
        return _party(deal, 105);
    }

    function appOwner(DealView deal) internal pure returns (address) {
        return _party(deal, 125);
    }

    function requester(DealView deal) internal pure returns (address) {
        return _party(deal, 145);
    }

    function sponsor(DealView deal) internal pure returns (address) {
        return _has(deal, SPONSOR) ? _party(deal, FIXED_LENGTH) : requester(deal);
    }

    function callback(DealView deal) internal pure returns (address) {
        return _has(deal, CALLBACK) ? _party(deal, _offset(deal, CALLBACK)) : address(0);
    }

    function beneficiary(DealView deal) internal pure returns (address) {
        if (_has(deal, BENEFICIARY_IS_REQUESTER)) return requester(deal);
        return _has(deal, BENEFICIARY) ? _party(deal, _offset(deal, BENEFICIARY)) : address(0);
    }

    function dataset(DealView deal) internal pure returns (address) {
        return _has(deal, DATASET) ? _party(deal, _offset(deal, DATASET)) : address(0);
    }

    function datasetOwner(DealView deal) internal pure returns (address) {
        return _has(deal, DATASET) ? _party(deal, _offset(deal, DATASET) + 20) : address(0);
    }

    function datasetPrice(DealView deal) internal pure returns (uint256) {
        return _has(deal, DATASET) ? _number(deal, _offset(deal, DATASET) + 40, 8) : 0;
    }

    function tag(DealView deal) internal pure returns (bytes32) {
        return _has(deal, TAG) ? bytes32(_number(deal, _offset(deal, TAG), 32)) : bytes32(0);
    }

    /// @dev Whether tasks of the deal have to run in an enclave: bit 0 of the tag.
    function confidential(DealView deal) internal pure returns (bool) {
        return uint256(tag(deal)) & 1 != 0;
    }

    /// @dev What one task costs the sponsor.
    function taskPrice(DealView deal) internal pure returns (uint256) {
        return appPrice(deal) + datasetPrice(deal) + workerpoolPrice(deal);
    }

    /// @dev What the workerpool's owner stakes on one task.
    function schedulerStake(DealView deal) internal pure returns (uint256) {
        return stakeOf(workerpoolPrice(deal));
    }

    function stakeOf(uint256 price) internal pure returns (uint256) {
        return price * STAKE_RATIO / 100;
    }

    function contributionDeadline(DealView deal) internal pure returns (uint256) {
        return startTime(deal) + CONTRIBUTION_RATIO * categoryTime(deal);
    }

    function finalDeadline(DealView deal) internal pure returns (uint256) {
        return startTime(deal) + FINAL_RATIO * categoryTime(deal);
    }

    /// @dev The whole deal, as the interface shows it.
    function whole(DealView deal, bytes32 dealid) internal view returns (Deal memory) {
        return Deal({
            app: Resource(app(deal), appOwner(deal), appPrice(deal)),
            dataset: Resource(dataset(deal), datasetOwner(deal), datasetPrice(deal)),
            workerpool: Resource(workerpool(deal), workerpoolOwner(deal), workerpoolPrice(deal)),
            trust: trust(deal),
            category: category(deal),
            tag: tag(deal),
            requester: requester(deal),
            beneficiary: beneficiary(deal),
            callback: callback(deal),
            params: _params(deal, dealid),
            startTime: startTime(deal),
            botFirst: first(deal),
            botSize: size(deal),
            workerStake: workerStake(deal),
            schedulerRewardRatio: schedulerRewardRatio(deal),
            sponsor: sponsor(deal)
        });
    }

    function _params(DealView deal, bytes32 dealid) private view returns (string memory) {
        address place = CodeStore.locate(bytes16(dealid));
        uint256 start = _offset(deal, TAG << 1);
        return string(CodeStore.read(place, start, CodeStore.lengthAt(place) - start));
    }

    function _open(address place) private view returns (DealView deal) {
        // Memory-safe: takes its room from the free memory, a word more than the fields so that the last can be loaded.
        assembly ("memory-safe") {
            deal := mload(0x40)
            mstore(0x40, add(deal, add(FIELDS_LENGTH, 47)))
            extcodecopy(place, deal, 1, FIELDS_LENGTH)
        }
    }

    function _has(DealView deal, uint256 flag) private pure returns (bool) {
        return _number(deal, 40, 1) & flag != 0;
    }

    /// @dev Where the part of `flag` begins: behind those of all lower flags that are set.
    function _offset(DealView deal, uint256 flag) private pure returns (uint256 offset) {
        uint256 lower = _number(deal, 40, 1) & (flag - 1);
        offset = FIXED_LENGTH;
        // Cannot overflow: five small numbers.
        unchecked {
            if (lower & SPONSOR != 0) offset += 20;
            if (lower & CALLBACK != 0) offset += 20;
            if (lower & BENEFICIARY != 0) offset += 20;
            if (lower & DATASET != 0) offset += 48;
            if (lower & TAG != 0) offset += 32;
        }
    }

    function _party(DealView deal, uint256 offset) private pure returns (address) {
        return address(uint160(_number(deal, offset, 20)));
    }

    function _number(DealView deal, uint256 offset, uint256 length) private pure returns (uint256 value) {
        // Memory-safe: only reads. The shift keeps the first `length` of the 32 bytes.
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, length)), mload(add(deal, offset)))
        }
    }
}
