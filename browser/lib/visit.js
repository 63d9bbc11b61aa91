// A browser for the tests of one file, and visits that note whatever a page complains about.

import { after, before } from "node:test";

import { chromium } from "playwright-core";

import { URL_BASE } from "./pages.js";

const STEP_MS_MAX = 15_000;

let browser;

before(async () => {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox"] });
});
after(() => browser?.close());

/** Runs `body` with a tab of its own; `options` are those of a browser context. */
export async function withTab(options, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(STEP_MS_MAX);
  try {
    return await body(await context.newPage(), context);
  } finally {
    await context.close();
  }
}

/** Goes to one of `PAGES`, which must answer with its status. */
export async function visit(tab, { path, status }) {
  const response = await tab.goto(URL_BASE + path, { waitUntil: "load" });
  if (response.status() !== status) throw new Error(`${path} answers ${response.status()}, not ${status}`);
  return response;
}

/** What the tab complains about from now on, as a list that grows. */
export async function complaintsOf(tab) {
  const complaints = [];
  tab.on("console", (message) => {
    const of = message.location().url;
    // Chromium says this of any document with such a status, and a 404 page is meant to have it.
    const isOwnStatus = of === tab.url() && /the server responded with a status of 404/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isOwnStatus) {
      complaints.push(`console ${message.type()}: ${message.text()} (${of})`);
    }
  });
  tab.on("pageerror", (error) => complaints.push(`script: ${error}`));
  tab.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  tab.on("request", (request) => {
    if (new URL(request.url()).origin !== URL_BASE) complaints.push(`request elsewhere: ${request.url()}`);
  });
  tab.on("requestfailed", (request) => {
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  tab.on("response", (response) => {
    if (response.status() >= 400 && !response.request().isNavigationRequest()) {
      complaints.push(`${response.status()}: ${response.url()}`);
    }
  });
  await tab.exposeFunction("noteViolation", (text) => complaints.push(`policy: ${text}`));
  await tab.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      window.noteViolation(`${event.effectiveDirective} blocked ${event.blockedURI}`);
    });
  });
  return complaints;
}
