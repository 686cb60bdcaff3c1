// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A crowd that uses the hub in every way it can think of: the handler of the invariant test. Each action picks who and
// what out of its random arguments, says beforehand whether the hub must accept it, and fails where the hub thinks
// otherwise. So no call is wasted, refusals are checked as strictly as successes, and what is kept on the side (the
// kitty, the burnt, the scores, the volumes) is a second opinion on the hub's books.
//
// Not here: whether a refusal has the right name and values, and the exact shares of each payment. That is the business of
// the tests by stage and of the plain twin.

import { Contribution, ContributionStatus } from "../../src/interfaces/IContribution.sol";
import { Deal } from "../../src/interfaces/IDeal.sol";
import { IWorkerpool } from "../../src/interfaces/IEntry.sol";
import { IHub } from "../../src/interfaces/IHub.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder
} from "../../src/interfaces/IOrder.sol";
import { IPayment } from "../../src/interfaces/IPayment.sol";
import { IRLC } from "../../src/interfaces/IRLC.sol";
import { IAppRegistry, IDatasetRegistry, IRegistry, IWorkerpoolRegistry } from "../../src/interfaces/IRegistry.sol";
import { IOracleConsumer } from "../../src/interfaces/IResult.sol";
import { Task, TaskStatus } from "../../src/interfaces/ITask.sol";
import { Test, Vm } from "../support/Test.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev Told of a result, it tries to get more out of the task than is its due, and then fails.
contract Greedy is IOracleConsumer {
    IHub private immutable _hub;
    uint256 public told;
    bool public gotIn;

    constructor(IHub hub) {
        _hub = hub;
    }

    function receiveResult(bytes32 taskid, bytes calldata result) external {
        ++told;
        try _hub.claim(taskid) {
            gotIn = true;
        } catch { }
        try _hub.reopen(taskid) {
            gotIn = true;
        } catch { }
        try _hub.finalize(taskid, "again", result) {
            gotIn = true;
        } catch { }
    }
}

/// @dev The hub before this one, where people made themselves a name of some sort.
contract FormerHub {
    function viewScore(address worker) external pure returns (uint256) {
        return uint160(worker) % 40;
    }
}

contract Crowd is Test {
    struct Person {
        address account;
        uint256 key;
    }

    /// @dev What a salt asks for, kept beside it: nobody reads salts here.
    struct End {
        uint256 flags;
        uint256 expiry;
        uint256 signerEpoch;
        uint256 assetEpoch;
        uint256 stakeRatio;
        uint256 rewardRatio;
    }

    /// @dev What was matched of an order, told by the deals alone.
    struct Volume {
        bytes32 hash;
        uint256 total;
        uint256 matched;
        bool closed;
    }

    IHub public immutable hub;
    IRLC public immutable token;
    address public immutable governor;
    Greedy public immutable greedy;

    Person[] private _people;
    address[] private _pools;
    address[] private _poolOwners;
    mapping(address account => uint256 key) private _keyOf;
    mapping(address account => uint256 index) private _indexOf;
    address private immutable _app;
    address private immutable _dataset;

    AppOrder[] private _appOrders;
    DatasetOrder[] private _datasetOrders;
    WorkerpoolOrder[] private _poolOrders;
    RequestOrder[] private _requestOrders;
    Volume[] private _volumes;
    mapping(bytes32 orderHash => uint256 volumeIndexPlusOne) private _volumeOf;

    mapping(bytes32 salt => End) private _endOf;
    mapping(address account => uint256) private _epochOf;
    mapping(address account => bool) private _refusesUnmarked;
    mapping(address asset => uint256) private _movesOf;
    mapping(address pool => uint256) private _stakeRatioOf;
    mapping(address pool => uint256) private _rewardRatioOf;
    mapping(address asset => IRegistry) private _registryOf;

    bytes32[] private _deals;
    mapping(bytes32 dealid => bytes32) private _dealAtMatch;
    bytes32[] private _tasks;
    bytes32[] private _finished;
    mapping(bytes32 taskid => bytes32) private _taskAtFinish;
    mapping(bytes32 taskid => mapping(address worker => uint256 answer)) private _answers;

    uint256 private _now = 1_800_000_000;
    uint256 private _salt;

    /// @notice What the hub's books have to say.
    uint256 public kitty;
    uint256 public burnt;
    uint256 public donated;
    mapping(address worker => uint256) public scoreOf;

    /// @notice What was paid for a task, the kitty aside, in which action, and how often it was paid for in another.
    mapping(bytes32 taskid => uint256) private _paid;
    mapping(bytes32 taskid => uint256 action) private _paidIn;
    uint256 private _action;
    uint256 public paidTwice;
    /// @dev What there was to pay: the price, the stakes of those who were not proved, the kitty's part.
    mapping(bytes32 taskid => uint256) private _due;
    /// @dev Nobody's account.
    address private constant BURNT = 0x000000000000000000000000000000000000dEaD;

    /// @notice How often each stage was reached.
    mapping(bytes32 stage => uint256) public reached;

    uint256 private constant PEOPLE = 6;
    /// @dev T of the only category used.
    uint256 private constant T = 300;
    uint256 private constant DEAL_LIMIT = 12;
    /// @dev Above this a person has better things to do than one more order.
    uint256 private constant ORDER_LIMIT = 40;

    constructor(
        IHub hub_,
        IRLC token_,
        IAppRegistry apps,
        IDatasetRegistry datasets,
        IWorkerpoolRegistry pools,
        address governor_
    ) {
        hub = hub_;
        token = token_;
        governor = governor_;
        greedy = new Greedy(hub_);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            (address account, uint256 key) = someoneWithKey(string.concat("person ", vm.toString(i)));
            _people.push(Person(account, key));
            _keyOf[account] = key;
            _indexOf[account] = i;
            hub_.importScore(account);
            scoreOf[account] = uint160(account) % 40;
        }
        _app = apps.createApp(_people[0].account, "app", "WASM", "/ipfs/app", bytes32(0), "");
        _dataset = datasets.createDataset(_people[1].account, "dataset", "/ipfs/dataset", bytes32(0));
        (_registryOf[_app], _registryOf[_dataset]) = (apps, datasets);
        for (uint256 i = 0; i < 2; ++i) {
            _poolOwners.push(_people[2 + i].account);
            address pool = pools.createWorkerpool(_poolOwners[i], "pool");
            _pools.push(pool);
            (_stakeRatioOf[pool], _rewardRatioOf[pool], _registryOf[pool]) = (30, 1, pools);
        }
    }

    /// @dev Time passes for the crowd only by `wait`. Whatever it does, the hub's payments are written down.
    modifier today() {
        vm.warp(_now);
        vm.recordLogs();
        _;
        _writeDown(vm.getRecordedLogs());
    }

    // Accounts

    function deposit(uint256 who, uint256 amount) external today {
        address account = _person(who).account;
        amount = bound(amount, 0, token.balanceOf(account) / 4);
        vm.prank(account);
        token.approveAndCall(address(hub), amount, "");
    }

    function depositFor(uint256 who, uint256 whom, uint256 amount) external today {
        address account = _person(who).account;
        amount = bound(amount, 0, token.balanceOf(account) / 4);
        vm.prank(account);
        token.approve(address(hub), amount);
        vm.prank(account);
        hub.depositFor(amount, _person(whom).account);
    }

    function withdraw(uint256 who, uint256 amount) external today {
        address account = _person(who).account;
        uint256 balance = hub.balanceOf(account);
        amount = bound(amount, 0, balance + balance / 8 + 1);
        vm.prank(account);
        try hub.withdraw(amount) {
            _agree(amount <= balance, "withdrawn more than there was");
        } catch {
            _agree(amount > balance, "could not withdraw one's own");
        }
    }

    function hand(uint256 who, uint256 whom, uint256 amount) external today {
        address account = _person(who).account;
        uint256 balance = hub.balanceOf(account);
        amount = bound(amount, 0, balance + balance / 8 + 1);
        vm.prank(account);
        try hub.transfer(_person(whom).account, amount) {
            _agree(amount <= balance, "handed on more than there was");
        } catch {
            _agree(amount > balance, "could not hand on one's own");
        }
    }

    /// @dev RLC sent to the hub without a word is the governor's to find.
    function donate(uint256 who, uint256 amount, bool found) external today {
        address account = _person(who).account;
        amount = bound(amount, 0, token.balanceOf(account) / 100);
        vm.prank(account);
        token.transfer(address(hub), amount);
        donated += amount;
        if (found) {
            vm.prank(governor);
            _agree(hub.recover() == donated, "recovered another amount than was donated");
            donated = 0;
        }
    }

    // Orders

    function offerApp(uint256 price, uint256 volume) external today {
        if (_appOrders.length == ORDER_LIMIT) return;
        AppOrder memory order;
        order.app = _app;
        order.appprice = bound(price, 0, 10e9);
        order.volume = bound(volume, 1, 6);
        order.salt = _drawSalt(_people[0].account, _app, 7);
        order.sign = signed(_keyOf[_people[0].account], _hash(order));
        _appOrders.push(order);
        _remember(_hash(order), order.volume);
    }

    function offerDataset(uint256 price, uint256 volume) external today {
        if (_datasetOrders.length == ORDER_LIMIT) return;
        DatasetOrder memory order;
        order.dataset = _dataset;
        order.datasetprice = bound(price, 0, 10e9);
        order.volume = bound(volume, 1, 6);
        order.salt = _drawSalt(_people[1].account, _dataset, 7);
        order.sign = signed(_keyOf[_people[1].account], _hash(order));
        _datasetOrders.push(order);
        _remember(_hash(order), order.volume);
    }

    function offerPool(uint256 which, uint256 price, uint256 volume) external today {
        if (_poolOrders.length == ORDER_LIMIT) return;
        which = which % _pools.length;
        WorkerpoolOrder memory order;
        order.workerpool = _pools[which];
        order.workerpoolprice = bound(price, 0, 100e9);
        order.volume = bound(volume, 1, 6);
        order.trust = 32;
        order.salt = _drawSalt(_poolOwners[which], _pools[which], 15);
        order.sign = signed(_keyOf[_poolOwners[which]], _hash(order));
        _poolOrders.push(order);
        _remember(_hash(order), order.volume);
    }

    function request(uint256 who, uint256 volume, uint256 trust, bool withDataset, bool withCallback) external today {
        if (_requestOrders.length == ORDER_LIMIT) return;
        Person memory requester = _person(who);
        RequestOrder memory order;
        order.app = _app;
        order.appmaxprice = 10e9;
        if (withDataset) order.dataset = _dataset;
        order.datasetmaxprice = 10e9;
        order.workerpoolmaxprice = 100e9;
        order.requester = requester.account;
        order.beneficiary = requester.account;
        order.volume = bound(volume, 1, 4);
        uint8[5] memory trusts = [0, 1, 2, 4, 4];
        order.trust = trusts[trust % 5];
        if (withCallback) order.callback = address(greedy);
        order.params = '{"iexec_args":"--random"}';
        order.salt = _drawSalt(requester.account, address(0), 3);
        order.sign = signed(requester.key, _hash(order));
        _requestOrders.push(order);
        _remember(_hash(order), order.volume);
    }

    function closeApp(uint256 which) external today {
        if (which % 4 != 0 || _appOrders.length < 3) return;
        AppOrder memory order = _appOrders[which % _appOrders.length];
        vm.prank(_people[0].account);
        hub.manageAppOrder(AppOrderOperation(order, OrderOperation.CLOSE, ""));
        _volumes[_volumeOf[_hash(order)] - 1].closed = true;
    }

    function closeRequest(uint256 which) external today {
        if (which % 4 != 0 || _requestOrders.length < 3) return;
        RequestOrder memory order = _requestOrders[which % _requestOrders.length];
        vm.prank(order.requester);
        hub.manageRequestOrder(RequestOrderOperation(order, OrderOperation.CLOSE, ""));
        _volumes[_volumeOf[_hash(order)] - 1].closed = true;
    }

    /// @dev At times somebody has had enough of all his orders, and hardly ever of all that are not marked.
    function raiseEpoch(uint256 who, uint256 chance) external today {
        if (chance % 4 != 0) return;
        address account = _person(who).account;
        bool refuse = chance % 16 == 0;
        vm.prank(account);
        uint256 epoch = hub.raiseEpoch(refuse);
        _agree(epoch == ++_epochOf[account], "an epoch that was not the next");
        if (refuse) _refusesUnmarked[account] = true;
    }

    /// @dev Assets stay where they are, or the crowd would lose its parts; their orders do not know that.
    function move(uint256 which, uint256 chance) external today {
        if (chance % 4 != 0) return;
        address asset = which % 4 == 0 ? _app : which % 4 == 1 ? _dataset : _pools[which % 2];
        address owner = _registryOf[asset].ownerOfEntry(asset);
        vm.prank(owner);
        _registryOf[asset].transferFrom(owner, owner, uint160(asset));
        ++_movesOf[asset];
    }

    function changePolicy(uint256 which, uint256 stakeRatio, uint256 rewardRatio) external today {
        address pool = _pools[which % 2];
        (stakeRatio, rewardRatio) = (bound(stakeRatio, 20, 60), bound(rewardRatio, 0, 3) * 33);
        vm.prank(_ownerOfPool(pool));
        IWorkerpool(pool).changePolicy(stakeRatio, rewardRatio);
        (_stakeRatioOf[pool], _rewardRatioOf[pool]) = (stakeRatio, rewardRatio);
    }

    // Deals

    function match_(uint256 app, uint256 dataset, uint256 pool, uint256 req, uint256 sponsor) external today {
        if (_appOrders.length * _poolOrders.length * _requestOrders.length == 0 || _deals.length == DEAL_LIMIT) return;
        RequestOrder memory r = _requestOrders[req % _requestOrders.length];
        if (r.dataset != address(0) && _datasetOrders.length == 0) return;
        AppOrder memory a = _appOrders[app % _appOrders.length];
        WorkerpoolOrder memory w = _poolOrders[pool % _poolOrders.length];
        DatasetOrder memory d;
        if (r.dataset != address(0)) d = _datasetOrders[dataset % _datasetOrders.length];

        uint256 volume = _least(_least(_left(_hash(a)), _left(_hash(w))), _left(_hash(r)));
        if (r.dataset != address(0)) volume = _least(volume, _left(_hash(d)));
        bool sponsored = sponsor % 4 == 0;
        address payer = sponsored ? _person(sponsor / 4).account : r.requester;
        bool alive = _alive(a.salt, _people[0].account, _app) && _alive(r.salt, r.requester, address(0))
            && _alive(w.salt, _ownerOfPool(w.workerpool), w.workerpool)
            && (r.dataset == address(0) || _alive(d.salt, _people[1].account, _dataset));
        if (!alive) ++reached["ended order"];
        bool possible = alive && volume != 0
            && _affordable(
                payer,
                (a.appprice + d.datasetprice + w.workerpoolprice) * volume,
                _ownerOfPool(w.workerpool),
                w.workerpoolprice * 30 / 100 * volume
            );

        vm.prank(payer);
        (bool made, bytes memory answer) = address(hub)
            .call(
                sponsored
                    ? abi.encodeCall(hub.sponsorMatchOrders, (a, d, w, r))
                    : abi.encodeCall(hub.matchOrders, (a, d, w, r))
            );
        _agree(made == possible, possible ? "a possible match was refused" : "an impossible match was made");
        if (!made) return;

        bytes32 dealid = abi.decode(answer, (bytes32));
        _agree(dealid == keccak256(abi.encode(_hash(r), _volumes[_volumeOf[_hash(r)] - 1].matched)), "deal identifier");
        _deals.push(dealid);
        _dealAtMatch[dealid] = keccak256(abi.encode(hub.viewDeal(dealid)));
        _agree(hub.viewDeal(dealid).botSize == volume, "a deal of another size than is left");
        _match(_hash(a), volume);
        if (r.dataset != address(0)) _match(_hash(d), volume);
        _match(_hash(w), volume);
        _match(_hash(r), volume);
        ++reached["deal"];
    }

    // Tasks

    function initialize(uint256 deal, uint256 index) external today {
        if (_deals.length == 0) return;
        bytes32 dealid = _deals[deal % _deals.length];
        Deal memory d = hub.viewDeal(dealid);
        index = bound(index, 0, d.botFirst + d.botSize);
        bytes32 taskid = keccak256(abi.encode(dealid, index));
        bool possible =
            index >= d.botFirst && index < d.botFirst + d.botSize && hub.viewTask(taskid).status == TaskStatus.UNSET;
        try hub.initialize(dealid, index) returns (bytes32 made) {
            _agree(possible && made == taskid, "a task was started that cannot be");
            _tasks.push(taskid);
            ++reached["task"];
        } catch {
            _agree(!possible, "a task could not be started");
        }
    }

    /// @dev Most are honest.
    function contribute(uint256 which, uint256 who, uint256 answer) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        address worker = _person(who).account;
        answer = answer % 3 == 0 ? 1 : 0;
        bytes32 digest = keccak256(_data(taskid, answer));
        Task memory task = hub.viewTask(taskid);
        Deal memory deal = hub.viewDeal(task.dealid);
        bool possible = task.status == TaskStatus.ACTIVE && _now < task.contributionDeadline
            && hub.viewContribution(taskid, worker).status == ContributionStatus.UNSET
            && hub.balanceOf(worker) >= deal.workerStake;
        bytes memory authorization = _authorize(deal.workerpool.owner, worker, taskid);
        vm.prank(worker);
        try hub.contribute(
            taskid,
            keccak256(abi.encode(taskid, digest)),
            keccak256(abi.encodePacked(worker, taskid, digest)),
            address(0),
            "",
            authorization
        ) {
            _agree(possible, "a contribution was taken that cannot be");
            _answers[taskid][worker] = answer;
            ++reached["contribution"];
            if (hub.viewTask(taskid).status == TaskStatus.REVEALING) ++reached["consensus"];
        } catch {
            _agree(!possible, "a contribution was refused");
        }
    }

    function reveal(uint256 which, uint256 who) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        Task memory task = hub.viewTask(taskid);
        address worker = task.contributors.length == 0 || who % 8 == 0
            ? _person(who / 8).account
            : task.contributors[who % task.contributors.length];
        bytes32 digest = keccak256(_data(taskid, _answers[taskid][worker]));
        bool possible = task.status == TaskStatus.REVEALING && _now < task.revealDeadline
            && hub.viewContribution(taskid, worker).status == ContributionStatus.CONTRIBUTED
            && task.consensusValue == keccak256(abi.encode(taskid, digest));
        vm.prank(worker);
        try hub.reveal(taskid, digest) {
            _agree(possible, "a reveal was taken that cannot be");
            ++reached["reveal"];
        } catch {
            _agree(!possible, "a reveal was refused");
        }
    }

    function reopen(uint256 which) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        Task memory task = hub.viewTask(taskid);
        bool possible = task.status == TaskStatus.REVEALING && _now < task.finalDeadline && task.revealDeadline <= _now
            && task.revealCounter == 0;
        vm.prank(hub.viewDeal(task.dealid).workerpool.owner);
        try hub.reopen(taskid) {
            _agree(possible, "a task was reopened that cannot be");
            ++reached["reopened"];
        } catch {
            _agree(!possible, "a task could not be reopened");
        }
    }

    function finalize(uint256 which) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        Task memory task = hub.viewTask(taskid);
        bool possible = task.status == TaskStatus.REVEALING && _now < task.finalDeadline
            && (task.revealCounter == task.winnerCounter || (task.revealCounter != 0 && task.revealDeadline <= _now));
        uint256 answer = task.resultDigest == keccak256(_data(taskid, 1)) ? 1 : 0;
        vm.prank(hub.viewDeal(task.dealid).workerpool.owner);
        try hub.finalize(taskid, "/ipfs/result", _data(taskid, answer)) {
            _agree(possible, "a task was finalized that cannot be");
            _judge(taskid, task.contributors);
            _payFromKitty(taskid);
            _succeed(taskid);
        } catch {
            _agree(!possible, "a task could not be finalized");
        }
    }

    /// @dev By a worker who revealed, or somebody who would like to be one.
    function finalizeForThePool(uint256 which, uint256 who) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        Task memory task = hub.viewTask(taskid);
        address worker = _person(who / 4).account;
        for (uint256 i = 0; i < task.contributors.length && who % 4 != 0; ++i) {
            bool proved = hub.viewContribution(taskid, task.contributors[i]).status == ContributionStatus.PROVED;
            if (proved) worker = task.contributors[i];
        }
        if (worker == hub.viewDeal(task.dealid).workerpool.owner) return;
        bool possible = task.status == TaskStatus.REVEALING && _now < task.finalDeadline
            && task.revealDeadline + T / 2 <= _now
            && hub.viewContribution(taskid, worker).status == ContributionStatus.PROVED;
        uint256 answer = task.resultDigest == keccak256(_data(taskid, 1)) ? 1 : 0;
        vm.prank(worker);
        try hub.finalize(taskid, "", _data(taskid, answer)) {
            _agree(possible, "a task was finalized by a worker that cannot be");
            _judge(taskid, task.contributors);
            ++reached["by a worker"];
            _succeed(taskid);
        } catch {
            _agree(!possible, "a task could not be finalized by a worker");
        }
    }

    function abandon(uint256 deal, uint256 index) external today {
        // Rarely, or no task would come to an end.
        if (_deals.length == 0 || index % 4 != 0) return;
        bytes32 dealid = _deals[deal % _deals.length];
        Deal memory d = hub.viewDeal(dealid);
        index = bound(index / 4, 0, d.botFirst + d.botSize);
        bytes32 taskid = keccak256(abi.encode(dealid, index));
        Task memory task = hub.viewTask(taskid);
        bool possible = index >= d.botFirst && index < d.botFirst + d.botSize && _now < d.startTime + 7 * T
            && (task.status == TaskStatus.UNSET || task.status == TaskStatus.ACTIVE);
        vm.prank(d.workerpool.owner);
        try hub.abandon(dealid, index) {
            _agree(possible, "a task was abandoned that cannot be");
            if (task.status == TaskStatus.UNSET) _tasks.push(taskid);
            _giveUp(taskid, task, d);
        } catch {
            _agree(!possible, "a task could not be abandoned");
        }
    }

    function contributeAndFinalize(uint256 which, uint256 who) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        address worker = _person(who).account;
        Task memory task = hub.viewTask(taskid);
        Deal memory deal = hub.viewDeal(task.dealid);
        bool possible = task.status == TaskStatus.ACTIVE && _now < task.contributionDeadline
            && task.contributors.length == 0 && deal.trust == 1;
        bytes memory data = _data(taskid, 0);
        bytes memory authorization = _authorize(deal.workerpool.owner, worker, taskid);
        vm.prank(worker);
        try hub.contributeAndFinalize(taskid, keccak256(data), "/ipfs/result", data, address(0), "", authorization) {
            _agree(possible, "a task was finalized in one step that cannot be");
            ++reached["one step"];
            _payFromKitty(taskid);
            _succeed(taskid);
        } catch {
            _agree(!possible, "a task could not be finalized in one step");
        }
    }

    function claim(uint256 which) external today {
        if (_tasks.length == 0) return;
        bytes32 taskid = _tasks[which % _tasks.length];
        Task memory task = hub.viewTask(taskid);
        bool possible =
            (task.status == TaskStatus.ACTIVE || task.status == TaskStatus.REVEALING) && task.finalDeadline <= _now;
        try hub.claim(taskid) {
            _agree(possible, "a task was claimed that cannot be");
            _fail(taskid, task);
        } catch {
            _agree(!possible, "a task could not be claimed");
        }
    }

    function initializeAndClaim(uint256 deal, uint256 index) external today {
        if (_deals.length == 0) return;
        bytes32 dealid = _deals[deal % _deals.length];
        Deal memory d = hub.viewDeal(dealid);
        index = bound(index, d.botFirst, d.botFirst + d.botSize - 1);
        bytes32 taskid = keccak256(abi.encode(dealid, index));
        bool possible = hub.viewTask(taskid).status == TaskStatus.UNSET && d.startTime + 10 * T <= _now;
        bytes32[] memory ids = new bytes32[](1);
        uint256[] memory indices = new uint256[](1);
        (ids[0], indices[0]) = (dealid, index);
        try hub.initializeAndClaimArray(ids, indices) {
            _agree(possible, "a task was started and claimed that cannot be");
            Task memory unset;
            _tasks.push(taskid);
            _fail(taskid, unset);
        } catch {
            _agree(!possible, "a task could not be started and claimed");
        }
    }

    function claimDeal(uint256 deal, uint256 from, uint256 count) external today {
        if (_deals.length == 0) return;
        bytes32 dealid = _deals[deal % _deals.length];
        Deal memory d = hub.viewDeal(dealid);
        uint256 end = d.botFirst + d.botSize;
        from = bound(from, 0, end);
        count = count % 8 == 0 ? count : count % 4;
        bool possible = from >= d.botFirst && from < end && d.startTime + 10 * T <= _now;
        Task[] memory before = new Task[](end);
        for (uint256 i = from; i < end; ++i) {
            before[i] = hub.viewTask(keccak256(abi.encode(dealid, i)));
        }
        try hub.claimDeal(dealid, from, count) returns (uint256 next) {
            _agree(possible, "a deal was claimed that cannot be");
            _agree(next == (count < end - from ? from + count : end), "a deal was claimed to another end");
            for (uint256 i = from; i < next; ++i) {
                bytes32 taskid = keccak256(abi.encode(dealid, i));
                if (_taskAtFinish[taskid] != 0) continue;
                if (before[i].status == TaskStatus.UNSET) _tasks.push(taskid);
                _fail(taskid, before[i]);
                ++reached["deal claimed"];
            }
        } catch {
            _agree(!possible, "a deal could not be claimed");
        }
    }

    /// @dev Chance alone rarely brings a task to its end, so some of the time everybody simply does the next thing.
    function work(uint256 seed) external {
        for (uint256 i = 0; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            _step(seed % 16, seed >> 64, seed >> 128);
        }
    }

    /// @dev Nor does chance find a task that somebody revealed and nobody finished until it is the worker's turn.
    function outlast(uint256 seed) external {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            uint256 which = (i + seed % _tasks.length) % _tasks.length;
            Task memory task = hub.viewTask(_tasks[which]);
            if (task.status != TaskStatus.REVEALING || task.revealCounter == 0) continue;
            uint256 turn = task.revealDeadline + T / 2;
            if (_now < turn) _now = turn;
            return this.finalizeForThePool(which, seed);
        }
    }

    /// @dev Mostly moments, at times to a deadline or beyond it.
    function wait(uint256 secs) external {
        uint256 kind = secs % 8;
        if (kind < 5) _now += secs / 8 % 30;
        else if (kind < 7) _now += secs / 8 % (2 * T + 1);
        else _now += secs / 8 % (11 * T);
    }

    // For the invariants

    function accounts() external view returns (address[] memory all) {
        all = new address[](PEOPLE + 4);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            all[i] = _people[i].account;
        }
        all[PEOPLE] = governor;
        all[PEOPLE + 1] = hub.kitty_address();
        all[PEOPLE + 2] = address(greedy);
        all[PEOPLE + 3] = BURNT;
    }

    function people() external view returns (Person[] memory) {
        return _people;
    }

    /// @notice What each of `accounts()` must have frozen: its part in all that is not finished.
    function stakes() external view returns (uint256[] memory frozen) {
        frozen = new uint256[](PEOPLE + 4);
        frozen[PEOPLE + 1] = kitty;
        for (uint256 i = 0; i < _deals.length; ++i) {
            Deal memory deal = hub.viewDeal(_deals[i]);
            uint256 open = deal.botSize;
            for (uint256 index = deal.botFirst; index < deal.botFirst + deal.botSize; ++index) {
                bytes32 taskid = keccak256(abi.encode(_deals[i], index));
                if (_taskAtFinish[taskid] != 0) {
                    --open;
                    continue;
                }
                address[] memory workers = hub.viewTask(taskid).contributors;
                for (uint256 k = 0; k < workers.length; ++k) {
                    frozen[_indexOf[workers[k]]] += deal.workerStake;
                }
            }
            frozen[_indexOf[deal.sponsor]] += open * (deal.app.price + deal.dataset.price + deal.workerpool.price);
            frozen[_indexOf[deal.workerpool.owner]] += open * (deal.workerpool.price * 30 / 100);
        }
    }

    function finishedTasksMoved() external view returns (uint256 moved) {
        for (uint256 i = 0; i < _finished.length; ++i) {
            if (keccak256(abi.encode(hub.viewTask(_finished[i]))) != _taskAtFinish[_finished[i]]) ++moved;
        }
    }

    /// @notice Finished tasks for which another amount was paid out than was paid in.
    function paidWrong() external view returns (uint256 wrong) {
        for (uint256 i = 0; i < _finished.length; ++i) {
            if (_paid[_finished[i]] != _due[_finished[i]]) ++wrong;
        }
    }

    function dealsChanged() external view returns (uint256 changed) {
        for (uint256 i = 0; i < _deals.length; ++i) {
            if (keccak256(abi.encode(hub.viewDeal(_deals[i]))) != _dealAtMatch[_deals[i]]) ++changed;
        }
    }

    /// @notice Orders of which the hub consumed another part than was matched, or more than there is.
    function volumesWrong() external view returns (uint256 wrong) {
        for (uint256 i = 0; i < _volumes.length; ++i) {
            Volume memory v = _volumes[i];
            bool right = v.matched <= v.total && hub.viewConsumed(v.hash) == (v.closed ? v.total : v.matched);
            if (!right) ++wrong;
        }
    }

    function _step(uint256 mood, uint256 who, uint256 which) private {
        if (mood < 2) return this.match_(who, which, who >> 16, which >> 16, who >> 32);
        if (mood < 5 || _tasks.length == 0) return this.initialize(which, who);
        Task memory task = hub.viewTask(_tasks[which % _tasks.length]);
        if (task.status == TaskStatus.ACTIVE) return this.contribute(which, who, which >> 16);
        if (task.status != TaskStatus.REVEALING) return;
        // Two in eleven are away until it is too late to reveal.
        if (mood >= 14 && _now < task.revealDeadline) {
            _now = task.revealDeadline;
            return task.revealCounter == 0 ? this.reopen(which) : this.finalize(which);
        }
        task.revealCounter < task.winnerCounter ? this.reveal(which, who) : this.finalize(which);
    }

    // The crowd's own books

    function _payFromKitty(bytes32 taskid) private {
        if (kitty == 0) return;
        uint256 part = _least(kitty / 10 > 1e9 ? kitty / 10 : 1e9, kitty);
        kitty -= part;
        _due[taskid] += part;
    }

    function _succeed(bytes32 taskid) private {
        Task memory task = hub.viewTask(taskid);
        Deal memory deal = hub.viewDeal(task.dealid);
        _due[taskid] += deal.app.price + deal.dataset.price + deal.workerpool.price;
        for (uint256 i = 0; i < task.contributors.length; ++i) {
            bool proved = hub.viewContribution(taskid, task.contributors[i]).status == ContributionStatus.PROVED;
            if (!proved) _due[taskid] += deal.workerStake;
        }
        _finish(taskid, TaskStatus.COMPLETED);
        ++reached["payment"];
    }

    /// @dev `task` is what it was before its time was over.
    function _fail(bytes32 taskid, Task memory task) private {
        Deal memory deal = hub.viewDeal(hub.viewTask(taskid).dealid);
        kitty += deal.workerpool.price * 30 / 100;
        uint256 lost = 0;
        uint256 shares = 0;
        for (uint256 i = 0; i < task.contributors.length; ++i) {
            Contribution memory c = hub.viewContribution(taskid, task.contributors[i]);
            if (c.status == ContributionStatus.PROVED) shares += c.weight;
            else if (c.status == ContributionStatus.REJECTED || _failed(task, c)) lost += deal.workerStake;
        }
        uint256 shared = 0;
        for (uint256 i = 0; i < task.contributors.length && shares != 0; ++i) {
            Contribution memory c = hub.viewContribution(taskid, task.contributors[i]);
            if (c.status == ContributionStatus.PROVED) shared += lost * c.weight / shares;
        }
        _due[taskid] = lost;
        burnt += lost - shared;
        if (lost != shared) ++reached["burnt"];
        if (shared != 0) ++reached["shared"];
        _finish(taskid, TaskStatus.FAILED);
        ++reached["claim"];
    }

    /// @dev Where somebody revealed, whoever did not; where nobody did, who agreed with the consensus.
    function _failed(Task memory task, Contribution memory c) private pure returns (bool) {
        if (task.status != TaskStatus.REVEALING) return false;
        return task.revealCounter != 0 || c.resultHash == task.consensusValue;
    }

    function _giveUp(bytes32 taskid, Task memory task, Deal memory deal) private {
        uint256 stake = deal.workerpool.price * 30 / 100;
        uint256 waiting = 0;
        uint256 lost = 0;
        for (uint256 i = 0; i < task.contributors.length; ++i) {
            bool waits = hub.viewContribution(taskid, task.contributors[i]).status == ContributionStatus.CONTRIBUTED;
            waits ? ++waiting : lost += deal.workerStake;
        }
        uint256 tenth = stake / 10 + (stake % 10 == 0 ? 0 : 1);
        _due[taskid] = lost + (waiting == 0 ? tenth : stake);
        burnt += lost + (waiting == 0 ? tenth : stake - (stake - tenth) / waiting * waiting);
        _finish(taskid, TaskStatus.FAILED);
        ++reached[waiting == 0 ? bytes32("given up") : bytes32("given up on workers")];
    }

    function _finish(bytes32 taskid, TaskStatus status) private {
        Task memory task = hub.viewTask(taskid);
        _agree(task.status == status, "a finished task of another status");
        _agree(_taskAtFinish[taskid] == 0, "a task finished twice");
        _taskAtFinish[taskid] = keccak256(abi.encode(task));
        _finished.push(taskid);
    }

    /// @dev Every payment names its task. All of them are made in one action, or somebody is paid twice.
    function _writeDown(Vm.Log[] memory logs) private {
        ++_action;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(hub) || logs[i].topics[0] != IPayment.Reward.selector) continue;
            (address owner, uint256 amount, bytes32 taskid) = abi.decode(logs[i].data, (address, uint256, bytes32));
            if (_paidIn[taskid] != 0 && _paidIn[taskid] != _action) ++paidTwice;
            _paidIn[taskid] = _action;
            if (owner != hub.kitty_address()) _paid[taskid] += amount;
        }
    }

    function _judge(bytes32 taskid, address[] memory contributors) private {
        for (uint256 i = 0; i < contributors.length; ++i) {
            address worker = contributors[i];
            if (hub.viewContribution(taskid, worker).status != ContributionStatus.PROVED) {
                scoreOf[worker] = scoreOf[worker] * 2 / 3;
                ++reached["liar"];
            } else if (contributors.length > 1) {
                ++scoreOf[worker];
            }
        }
    }

    function _remember(bytes32 orderHash, uint256 volume) private {
        _volumes.push(Volume(orderHash, volume, 0, false));
        _volumeOf[orderHash] = _volumes.length;
    }

    function _match(bytes32 orderHash, uint256 volume) private {
        _volumes[_volumeOf[orderHash] - 1].matched += volume;
    }

    function _left(bytes32 orderHash) private view returns (uint256) {
        Volume memory volume = _volumes[_volumeOf[orderHash] - 1];
        return volume.closed ? 0 : volume.total - volume.matched;
    }

    /// @dev A salt of which every third is not marked, and the others ask for any of what they may.
    function _drawSalt(address signer, address asset, uint256 known) private returns (bytes32 salt) {
        uint256 chance = uint256(keccak256(abi.encode(++_salt)));
        if (chance % 3 == 0) return bytes32(_salt);
        End memory end = End({
            flags: (chance >> 8) & known,
            expiry: _now + T + (chance >> 16) % (20 * T),
            signerEpoch: _epochOf[signer],
            assetEpoch: _movesOf[asset],
            stakeRatio: _stakeRatioOf[asset],
            rewardRatio: _rewardRatioOf[asset]
        });
        salt = bytes32(
            abi.encodePacked(
                "oxec\x01",
                uint8(end.flags),
                uint40(end.expiry),
                uint24(end.signerEpoch),
                uint24(end.assetEpoch),
                uint16(end.stakeRatio),
                uint8(end.rewardRatio),
                uint96(_salt)
            )
        );
        _endOf[salt] = end;
    }

    function _alive(bytes32 salt, address signer, address asset) private view returns (bool) {
        End memory end = _endOf[salt];
        if (end.flags & 1 != 0 && _now >= end.expiry) return false;
        if (end.flags & 2 != 0 ? end.signerEpoch != _epochOf[signer] : _refusesUnmarked[signer]) return false;
        if (end.flags & 4 != 0 && end.assetEpoch != _movesOf[asset]) return false;
        return
            end.flags & 8 == 0 || (end.stakeRatio == _stakeRatioOf[asset] && end.rewardRatio == _rewardRatioOf[asset]);
    }

    function _affordable(address payer, uint256 price, address poolOwner, uint256 stake) private view returns (bool) {
        if (payer == poolOwner) return hub.balanceOf(payer) >= price + stake;
        return hub.balanceOf(payer) >= price && hub.balanceOf(poolOwner) >= stake;
    }

    function _ownerOfPool(address pool) private view returns (address) {
        return pool == _pools[0] ? _poolOwners[0] : _poolOwners[1];
    }

    function _person(uint256 which) private view returns (Person memory) {
        return _people[which % _people.length];
    }

    function _data(bytes32 taskid, uint256 answer) private pure returns (bytes memory) {
        return abi.encode(taskid, answer);
    }

    function _authorize(address poolOwner, address worker, bytes32 taskid) private view returns (bytes memory) {
        bytes32 message = keccak256(abi.encodePacked(worker, taskid, address(0)));
        return signed(_keyOf[poolOwner], keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", message)));
    }

    function _least(uint256 left, uint256 right) private pure returns (uint256) {
        return left < right ? left : right;
    }

    function _agree(bool condition, string memory message) private pure {
        vm.assertTrue(condition, message);
    }

    // Typed data, spelled out once more: a hub that hashed another type than it says would fail here.

    function _hash(AppOrder memory o) private view returns (bytes32) {
        return _typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
                    ),
                    o.app,
                    o.appprice,
                    o.volume,
                    o.tag,
                    o.datasetrestrict,
                    o.workerpoolrestrict,
                    o.requesterrestrict,
                    o.salt
                )
            )
        );
    }

    function _hash(DatasetOrder memory o) private view returns (bytes32) {
        return _typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)"
                    ),
                    o.dataset,
                    o.datasetprice,
                    o.volume,
                    o.tag,
                    o.apprestrict,
                    o.workerpoolrestrict,
                    o.requesterrestrict,
                    o.salt
                )
            )
        );
    }

    function _hash(WorkerpoolOrder memory o) private view returns (bytes32) {
        return _typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)"
                    ),
                    o.workerpool,
                    o.workerpoolprice,
                    o.volume,
                    o.tag,
                    o.category,
                    o.trust,
                    o.apprestrict,
                    o.datasetrestrict,
                    o.requesterrestrict,
                    o.salt
                )
            )
        );
    }

    function _hash(RequestOrder memory o) private view returns (bytes32) {
        return _typed(
            keccak256(
                bytes.concat(
                    abi.encode(
                        keccak256(
                            "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)"
                        ),
                        o.app,
                        o.appmaxprice,
                        o.dataset,
                        o.datasetmaxprice,
                        o.workerpool,
                        o.workerpoolmaxprice,
                        o.requester
                    ),
                    abi.encode(
                        o.volume,
                        o.tag,
                        o.category,
                        o.trust,
                        o.beneficiary,
                        o.callback,
                        keccak256(bytes(o.params)),
                        o.salt
                    )
                )
            )
        );
    }

    function _typed(bytes32 structHash) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("iExecODB"),
                keccak256("5.0.0"),
                block.chainid,
                address(hub)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }
}
