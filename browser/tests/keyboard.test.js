// With a keyboard alone: everything is reached in the order in which it is read, and one sees where one is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { focused, showsFocus, STEADY, tabTo } from "../lib/keyboard.js";
import { pageNamed, URL_BASE } from "../lib/pages.js";
import { visit, withTab } from "../lib/visit.js";

const SCHEMES = ["light", "dark"];

for (const colorScheme of SCHEMES) {
  test(`Tab reaches search, the first package and its copy buttons, with visible focus, ${colorScheme}`, () =>
    withTab({ ...STEADY, colorScheme }, async (tab) => {
      const reach = async (locator) => {
        await tabTo(tab, locator);
        assert.ok(await showsFocus(tab, locator), `one does not see that ${locator} has the focus`);
      };
      await visit(tab, pageNamed("list"));
      await reach(tab.getByRole("link", { name: "Skip to content" }));
      await reach(tab.getByRole("banner").getByRole("link").last());
      await reach(tab.getByRole("searchbox"));
      await reach(tab.getByRole("button", { name: "Search" }));
      await reach(tab.getByRole("link", { name: "acme:hello" }));
      await reach(tab.getByRole("button", { name: "Copy" }));
      await visit(tab, pageNamed("list"));
      await tabTo(tab, tab.getByRole("link", { name: "acme:hello" }));
      await tab.keyboard.press("Enter");
      await tab.waitForURL(`${URL_BASE}/acme/hello`);
      const buttons = await tab.getByRole("button", { name: "Copy" }).all();
      assert.equal(buttons.length, 4);
      for (const button of buttons) await reach(button);
    }));
}

test("everything that takes the focus on a page shows it and is seen", () =>
  withTab(STEADY, async (tab) => {
    for (const name of ["list", "release-of-component", "release-of-wit", "release-of-module"]) {
      await visit(tab, pageNamed(name));
      const [unseen, seen] = [[], new Set()];
      for (;;) {
        await tab.keyboard.press("Tab");
        const element = await tab.$("body :focus");
        const place = await element?.evaluate((element) => [...document.querySelectorAll("*")].indexOf(element));
        // At the end, or at the beginning again.
        if (element === null || seen.has(place)) break;
        seen.add(place);
        if (!(await showsFocus(tab, element))) unseen.push(await focused(tab));
      }
      assert.ok(seen.size >= 10, `only ${seen.size} stops on ${name}`);
      assert.deepEqual(unseen, [], `on ${name} one does not see the focus`);
    }
  }));

test("a focus that cannot be seen is noticed", () =>
  withTab(STEADY, async (tab) => {
    await visit(tab, pageNamed("list"));
    await tab.addStyleTag({ content: ":focus-visible { outline: none !important; }" });
    for (const locator of [tab.getByRole("searchbox"), tab.getByRole("link", { name: "acme:hello" })]) {
      await tabTo(tab, locator);
      assert.equal(await showsFocus(tab, locator), false);
    }
  }));

test("the first Tab offers to skip to the content, and Enter does", () =>
  withTab({}, async (tab) => {
    await visit(tab, pageNamed("package"));
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    await tab.keyboard.press("Tab");
    const isInMain = await tab.locator(":focus").evaluate((element) => element.closest("main") !== null);
    assert.ok(isInMain, `the focus went to ${await focused(tab)}`);
  }));

test("what is typed into the search field is searched for with Enter", () =>
  withTab({}, async (tab) => {
    await visit(tab, pageNamed("list"));
    await tabTo(tab, tab.getByRole("searchbox"));
    await tab.keyboard.type("inspector");
    await tab.keyboard.press("Enter");
    await tab.waitForURL(`${URL_BASE}/?q=inspector`);
    assert.deepEqual(await tab.locator("table.packages tbody th a").allInnerTexts(), ["acme:template-inspector"]);
  }));

test("a copy button copies its line and says so", () =>
  withTab({ permissions: ["clipboard-read", "clipboard-write"] }, async (tab) => {
    await visit(tab, pageNamed("release-of-component"));
    for (const [index, line] of (await tab.locator("pre.copy").all()).entries()) {
      const button = tab.locator("button.copier").nth(index);
      await tabTo(tab, button);
      await tab.keyboard.press("Enter");
      await tab.waitForFunction((at) => document.querySelectorAll("button.copier")[at].textContent === "Copied", index);
      assert.equal(await tab.evaluate(() => navigator.clipboard.readText()), await line.innerText());
    }
  }));

test("where nothing may be copied, the line is marked instead", () =>
  withTab({ permissions: [] }, async (tab) => {
    await visit(tab, pageNamed("release-of-component"));
    await tab.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error("denied"));
    });
    await tab.locator("button.copier").first().click();
    const marked = await tab.evaluate(() => getSelection().toString());
    assert.equal(marked, await tab.locator("pre.copy").first().innerText());
  }));
