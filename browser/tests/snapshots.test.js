// What assistive technology is told of each page, compared with the files in `snapshots/`.
//
// `SNAPSHOTS=update npm test` writes them anew; what changed is then seen in the commit.

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";

import { difference } from "../lib/difference.js";
import { PAGES } from "../lib/pages.js";
import { withPlaceholders } from "../lib/placeholders.js";
import { visit, withTab } from "../lib/visit.js";

const FOLDER = new URL("../snapshots/", import.meta.url);
const IS_UPDATE = process.env.SNAPSHOTS === "update";

for (const page of PAGES) {
  test(`${page.name} is told as it was`, () =>
    withTab({}, async (tab) => {
      await visit(tab, page);
      const actual = withPlaceholders(await tab.locator("body").ariaSnapshot());
      const file = new URL(`${page.name}.yml`, FOLDER);
      if (IS_UPDATE) {
        await mkdir(FOLDER, { recursive: true });
        await writeFile(file, actual);
        return;
      }
      const expected = await readFile(file, "utf8");
      assert.ok(expected === actual, `${page.name}.yml (- expected, + told):\n${difference(expected, actual)}`);
    }));
}

test("there is a snapshot for each page and no other", async () => {
  const expected = PAGES.map((page) => `${page.name}.yml`).sort();
  assert.deepEqual((await readdir(FOLDER)).sort(), expected);
});

test("a difference shows what changed and what is near it", () => {
  const before = ["a", "b", "c", "d", "e", "f", "g"].join("\n");
  const after = ["a", "b", "c", "d", "x", "f", "g"].join("\n");
  assert.equal(difference(before, before), "");
  assert.equal(difference(before, after), ["  c", "  d", "- e", "+ x", "  f", "  g"].join("\n"));
  assert.equal(difference("a", "a\nb"), ["  a", "+ b"].join("\n"));
});

test("placeholders stand for what differs from run to run, and nothing else", () => {
  const hex = "0123456789abcdef".repeat(4);
  for (const [text, kept] of [
    [`- code: sha256:${hex}`, "- code: sha256:DIGEST"],
    [`- code: sha256:${hex.slice(0, 12)}…`, "- code: sha256:SHORT…"],
    ["- cell: 2026-11-25", "- cell: DAY"],
    ["at http://127.0.0.1:41233/acme", "at http://HOST:PORT/acme"],
    ["ecdsa-p256:A1OfZz5Y9Ny7VKPVwroCTQPAr9tmlI4U/UTYHZHA87AF", "ALGORITHM:KEY"],
    ["until 2027-01-31T12:00:00.25Z", "until INSTANT"],
    ["in entry 1,023, record", "in entry INDEX, record"],
    ["2026-11-25 09:16 UTC", "TIME"],
    ["9 in a tree of 1,024", "9 in a tree of SIZE"],
    ["- term: Entry\n- definition: 1,023 in", "- term: Entry\n- definition: INDEX in"],
    ['- link "checkpoint":\n  - /url: /c\n- text: 1,024,', '- link "checkpoint":\n  - /url: /c\n- text: SIZE,'],
    ["wasi:http@0.3.0-rc-2025-09-16.1", "wasi:http@0.3.0-rc-2025-09-16.1"],
    ["1.2.3 of 46.3 KiB", "1.2.3 of 46.3 KiB"],
  ]) {
    assert.equal(withPlaceholders(text), `${kept}\n`);
  }
});
