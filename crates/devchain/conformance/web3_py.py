"""What somebody does with a node through web3.py. Nothing is checked here but that it goes through: every request and
answer is compared with the other node's."""

import asyncio
import os

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError

BOX_CODE, TOPIC = os.environ["BOX_CODE"], os.environ["TOPIC"]
ZERO = "0x" + "00" * 20
Account.enable_unaudited_hdwallet_features()
ACCOUNT = Account.from_mnemonic("test test test test test test test test test test test junk")


def put(value):
    return b"\x01" + encode(["uint256"], [value])


def revert(data):
    return b"\x02" + data


def refused(kinds, ask):
    try:
        ask()
    except kinds:
        return
    raise AssertionError("it was not refused")


def http(w3):
    eth = w3.eth
    assert w3.is_connected()
    eth.chain_id, eth.block_number, eth.gas_price, eth.max_priority_fee, eth.accounts, eth.syncing
    eth.get_balance(ACCOUNT.address)
    eth.fee_history(1, "latest", [25, 75])
    w3.client_version, w3.net.version, w3.net.listening

    def send(**fields):
        request = {"from": ACCOUNT.address, "nonce": eth.get_transaction_count(ACCOUNT.address), "chainId": 31337} | fields
        if "gas" not in request:
            request["gas"] = eth.estimate_gas(request)
        return eth.send_raw_transaction(ACCOUNT.sign_transaction(request).raw_transaction)

    def mined(hash):
        return eth.wait_for_transaction_receipt(hash, poll_latency=0.02)

    fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
    box = mined(send(data=BOX_CODE, value=0, **fees)).contractAddress
    accesses = [{"address": box, "storageKeys": ["0x" + "00" * 32]}]
    for fields in (
        {"to": box, "data": put(1), "value": 0, **fees},
        {"to": box, "data": put(2), "value": 0, "gasPrice": 10**10},
        {"to": box, "data": put(3), "value": 0, "gasPrice": 10**10, "accessList": accesses, "type": 1},
        {"to": ZERO, "value": 5, **fees},
    ):
        hash = send(**fields)
        receipt = mined(hash)
        eth.get_transaction(hash)
        eth.get_raw_transaction(hash)
        eth.get_block(receipt.blockHash, full_transactions=True)

    eth.get_code(box)
    eth.get_storage_at(box, 0)
    eth.get_block_receipts("latest")
    eth.get_block_transaction_count("latest")
    eth.get_transaction_by_block(2, 0)
    for tag in ("latest", "pending", "safe", "finalized", "earliest", 1):
        eth.get_block(tag)
    eth.call({"to": box})
    eth.call({"to": box}, 2)
    eth.call({"to": box}, "latest", {box: {"stateDiff": {"0x" + "00" * 32: "0x" + "00" * 31 + "2a"}}})
    eth.create_access_list({"from": ACCOUNT.address, "to": box, "data": put(4)})
    eth.get_logs({"fromBlock": 0, "address": box, "topics": [TOPIC]})

    reason = bytes.fromhex("08c379a0") + encode(["string"], ["too late"])
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [17])
    for data in (reason, panic, bytes.fromhex("deadbeef"), b""):
        call = {"from": ACCOUNT.address, "to": box, "data": revert(data)}
        refused(ContractLogicError, lambda: eth.call(call))
        refused((ContractLogicError, Web3RPCError), lambda: eth.estimate_gas(call))
    refused(Web3RPCError, lambda: send(to=box, value=10**24, gas=21_000, **fees))
    refused(Web3RPCError, lambda: send(to=box, value=0, gas=21_000, nonce=0, **fees))
    refused(Web3RPCError, lambda: send(to=box, value=0, gas=20_000, **fees))
    refused(Web3Exception, lambda: w3.provider.make_request("eth_noSuchMethod", []) and eth.get_block(99))

    filters = [eth.filter("latest"), eth.filter({"address": box})]
    mined(send(to=box, value=0, data=put(6), **fees))
    for filter in filters:
        filter.get_new_entries()
        eth.uninstall_filter(filter.filter_id)

    other = eth.accounts[5]
    mined(eth.send_transaction({"from": other, "to": ZERO, "value": 1, "gasPrice": 10**10}))
    eth.sign(other, text="hello")
    ACCOUNT.sign_message(encode_defunct(text="hello"))
    with w3.batch_requests() as batch:
        batch.add(eth.get_balance(box))
        batch.add(eth.get_code(box))
        batch.execute()
    return box, lambda value: mined(send(to=box, value=0, data=put(value), **fees))


async def told(box, act):
    async with AsyncWeb3(WebSocketProvider(os.environ["WS_URL"])) as w3:
        await w3.eth.subscribe("newHeads")
        await w3.eth.subscribe("logs", {"address": box, "topics": [TOPIC]})
        for value in (8, 9):
            await asyncio.to_thread(act, value)
        left = 4
        async for _ in w3.socket.process_subscriptions():
            left -= 1
            if left == 0:
                return


asyncio.run(told(*http(Web3(Web3.HTTPProvider(os.environ["RPC_URL"])))))
