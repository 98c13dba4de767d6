// What a citizen carries away, in a real browser: the short text, the picture, the script for the loudspeaker, and what a
// line of the books opens to, with scripts and without.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, complaintsOf, demo, launch, screenshots } from "./demo.mjs";

let folder;
let served;
let site;
let browser;
let sheet;

before(async () => {
  served = await demo("share");
  ({ folder, site } = served);
  browser = await launch(folder, "profile");
  await browser.grantPermissions(["clipboard-read", "clipboard-write"], { origin: site });
  const list = await (await fetch(`${site}/api/v1/disclosures?type=finance`)).json();
  const newest = list.items.find((item) => item.content === "finance" && item.status === "disclosed");
  sheet = `/disclosures/${newest.stream.split("/")[1]}`;
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

/** A page with what it complains about. */
async function open(context, path) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  assert.equal((await page.goto(site + path)).status(), 200, path);
  return { page, complaints };
}

describe("a citizen with a phone", () => {
  test("copies the short text, whose address leads back to the page", async () => {
    const { page, complaints } = await open(browser, sheet);
    const said = await page.locator("[data-say]").inputValue();
    assert.ok([...said].length <= 70, said);
    await page.locator("[data-copy]").tap();
    await page.getByText("已复制").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), said);
    await page.goto(said.split(" ").at(-1));
    assert.equal(new URL(page.url()).pathname, sheet);
    await page.screenshot({ path: join(screenshots, "share.png"), fullPage: true });
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("gets the picture as pixels too, twice as fine as it is shown", async () => {
    const { page, complaints } = await open(browser, sheet);
    await page.getByRole("link", { name: "长图" }).tap();
    await page.waitForURL(/\/picture$/);
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("[data-save]").tap()]);
    assert.equal(download.suggestedFilename(), "gongkai.png");
    const png = readFileSync(await download.path());
    assert.deepEqual([...png.subarray(1, 4)], [...Buffer.from("PNG")]);
    assert.equal(png.readUInt32BE(16), 1500, "the width of the picture");
    await page.screenshot({ path: join(screenshots, "share-picture.png"), fullPage: true });
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("is offered no reading aloud without a Chinese voice, and with one hears every sentence in order", async () => {
    const silent = await open(browser, `${sheet}/loudspeaker`);
    assert.ok(!(await silent.page.locator("[data-read]").isVisible()), "this browser has no voice");
    await silent.page.close();
    const page = await browser.newPage();
    await page.addInitScript(() => {
      const voice = { lang: "zh-CN", name: "a voice", default: true, localService: true, voiceURI: "voice" };
      globalThis.heard = [];
      globalThis.SpeechSynthesisUtterance = class extends EventTarget {
        constructor(text) {
          super();
          this.text = text;
        }
      };
      Object.defineProperty(globalThis, "speechSynthesis", {
        value: {
          getVoices: () => [voice],
          speak(said) {
            heard.push(said.text);
            setTimeout(() => said.dispatchEvent(new Event("end")));
          },
          cancel() {},
        },
      });
    });
    await page.goto(`${site}${sheet}/loudspeaker`);
    await page.locator("[data-read]").tap();
    await page.waitForFunction(() => document.querySelector("[data-read]").textContent === "念给我听" && heard.length > 0);
    const heard = await page.evaluate(() => globalThis.heard);
    assert.deepEqual(heard, await page.locator("[data-script] p").allTextContents());
    await page.close();
  });

  test("prints the script on one sheet of A4", async () => {
    const { page } = await open(browser, `${sheet}/loudspeaker`);
    const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
    assert.equal(pdf.match(/\/Type\s*\/Page\b(?!s)/g).length, 1);
    const [width, height] = /\/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)/.exec(pdf).slice(1).map(Number);
    assert.deepEqual([Math.round(width), Math.round(height)], [595, 842]);
    await page.close();
  });
});

describe("a sheet that is printed from the browser", () => {
  test("of a disclosure and of a notice holds the code, and beside it address, number, check code and hotline", async () => {
    const notices = await (await fetch(`${site}/api/v1/notices`)).json();
    for (const path of [sheet, `/notices/${notices.items[0].stream.split("/")[1]}`]) {
      const { page, complaints } = await open(browser, path);
      await page.emulateMedia({ media: "print" });
      const paper = page.locator("#paper");
      assert.ok(await paper.isVisible(), path);
      assert.ok(!(await page.locator("#share").isVisible()), "one code, not two");
      const seal = (await (await fetch(`${site}/api/v1/sheets/${path.split("/").at(-1)}`)).json()).seal;
      const said = await paper.innerText();
      const code = seal.hash.slice(0, 12).replace(/(.{4})(?=.)/g, "$1 ");
      for (const beside of [`/n/${seal.index}`, `№${seal.index}`, code, seal.hotline]) assert.ok(said.includes(beside), beside);
      assert.ok(await paper.locator("img").evaluate((image) => image.complete && image.naturalWidth > 0));
      const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
      const [width, height] = /\/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)/.exec(pdf).slice(1).map(Number);
      assert.deepEqual([Math.round(width), Math.round(height)], [595, 842]);
      await page.goto(`${site}/n/${seal.index}?h=${seal.hash}`);
      assert.match(new URL(page.url()).pathname, /\/wall$/);
      await page.getByText("核对码一样").waitFor();
      assert.deepEqual(complaints, []);
      await page.close();
    }
  });
});

describe("a citizen whose browser runs no scripts", () => {
  test("opens a line, selects the text and sees the picture all the same", async () => {
    const context = await launch(folder, "plain", { javaScriptEnabled: false });
    try {
      const { page, complaints } = await open(context, sheet);
      const line = page.locator("details.opens").first();
      assert.ok(!(await line.locator("li").first().isVisible()));
      await line.locator("summary").tap();
      assert.ok(await line.locator("li").first().isVisible());
      assert.match(await page.locator("details.opens summary").allTextContents().then((all) => all.join()), /上月|月/);
      assert.ok(await page.locator("[data-say]").isVisible());
      assert.ok(!(await page.locator("[data-copy]").isVisible()), "a button that cannot work is not shown");
      await page.getByRole("link", { name: "长图" }).tap();
      await page.waitForURL(/\/picture$/);
      assert.ok(await page.locator("[data-picture]").isVisible());
      assert.ok(!(await page.locator("[data-picture-tools]").isVisible()));
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  });
});
