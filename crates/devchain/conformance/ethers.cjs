// What somebody does with a node through ethers. Nothing is checked here but that it goes through: every request and
// answer is compared with the other node's.
const { ethers } = require("ethers");

const { RPC_URL, WS_URL, BOX_CODE, TOPIC } = process.env;
const MNEMONIC = "test test test test test test test test test test test junk";
// What nodes suggest to pay differs, and with it transactions and their hashes.
const FEES = { maxFeePerGas: 10_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
const PRICE = { gasPrice: 10_000_000_000n };
const put = (value) => ethers.concat(["0x01", ethers.zeroPadValue(ethers.toBeHex(value), 32)]);
const revert = (data) => ethers.concat(["0x02", data]);

/** The error a promise ends with; not to fail is a failure. */
async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

async function main() {
  const provider = new ethers.JsonRpcProvider(RPC_URL, undefined, {
    batchMaxCount: 1,
    cacheTimeout: -1,
    pollingInterval: 20,
  });
  const wallet = ethers.HDNodeWallet.fromPhrase(MNEMONIC).connect(provider);
  await provider.getNetwork();
  await provider.getBlockNumber();
  await provider.getBalance(wallet.address);
  await provider.getTransactionCount(wallet.address, "pending");
  await provider.getFeeData();

  // Transactions of each type, a contract among them.
  const deployed = await (await wallet.sendTransaction({ data: BOX_CODE, ...FEES })).wait();
  const box = deployed.contractAddress;
  await provider.getCode(box);
  for (const request of [
    { to: box, data: put(1), ...FEES },
    { to: box, data: put(2), type: 0, ...PRICE },
    { to: box, data: put(3), type: 1, accessList: [{ address: box, storageKeys: [ethers.ZeroHash] }], ...PRICE },
    { to: ethers.ZeroAddress, value: 5n, ...FEES },
  ]) {
    const sent = await wallet.sendTransaction(request);
    const receipt = await sent.wait();
    await provider.getTransaction(sent.hash);
    await provider.getTransactionReceipt(sent.hash);
    await receipt.getBlock();
  }

  await provider.getStorage(box, 0);
  await provider.call({ to: box });
  await provider.call({ to: box, blockTag: 2 });
  for (const tag of ["latest", "earliest", "safe", "finalized", 1, 3]) await provider.getBlock(tag, true);
  await provider.getLogs({ fromBlock: 0, toBlock: "latest", address: box, topics: [TOPIC] });
  await provider.send("eth_feeHistory", ["0x3", "latest", [25, 75]]);
  await provider.send("eth_getBlockReceipts", ["latest"]);

  // What goes wrong.
  const coder = ethers.AbiCoder.defaultAbiCoder();
  for (const data of [
    ethers.concat(["0x08c379a0", coder.encode(["string"], ["too late"])]),
    ethers.concat(["0x4e487b71", coder.encode(["uint256"], [17])]),
    "0xdeadbeef",
    "0x",
  ]) {
    const call = { from: wallet.address, to: box, data: revert(data) };
    const error = await refused(provider.call(call));
    if (error.code !== "CALL_EXCEPTION" || error.data !== data) throw error;
    await refused(provider.estimateGas(call));
  }
  await refused(wallet.sendTransaction({ to: box, value: ethers.parseEther("1000000"), ...FEES }));
  await refused(wallet.sendTransaction({ to: box, nonce: 0, gasLimit: 21_000, ...FEES }));
  await refused(wallet.sendTransaction({ to: box, gasLimit: 20_000, ...FEES }));
  const failed = await wallet.sendTransaction({ to: box, data: revert("0x"), gasLimit: 100_000, ...FEES });
  await refused(failed.wait());

  // The node's own accounts.
  const signer = await provider.getSigner(4);
  await (await signer.sendTransaction({ to: ethers.ZeroAddress, value: 1n, ...PRICE })).wait();
  await signer.signMessage("hello");
  await signer.signTypedData(
    { name: "test", chainId: 31337 },
    { Mail: [{ name: "text", type: "string" }] },
    { text: "hello" },
  );

  // Several things in one batch.
  const batching = new ethers.JsonRpcProvider(RPC_URL, provider._network, { cacheTimeout: -1 });
  await Promise.all([
    batching.getBalance(box),
    batching.getTransactionCount(wallet.address),
    batching.getCode(box),
    refused(batching.send("eth_noSuchMethod", [])),
  ]);
  batching.destroy();

  // Told over a WebSocket.
  const socket = new ethers.WebSocketProvider(WS_URL, provider._network);
  const told = (count, follow) =>
    new Promise((resolve) => {
      let left = count;
      follow(() => --left === 0 && resolve());
    });
  const heads = told(2, (heard) => socket.on("block", heard));
  const logs = told(2, (heard) => socket.on({ address: box, topics: [TOPIC] }, heard));
  await socket._waitUntilReady();
  // Answered after the subscriptions were.
  await socket.getCode(box);
  for (const value of [8, 9]) await (await wallet.sendTransaction({ to: box, data: put(value), ...FEES })).wait();
  await Promise.all([heads, logs]);
  await socket.destroy();
  provider.destroy();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
