// Uses the form as a person does: a line of JSON in is a step, a line of JSON out is what is seen.
//
//   node drive.mjs CHROMIUM MODULES     steps: open, fill, choose, press, text, shot

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [executablePath, modules] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const browser = await chromium.launch({
  executablePath,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
let page;
const faults = [];

const STEPS = {
  async open({ url }) {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 940, height: 1500 } });
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("request", (asked) => asked.url().match(/^https?:/) && faults.push(asked.url()));
    await page.goto(url);
    await page.locator("form").waitFor();
  },
  async fill({ at, value }) { await page.locator(at).fill(value); },
  async choose({ at, value }) { await page.locator(at).selectOption({ label: value }); },
  async press({ at }) { await page.locator(at).click(); },
  async text({ at }) { return page.locator(at).allInnerTexts(); },
  async value({ at }) { return page.locator(at).inputValue(); },
  async appears({ at }) { await page.locator(at).first().waitFor(); },
  async shot({ path }) {
    await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
    await page.screenshot({ path, animations: "disabled" });
  },
  async faults() { return faults; },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { step, ...given } = JSON.parse(line);
  try {
    const seen = await STEPS[step](given);
    console.log(JSON.stringify({ seen: seen ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error) }));
  }
}
await browser.close();
