// A package that people with keys of their own look after: roles under roles, one that ends soon, and a thief's.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const FILE = fileURLToPath(new URL("../../../shared/corpus/modules/wasi_snapshot_preview1.proxy.wasm", import.meta.url));
const PACKAGE = "team:ledger";

/** Does it all with the program itself, as people would; `folder` holds their keys. */
export async function delegate(program, { url, folder }) {
  await mkdir(folder, { recursive: true });
  const env = { ...process.env, HOME: folder, WARGATE_STATE: join(folder, "state"), WARGATE_REGISTRY: url };
  const wargate = async (...args) => (await run(program, args, { env })).stdout;
  const keyOf = async (name) => {
    const file = join(folder, `${name}.key`);
    const { publicKey } = JSON.parse(await wargate("key", "new", "--no-passphrase", "--output", file, "--json"));
    return { file, to: ["--to", publicKey], by: ["--key", file] };
  };
  const [alice, ci, lead, night, thief] = await Promise.all(["alice", "ci", "lead", "night", "thief"].map(keyOf));
  const grant = (role, key, by, ...what) => wargate("grant", PACKAGE, role, ...key.to, ...what, ...by);
  const publish = async (version, by) =>
    JSON.parse(await wargate("publish", FILE, `${PACKAGE}@${version}`, ...by, "--json"));

  await publish("1.0.0", alice.by);
  await grant("ci", ci, alice.by, "--may", "release", "--over", ">=1.0.0 <2.0.0", "--until", "20d");
  await grant("lead", lead, alice.by, "--may", "release,yank", "--depth", "2", "--until", "300d");
  await grant("night-shift", night, lead.by, "--under", "lead", "--may", "release", "--over", ">=2.0.0 <3.0.0");
  await publish("1.1.0", ci.by);
  await publish("2.0.0", night.by);
  await grant("helper", thief, alice.by, "--may", "release");
  const { recordId } = await publish("2.0.1", thief.by);
  await wargate("revoke", PACKAGE, "helper", "--since", recordId, ...alice.by);
  await wargate("yank", `${PACKAGE}@1.0.0`, "--reason", "it counts in floats", ...lead.by);
  await wargate("deprecate", `${PACKAGE}@1.1.0`, "2.0.0 counts in cents", ...alice.by);
}
