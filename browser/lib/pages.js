// Every page there is, by name: a snapshot is called after it.

export const URL_BASE = process.env.REGISTRY_URL;
if (!URL_BASE) throw new Error("REGISTRY_URL is not set: run the tests with `npm test`");

/** `status` is 200 unless it says otherwise; `json` is the twin of a page that names none. */
export const PAGES = [
  { name: "list", path: "/" },
  { name: "search-with-hits", path: "/?q=hello" },
  { name: "search-without-hits", path: "/?q=no-such-thing" },
  { name: "package", path: "/acme/hello" },
  { name: "release-of-component", path: "/acme/hello/1.1.0" },
  { name: "release-not-latest", path: "/acme/hello/1.0.0" },
  { name: "release-of-wit", path: "/wasi/http/0.2.12" },
  { name: "release-of-module", path: "/acme/template-inspector/1.0.0" },
  { name: "release-hostile", path: "/acme/rude/1.0.0" },
  { name: "package-keys", path: "/team/ledger/keys" },
  { name: "package-keys-of-registry", path: "/acme/hello/keys" },
  { name: "namespace-keys", path: "/team/-/keys" },
  { name: "registry-keys", path: "/-/keys" },
  { name: "package-delegated", path: "/team/ledger" },
  { name: "release-yanked", path: "/team/ledger/1.0.0" },
  { name: "release-deprecated", path: "/team/ledger/1.1.0" },
  { name: "release-distrusted", path: "/team/ledger/2.0.1" },
  { name: "no-such-keys", path: "/nobody/-/keys", status: 404, json: "/nobody/-/keys.json" },
  { name: "no-such-package", path: "/acme/nothing", status: 404, json: "/acme/nothing.json" },
  { name: "no-such-release", path: "/acme/hello/9.0.0", status: 404, json: "/acme/hello/9.0.0.json" },
].map((page) => ({ status: 200, ...page }));

/** The page of that name. */
export function pageNamed(name) {
  const page = PAGES.find((page) => page.name === name);
  if (!page) throw new Error(`no page is named ${name}`);
  return page;
}
