// Starts a registry, publishes what its pages will show, and runs all tests against it: `npm test`.
//
// WARGATE_BIN     the program [default: the workspace's debug build]
// CHROMIUM        the browser [default: /usr/bin/chromium]
// SNAPSHOTS       `update` writes the snapshots anew instead of comparing with them

import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { delegate } from "./lib/delegated.js";
import { RELEASES } from "./lib/published.js";
import { push } from "./lib/push.js";
import { startRegistry } from "./lib/registry.js";

const TEST_MS_MAX = 600_000;

const folder = new URL("tests/", import.meta.url);
const names = (await readdir(folder)).filter((name) => name.endsWith(".test.js")).sort();
const files = names.map((name) => fileURLToPath(new URL(name, folder)));
const program = process.env.WARGATE_BIN ?? fileURLToPath(new URL("../target/debug/wargate", import.meta.url));

const registry = await startRegistry(program);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => registry.stop().finally(() => process.exit(1)));
}
try {
  for (const release of RELEASES) await push(registry.url, release);
  await delegate(program, { url: registry.url, folder: registry.scratch });
  process.exitCode = await runTests(registry.url);
} finally {
  await registry.stop();
}

function runTests(url) {
  const args = ["--test", "--test-reporter=spec", `--test-timeout=${TEST_MS_MAX}`, ...files];
  const env = { ...process.env, REGISTRY_URL: url };
  const tests = spawn(process.execPath, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    tests.once("error", reject);
    tests.once("close", (code) => resolve(code ?? 1));
  });
}
