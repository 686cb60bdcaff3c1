// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A hub with everything around it, people with money in it, and words for the steps of the walk. Orders are hashed here by
// the plainest means, straight from the type strings, so that the hub's own hashing is checked by every match.

import { IHub } from "../../src/interfaces/IHub.sol";
import { AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { IRLC } from "../../src/interfaces/IRLC.sol";
import { IAppRegistry, IDatasetRegistry, IWorkerpoolRegistry } from "../../src/interfaces/IRegistry.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Test } from "./Test.sol";

struct Person {
    address account;
    uint256 key;
}

abstract contract Town is Test {
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant XS = 0;
    uint256 internal constant XS_TIME = 300;

    uint256 internal constant APP_PRICE = 3e9;
    uint256 internal constant DATASET_PRICE = 1e9;
    uint256 internal constant POOL_PRICE = 25e9;
    uint256 internal constant STAKE = POOL_PRICE * 30 / 100;
    bytes32 internal constant CONFIDENTIAL = bytes32(uint256(1));
    address internal constant KITTY = 0x99c2268479b93fDe36232351229815DF80837e23;

    /// @dev 187 bytes, as the SDK of iExec sends them.
    string internal constant PARAMS =
        '{"iexec_args":"--width 800 --height 600","iexec_result_storage_provider":"ipfs","iexec_result_storage_proxy":"https://result.example.com","iexec_developer_logger":true,"iexec_tail":"123"}';
    /// @dev 84 bytes, as schedulers write them.
    bytes internal constant RESULTS =
        '{ "storage": "ipfs", "location": "/ipfs/QmbTzZ1nmSfDcsvYgNnYvNDqHyVmBCJe8mTMNAqa6" }';

    string internal constant APP_TYPE =
        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant DATASET_TYPE =
        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant POOL_TYPE =
        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant REQUEST_TYPE =
        "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)";

    IHub internal hub;
    IRLC internal rlc;
    IAppRegistry internal apps;
    IDatasetRegistry internal datasets;
    IWorkerpoolRegistry internal pools;

    Person internal requester;
    Person internal developer;
    Person internal curator;
    Person internal scheduler;
    Person internal stranger;
    Person[] internal workers;

    /// @dev A test may set one before it calls `setUp` of this.
    address internal formerHub;

    address internal app;
    address internal dataset;
    address internal pool;

    function setUp() public virtual {
        vm.warp(START);
        // Deployed from the artifacts, so that a test contract is small and quick to compile.
        rlc = IRLC(vm.deployCode("RLC.sol:RLC", abi.encode(address(this))));
        apps = IAppRegistry(vm.deployCode("AppRegistry.sol:AppRegistry", abi.encode(address(this))));
        datasets = IDatasetRegistry(vm.deployCode("DatasetRegistry.sol:DatasetRegistry", abi.encode(address(this))));
        pools =
            IWorkerpoolRegistry(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry", abi.encode(address(this))));
        address governance = vm.deployCode("HubGovernance.sol:HubGovernance");
        address orders = vm.deployCode("HubOrders.sol:HubOrders", abi.encode(governance));
        hub = IHub(vm.deployCode("Hub.sol:Hub", abi.encode(orders, address(this))));
        apps.initialize(address(0));
        datasets.initialize(address(0));
        pools.initialize(address(0));
        hub.configure(
            address(rlc), "Staked RLC", "SRLC", 9, address(apps), address(datasets), address(pools), formerHub
        );
        hub.createCategory("XS", "", 300);
        hub.createCategory("S", "", 1200);
        hub.createCategory("M", "", 3600);
        hub.createCategory("L", "", 10_800);
        hub.createCategory("XL", "", 36_000);

        requester = _person("requester");
        developer = _person("developer");
        curator = _person("curator");
        scheduler = _person("scheduler");
        stranger = _person("stranger");
        for (uint256 i = 0; i < 5; ++i) {
            workers.push(_person(string.concat("worker", vm.toString(i))));
        }

        app = apps.createApp(developer.account, "shout", "WASM", "/ipfs/bafkreiapp", keccak256("app"), "");
        dataset = datasets.createDataset(curator.account, "words", "/ipfs/bafkreidata", keccak256("data"));
        pool = pools.createWorkerpool(scheduler.account, "a pool");
    }

    // Orders

    function appOrder() internal view returns (AppOrder memory order) {
        order.app = app;
        order.appprice = APP_PRICE;
        order.volume = 1000;
        order.salt = keccak256("app salt");
    }

    function datasetOrder() internal view returns (DatasetOrder memory order) {
        order.dataset = dataset;
        order.datasetprice = DATASET_PRICE;
        order.volume = 1000;
        order.salt = keccak256("dataset salt");
    }

    function poolOrder() internal view returns (WorkerpoolOrder memory order) {
        order.workerpool = pool;
        order.workerpoolprice = POOL_PRICE;
        order.volume = 1000;
        order.trust = 1000;
        order.salt = keccak256("pool salt");
    }

    function requestOrder() internal view returns (RequestOrder memory order) {
        order.app = app;
        order.appmaxprice = APP_PRICE;
        order.workerpoolmaxprice = POOL_PRICE;
        order.requester = requester.account;
        order.volume = 1;
        order.trust = 1;
        order.beneficiary = requester.account;
        order.params = PARAMS;
        order.salt = keccak256("request salt");
    }

    function noDataset() internal pure returns (DatasetOrder memory order) { }

    // Hashes and signatures

    function separator() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("iExecODB"),
                keccak256("5.0.0"),
                block.chainid,
                address(hub)
            )
        );
    }

    function typed(bytes32 content) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator(), content));
    }

    function contentOf(AppOrder memory o) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(bytes(APP_TYPE)),
                o.app,
                o.appprice,
                o.volume,
                o.tag,
                o.datasetrestrict,
                o.workerpoolrestrict,
                o.requesterrestrict,
                o.salt
            )
        );
    }

    function contentOf(DatasetOrder memory o) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(bytes(DATASET_TYPE)),
                o.dataset,
                o.datasetprice,
                o.volume,
                o.tag,
                o.apprestrict,
                o.workerpoolrestrict,
                o.requesterrestrict,
                o.salt
            )
        );
    }

    function contentOf(WorkerpoolOrder memory o) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(bytes(POOL_TYPE)),
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
        );
    }

    function contentOf(RequestOrder memory o) internal pure returns (bytes32) {
        bytes32 kind = keccak256(bytes(REQUEST_TYPE));
        return keccak256(
            bytes.concat(
                abi.encode(
                    kind, o.app, o.appmaxprice, o.dataset, o.datasetmaxprice, o.workerpool, o.workerpoolmaxprice
                ),
                abi.encode(o.requester, o.volume, o.tag, o.category, o.trust, o.beneficiary, o.callback),
                abi.encode(keccak256(bytes(o.params)), o.salt)
            )
        );
    }

    function hashOf(AppOrder memory order) internal view returns (bytes32) {
        return typed(contentOf(order));
    }

    function hashOf(DatasetOrder memory order) internal view returns (bytes32) {
        return typed(contentOf(order));
    }

    function hashOf(WorkerpoolOrder memory order) internal view returns (bytes32) {
        return typed(contentOf(order));
    }

    function hashOf(RequestOrder memory order) internal view returns (bytes32) {
        return typed(contentOf(order));
    }

    function signedBy(Person memory who, AppOrder memory order) internal view returns (AppOrder memory) {
        order.sign = signed(who.key, hashOf(order));
        return order;
    }

    function signedBy(Person memory who, DatasetOrder memory order) internal view returns (DatasetOrder memory) {
        order.sign = signed(who.key, hashOf(order));
        return order;
    }

    function signedBy(Person memory who, WorkerpoolOrder memory order) internal view returns (WorkerpoolOrder memory) {
        order.sign = signed(who.key, hashOf(order));
        return order;
    }

    function signedBy(Person memory who, RequestOrder memory order) internal view returns (RequestOrder memory) {
        order.sign = signed(who.key, hashOf(order));
        return order;
    }

    /// @dev The same signature with the parity in the highest bit of s (EIP-2098).
    function shortened(bytes memory signature) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(0), bytes32(0), uint8(signature[64]));
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    function message(bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
    }

    function admission(Person memory signer, address worker, bytes32 taskid, address enclave)
        internal
        pure
        returns (bytes memory)
    {
        return signed(signer.key, message(keccak256(abi.encodePacked(worker, taskid, enclave))));
    }

    // The walk

    /// @dev A deal of the plain orders for `volume` tasks at `trust`, without dataset.
    function matched(uint256 trust, uint256 volume) internal returns (bytes32 dealid) {
        RequestOrder memory request = requestOrder();
        request.trust = trust;
        request.volume = volume;
        return matched(request);
    }

    function matched(RequestOrder memory request) internal returns (bytes32 dealid) {
        DatasetOrder memory data = request.dataset == address(0) ? noDataset() : signedBy(curator, datasetOrder());
        return hub.matchOrders(
            signedBy(developer, appOrder()), data, signedBy(scheduler, poolOrder()), signedBy(requester, request)
        );
    }

    /// @dev A started task of a deal of one task.
    function started(uint256 trust) internal returns (bytes32 taskid) {
        return hub.initialize(matched(trust, 1), 0);
    }

    function digest(string memory what) internal pure returns (bytes32) {
        return keccak256(bytes(what));
    }

    function resultHash(bytes32 taskid, bytes32 what) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(taskid, what));
    }

    function seal(address worker, bytes32 taskid, bytes32 what) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(worker, taskid, what));
    }

    function contribute(bytes32 taskid, Person memory worker, bytes32 what) internal {
        bytes memory permit = admission(scheduler, worker.account, taskid, address(0));
        vm.prank(worker.account);
        hub.contribute(taskid, resultHash(taskid, what), seal(worker.account, taskid, what), address(0), "", permit);
    }

    function reveal(bytes32 taskid, Person memory worker, bytes32 what) internal {
        vm.prank(worker.account);
        hub.reveal(taskid, what);
    }

    function finalize(bytes32 taskid) internal {
        vm.prank(scheduler.account);
        hub.finalize(taskid, RESULTS, "");
    }

    function statusOf(bytes32 taskid) internal view returns (TaskStatus) {
        return hub.viewTask(taskid).status;
    }

    function requireStatus(bytes32 taskid, TaskStatus status) internal view {
        vm.assertEq(uint256(statusOf(taskid)), uint256(status), "status of the task");
    }

    function _person(string memory name) private returns (Person memory person) {
        (person.account, person.key) = someoneWithKey(name);
        rlc.transfer(person.account, 2000e9);
        vm.prank(person.account);
        rlc.approve(address(hub), 1000e9);
        vm.prank(person.account);
        hub.deposit(1000e9);
    }
}
