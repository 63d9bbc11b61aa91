// An OCI push as `wkg` does it: two blobs, then a manifest under the version.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE = "application/wasm";

/** Pushes the file as this version of the package `NAMESPACE:NAME`. */
export async function push(url, { name, version, file }) {
  const repository = `${url}/v2/${name.replace(":", "/")}`;
  const layer = await readFile(file);
  const digests = [digestOf(layer)];
  // The registry never believes the config, but clients refuse one that does not name the layer.
  const config = Buffer.from(JSON.stringify({ architecture: "wasm", os: "wasip2", layerDigests: digests }));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: await upload(repository, CONFIG_TYPE, config),
    layers: [await upload(repository, LAYER_TYPE, layer)],
  });
  const headers = { "content-type": MANIFEST_TYPE };
  await must(`${repository}/manifests/${version}`, { method: "PUT", headers, body: manifest });
}

/** Uploads a blob in a session of its own; the descriptor that names it. */
async function upload(repository, mediaType, bytes) {
  const digest = digestOf(bytes);
  const session = await must(`${repository}/blobs/uploads/`, { method: "POST" });
  const place = new URL(session.headers.get("location"), repository);
  place.searchParams.set("digest", digest);
  const headers = { "content-type": "application/octet-stream" };
  await must(place, { method: "PUT", headers, body: bytes });
  return { mediaType, digest, size: bytes.length };
}

async function must(address, request) {
  const response = await fetch(address, request);
  if (!response.ok) {
    throw new Error(`${request.method} ${address}: ${response.status} ${await response.text()}`);
  }
  await response.arrayBuffer();
  return response;
}

function digestOf(bytes) {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
