// Without JavaScript every page does what it is for: links lead, search finds, lines can be copied.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PAGES, pageNamed, URL_BASE } from "../lib/pages.js";
import { visit, withTab } from "../lib/visit.js";

const WITHOUT_SCRIPT = { javaScriptEnabled: false };

for (const page of PAGES) {
  test(`${page.name} has links that lead somewhere and lines that are text`, () =>
    withTab(WITHOUT_SCRIPT, async (tab, context) => {
      await visit(tab, page);
      assert.equal(await tab.locator("button.copier").count(), 0, "a button that could do nothing");
      const dead = [];
      for (const address of await ownLinks(tab)) {
        const response = await context.request.get(address);
        if (!response.ok()) dead.push(`${response.status()} ${address}`);
      }
      assert.deepEqual(dead, [], "links that lead nowhere");
      for (const line of await tab.locator("pre.copy").all()) {
        assert.ok(await line.isVisible());
        assert.match(await line.innerText(), /^(wargate|wkg|warg|oras) \S/);
      }
    }));
}

test("one click on a line marks all of it and nothing else", () =>
  withTab(WITHOUT_SCRIPT, async (tab) => {
    await visit(tab, pageNamed("release-of-component"));
    const line = tab.locator("pre.copy").first();
    await line.click();
    const marked = await tab.evaluate(() => getSelection().toString());
    assert.equal(marked, (await line.textContent()).trim());
    assert.equal(marked, `wargate pull acme:hello@1.1.0 --registry ${URL_BASE}`);
  }));

test("links lead from the list to a package to a release and back", () =>
  withTab(WITHOUT_SCRIPT, async (tab) => {
    await visit(tab, pageNamed("list"));
    for (const [link, path, heading] of [
      ["acme:hello", "/acme/hello", "acme:hello"],
      ["1.0.0", "/acme/hello/1.0.0", "acme:hello 1.0.0 component"],
      ["1.1.0", "/acme/hello/1.1.0", "acme:hello 1.1.0 component"],
      ["acme:hello", "/acme/hello", "acme:hello"],
    ]) {
      await tab.getByRole("main").getByRole("link", { name: link, exact: true }).first().click();
      await tab.waitForURL(URL_BASE + path);
      assert.equal(await tab.getByRole("heading", { level: 1 }).innerText(), heading);
    }
    await tab.getByRole("banner").getByRole("link").click();
    await tab.waitForURL(`${URL_BASE}/`);
  }));

test("the search form finds, keeps what was typed, and says when there is nothing", () =>
  withTab(WITHOUT_SCRIPT, async (tab) => {
    await visit(tab, pageNamed("package"));
    for (const [typed, found] of [
      ["hell", ["acme:hello"]],
      ["wasi:http", ["wasi:http"]],
      ["<b>&\"'", []],
    ]) {
      await tab.getByRole("searchbox").fill(typed);
      await tab.getByRole("button", { name: "Search" }).click();
      await tab.waitForURL((url) => url.searchParams.get("q") === typed);
      assert.equal(await tab.getByRole("searchbox").inputValue(), typed);
      assert.deepEqual(await tab.locator("table.packages tbody th a").allInnerTexts(), found);
      assert.equal(await tab.getByText("No package’s name contains that.").count(), found.length ? 0 : 1);
    }
  }));

/** Addresses within the registry that the page links to, each once. */
async function ownLinks(tab) {
  const links = await tab.locator("a[href], link[href]").all();
  const hrefs = await Promise.all(links.map((link) => link.getAttribute("href")));
  // A link to a place on the page itself leads nowhere else, whatever the page's status.
  const elsewhere = hrefs.filter((href) => !href.startsWith("#"));
  const addresses = elsewhere.map((href) => new URL(href, tab.url())).filter((url) => url.origin === URL_BASE);
  return [...new Set(addresses.map((url) => url.href))];
}
