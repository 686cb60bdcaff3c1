// Writes contracts/abi/*.json from a fresh forge build: the only thing Rust reads from this folder.
//
// Each file is {"abi": […], "bytecode": "0x…", "runtime": "0x…", "immutables": {"name": [offset, …]}}: the code that creates
// the contract, and the code that then stands there, with zeros where its immutables are written (32 bytes at each offset),
// so that a deployment can be verified byte by byte. Hub.json speaks for the whole hub: the ABI of IHub (all that its modules
// answer to, every event and every refusal) with the constructor of the dispatcher. The modules themselves are written
// too, because deploying the hub needs their bytecode.
//
//   npm run artifacts          writes
//   npm run artifacts:check    writes nothing, fails where a file differs
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const contracts = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(contracts, "abi");
const checking = process.argv.includes("--check");

const modules = ["HubGovernance", "HubOrders"];
const names = ["Hub", ...modules, "RLC", "Crowdsale", "AppRegistry", "DatasetRegistry", "WorkerpoolRegistry", "App", "Dataset", "Workerpool", "EntryProxy"];
const files = { EntryProxy: "EntryCode" };

function build(...more) {
  execFileSync(join(contracts, "node_modules", ".bin", "forge"), ["build", "--offline", "--skip", "test", ...more], {
    cwd: contracts,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
build();

const built = (name) => {
  const path = join(contracts, "out", `${files[name] ?? name}.sol`, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
};

/** The ABI of IHub in the order of its interfaces, headed by what only the deployed contract knows: its constructor. */
function wholeHub() {
  const own = (built("Hub")?.abi ?? []).filter((item) => item.type === "constructor");
  return [...own, ...built("IHub").abi];
}

/** The names of immutables by the number the compiler gave them, which changes from build to build. */
function immutableNames() {
  const names = new Map();
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk);
    else if (node !== null && typeof node === "object") {
      if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") names.set(String(node.id), node.name);
      Object.values(node).forEach(walk);
    }
  };
  for (const place of readdirSync(join(contracts, "out"), { recursive: true })) {
    if (place.endsWith(".json")) walk(JSON.parse(readFileSync(join(contracts, "out", place), "utf8")).ast ?? {});
  }
  return names;
}

const references = (artifact) => Object.entries(artifact?.deployedBytecode.immutableReferences ?? {});

// A contract and what it inherits may have been compiled at different times, with other numbers; then all of it is built anew.
let immutables = immutableNames();
if (!names.flatMap((name) => references(built(name))).every(([id]) => immutables.has(id))) {
  build("--force");
  immutables = immutableNames();
}

/** Where the immutables of a contract are written, by name. */
function offsets(artifact) {
  const named = references(artifact).map(([id, places]) => {
    const name = immutables.get(id);
    if (name === undefined) throw new Error(`immutable ${id} has no name: is \`ast = true\` in foundry.toml?`);
    return [name, places.map(({ start }) => start).sort((a, b) => a - b)];
  });
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}

mkdirSync(folder, { recursive: true });
const stale = [];
for (const name of names) {
  const artifact = built(name);
  const abi = name === "Hub" ? wholeHub() : artifact?.abi;
  if (abi === undefined) continue;
  const code = {
    bytecode: artifact?.bytecode.object ?? "0x",
    runtime: artifact?.deployedBytecode.object ?? "0x",
    immutables: offsets(artifact),
  };
  const text = `${JSON.stringify({ abi, ...code })}\n`;
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
