// A person with a keyboard: where the focus is, and whether it can be seen.

/** Screenshots of one thing until two in a row agree. */
const LOOKS_MAX = 10;

/** Presses Tab until the focus is on `locator`; what had it on the way, and fails after `presses_max`. */
export async function tabTo(tab, locator, pressesMax = 40) {
  const way = [];
  for (let press = 0; press < pressesMax; press++) {
    await tab.keyboard.press("Tab");
    if (await locator.evaluate((element) => element === document.activeElement)) return way;
    way.push(await focused(tab));
  }
  throw new Error(`Tab did not reach ${locator} but only:\n${way.join("\n")}`);
}

/** How a part of the page looks once it has stopped changing: a busy machine may paint late. */
async function steadyLook(tab, clip) {
  let before = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    const now = (await tab.screenshot({ clip, animations: "disabled" })).toString("base64");
    if (now === before) return now;
    before = now;
  }
  throw new Error(`${await focused(tab)} looks different each time`);
}

/** What has the focus, in words. */
export function focused(tab) {
  return tab.evaluate(() => {
    const element = document.activeElement;
    return `<${element.localName} class="${element.className}"> ${element.textContent.trim().slice(0, 40)}`;
  });
}

/** A tab in which `showsFocus` works: to hide the caret, screenshots add a style, which the pages' policy forbids. */
export const STEADY = { bypassCSP: true };

/** Whether one sees that the element, which has the focus, has it: without the focus it looks otherwise. */
export async function showsFocus(tab, element) {
  const box = await element.boundingBox();
  const { width, height } = tab.viewportSize();
  const isInView = box.x >= 0 && box.y >= 0 && box.x < width && box.y < height && box.width > 1 && box.height > 1;
  if (!isInView) return false;
  const [x, y] = [Math.max(0, box.x - 6), Math.max(0, box.y - 6)];
  const clip = { x, y, width: Math.min(box.width + 12, width - x), height: Math.min(box.height + 12, height - y) };
  const withFocus = await steadyLook(tab, clip);
  await element.evaluate((element) => element.blur());
  const without = await steadyLook(tab, clip);
  await element.evaluate((element) => element.focus());
  return withFocus !== without;
}
