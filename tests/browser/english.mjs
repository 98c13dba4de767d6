// Somebody who reads English walks through the demo: the browser asks for English, a link changes the language and is
// remembered, with JavaScript and without. What people published stays Chinese and says so to a screen reader.
//
// Run by tests/run, which installs the browser and the driver. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import axe from "axe-core";
import { START_MS_MAX, complaintsOf, demo, launch, screenshots } from "./demo.mjs";

const VILLAGE = "341599101201";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false };

let served;
let site;
let browser;

before(async () => {
  served = await demo("english");
  ({ site } = served);
  browser = await launch(served.folder, "phone", { locale: "en-GB" });
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

async function open(path, context = browser) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  const response = await page.goto(site + path);
  assert.equal(response.status(), 200, path);
  return { page, complaints };
}

const shot = (page, name) => page.screenshot({ path: join(screenshots, `english-${name}.png`), fullPage: true });

/** Address of the first matter of a board. */
async function first(board) {
  const list = await (await fetch(`${site}/api/v1/${board}?limit=1`)).json();
  return `/${board}/${list.items[0].stream.split("/")[1]}`;
}

/** Every text node with Chinese in it that is in no element whose language is Chinese. */
const unsaid = (page) =>
  page.evaluate(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!/\p{Script=Han}/u.test(node.data) || element.closest("script, style")) continue;
      if (element.closest("[lang]").getAttribute("lang") !== "zh-CN") found.push(node.data.trim());
    }
    return found;
  });

async function fits(page, path) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => d.setAttribute("open", "")));
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= screen, `${path} is ${wide} px wide on a screen of ${screen}`);
}

describe("a reader of English", () => {
  test("gets the site in English where the browser asks for it, page after page, and no page scrolls sideways", async () => {
    const { page, complaints } = await open("/");
    await page.getByRole("heading", { name: /What was promised, what was spent/ }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    const pages = ["/", "/pledges", "/compliance", "/organizations", "/about", "/timeline", "/search?q=%E9%9D%92%E7%A6%BE"];
    pages.push(`/organizations/${VILLAGE}`, "/hand-in", "/follow", `/hand-in/letter.received?org=${VILLAGE}`);
    for (const board of ["disclosures", "pledges", "nominations", "vacancies", "notices"]) pages.push(await first(board));
    for (const path of pages) {
      await page.goto(site + path);
      await shot(page, `${path.split(/[/?]/)[1] || "home"}-${path.split("/").length}`);
      assert.equal(await page.locator("html").getAttribute("lang"), "en", path);
      assert.match(await page.locator("nav.tabs").innerText(), /Pledges/, path);
      await fits(page, path);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("reads a disclosure, a pledge and a nomination: labels in English, what was published in Chinese and marked so", async () => {
    const { page, complaints } = await open(await first("disclosures"));
    await page.getByText("Has this record been altered?").first().waitFor();
    const table = await page.locator("main").innerText();
    assert.match(table, /Declared\s+\d{1,2} [A-Z][a-z]+ 20\d\d/);
    assert.match(table, /Closing balance|Line by line|Full text|Full history/);
    await page.goto(site + (await first("pledges")));
    const pledge = await page.locator("main").innerText();
    for (const label of ["Pledged by", "To reach", "Full history"]) assert.ok(pledge.includes(label), pledge);
    assert.equal(await page.locator("main h1, main h1 .text").last().evaluate((h1) => h1.closest("[lang]").lang), "zh-CN");
    await page.goto(site + (await first("nominations")));
    const nomination = await page.locator("main").innerText();
    for (const label of ["Present post", "Intended post", "Notice period"]) assert.ok(nomination.includes(label), nomination);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("checks a record in the browser, which says in English what it found", async () => {
    const { page, complaints } = await open(await first("pledges"));
    await page.locator("#check > summary").click();
    await page.getByRole("button", { name: "Check in my browser" }).click();
    await page.locator("[data-result]", { hasText: "Checked in your browser" }).waitFor();
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("writes a letter, learns what is missing, and follows it with the code", async () => {
    const { page, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
    await page.locator("form.write button[type=submit]").click();
    assert.match(await page.locator("form.write").innerText(), /is not filled in/);
    await page.selectOption("#f-class", "opinion");
    await page.locator("#f-title").fill("Lamp broken (虚构)");
    await page.locator("#f-text").fill("The lamp at the bridge has been broken since March.");
    await page.locator("form.write button[type=submit]").click();
    await page.locator("main h1", { hasText: "Received" }).waitFor();
    const code = (await page.locator(".codeword").innerText()).trim();
    assert.match(code, /^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$/);
    await page.locator(".keep img").waitFor();
    const receipt = await page.locator("main").innerText();
    for (const words of ["write it down", "Letter received", "In the ledger at the latest by", "Promise of receipt"]) assert.ok(receipt.includes(words), receipt);
    await page.goto(`${site}/follow`);
    await page.getByLabel("Code").fill(code);
    await page.getByRole("main").getByRole("button", { name: "Show" }).click();
    await page.getByText("Progress").first().waitFor();
    const followed = await page.locator("main").innerText();
    assert.match(followed, /Received/);
    assert.match(followed, /Time limits/);
    assert.equal(await page.locator(".tongues").count(), 0, "what was posted is answered once, and has no link that loses it");
    await shot(page, "followed");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("is told in English what went wrong", async () => {
    const page = await browser.newPage();
    await page.goto(`${site}/nothing`);
    await page.getByRole("heading", { name: "Page not found" }).waitFor();
    await page.goto(`${site}/pledges?page=0`);
    assert.match(await page.locator("main").innerText(), /must be a whole number from 1 to/);
    await page.close();
  });

  test("changes to Chinese and back, keeps the place, and is remembered, without JavaScript too", async () => {
    for (const javaScriptEnabled of [true, false]) {
      const context = await launch(served.folder, `switch-${javaScriptEnabled}`, { ...DESKTOP, locale: "en-GB", javaScriptEnabled });
      try {
        const { page } = await open(`/pledges?org=${VILLAGE}`, context);
        assert.match(await page.locator("h1").innerText(), /Pledges/);
        await shot(page, `desktop-${javaScriptEnabled}`);
        await page.locator(".tongues").getByRole("link", { name: "中文" }).click();
        await page.locator("html[lang=zh-CN]").waitFor({ state: "attached" });
        assert.match(await page.locator("h1").innerText(), /承诺事项/);
        assert.equal(new URL(page.url()).searchParams.get("org"), VILLAGE);
        await page.goto(`${site}/about`);
        assert.match(await page.locator("h1").innerText(), /怎么核对/);
        await page.locator(".tongues").getByRole("link", { name: "English" }).click();
        await page.locator("html[lang=en]").waitFor({ state: "attached" });
        assert.equal(new URL(page.url()).pathname, "/about");
        await page.goto(site);
        assert.match(await page.locator("h1").innerText(), /What was promised/);
        const [cookie, ...more] = await context.cookies();
        assert.deepEqual([cookie.name, cookie.value, cookie.httpOnly, more.length], ["lang", "en", true, 0]);
      } finally {
        await context.close();
      }
    }
  });

  test("hears each language as what it is", async () => {
    const { page } = await open("/");
    const pages = ["/", "/pledges", "/compliance", "/about", "/hand-in", `/hand-in/letter.received?org=${VILLAGE}`, `/organizations/${VILLAGE}`];
    for (const path of [...pages, await first("disclosures"), await first("pledges"), await first("nominations")]) {
      await page.goto(site + path);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${path}: ${id}, ${help}: ${html.slice(0, 160)}`));
      assert.deepEqual(found, []);
      const bare = (await unsaid(page)).filter((text) => text.length > 1 && /^\p{Script=Han}+$/u.test(text));
      assert.deepEqual(bare, [], path);
    }
    await page.close();
  });
});
