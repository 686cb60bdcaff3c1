// Hardhat's node as a chain for tests: nothing is compiled, fetched or reported.
//
// Blocks may share a second, as the development chain's do: were each to get a second of its own, a busy test would
// run ahead of the clock and cross deadlines early.
module.exports = {
  networks: {
    hardhat: {
      chainId: 31337,
      hardfork: "osaka",
      blockGasLimit: 60_000_000,
      allowBlocksWithSameTimestamp: true,
      loggingEnabled: false,
      accounts: { count: 20, accountsBalance: "10000000000000000000000" },
    },
  },
};
