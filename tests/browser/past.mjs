// A journalist asks how things stood on a past day: lists, their pages and their tables, on a phone and in a real browser.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";

const DAY_MS = 24 * 3_600_000;
const CHINA_MS = 8 * 3_600_000;

let folder;
let served;
let site;
let browser;
let on;
let pledges;

/** The day of a moment in China. */
const dayOf = (moment) => new Date(new Date(moment).getTime() + CHINA_MS).toISOString().slice(0, 10);

/** A day as pages write it. */
const written = (day) => day.replace(/^(\d+)-0?(\d+)-0?(\d+)$/, "$1年$2月$3日");

/** A whole table of JSON lines. */
async function table(query) {
  const text = await (await fetch(`${site}/api/v1/${query}`)).text();
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

before(async () => {
  served = await demo("past");
  ({ folder, site } = served);
  browser = await launch(folder, "profile");
  pledges = await table("pledges?format=jsonl");
  // A day on which some were there that changed later, and some were not there yet.
  const days = [...Array(400).keys()].map((back) => dayOf(Date.now() - (back + 1) * DAY_MS));
  const tells = (day) =>
    pledges.some((p) => dayOf(p.recorded_at) <= day && dayOf(p.last_recorded_at) > day && p.status === "fulfilled") &&
    pledges.some((p) => dayOf(p.recorded_at) > day);
  on = days.find(tells) ?? days.find((day) => pledges.some((p) => dayOf(p.recorded_at) <= day && dayOf(p.last_recorded_at) > day));
  assert.ok(on, "the demo has a day that differs from today");
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

async function open(path) {
  const page = await browser.newPage();
  const complaints = complaintsOf(page, site);
  assert.equal((await page.goto(site + path)).status(), 200, path);
  return { page, complaints };
}

/** Where the matters of a list lead, page after page. */
async function walked(page) {
  const hrefs = [];
  for (let pages = 1; ; pages += 1) {
    hrefs.push(...(await page.locator(".items .title").evaluateAll((links) => links.map((link) => link.getAttribute("href")))));
    const further = page.getByRole("link", { name: "更早入账的" });
    if ((await further.count()) === 0) return hrefs;
    assert.ok(pages < 200, "the list ends");
    const href = await further.getAttribute("href");
    await Promise.all([page.waitForURL(site + href), further.tap()]);
  }
}

describe("a journalist with a phone", () => {
  test("asks for the promises as of a past day and gets those of that day, each leading to that day", async () => {
    const { page, complaints } = await open("/pledges");
    await page.getByLabel("截至哪一天").fill(on);
    await Promise.all([page.waitForURL(new RegExp(`on=${on}`)), page.getByRole("button", { name: "查看" }).tap()]);
    await page.getByText(`截至${written(on)}的情况。`).waitFor();
    await accessible(page);
    await shot(page, "past-list");
    const hrefs = await walked(page);
    const expected = pledges.filter((pledge) => dayOf(pledge.recorded_at) <= on).sort((a, b) => b.first_index - a.first_index);
    assert.deepEqual(hrefs, expected.map((pledge) => `/streams/${pledge.stream}?on=${on}`));
    await page.locator(".items .title").first().tap();
    await page.getByText("这是过去的样子。").waitFor();
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("finds a promise open that has been kept since, and comes back to today", async () => {
    const kept = pledges.find((p) => dayOf(p.recorded_at) <= on && dayOf(p.last_recorded_at) > on);
    const then = (await table(`pledges?format=jsonl&on=${on}`)).find((pledge) => pledge.stream === kept.stream);
    assert.equal(then.as_of, on);
    assert.ok(then.last_index < kept.last_index && then.revisions < kept.revisions, "it had fewer records");
    const { page, complaints } = await open(`/pledges?org=${kept.org}&on=${on}`);
    const item = page.locator(".item", { has: page.locator(`a[href="/streams/${kept.stream}?on=${on}"]`) });
    assert.equal(await item.count(), 1);
    await Promise.all([page.waitForURL((url) => !url.search.includes("on=")), page.getByRole("link", { name: "看今天的情况" }).tap()]);
    assert.equal(await page.getByText("的情况。").count(), 0);
    assert.match(page.url(), new RegExp(`org=${kept.org}`));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("takes the table of that day home, each row with its day", async () => {
    const { page, complaints } = await open(`/pledges?on=${on}`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV 表格" }).tap()]);
    assert.equal(download.suggestedFilename(), `pledge-${on}.csv`);
    const rows = readFileSync(await download.path(), "utf8").trim().split("\r\n");
    assert.match(rows[0], /,as_of$/);
    assert.equal(rows.length - 1, pledges.filter((pledge) => dayOf(pledge.recorded_at) <= on).length);
    assert.ok(rows.slice(1).every((row) => row.endsWith(`,${on}`)));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("sees every list and a village as of that day, and hears honestly of days without records", async () => {
    const village = pledges.find((p) => dayOf(p.recorded_at) <= on).org;
    for (const path of ["/notices", "/nominations", "/vacancies", "/disclosures", "/timeline", `/organizations/${village}`]) {
      const { page, complaints } = await open(`${path}?on=${on}`);
      await page.getByText(`截至${written(on)}的情况。`).waitFor();
      await accessible(page);
      await shot(page, `past-${path.split("/")[1]}`);
      assert.deepEqual(complaints, [], path);
      await page.close();
    }
    const { page } = await open("/pledges?on=2001-01-01");
    await page.getByText("在那以前什么都没有").waitFor();
    const answer = await page.goto(`${site}/pledges?on=2999-01-01`);
    assert.equal(answer.status(), 400);
    await page.getByText("这一天还没有到").waitFor();
    await page.close();
  });

  test("can do all of it without scripts", async () => {
    const plain = await launch(folder, "plain", { javaScriptEnabled: false });
    const page = await plain.newPage();
    await page.goto(`${site}/pledges`);
    await page.getByLabel("截至哪一天").fill(on);
    await Promise.all([page.waitForURL(new RegExp(`on=${on}`)), page.getByRole("button", { name: "查看" }).tap()]);
    await page.getByText(`截至${written(on)}的情况。`).waitFor();
    await plain.close();
  });
});

describe("a wide screen", () => {
  test("shows the same list", async () => {
    const wide = await launch(folder, "wide", { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 });
    const page = await wide.newPage();
    await page.goto(`${site}/pledges?on=${on}`);
    await page.getByText(`截至${written(on)}的情况。`).waitFor();
    await accessible(page);
    await shot(page, "past-list-wide");
    await wide.close();
  });
});
