// Every page loads without a complaint and fits, on a phone and on a screen, in both colour schemes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PAGES, pageNamed } from "../lib/pages.js";
import { complaintsOf, visit, withTab } from "../lib/visit.js";

const WIDTHS_PX = [390, 1280];
const SCHEMES = ["light", "dark"];

for (const page of PAGES) {
  for (const width of WIDTHS_PX) {
    for (const scheme of SCHEMES) {
      test(`${page.name} loads clean and fits at ${width} px, ${scheme}`, () =>
        withTab({ viewport: { width, height: 844 } }, async (tab) => {
          await tab.emulateMedia({ colorScheme: scheme });
          const complaints = await complaintsOf(tab);
          await visit(tab, page);
          const wide = await tooWide(tab);
          assert.deepEqual([...complaints, ...wide], []);
        }));
    }
  }
}

test("a page's colours follow the scheme", () =>
  withTab({}, async (tab) => {
    await visit(tab, pageNamed("list"));
    const grounds = [];
    for (const scheme of SCHEMES) {
      await tab.emulateMedia({ colorScheme: scheme });
      grounds.push(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor));
    }
    assert.notEqual(grounds[0], grounds[1]);
  }));

test("what a page must not do is noted", () =>
  withTab({}, async (tab) => {
    const complaints = await complaintsOf(tab);
    await visit(tab, pageNamed("list"));
    await tab.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      const image = new Image();
      image.src = "http://elsewhere.invalid/dot.png";
      document.body.append(script, image);
      const wide = document.createElement("p");
      wide.style.width = "3000px";
      wide.textContent = "wide";
      document.body.append(wide);
      fetch("/index.json").catch(() => {});
      setTimeout(() => {
        throw new Error("on purpose");
      });
    });
    for (const kind of ["policy: script-src-elem", "policy: img-src", "policy: connect-src", "script: Error: on purpose"]) {
      const isNoted = () => complaints.some((text) => text.startsWith(kind));
      for (let wait = 0; wait < 100 && !isNoted(); wait++) await tab.waitForTimeout(50);
      assert.ok(isNoted(), `${kind} is not among:\n${complaints.join("\n")}`);
    }
    assert.notEqual(await tab.title(), "owned");
    assert.notDeepEqual(await tooWide(tab), []);
  }));

/** What makes the page scroll sideways: empty if it does not. */
function tooWide(tab) {
  return tab.evaluate(() => {
    const root = document.documentElement;
    scrollTo(10_000, 0);
    const scrolled = scrollX;
    scrollTo(0, 0);
    if (scrolled === 0 && root.scrollWidth <= root.clientWidth) return [];
    const wide = [...document.querySelectorAll("body *")].filter(
      (element) => element.getBoundingClientRect().right > root.clientWidth + 0.5,
    );
    const named = wide.map((element) => {
      const { left, right } = element.getBoundingClientRect();
      return `<${element.localName} class="${element.className}"> from ${left} to ${right} px`;
    });
    return [`the page is ${root.scrollWidth} px wide`, ...named.slice(0, 10)];
  });
}
