// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Who lets a worker in, and what an enclave has to sign, in both ways to contribute: the owner of the pool or the broker of
// enclaves, as a key or as a contract; and every way in which that is not so.

import { IContribution } from "../../src/interfaces/IContribution.sol";
import { AppOrder, IOrder, RequestOrder, WorkerpoolOrder } from "../../src/interfaces/IOrder.sol";
import { TaskStatus } from "../../src/interfaces/ITask.sol";
import { Purse } from "../support/Four.sol";
import { Person, Town } from "../support/Town.sol";

contract EnclavesTest is Town {
    Person private enclave;
    Person private broker;
    address private worker;

    function setUp() public override {
        super.setUp();
        (enclave.account, enclave.key) = someoneWithKey("enclave");
        (broker.account, broker.key) = someoneWithKey("broker");
        worker = workers[0].account;
    }

    // In one step

    function test_one_step_out_of_an_enclave() public {
        bytes32 taskid = _confidentialTask();
        bytes memory permit = admission(scheduler, worker, taskid, enclave.account);
        _oneStep(taskid, enclave.account, _proof(enclave, taskid), permit, "");
        requireStatus(taskid, TaskStatus.COMPLETED);
        vm.assertEq(hub.viewContribution(taskid, worker).enclaveChallenge, enclave.account);
    }

    function test_one_step_wants_the_same_of_an_enclave() public {
        bytes32 taskid = _confidentialTask();
        bytes memory proof = _proof(enclave, taskid);
        _oneStep(
            taskid,
            address(0),
            "",
            admission(scheduler, worker, taskid, address(0)),
            abi.encodeWithSelector(IContribution.EnclaveRequired.selector, taskid)
        );
        bytes memory permit = admission(scheduler, worker, taskid, enclave.account);
        bytes memory notTheEnclave =
            abi.encodeWithSelector(IContribution.InvalidEnclaveSignature.selector, taskid, enclave.account);
        _oneStep(taskid, enclave.account, _proof(stranger, taskid), permit, notTheEnclave);
        // Signed for another task, or bare.
        _oneStep(taskid, enclave.account, _proof(enclave, keccak256("another")), permit, notTheEnclave);
        bytes32 bare =
            keccak256(abi.encodePacked(resultHash(taskid, digest("result")), seal(worker, taskid, digest("result"))));
        _oneStep(taskid, enclave.account, signed(enclave.key, bare), permit, notTheEnclave);
        // Let in with another enclave.
        permit = admission(scheduler, worker, taskid, stranger.account);
        _oneStep(taskid, enclave.account, proof, permit, _notLetIn(taskid, enclave.account, scheduler.account));
    }

    function test_one_step_by_the_broker() public {
        hub.setTeeBroker(broker.account);
        bytes32 taskid = _confidentialTask();
        bytes memory proof = _proof(enclave, taskid);
        bytes memory permit = admission(scheduler, worker, taskid, enclave.account);
        _oneStep(taskid, enclave.account, proof, permit, _notLetIn(taskid, enclave.account, broker.account));
        permit = admission(broker, worker, taskid, enclave.account);
        _oneStep(taskid, enclave.account, proof, permit, "");
        // Outside of an enclave he has no say.
        RequestOrder memory request = requestOrder();
        request.salt = keccak256("plain");
        taskid = hub.initialize(matched(request), 0);
        permit = admission(broker, worker, taskid, address(0));
        _oneStep(taskid, address(0), "", permit, _notLetIn(taskid, address(0), scheduler.account));
        permit = admission(scheduler, worker, taskid, address(0));
        _oneStep(taskid, address(0), "", permit, "");
    }

    // Either way

    /// @dev Whoever names an enclave needs its signature, whether the task asks for one or not.
    function test_an_enclave_that_is_named_has_to_sign() public {
        bytes32 taskid = started(1);
        bytes memory permit = admission(scheduler, worker, taskid, enclave.account);
        bytes memory reason =
            abi.encodeWithSelector(IContribution.InvalidEnclaveSignature.selector, taskid, enclave.account);
        _contribute(taskid, enclave.account, _proof(stranger, taskid), permit, reason);
        _oneStep(taskid, enclave.account, _proof(stranger, taskid), permit, reason);
        reason = abi.encodeWithSelector(IOrder.InvalidSignatureLength.selector, 0);
        _contribute(taskid, enclave.account, "", permit, reason);
        _oneStep(taskid, enclave.account, "", permit, reason);
        _contribute(taskid, enclave.account, _proof(enclave, taskid), permit, "");
    }

    function test_the_broker_of_the_day_counts() public {
        bytes32 taskid = _confidentialTask();
        hub.setTeeBroker(broker.account);
        bytes memory permit = admission(scheduler, worker, taskid, enclave.account);
        bytes memory proof = _proof(enclave, taskid);
        _contribute(taskid, enclave.account, proof, permit, _notLetIn(taskid, enclave.account, broker.account));
        hub.setTeeBroker(address(0));
        _contribute(taskid, enclave.account, proof, permit, "");
    }

    function test_signatures_may_be_in_the_short_form() public {
        bytes32 taskid = _confidentialTask();
        bytes memory permit = shortened(admission(scheduler, worker, taskid, enclave.account));
        vm.assertEq(permit.length, 64);
        _contribute(taskid, enclave.account, shortened(_proof(enclave, taskid)), permit, "");
    }

    function test_contracts_let_in_and_sign_too() public {
        Purse purse = new Purse();
        hub.setTeeBroker(address(purse));
        bytes32 taskid = _confidentialTask();
        bytes32 admitted = message(keccak256(abi.encodePacked(worker, taskid, address(purse))));
        bytes32 made = message(
            keccak256(abi.encodePacked(resultHash(taskid, digest("result")), seal(worker, taskid, digest("result"))))
        );
        _contribute(taskid, address(purse), "", "", _notLetIn(taskid, address(purse), address(purse)));
        purse.agree(admitted);
        _contribute(
            taskid,
            address(purse),
            "",
            "",
            abi.encodeWithSelector(IContribution.InvalidEnclaveSignature.selector, taskid, address(purse))
        );
        purse.agree(made);
        _contribute(taskid, address(purse), "", "", "");
    }

    function test_a_contract_that_owns_the_pool_lets_in() public {
        Purse purse = new Purse();
        vm.prank(stranger.account);
        hub.transfer(address(purse), STAKE);
        vm.prank(scheduler.account);
        pools.transferFrom(scheduler.account, address(purse), uint160(pool));
        WorkerpoolOrder memory offer = poolOrder();
        purse.agree(hashOf(offer));
        bytes32 taskid = hub.initialize(
            hub.matchOrders(signedBy(developer, appOrder()), noDataset(), offer, signedBy(requester, requestOrder())), 0
        );
        _contribute(taskid, address(0), "", "", _notLetIn(taskid, address(0), address(purse)));
        purse.agree(message(keccak256(abi.encodePacked(worker, taskid, address(0)))));
        _contribute(taskid, address(0), "", "", "");
    }

    // Words of this file

    function _confidentialTask() private returns (bytes32) {
        AppOrder memory a = appOrder();
        a.tag = CONFIDENTIAL;
        WorkerpoolOrder memory p = poolOrder();
        p.tag = CONFIDENTIAL;
        return hub.initialize(
            hub.matchOrders(
                signedBy(developer, a), noDataset(), signedBy(scheduler, p), signedBy(requester, requestOrder())
            ),
            0
        );
    }

    /// @dev What comes out of the enclave for this worker and task.
    function _proof(Person memory by, bytes32 taskid) private view returns (bytes memory) {
        bytes32 what = digest("result");
        return
            signed(by.key, message(keccak256(abi.encodePacked(resultHash(taskid, what), seal(worker, taskid, what)))));
    }

    function _contribute(bytes32 taskid, address named, bytes memory proof, bytes memory permit, bytes memory refusal)
        private
    {
        bytes32 what = digest("result");
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(worker);
        hub.contribute(taskid, resultHash(taskid, what), seal(worker, taskid, what), named, proof, permit);
    }

    function _oneStep(bytes32 taskid, address named, bytes memory proof, bytes memory permit, bytes memory refusal)
        private
    {
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(worker);
        hub.contributeAndFinalize(taskid, digest("result"), RESULTS, "", named, proof, permit);
    }

    function _notLetIn(bytes32 taskid, address named, address by) private view returns (bytes memory) {
        return abi.encodeWithSelector(IContribution.InvalidAuthorization.selector, taskid, worker, named, by);
    }
}
