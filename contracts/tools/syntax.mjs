// Writes what slither reads: the syntax trees and ABIs of src/, in the shape of forge's build info, to the folders named.
//
// slither looks at the source alone, so no code is generated: three seconds where a build takes minutes. The first folder
// gets everything as it is deployed, the second the hub as one contract (tools/WholeHub.sol) in place of its three modules.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const solc = require("solc");
const { version } = require("solc/package.json");
const contracts = join(dirname(fileURLToPath(import.meta.url)), "..");
const [asDeployed, asOne] = process.argv.slice(2);
const modules = ["src/Hub.sol", "src/HubOrders.sol", "src/HubGovernance.sol", "src/Module.sol"];

const read = (path) => readFileSync(join(contracts, path), "utf8");
const remappings = ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"];
const files = readdirSync(join(contracts, "src"), { recursive: true })
  .filter((path) => path.endsWith(".sol"))
  .map((path) => `src/${path}`)
  .sort();

function write(folder, paths) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(paths.map((path) => [path, { content: read(path) }])),
    settings: {
      remappings,
      evmVersion: "cancun",
      viaIR: true,
      optimizer: { enabled: true },
      outputSelection: { "*": { "*": ["abi"], "": ["ast"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  for (const error of errors) console.error(error.formattedMessage);
  if (errors.length > 0) process.exit(1);

  const nothing = { object: "", sourceMap: "", opcodes: "", linkReferences: {} };
  for (const file of Object.values(output.contracts)) {
    for (const contract of Object.values(file)) {
      contract.evm = { bytecode: nothing, deployedBytecode: nothing, methodIdentifiers: {} };
    }
  }
  mkdirSync(folder, { recursive: true });
  const about = { id: "oxec", solcVersion: version, solcLongVersion: solc.version() };
  writeFileSync(join(folder, "oxec.json"), JSON.stringify({ ...about, input, output }));
}

/** An import, from wherever the remapped path says. */
function found(path) {
  try {
    return { contents: read(path) };
  } catch (error) {
    return { error: error.message };
  }
}

write(asDeployed, files);
write(asOne, [...files.filter((path) => !modules.includes(path)), "tools/WholeHub.sol"]);
