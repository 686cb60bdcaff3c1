// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Four orders become a deal, if all rules hold. Nothing here calls a stranger but statically, so nothing can come between
// the rules and their effect.

import { HubState } from "../HubState.sol";
import { Deal, IDeal } from "../interfaces/IDeal.sol";
import { IWorkerpool } from "../interfaces/IEntry.sol";
import { AppOrder, DatasetOrder, IOrder, RequestOrder, WorkerpoolOrder } from "../interfaces/IOrder.sol";
import { IRegistry } from "../interfaces/IRegistry.sol";
import { Accounts, Book } from "../libraries/Accounts.sol";
import { DealView, Deals, Terms } from "../libraries/Deals.sol";
import { OrderWord, Orders } from "../libraries/Orders.sol";
import { Salt, Salts } from "../libraries/Salts.sol";
import { Signatures } from "../libraries/Signatures.sol";

abstract contract DealStage is IDeal, HubState {
    using Accounts for Book;

    /// @dev Bit 0 of a tag: the task has to run in an enclave.
    uint256 private constant CONFIDENTIAL = 1;
    /// @dev Bits 1, 2 and 3: the kinds of enclave, which a dataset does not choose.
    uint256 private constant ENCLAVE_KINDS = 2 | 4 | 8;
    uint256 private constant WHOLE_RATIO = 100;
    /// @dev Ten times the price.
    uint256 private constant STAKE_RATIO_LIMIT = 1000;

    /// @dev The four orders of a match as the chain knows them.
    struct Hashes {
        bytes32 app;
        bytes32 dataset;
        bytes32 workerpool;
        bytes32 request;
    }

    /// @inheritdoc IDeal
    function matchOrders(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external returns (bytes32 dealid) {
        return _match(apporder, datasetorder, workerpoolorder, requestorder, requestorder.requester);
    }

    /// @inheritdoc IDeal
    function sponsorMatchOrders(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external returns (bytes32 dealid) {
        dealid = _match(apporder, datasetorder, workerpoolorder, requestorder, msg.sender);
        emit DealSponsored(dealid, msg.sender);
    }

    /// @inheritdoc IDeal
    function computeDealVolume(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) external view returns (uint256 volume) {
        bytes32 separator = Orders.domainSeparator();
        volume = _left(Orders.typed(separator, Orders.structHash(apporder)), apporder.volume);
        if (datasetorder.dataset != address(0)) {
            volume =
                _least(volume, _left(Orders.typed(separator, Orders.structHash(datasetorder)), datasetorder.volume));
        }
        volume = _least(
            volume, _left(Orders.typed(separator, Orders.structHash(workerpoolorder)), workerpoolorder.volume)
        );
        volume = _least(volume, _left(Orders.typed(separator, Orders.structHash(requestorder)), requestorder.volume));
    }

    /// @inheritdoc IDeal
    function assertDatasetDealCompatibility(DatasetOrder calldata datasetorder, bytes32 dealid) external view {
        bytes32 hash = Orders.typed(Orders.domainSeparator(), Orders.structHash(datasetorder));
        uint256 used = _orders[hash].consumed();
        require(used < datasetorder.volume, DatasetOrderConsumed(hash, used, datasetorder.volume));
        address dataset = datasetorder.dataset;
        address owner = IRegistry(_datasetRegistry).ownerOfEntry(dataset);
        require(owner != address(0), DatasetNotRegistered(dataset));
        require(_isSigned(hash, owner, datasetorder.sign), InvalidDatasetOrderSignature(hash, owner));
        _checkSalt(hash, datasetorder.salt, Salts.OF_ASSET, owner);
        _checkAssetEpoch(hash, datasetorder.salt, _datasetRegistry, dataset);

        (bool found, DealView deal) = Deals.find(dealid);
        require(found, UnknownDeal(dealid));
        require(deal.dataset() == address(0), DealHasDataset(dealid, deal.dataset()));
        _checkDatasetRestrictions(datasetorder, deal.app(), deal.workerpool(), deal.requester());
        uint256 asked = uint256(datasetorder.tag) & ~ENCLAVE_KINDS;
        require(asked & ~uint256(deal.tag()) == 0, TagNotOffered(bytes32(asked), deal.tag()));
    }

    /// @inheritdoc IDeal
    function viewDeal(bytes32 dealid) external view returns (Deal memory deal) {
        (bool found, DealView kept) = Deals.find(dealid);
        if (found) deal = kept.whole(dealid);
    }

    /// @inheritdoc IDeal
    function workerpool_stake_ratio() external pure returns (uint256) {
        return Deals.STAKE_RATIO;
    }

    /// @inheritdoc IDeal
    function groupmember_purpose() external pure returns (uint256) {
        return Signatures.GROUP_MEMBER;
    }

    function _match(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder,
        address sponsor
    ) private returns (bytes32 dealid) {
        Terms memory terms;
        _checkOffer(terms, apporder, datasetorder, workerpoolorder, requestorder);
        _checkRestrictions(apporder, datasetorder, workerpoolorder, requestorder);
        Hashes memory hashes = _checkSignatures(terms, apporder, datasetorder, workerpoolorder, requestorder);
        _takeParties(terms, apporder, workerpoolorder, requestorder, sponsor);
        _takeVolume(terms, hashes, apporder, datasetorder, workerpoolorder, requestorder);
        _checkBounds(terms, requestorder);

        dealid = keccak256(abi.encodePacked(hashes.request, terms.first));
        Deals.record(dealid, terms, requestorder.params);
        _book.lock(sponsor, (terms.appPrice + terms.datasetPrice + terms.workerpoolPrice) * terms.size);
        _book.lock(terms.workerpoolOwner, Deals.stakeOf(terms.workerpoolPrice) * terms.size);

        emit SchedulerNotice(terms.workerpool, dealid);
        emit OrdersMatched(dealid, hashes.app, hashes.dataset, hashes.workerpool, hashes.request, terms.size);
    }

    /// @dev Category, trust, prices, tags, and that the request asks for this app and this dataset.
    function _checkOffer(
        Terms memory terms,
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) private view {
        uint256 category = requestorder.category;
        require(category == workerpoolorder.category, CategoryMismatch(category, workerpoolorder.category));
        uint256 timePlusOne = _categoryTimes[category];
        require(timePlusOne != 0, UnknownCategory(category, _categories.length));
        uint256 trust = requestorder.trust;
        require(trust <= workerpoolorder.trust, InsufficientTrust(trust, workerpoolorder.trust));

        (uint256 appPrice, uint256 datasetPrice) = (apporder.appprice, datasetorder.datasetprice);
        uint256 workerpoolPrice = workerpoolorder.workerpoolprice;
        require(appPrice <= requestorder.appmaxprice, AppOverpriced(appPrice, requestorder.appmaxprice));
        require(
            datasetPrice <= requestorder.datasetmaxprice, DatasetOverpriced(datasetPrice, requestorder.datasetmaxprice)
        );
        require(
            workerpoolPrice <= requestorder.workerpoolmaxprice,
            WorkerpoolOverpriced(workerpoolPrice, requestorder.workerpoolmaxprice)
        );

        uint256 appTag = uint256(apporder.tag);
        uint256 tag = appTag | uint256(requestorder.tag);
        // Nobody signs the dataset order of a deal without dataset, so whoever matches could have written any tag into it.
        if (requestorder.dataset != address(0)) tag |= uint256(datasetorder.tag) & ~ENCLAVE_KINDS;
        require(tag & ~uint256(workerpoolorder.tag) == 0, TagNotOffered(bytes32(tag), workerpoolorder.tag));
        require(tag & ~appTag & CONFIDENTIAL == 0, AppNotConfidential(bytes32(tag), apporder.tag));

        require(requestorder.app == apporder.app, AppMismatch(requestorder.app, apporder.app));
        require(
            requestorder.dataset == datasetorder.dataset, DatasetMismatch(requestorder.dataset, datasetorder.dataset)
        );

        terms.category = category;
        // Cannot underflow: it is not zero.
        unchecked {
            terms.categoryTime = timePlusOne - 1;
        }
        terms.trust = trust == 0 ? 1 : trust;
        terms.appPrice = appPrice;
        terms.workerpoolPrice = workerpoolPrice;
        terms.tag = bytes32(tag);
        terms.dataset = datasetorder.dataset;
        if (terms.dataset != address(0)) terms.datasetPrice = datasetPrice;
    }

    /// @dev Whom each side wants to deal with.
    function _checkRestrictions(
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) private view {
        (address app, address dataset) = (apporder.app, datasetorder.dataset);
        (address workerpool, address requester) = (workerpoolorder.workerpool, requestorder.requester);
        address only = requestorder.workerpool;
        require(Signatures.isAuthorized(only, workerpool), WorkerpoolRestrictedByRequest(only, workerpool));

        only = apporder.datasetrestrict;
        require(Signatures.isAuthorized(only, dataset), DatasetRestrictedByApp(only, dataset));
        only = apporder.workerpoolrestrict;
        require(Signatures.isAuthorized(only, workerpool), WorkerpoolRestrictedByApp(only, workerpool));
        only = apporder.requesterrestrict;
        require(Signatures.isAuthorized(only, requester), RequesterRestrictedByApp(only, requester));

        _checkDatasetRestrictions(datasetorder, app, workerpool, requester);

        only = workerpoolorder.apprestrict;
        require(Signatures.isAuthorized(only, app), AppRestrictedByWorkerpool(only, app));
        only = workerpoolorder.datasetrestrict;
        require(Signatures.isAuthorized(only, dataset), DatasetRestrictedByWorkerpool(only, dataset));
        only = workerpoolorder.requesterrestrict;
        require(Signatures.isAuthorized(only, requester), RequesterRestrictedByWorkerpool(only, requester));
    }

    function _checkDatasetRestrictions(
        DatasetOrder calldata datasetorder,
        address app,
        address workerpool,
        address requester
    ) private view {
        address only = datasetorder.apprestrict;
        require(Signatures.isAuthorized(only, app), AppRestrictedByDataset(only, app));
        only = datasetorder.workerpoolrestrict;
        require(Signatures.isAuthorized(only, workerpool), WorkerpoolRestrictedByDataset(only, workerpool));
        only = datasetorder.requesterrestrict;
        require(Signatures.isAuthorized(only, requester), RequesterRestrictedByDataset(only, requester));
    }

    /// @dev Each side is registered, and each order signed by whoever owns that side today, and not at its end by what its
    /// salt says.
    function _checkSignatures(
        Terms memory terms,
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) private view returns (Hashes memory hashes) {
        bytes32 separator = Orders.domainSeparator();

        hashes.app = Orders.typed(separator, Orders.structHash(apporder));
        address owner = IRegistry(_appRegistry).ownerOfEntry(apporder.app);
        require(owner != address(0), AppNotRegistered(apporder.app));
        require(_isSigned(hashes.app, owner, apporder.sign), InvalidAppOrderSignature(hashes.app, owner));
        _checkSalt(hashes.app, apporder.salt, Salts.OF_ASSET, owner);
        _checkAssetEpoch(hashes.app, apporder.salt, _appRegistry, apporder.app);
        terms.appOwner = owner;

        if (terms.dataset != address(0)) {
            hashes.dataset = Orders.typed(separator, Orders.structHash(datasetorder));
            owner = IRegistry(_datasetRegistry).ownerOfEntry(terms.dataset);
            require(owner != address(0), DatasetNotRegistered(terms.dataset));
            require(
                _isSigned(hashes.dataset, owner, datasetorder.sign), InvalidDatasetOrderSignature(hashes.dataset, owner)
            );
            _checkSalt(hashes.dataset, datasetorder.salt, Salts.OF_ASSET, owner);
            _checkAssetEpoch(hashes.dataset, datasetorder.salt, _datasetRegistry, terms.dataset);
            terms.datasetOwner = owner;
        }

        hashes.workerpool = Orders.typed(separator, Orders.structHash(workerpoolorder));
        owner = IRegistry(_workerpoolRegistry).ownerOfEntry(workerpoolorder.workerpool);
        require(owner != address(0), WorkerpoolNotRegistered(workerpoolorder.workerpool));
        require(
            _isSigned(hashes.workerpool, owner, workerpoolorder.sign),
            InvalidWorkerpoolOrderSignature(hashes.workerpool, owner)
        );
        _checkSalt(hashes.workerpool, workerpoolorder.salt, Salts.OF_WORKERPOOL, owner);
        _checkAssetEpoch(hashes.workerpool, workerpoolorder.salt, _workerpoolRegistry, workerpoolorder.workerpool);
        _takePolicy(terms, hashes.workerpool, workerpoolorder.salt, workerpoolorder.workerpool);
        terms.workerpoolOwner = owner;

        hashes.request = Orders.typed(separator, Orders.structHash(requestorder));
        owner = requestorder.requester;
        require(
            _isSigned(hashes.request, owner, requestorder.sign), InvalidRequestOrderSignature(hashes.request, owner)
        );
        _checkSalt(hashes.request, requestorder.salt, Salts.OF_REQUEST, owner);
    }

    /// @dev What every kind of order may say in its salt: that it has an end, and which epoch of its signer's it is of.
    function _checkSalt(bytes32 hash, bytes32 salt_, uint256 known, address signer) private view {
        Salt salt = Salt.wrap(salt_);
        require(salt.isUnderstood(known), IOrder.UnknownSalt(hash, salt_));
        if (salt.asksFor(Salts.EXPIRY)) {
            uint256 expiry = salt.expiry();
            require(block.timestamp < expiry, IOrder.OrderExpired(hash, expiry, block.timestamp));
        }
        if (salt.asksFor(Salts.SIGNER_EPOCH)) {
            (uint256 epoch, uint256 current) = (salt.signerEpoch(), _signers[signer].epoch);
            require(epoch == current, IOrder.OrderEpochPassed(hash, signer, epoch, current));
        } else {
            require(!_signers[signer].unmarkedRefused, IOrder.UnmarkedOrderRefused(hash, signer));
        }
    }

    function _checkAssetEpoch(bytes32 hash, bytes32 salt_, address registry, address asset) private view {
        Salt salt = Salt.wrap(salt_);
        if (!salt.asksFor(Salts.ASSET_EPOCH)) return;
        (uint256 epoch, uint256 current) = (salt.assetEpoch(), IRegistry(registry).epochOf(asset));
        require(epoch == current, IOrder.AssetTransferred(hash, asset, epoch, current));
    }

    /// @dev The workerpool's policy as it is now, which has to be the signed one where the salt says so.
    function _takePolicy(Terms memory terms, bytes32 hash, bytes32 salt_, address workerpool) private view {
        uint256 stakeRatio = IWorkerpool(workerpool).m_workerStakeRatioPolicy();
        uint256 rewardRatio = IWorkerpool(workerpool).m_schedulerRewardRatioPolicy();
        Salt salt = Salt.wrap(salt_);
        bool kept =
            !salt.asksFor(Salts.POLICY) || (salt.stakeRatio() == stakeRatio && salt.rewardRatio() == rewardRatio);
        require(kept, IOrder.PolicyChanged(hash, workerpool, stakeRatio, rewardRatio));
        terms.workerStakeRatio = stakeRatio;
        terms.schedulerRewardRatio = rewardRatio;
    }

    function _takeParties(
        Terms memory terms,
        AppOrder calldata apporder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder,
        address sponsor
    ) private pure {
        terms.app = apporder.app;
        terms.workerpool = workerpoolorder.workerpool;
        terms.requester = requestorder.requester;
        terms.beneficiary = requestorder.beneficiary;
        terms.callback = requestorder.callback;
        terms.sponsor = sponsor;
    }

    /// @dev As many tasks as every order still has, taken from each of them.
    function _takeVolume(
        Terms memory terms,
        Hashes memory hashes,
        AppOrder calldata apporder,
        DatasetOrder calldata datasetorder,
        WorkerpoolOrder calldata workerpoolorder,
        RequestOrder calldata requestorder
    ) private {
        OrderWord app = _orders[hashes.app];
        OrderWord workerpool = _orders[hashes.workerpool];
        OrderWord request = _orders[hashes.request];
        uint256 ofApp = app.left(apporder.volume);
        uint256 ofDataset = terms.dataset == address(0) ? type(uint256).max : _left(hashes.dataset, datasetorder.volume);
        uint256 ofWorkerpool = workerpool.left(workerpoolorder.volume);
        uint256 ofRequest = request.left(requestorder.volume);
        uint256 volume = _least(_least(ofApp, ofDataset), _least(ofWorkerpool, ofRequest));
        require(volume > 0, OrdersConsumed(ofApp, ofDataset, ofWorkerpool, ofRequest));

        terms.first = request.consumed();
        terms.size = volume;
        _orders[hashes.app] = app.withConsumed(app.consumed() + volume);
        if (terms.dataset != address(0)) {
            OrderWord dataset = _orders[hashes.dataset];
            _orders[hashes.dataset] = dataset.withConsumed(dataset.consumed() + volume);
        }
        _orders[hashes.workerpool] = workerpool.withConsumed(workerpool.consumed() + volume);
        _orders[hashes.request] = request.withConsumed(terms.first + volume);
    }

    /// @dev What a deal's code has room for. The stake is made here, where the price is known to be in bounds.
    function _checkBounds(Terms memory terms, RequestOrder calldata requestorder) private pure {
        _checkPrice(terms.appPrice);
        _checkPrice(terms.datasetPrice);
        _checkPrice(terms.workerpoolPrice);
        uint256 stakeRatio = terms.workerStakeRatio;
        require(stakeRatio <= STAKE_RATIO_LIMIT, StakeRatioTooHigh(terms.workerpool, stakeRatio, STAKE_RATIO_LIMIT));
        terms.workerStake = terms.workerpoolPrice * stakeRatio / WHOLE_RATIO;
        _checkPrice(terms.workerStake);
        require(
            terms.schedulerRewardRatio <= WHOLE_RATIO, SchedulerRatioTooHigh(terms.schedulerRewardRatio, WHOLE_RATIO)
        );
        require(terms.trust <= Deals.TRUST_LIMIT, TrustTooHigh(terms.trust, Deals.TRUST_LIMIT));
        require(terms.first + terms.size <= Deals.TASKS_LIMIT, TooManyTasks(terms.first, terms.size, Deals.TASKS_LIMIT));
        uint256 length = bytes(requestorder.params).length;
        require(length <= Deals.PARAMS_LIMIT, ParamsTooLong(length, Deals.PARAMS_LIMIT));
    }

    function _checkPrice(uint256 price) private pure {
        require(price <= Deals.PRICE_LIMIT, PriceTooLarge(price, Deals.PRICE_LIMIT));
    }

    /// @dev Signed on chain, or by the signature that came along.
    function _isSigned(bytes32 hash, address account, bytes calldata signature) private view returns (bool) {
        if (account == address(0)) return false;
        return _orders[hash].presigner() == account || Signatures.isSigner(account, hash, signature);
    }

    function _left(bytes32 hash, uint256 volume) private view returns (uint256) {
        return _orders[hash].left(volume);
    }

    function _least(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }
}
