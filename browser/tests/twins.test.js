// A page and its `.json` twin tell one story.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { PAGES, URL_BASE } from "../lib/pages.js";
import { RELEASES } from "../lib/published.js";
import { visit, withTab } from "../lib/visit.js";

const SHOWN = { list: shownList, package: shownPackage, release: shownRelease, keys: shownKeys };

for (const page of PAGES.filter((page) => page.status === 200)) {
  test(`${page.name} shows what its twin says`, () =>
    withTab({}, async (tab) => {
      await visit(tab, page);
      const address = await tab.locator("link[rel=alternate][type='application/json']").getAttribute("href");
      assert.equal(await tab.getByRole("link", { name: "This page as JSON" }).getAttribute("href"), address);
      const json = await twin(address, 200);
      const kind = kindOf(json);
      const { shown, said } = await SHOWN[kind](tab, json);
      assert.deepEqual(shown, said);
      const foot = await tab.getByRole("contentinfo").innerText();
      assert.match(foot, new RegExp(`checkpoint ${json.checkpoint.size.toLocaleString("en-US")},`));
    }));
}

for (const page of PAGES.filter((page) => page.status !== 200)) {
  test(`${page.name} says what its twin says`, () =>
    withTab({}, async (tab) => {
      await visit(tab, page);
      const json = await twin(page.json, page.status);
      assert.equal(await tab.getByRole("heading", { level: 1 }).innerText(), `${json.status} ${json.message}`);
      assert.equal(json.status, page.status);
      assert.match(json.code, /-unknown$/);
    }));
}

test("a release's page has the digest of the bytes that were pushed", () =>
  withTab({}, async (tab) => {
    for (const { name, version, file } of RELEASES) {
      await visit(tab, { path: `/${name.replace(":", "/")}/${version}`, status: 200 });
      const digest = createHash("sha256").update(await readFile(file)).digest("hex");
      assert.equal(await fact(tab, "Digest"), `sha256:${digest}`, `${name} ${version}`);
    }
  }));

function kindOf(json) {
  const kinds = { packages: "list", releases: "package", roles: "keys" };
  return kinds[Object.keys(kinds).find((field) => field in json)] ?? "release";
}

async function twin(address, status) {
  const response = await fetch(new URL(address, URL_BASE));
  assert.equal(response.status, status, address);
  assert.match(response.headers.get("content-type"), /^application\/json\b/);
  return response.json();
}

async function shownList(tab, json) {
  const shown = await tab.locator("table.packages tbody tr").evaluateAll((rows) =>
    rows.map((row) => ["th a", ".version", ".number"].map((part) => row.querySelector(part).textContent.trim())),
  );
  const said = json.packages.map(({ name, latest, releases }) => [name, latest, String(releases)]);
  return { shown, said };
}

async function shownPackage(tab, json) {
  const heading = await tab.getByRole("heading", { level: 1 }).innerText();
  const rows = await tab.locator("table.releases tbody tr").evaluateAll((rows) =>
    rows.map((row) => [row.querySelector("th a").textContent, row.querySelector("code[title]").title]),
  );
  const latest = await tab.locator("#get a").innerText();
  const said = json.releases.map(({ version, digest }) => [version, digest]);
  return { shown: [heading, latest, rows], said: [json.name, json.latest, said] };
}

async function shownRelease(tab, json) {
  const heading = tab.getByRole("heading", { level: 1 });
  const name = await heading.getByRole("link").innerText();
  const version = await heading.locator(".version").innerText();
  const kind = await heading.locator(".tag").innerText();
  const facts = await Promise.all(["Digest", "Manifest", "Record"].map((term) => fact(tab, term)));
  return {
    shown: [name, version, kind, ...facts],
    said: [json.name, json.version, json.kind, json.digest, json.manifestDigest, json.record.recordId],
  };
}

async function shownKeys(tab, json) {
  const roles = await tab.locator("ul.roles > li").evaluateAll((items) =>
    items.map((item) => [
      item.querySelector("h3").firstChild.textContent.trim(),
      [...item.querySelectorAll("dd code.id:not(.none)")].map((id) => id.textContent),
      item.querySelector(".tag.warn") !== null,
    ]),
  );
  const guards = await tab.locator("table.guards tbody tr").evaluateAll((rows) =>
    rows.map((row) => [row.querySelector("th").textContent, Number.parseInt(row.querySelector("td").textContent, 10)]),
  );
  const entries = await tab.locator("table.history td:last-child").allInnerTexts();
  const said = [
    json.roles.map(({ name, keys, endsSoon }) => [name, keys.map(({ id }) => id), endsSoon]),
    json.guards.map(({ words, keys }) => [words, keys ?? Number.NaN]),
    json.history.map(({ at }) => at.logIndex.toLocaleString("en-US")),
  ];
  return { shown: [roles, guards, entries], said };
}

/** The definition of a term among the facts. */
function fact(tab, term) {
  return tab.locator(`.facts dt:text-is("${term}") + dd`).innerText();
}
