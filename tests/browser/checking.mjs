// What the walks of a check share: readers whose browser gets some answers changed on the way, and what a check says to them.
import { complaintsOf, options } from "./demo.mjs";

/** The seed of a key that nobody trusts. */
export const STRANGER = Buffer.alloc(32, 7);

/** When a browser noted what it keeps. */
export const SEEN_AT = Date.parse("2026-03-10T01:12:00Z");

/** Bytes with one bit changed. */
export const flip = (bytes, at) => Buffer.from(bytes.map((byte, place) => (place === at ? byte ^ 1 : byte)));

/** Waits for the outcome; gives each step with its state and what it says. */
export async function outcome(page) {
  await page.locator("[data-steps] .check-left").waitFor();
  const steps = await page.locator("[data-steps] [data-step]").evaluateAll((items) =>
    items.map((item) => [item.dataset.step, item.className.replace("check-", ""), item.innerText]),
  );
  const text = await page.locator("[data-result]").textContent();
  const states = Object.fromEntries(steps.map(([id, state]) => [id, state]));
  return { text, states, said: Object.fromEntries(steps.map(([id, , said]) => [id, said])) };
}

/** What answers a request in the site's place: a number is a status without a body, an object a status with one. */
function answering(answer) {
  if (typeof answer === "number") return { status: answer, body: "" };
  return answer.status ? answer : { status: 200, body: answer };
}

export class Readers {
  constructor(browser, site) {
    Object.assign(this, { browser, site });
  }

  /** A browser that was never here, or that keeps what is given. `answers` are replaced on the way, by address. */
  async visitor(answers = {}, kept = {}, more = {}) {
    const context = await this.browser.newContext(options(more));
    await context.addInitScript((texts) => {
      for (const [name, text] of Object.entries(texts)) {
        if (!localStorage.getItem(name)) localStorage.setItem(name, text);
      }
    }, Object.fromEntries(Object.entries(kept).map(([name, text]) => [`gongkai.check.${name}`, JSON.stringify({ text, at: SEEN_AT })])));
    for (const [path, change] of Object.entries(answers)) {
      await context.route((url) => url.pathname === path, async (route) => {
        await route.fulfill({ contentType: "text/plain", ...answering(await change()) });
      });
    }
    const page = await context.newPage();
    const sent = [];
    page.on("request", (request) => sent.push(`${request.method()} ${request.url()}`));
    return { page, sent, complaints: complaintsOf(page, this.site), end: () => context.close() };
  }

  /** Opens an entry and presses the button of its panel. */
  async checked({ page }, index) {
    await page.goto(`${this.site}/entries/${index}/view`);
    await page.locator("[data-verify]").tap();
    return outcome(page);
  }

  /** What a visitor finds with one answer changed. */
  async tampered(answers, kept, index) {
    const reader = await this.visitor(answers, kept);
    try {
      return await this.checked(reader, index);
    } finally {
      await reader.end();
    }
  }
}
