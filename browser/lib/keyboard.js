// A person with a keyboard: where the focus is, and whether it can be seen.

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

/** What has the focus, in words. */
export function focused(tab) {
  return tab.evaluate(() => {
    const element = document.activeElement;
    return `<${element.localName} class="${element.className}"> ${element.textContent.trim().slice(0, 40)}`;
  });
}

/** Whether one sees that the element has the focus: it looks otherwise without it. */
export async function showsFocus(tab, locator) {
  const box = await locator.boundingBox();
  const { width, height } = tab.viewportSize();
  const isInView = box.x >= 0 && box.y >= 0 && box.x < width && box.y < height && box.width > 1 && box.height > 1;
  if (!isInView) return false;
  const [x, y] = [Math.max(0, box.x - 6), Math.max(0, box.y - 6)];
  const clip = { x, y, width: Math.min(box.width + 12, width - x), height: Math.min(box.height + 12, height - y) };
  const look = async () => (await tab.screenshot({ clip, animations: "disabled" })).toString("base64");
  const [focused, again] = [await look(), await look()];
  if (focused !== again) throw new Error(`${locator} looks different each time`);
  await locator.evaluate((element) => element.blur());
  const blurred = await look();
  await locator.evaluate((element) => element.focus());
  return focused !== blurred;
}
