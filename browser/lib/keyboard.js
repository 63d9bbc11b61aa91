// A person with a keyboard: where the focus is, and whether it can be seen.

/** How far a channel of a pixel must move to count: text may be drawn anew with slightly other edges. */
const CHANNEL_MOVE_MIN = 40;

/** How much of the element's outline must look different, as a ring of one pixel around it. */
const RING_PART_MIN = 0.5;

/** Room around the element in which a ring may be, in pixels. */
const RING_PX = 6;

/** Screenshots of one thing until two in a row agree. */
const LOOKS_MAX = 10;

/** A tab in which `showsFocus` works: the pages' policy forbids what hides the caret and reads screenshots. */
export const STEADY = { bypassCSP: true };

/** Presses Tab until the focus is on `locator`; fails after so many presses. */
export async function tabTo(tab, locator, pressesMax = 40) {
  const way = [];
  for (let press = 0; press < pressesMax; press++) {
    await tab.keyboard.press("Tab");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
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

/** Whether one sees that the element, which has the focus, has it: without the focus it looks otherwise. */
export async function showsFocus(tab, element) {
  const box = await element.boundingBox();
  const { width, height } = tab.viewportSize();
  const isInView = box.x >= 0 && box.y >= 0 && box.x < width && box.y < height && box.width > 1 && box.height > 1;
  if (!isInView) return false;
  const [x, y] = [Math.max(0, box.x - RING_PX), Math.max(0, box.y - RING_PX)];
  const [right, bottom] = [box.x + box.width + RING_PX, box.y + box.height + RING_PX];
  const clip = { x, y, width: Math.min(right, width) - x, height: Math.min(bottom, height) - y };
  const withFocus = await steadyLook(tab, clip);
  await element.evaluate((element) => element.blur());
  const without = await steadyLook(tab, clip);
  await element.evaluate((element) => element.focus());
  const moved = await tab.evaluate(pixelsMoved, [withFocus, without, CHANNEL_MOVE_MIN]);
  const visible = { width: Math.min(box.width, width - box.x), height: Math.min(box.height, height - box.y) };
  return moved >= RING_PART_MIN * 2 * (visible.width + visible.height);
}

/** How a part of the page looks once it has stopped changing: a busy machine may paint late. */
async function steadyLook(tab, clip) {
  let before = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    const now = (await tab.screenshot({ clip, animations: "disabled" })).toString("base64");
    if (now === before) return `data:image/png;base64,${now}`;
    before = now;
  }
  throw new Error(`${await focused(tab)} looks different each time`);
}

/** Runs in the page: how many pixels of two pictures differ by so much. */
async function pixelsMoved([first, second, moveMin]) {
  const pixels = async (address) => {
    const image = await createImageBitmap(await (await fetch(address)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    return canvas.getImageData(0, 0, image.width, image.height).data;
  };
  const [a, b] = [await pixels(first), await pixels(second)];
  let moved = 0;
  for (let at = 0; at < a.length; at += 4) {
    const moves = [0, 1, 2].map((channel) => Math.abs(a[at + channel] - b[at + channel]));
    if (Math.max(...moves) >= moveMin) moved++;
  }
  return moved;
}
