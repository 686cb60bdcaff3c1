// Starts hardhat's node without its command line, which would ask about telemetry and look for banners on the network.
require("hardhat")
  .run("node", { hostname: "127.0.0.1", port: Number(process.argv[2] ?? 0) })
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
