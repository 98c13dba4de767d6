// A citizen's walk through the demo, in a real browser on a phone-sized screen, with JavaScript and without.
//
// What is walked: search a pledge by a two-character word and by pinyin, open it, read its history and a difference,
// open the check panel, let the browser check, download proof and entry and verify them with the binary; a disclosure
// with its totals; two villages side by side; every kind of page without a sideways scroll and without a word in the console. Nothing is looked
// up by a fixed address: like a citizen, the walk follows links. Screenshots go to target/screenshots.
//
// Run by tests/run, which installs the browser and the driver. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, binary, complaintsOf, demo, launch, screenshots, shot } from "./demo.mjs";

const NARROW = { width: 360, height: 740 };

let folder;
let served;
let site;
let browser;
let complaints;

before(async () => {
  served = await demo("walk");
  ({ folder, site } = served);
  browser = await launch(folder, "profile");
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

/** A page of which every complaint is kept. */
async function open(path = "/") {
  const page = await browser.newPage();
  complaints = complaintsOf(page, site);
  await go(page, path);
  return page;
}

async function go(page, path) {
  const response = await page.goto(site + path);
  assert.equal(response.status(), 200, path);
}


/** Searches from the home page, as people do, and gives the hits' titles. */
async function search(page, words) {
  await go(page, "/");
  await page.locator("#home-q").fill(words);
  await page.locator(".bigfind button").tap();
  await page.waitForURL(/\/search\?/);
  return page.locator("main .items a.title").allTextContents();
}

async function json(path) {
  const response = await fetch(site + path);
  assert.equal(response.status, 200, path);
  return response.json();
}

/** Address, on the site, of the first pledge whose history has a difference. */
async function amendedPledge(page) {
  await go(page, "/pledges");
  for (;;) {
    const addresses = await page.locator("main .items a.title").evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    for (const address of addresses) {
      const html = await (await fetch(site + address)).text();
      if (html.includes("<del>") && html.includes("<ins>")) return address;
    }
    const next = page.locator('main .pager a[rel="next"]');
    assert.ok(await next.count(), "no pledge of the demo was amended");
    await next.tap();
    await page.waitForLoadState();
  }
}

/** A word of two characters out of a title: its first two Han characters that stand together. */
const word = (title) => /\p{Script=Han}{2}/u.exec(title)[0];

describe("a citizen with a phone", () => {
  test("finds a pledge by a word of two characters, reads its history and what was changed", async () => {
    const page = await open();
    await shot(page, "home");
    const address = await amendedPledge(page);
    await go(page, address);
    const title = (await page.locator("main h1").textContent()).trim();
    assert.ok((await search(page, word(title))).length > 0, `nothing found for ${word(title)}`);
    const found = await search(page, title.slice(0, 12));
    assert.ok(found.some((hit) => hit.includes(title.slice(0, 6))), `${title} is not among ${found}`);
    await shot(page, "search");
    await page.locator("main .items a.title", { hasText: title.slice(0, 6) }).first().tap();
    await page.waitForURL(/\/pledges\//);
    assert.ok((await page.locator(".history .event").count()) >= 2, "a history has more than one event");
    assert.ok(await page.locator(".history .diff del").first().isVisible());
    assert.ok(await page.locator(".history .diff ins").first().isVisible());
    const times = await page.locator(".history .event .times").first().textContent();
    assert.match(times, /申报时间/);
    assert.match(times, /入账时间/);
    await shot(page, "pledge");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("finds a person by pinyin", async () => {
    const page = await open();
    const pledges = await json("/api/v1/pledges?limit=100");
    const names = pledges.items.flatMap((pledge) => pledge.names);
    assert.ok(names.includes("邵南枝"), `the demo's officials are ${names}`);
    const byName = await search(page, "邵南枝");
    assert.ok(byName.length > 0);
    // Whoever has no Chinese keyboard writes the sound: of a person, and of the county 青禾.
    assert.deepEqual(await search(page, "shaonanzhi"), byName);
    assert.ok((await search(page, "qinghe")).length > 0, "nothing found for qinghe");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("checks a pledge in the browser, downloads proof and entry, and verifies them with the binary", async () => {
    const page = await open();
    await go(page, await amendedPledge(page));
    await page.locator("#check summary").first().tap();
    const panel = page.locator("#check").first();
    const index = await panel.getAttribute("data-index");
    await panel.locator("[data-verify]").tap();
    const result = panel.locator("[data-result].ok");
    await result.waitFor();
    assert.match(await result.textContent(), /浏览器已核对/);
    await shot(page, "check");
    // Kept under the names that the page gives them, as a phone does; the printed command must find both.
    const keep = async (text) => {
      const [download] = await Promise.all([page.waitForEvent("download"), panel.getByText(text).tap()]);
      const name = download.suggestedFilename();
      assert.ok(name.startsWith(`entry-${index}.`), name);
      const path = join(folder, name);
      await download.saveAs(path);
      return path;
    };
    const entry = await keep("下载条目原始字节");
    const proof = await keep("下载证明文件");
    const vkey = (await (await fetch(`${site}/log/vkey`)).text()).trim();
    const said = execFileSync(binary, ["verify", proof, "--vkey", vkey], { encoding: "utf8" });
    assert.ok(said.length > 0);
    // One changed byte, and the answer is no.
    execFileSync("sed", ["-i", "2s/.*/999999/", entry]);
    assert.throws(
      () => execFileSync(binary, ["verify", proof, "--vkey", vkey], { encoding: "utf8", stdio: "pipe" }),
      (error) => error.status === 1,
    );
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("reads a month of the village's books with its totals", async () => {
    const page = await open("/disclosures");
    await shot(page, "disclosures");
    const addresses = await page.locator("main .items a.title").evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    let books = 0;
    for (const address of addresses) {
      await go(page, address);
      const table = page.locator("table.fin").first();
      if (!(await table.count())) continue;
      books += 1;
      // Reversals are printed with a real minus sign.
      const fen = (text) => Math.round(Number(text.replace("−", "-").replace(/[^\d.-]/g, "") || "0") * 100);
      const sum = async (cells) => (await table.locator(cells).allTextContents()).reduce((all, text) => all + fen(text), 0);
      if (await page.locator("main .book .more").count()) continue;
      assert.equal(await sum("tbody td.in"), await sum("tfoot td.in"), `${address}: income`);
      assert.equal(await sum("tbody td.out"), await sum("tfoot td.out"), `${address}: expense`);
      if (books === 1) await shot(page, "disclosure");
    }
    assert.ok(books > 0, "the first page of disclosures shows no book");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("never scrolls sideways and never meets an error, on any kind of page", async () => {
    const page = await open();
    await page.setViewportSize(NARROW);
    const kinds = ["/", "/timeline", "/organizations", "/compliance", "/about", "/search?q=%E6%9D%91"];
    for (const board of ["/pledges", "/vacancies", "/nominations", "/notices", "/disclosures"]) {
      await go(page, board);
      const first = await page.locator("main .items a.title").first().getAttribute("href");
      assert.ok(first, `${board} is empty`);
      kinds.push(board, first);
    }
    await go(page, "/organizations");
    kinds.push(await page.locator('main a[href^="/organizations/"]').first().getAttribute("href"));
    // A village with its drawings, villages side by side, and the past.
    await go(page, "/compliance");
    const village = await page.locator('#missing a[href^="/organizations/"]').first().getAttribute("href");
    const day = await page.locator("#on").getAttribute("max");
    await go(page, village);
    const choose = await page.locator('main a[href^="/compare"]').first().getAttribute("href");
    await go(page, choose);
    const codes = await page.locator(".pick input").evaluateAll((boxes) => boxes.slice(0, 4).map((box) => box.value));
    kinds.push(village, choose, `/compare?${codes.map((code) => `org=${code}`).join("&")}`);
    kinds.push(`/compliance?on=${Number(day.slice(0, 4)) - 1}${day.slice(4)}`);
    await go(page, kinds.find((path) => path.startsWith("/pledges/")));
    kinds.push(await page.locator("main a.no").first().getAttribute("href"));
    for (const path of kinds) {
      await go(page, path);
      // Open panels too: hashes and commands are the widest things there are.
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => d.setAttribute("open", "")));
      const wide = await page.evaluate(() => ({
        page: document.documentElement.scrollWidth,
        screen: document.documentElement.clientWidth,
      }));
      assert.ok(wide.page <= wide.screen, `${path} is ${wide.page} px wide on a screen of ${wide.screen}`);
      const name = path === "/" ? "home" : path.split("?")[0].split("/")[1] + (path.split("/").length > 2 ? "-one" : "");
      await shot(page, `narrow-${name}`);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("a citizen whose browser runs no scripts", () => {
  test("searches, reads and downloads all the same", async () => {
    const context = await launch(folder, "plain", { javaScriptEnabled: false });
    try {
      const page = await context.newPage();
      assert.equal((await page.goto(`${site}/`)).status(), 200);
      await page.locator("#home-q").fill("承诺");
      await page.locator(".bigfind button").tap();
      await page.waitForURL(/\/search\?/);
      assert.equal((await page.goto(`${site}/pledges`)).status(), 200);
      await page.locator("main .items a.title").first().tap();
      await page.waitForURL(/\/pledges\//);
      await page.locator("#check summary").first().tap();
      const panel = page.locator("#check").first();
      assert.ok(await panel.getByText("下载证明文件").isVisible());
      assert.ok(!(await panel.locator("[data-verify]").isVisible()), "a button that cannot work is not shown");
      assert.ok((await page.locator(".history .event").count()) >= 1);
      const [download] = await Promise.all([page.waitForEvent("download"), panel.getByText("下载证明文件").tap()]);
      assert.match(download.suggestedFilename(), /^entry-\d+\.tlog-proof$/);
      await page.screenshot({ path: join(screenshots, "without-scripts.png"), fullPage: true });
      await page.goto(`${site}/compliance`);
      await page.locator('#missing a[href^="/organizations/"]').first().tap();
      await page.waitForURL(/\/organizations\//);
      await page.locator('main a[href^="/compare"]').first().tap();
      await page.waitForURL(/\/compare/);
      await page.locator(".pick input:not(:checked)").first().check();
      await page.locator("main form button").tap();
      await page.waitForURL(/\/compare\?org=.*org=/);
      assert.equal(await page.locator("table.versus thead a").count(), 2);
    } finally {
      await context.close();
    }
  });
});
