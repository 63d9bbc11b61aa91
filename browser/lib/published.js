// What the registry under test holds: real files, one of each kind, two releases of one package, and one hostile file.

const CORPUS = new URL("../../../shared/corpus/", import.meta.url);

export const RELEASES = [
  { name: "acme:hello", version: "1.0.0", file: "components/hello.wasm" },
  { name: "acme:hello", version: "1.1.0", file: "components/hello_plugin_s.wasm" },
  // Its metadata holds markup, terminal escapes, a bidi override and a word of 100 kB.
  { name: "acme:rude", version: "1.0.0", file: "hostile/38_control_chars_in_metadata.wasm" },
  { name: "acme:template-inspector", version: "1.0.0", file: "modules/template_inspector.wasm" },
  { name: "wasi:http", version: "0.2.12", file: "wit-wasm/wasi-http@0.2.12.wasm" },
].map((release) => ({ ...release, file: new URL(release.file, CORPUS) }));
