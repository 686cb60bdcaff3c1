// Writes contracts/abi/*.json from a fresh forge build: the only thing Rust reads from this folder.
//
// Each file is {"abi": […], "bytecode": "0x…"}. Hub.json speaks for the whole hub: the ABI of IHub (all that its modules
// answer to, every event and every refusal) with the constructor of the dispatcher. The modules themselves are written
// too, because deploying the hub needs their bytecode.
//
//   npm run artifacts          writes
//   npm run artifacts:check    writes nothing, fails where a file differs
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const contracts = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(contracts, "abi");
const checking = process.argv.includes("--check");

const modules = ["HubGovernance", "HubOrders"];
const names = ["Hub", ...modules, "RLC", "AppRegistry", "DatasetRegistry", "WorkerpoolRegistry", "App", "Dataset", "Workerpool"];

execFileSync(join(contracts, "node_modules", ".bin", "forge"), ["build", "--offline", "--skip", "test"], {
  cwd: contracts,
  stdio: ["ignore", "inherit", "inherit"],
});

const built = (name) => {
  const path = join(contracts, "out", `${name}.sol`, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
};

/** The ABI of IHub in the order of its interfaces, headed by what only the deployed contract knows: its constructor. */
function wholeHub() {
  const own = (built("Hub")?.abi ?? []).filter((item) => item.type === "constructor");
  return [...own, ...built("IHub").abi];
}

mkdirSync(folder, { recursive: true });
const stale = [];
for (const name of names) {
  const artifact = built(name);
  const abi = name === "Hub" ? wholeHub() : artifact?.abi;
  if (abi === undefined) continue;
  const text = `${JSON.stringify({ abi, bytecode: artifact?.bytecode.object ?? "0x" })}\n`;
  const path = join(folder, `${name}.json`);
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before === text) continue;
  stale.push(name);
  if (!checking) writeFileSync(path, text);
}

if (stale.length === 0) console.log("contracts/abi is up to date");
else if (checking) {
  console.error(`contracts/abi is stale: ${stale.join(", ")}; run \`npm run artifacts\` in contracts/ and commit`);
  process.exitCode = 1;
} else console.log(`written: ${stale.join(", ")}`);
