// What every page owes to any reader: a language, a title, one heading above all others, names for what has none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PAGES } from "../lib/pages.js";
import { visit, withTab } from "../lib/visit.js";

for (const page of PAGES) {
  test(`${page.name} is a well-made document`, () =>
    withTab({}, async (tab) => {
      await visit(tab, page);
      const { faults, headings } = await tab.evaluate(documentFaults);
      assert.deepEqual(faults, []);
      assert.equal(headings.filter((level) => level === 1).length, 1, "exactly one h1");
      assert.equal(headings[0], 1, "the h1 comes first");
      const jumps = headings.filter((level, at) => at > 0 && level > headings[at - 1] + 1);
      assert.deepEqual(jumps, [], `levels are skipped: ${headings}`);
    }));
}

for (const page of PAGES) {
  test(`${page.name} has regions that are told apart by their names`, () =>
    withTab({}, async (tab) => {
      await visit(tab, page);
      const snapshot = await tab.locator("body").ariaSnapshot();
      const regions = [...snapshot.matchAll(/^ *- '?((?:region|navigation|complementary|form|search) ?"?.*?"?)'?:/gm)];
      const names = regions.map(([, name]) => name);
      const again = names.filter((name, at) => names.indexOf(name) < at);
      assert.deepEqual(again, [], `among ${names.join(", ")}`);
    }));
}

test("each page has a title of its own", () =>
  withTab({}, async (tab) => {
    const titles = new Map();
    // Two things that are not there are both called 404.
    for (const page of PAGES.filter((page) => page.status === 200)) {
      await visit(tab, page);
      titles.set(page.name, await tab.title());
    }
    assert.equal(new Set(titles.values()).size, titles.size, [...titles].join("\n"));
  }));

/** Runs in the page. */
function documentFaults() {
  const faults = [];
  const fault = (holds, words) => holds || faults.push(words);
  fault(document.doctype?.name === "html", "no doctype");
  fault(/^[a-z]{2}/.test(document.documentElement.lang), "no lang");
  fault(document.title.trim() !== "", "no title");
  fault(document.querySelectorAll("main").length === 1, "not one main");
  for (const image of document.querySelectorAll("img, input[type=image], area")) {
    fault(image.hasAttribute("alt"), `no alt: ${image.outerHTML}`);
  }
  for (const image of document.querySelectorAll("svg, [role=img]")) {
    const named = image.matches("[aria-label], [aria-labelledby], [aria-hidden=true]");
    fault(named, `no name: ${image.outerHTML}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  fault(new Set(ids).size === ids.length, `ids are used twice: ${ids}`);
  for (const element of document.querySelectorAll("[aria-labelledby]")) {
    const label = document.getElementById(element.getAttribute("aria-labelledby"));
    fault(label?.textContent.trim(), `labelled by nothing: ${element.outerHTML.slice(0, 120)}`);
  }
  for (const control of document.querySelectorAll("a[href], button")) {
    fault(control.textContent.trim() || control.ariaLabel, `no name: ${control.outerHTML}`);
  }
  for (const field of document.querySelectorAll("input, select, textarea")) {
    fault(field.labels.length > 0, `no label: ${field.outerHTML}`);
  }
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")];
  return { faults, headings: headings.map((heading) => Number(heading.localName[1])) };
}
