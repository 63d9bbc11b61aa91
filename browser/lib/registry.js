// A registry as its own process, as an operator would start it, on a data folder that ends with it.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What `serve` prints before its address once it accepts connections. */
const READY = "listening on ";
const START_MS_MAX = 60_000;

/** Starts `program serve` on a free port; `{ url, scratch, stop }`, where `scratch` is a folder that ends with it. */
export async function startRegistry(program) {
  const folder = await mkdtemp(join(tmpdir(), "wargate-browser-"));
  // Nothing of the machine's own configuration may reach in.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("WARGATE_")));
  env.RUST_LOG = "warn";
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data")];
  const server = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => server.once("close", resolve));
  const stop = async () => {
    // Nothing in the folder is worth a clean end.
    server.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { url: await address(server), scratch: join(folder, "scratch"), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function address(server) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`the registry did not say "${READY}…" in ${START_MS_MAX} ms`));
    const timer = setTimeout(late, START_MS_MAX);
    const settled = (settle) => (value) => (clearTimeout(timer), settle(value));
    server.once("error", settled(reject));
    server.once("close", (code) => settled(reject)(new Error(`the registry ended at once, with ${code}`)));
    // Read to the end, so that the registry never waits for someone to read what it prints.
    createInterface({ input: server.stdout }).on("line", (line) => {
      if (line.startsWith(READY)) settled(resolve)(line.slice(READY.length).trim());
    });
  });
}
