// What somebody does with a node through viem. Nothing is checked here but that it goes through: every request and
// answer is compared with the other node's.
const viem = require("viem");
const { mnemonicToAccount } = require("viem/accounts");
const { foundry } = require("viem/chains");

const { RPC_URL, WS_URL, BOX_CODE, TOPIC } = process.env;
const MNEMONIC = "test test test test test test test test test test test junk";
// What nodes suggest to pay differs, and with it transactions and their hashes.
const FEES = { maxFeePerGas: 10_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
const PRICE = { gasPrice: 10_000_000_000n };
const ZERO = viem.zeroAddress;
const put = (value) => viem.concat(["0x01", viem.pad(viem.toHex(value), { size: 32 })]);
const revert = (data) => viem.concat(["0x02", data]);
const options = { chain: foundry, cacheTime: 0, pollingInterval: 20 };

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
  const transport = viem.http(RPC_URL, { retryCount: 0 });
  const node = viem.createPublicClient({ ...options, transport });
  const test = viem.createTestClient({ ...options, mode: "anvil", transport });
  const account = mnemonicToAccount(MNEMONIC);
  const wallet = viem.createWalletClient({ ...options, transport, account });
  const mined = (hash) => node.waitForTransactionReceipt({ hash });

  await node.getChainId();
  await node.getBlockNumber();
  await node.getBalance({ address: account.address });
  await node.getTransactionCount({ address: account.address, blockTag: "pending" });
  await node.getGasPrice();
  await node.estimateFeesPerGas();
  await node.getFeeHistory({ blockCount: 1, rewardPercentiles: [25, 75] });

  // Transactions of each type, a contract among them.
  const { contractAddress: box } = await mined(await wallet.deployContract({ abi: [], bytecode: BOX_CODE, ...FEES }));
  const accessList = [{ address: box, storageKeys: [viem.zeroHash] }];
  const authorization = await wallet.signAuthorization({ contractAddress: box, executor: "self" });
  for (const request of [
    { to: box, data: put(1), ...FEES },
    { to: box, data: put(2), type: "legacy", gas: 100_000n, ...PRICE },
    { to: box, data: put(3), type: "eip2930", accessList, ...PRICE },
    { to: ZERO, value: 5n, ...FEES },
  ]) {
    const hash = await wallet.sendTransaction(request);
    const receipt = await mined(hash);
    await node.getTransaction({ hash });
    await node.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
  }
  const again = await wallet.signAuthorization({ contractAddress: box, executor: "self" });
  const delegating = await wallet.sendTransaction({ to: account.address, authorizationList: [again], gas: 200_000n, ...FEES });
  await mined(delegating);
  await node.getTransaction({ hash: delegating });
  await node.getCode({ address: account.address });
  if (authorization.nonce >= again.nonce) throw new Error("nonces go up");

  await node.getCode({ address: box });
  await node.getStorageAt({ address: box, slot: "0x0" });
  await node.getBlockTransactionCount();
  for (const blockTag of ["latest", "pending", "safe", "finalized", "earliest"]) await node.getBlock({ blockTag });
  await node.getLogs({ address: box, fromBlock: 0n });
  await node.call({ to: box });
  await node.call({ to: box, blockNumber: 2n });
  await node.call({ to: box, stateOverride: [{ address: box, stateDiff: [{ slot: viem.zeroHash, value: viem.pad("0x2a") }] }] });
  await node.createAccessList({ account, to: box, data: put(4) });

  // What goes wrong.
  const abi = viem.parseAbi(["error Error(string)", "error Panic(uint256)", "error Odd(uint256 number)"]);
  for (const data of [
    viem.encodeErrorResult({ abi, errorName: "Error", args: ["too late"] }),
    viem.encodeErrorResult({ abi, errorName: "Panic", args: [17n] }),
    viem.encodeErrorResult({ abi, errorName: "Odd", args: [7n] }),
    "0x",
  ]) {
    await refused(node.call({ account, to: box, data: revert(data) }));
    await refused(node.estimateGas({ account, to: box, data: revert(data) }));
  }
  const broke = await refused(wallet.sendTransaction({ to: box, value: viem.parseEther("1000000"), gas: 21_000n, ...FEES }));
  if (!broke.walk((cause) => cause instanceof viem.InsufficientFundsError)) throw broke;
  const late = await refused(wallet.sendTransaction({ to: box, nonce: 0, gas: 21_000n, ...FEES }));
  if (!late.walk((cause) => cause instanceof viem.NonceTooLowError)) throw late;
  const meagre = await refused(wallet.sendTransaction({ to: box, gas: 20_000n, ...FEES }));
  if (!meagre.walk((cause) => cause instanceof viem.IntrinsicGasTooLowError)) throw meagre;
  await refused(node.request({ method: "eth_noSuchMethod" }));

  // Filters.
  const blocks = await node.createBlockFilter();
  const logs = await node.createEventFilter({ address: box });
  await mined(await wallet.sendTransaction({ to: box, data: put(6), ...FEES }));
  for (const filter of [blocks, logs]) {
    await node.getFilterChanges({ filter });
    await node.uninstallFilter({ filter });
  }

  // The node's own accounts.
  const local = viem.createWalletClient({ ...options, transport });
  const [, , other] = await local.getAddresses();
  await mined(await local.sendTransaction({ account: other, to: ZERO, value: 1n, ...PRICE }));
  await local.signMessage({ account: other, message: "hello" });
  await local.signTypedData({
    account: other,
    domain: { name: "test", chainId: 31337 },
    types: { Mail: [{ name: "text", type: "string" }] },
    primaryType: "Mail",
    message: { text: "hello" },
  });

  // What only test nodes do.
  await test.setBalance({ address: ZERO, value: 7n });
  await test.setNonce({ address: viem.pad("0x77", { size: 20 }), nonce: 3 });
  await test.setCode({ address: viem.pad("0x77", { size: 20 }), bytecode: "0x6001" });
  await test.setStorageAt({ address: box, index: 9, value: viem.pad("0x9") });
  const id = await test.snapshot();
  await test.mine({ blocks: 2 });
  await test.revert({ id });
  await test.setAutomine(false);
  const waiting = await wallet.sendTransaction({ to: ZERO, value: 2n, gas: 21_000n, ...FEES });
  await test.getTxpoolStatus();
  await test.getTxpoolContent();
  await node.getTransaction({ hash: waiting });
  await test.dropTransaction({ hash: waiting });
  await test.setAutomine(true);
  await test.setNextBlockBaseFeePerGas({ baseFeePerGas: viem.parseGwei("1") });
  await test.mine({ blocks: 1 });
  await test.setNextBlockTimestamp({ timestamp: 2_000_000_000n });
  await test.mine({ blocks: 1 });
  await node.getBlock();

  // Told over a WebSocket.
  const socket = viem.createPublicClient({ ...options, transport: viem.webSocket(WS_URL, { reconnect: false }) });
  const told = (count, follow) =>
    new Promise((resolve) => {
      let left = count;
      follow(() => --left === 0 && resolve());
    });
  const heads = told(2, (onBlock) => socket.watchBlocks({ onBlock }));
  const events = told(2, (onLogs) => socket.watchEvent({ address: box, onLogs }));
  await socket.getChainId();
  for (const value of [8, 9]) await mined(await wallet.sendTransaction({ to: box, data: put(value), gas: 100_000n, ...FEES }));
  await Promise.all([heads, events]);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
