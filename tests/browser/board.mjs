// The secretary on Monday, with a phone: numbers first, each opens its list, a list is carried away, an overdue pledge is
// put under supervision from its row, and the clock stands on the pledge's page until it is answered. An erasure request
// leaves a tombstone, and everything still verifies. A pledge's page is painted soon on a slow phone.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, run, shot } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";

const COUNTY = "341599";
const TOWN = "341599101";
const PIN = "山高月小水落石出";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 };
// A slow phone: 400 kbit/s, 400 ms.
const SLOW = { offline: false, latency: 400, downloadThroughput: 400_000 / 8, uploadThroughput: 400_000 / 8 };
const PAINT_MS_MAX = 2_000;

let served;
let site;
let browser;
let number = 0;

before(async () => {
  served = await demo("board");
  site = served.internal;
  browser = await launch(served.folder, "phone");
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

const key = (name) => join(served.folder, `demo/demo-keys/${name}.key`);

/** Somebody of the demo, or the registrars, record something; gives the receipt. */
function record(command, author, ...cosigners) {
  const file = join(mkdtempSync(join(served.folder, "command-")), "command.json");
  writeFileSync(file, JSON.stringify(command));
  const beside = cosigners.flatMap((cosigner) => ["--cosign", cosigner]);
  const place = ["--url", site, "--outbox", join(served.folder, "outbox")];
  return JSON.parse(run("submit", ...place, "--json", "--key", author, ...beside, file));
}

async function open(path, context = browser) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  await page.goto(site + path);
  return { page, complaints };
}

/** Makes a key in a browser, has it approved, and signs in. */
async function enter(context, keyName, who) {
  const { page } = await open("/internal/sign-in", context);
  const key = await makeKey(page, keyName, PIN);
  const person = `person/018f0000-0000-7000-8000-00000000b00${(number += 1)}`;
  register(served, entering(person, { name: who.name, org: who.org, key, roles: [who.role] }));
  await page.getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/`);
  return page;
}

async function notWide(page) {
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide[0] <= wide[1], `${page.url()} is ${wide[0]} px wide on a screen of ${wide[1]}`);
}

/** The numbers of the board as they stand on the page: label, number, the sum of its spans, address. */
const numbers = (page) =>
  page.locator(".board .num").evaluateAll((links) =>
    links.map((link) => ({
      label: link.querySelector("span").textContent,
      total: Number(link.querySelector("b").textContent.replaceAll(",", "")),
      spans: [...link.querySelectorAll("i")].reduce((sum, one) => sum + Number(one.textContent.replaceAll(",", "")), 0),
      href: link.getAttribute("href"),
    })),
  );

describe("the secretary on Monday", () => {
  test("opens the board from the desk: each number opens to the list that it counts", async () => {
    const page = await enter(browser, "shuji.qinghe/1", { name: "书记(虚构)", org: COUNTY, role: "approver" });
    await accessible(page);
    await shot(page, "board-desk");
    await page.getByRole("link", { name: "督办看板" }).click();
    await page.waitForURL(`${site}/internal/board`);
    await accessible(page);
    await notWide(page);
    await shot(page, "board");
    const all = await numbers(page);
    assert.ok(all.length >= 9, JSON.stringify(all));
    for (const { label, total, spans, href } of all) {
      assert.equal(spans, total, `${label}: its spans are all of it`);
      await page.goto(site + href);
      assert.equal(await page.locator("h1").innerText(), label);
      assert.match(await page.locator(".lead").innerText(), new RegExp(`共 ${total} 项`));
      assert.equal(await page.locator(".awaited").count(), Math.min(total, 50), label);
      await notWide(page);
    }
    assert.ok(all.some(({ total }) => total === 0), "an empty list is among them");
    const overdue = all.find(({ href }) => href.includes("overdue_pledges"));
    assert.ok(overdue.total > 0);
    await page.goto(`${site}/internal/board`);
    await page.locator("#f-org").selectOption(TOWN);
    await page.getByRole("button", { name: "查看" }).click();
    await page.waitForURL(new RegExp(`board\\?org=${TOWN}`));
    const below = await numbers(page);
    assert.ok(below.every(({ total }, at) => total <= all[at].total), "a town has no more than the county");
    assert.ok(below.some(({ total }, at) => total < all[at].total));
    assert.ok(below.every(({ href }) => href.endsWith(`org=${TOWN}`)), "a list stays with its town");
    await page.close();
  });

  test("carries a list away as a table that has every row", async () => {
    const { page } = await open("/internal/board/overdue_pledges");
    const total = Number(/共 ([\d,]+) 项/.exec(await page.locator(".lead").innerText())[1].replaceAll(",", ""));
    await accessible(page);
    await shot(page, "board-list");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("下载整张表").click()]);
    assert.equal(download.suggestedFilename(), "overdue_pledges.csv");
    const path = join(served.folder, "overdue.csv");
    await download.saveAs(path);
    const table = readFileSync(path, "utf8");
    assert.match(table, /^\uFEFF类别,标题,.*逾期天数/);
    assert.equal(table.trim().split("\r\n").length, total + 1);
    await page.close();
  });

  test("puts an overdue pledge under supervision from its row, and the clock stands on the pledge's page", async () => {
    const { page, complaints } = await open("/internal/board/overdue_pledges");
    const row = page.locator(".awaited").first();
    const title = await row.locator(".title").innerText();
    const pledge = await row.locator("a.title").getAttribute("href");
    await row.getByRole("link", { name: "督办" }).click();
    await page.waitForURL(/write\/supervision\.issued\?/);
    const value = (name) => page.locator(`form.write [data-name="${name}"]`).inputValue();
    assert.equal(await value("title"), `限期办理“${title}”`);
    assert.match(await value("text"), /并回复办理情况/);
    assert.equal(`/pledges/${(await value("about")).split("/")[1]}`, pledge);
    assert.ok((await value("due_on")) > (await value("issued_on")));
    await page.locator('form.write [data-name="text"]').fill("请在期限内报告践诺情况，没有办成的写明原因。(虚构)");
    await page.getByText("检查通过").waitFor();
    await accessible(page);
    await shot(page, "board-supervise");
    await page.getByRole("button", { name: "签名并提交" }).click();
    await page.getByText("已记入账本").waitFor();
    await page.getByRole("link", { name: "回工作台" }).click();
    await page.waitForURL(`${site}/internal/`);

    await page.goto(site + pledge);
    const clock = page.locator(".clock");
    assert.match(await clock.innerText(), new RegExp(`青禾县.*督办.*前回复，还有 \\d+ 天`));
    await accessible(page);
    await shot(page, "board-clock");
    await page.goto(`${site}/internal/board/supervisions`);
    assert.ok((await page.locator(".awaited .title").allInnerTexts()).includes(`限期办理“${title}”`));
    await page.goto(`${site}/internal/board/overdue_pledges`);
    const marked = page.locator(".awaited").first();
    assert.ok(await marked.getByRole("link", { name: "正在督办" }).isVisible());
    assert.equal(await marked.getByRole("link", { name: "督办", exact: true }).count(), 0, "once is enough");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("is offered no list of an organization that is none, and nobody else's board", async () => {
    const { page } = await open("/internal/board?org=999999");
    assert.match(await page.locator("main").innerText(), /没有/);
    const outside = await fetch(`${site}/internal/board`, { redirect: "manual" });
    assert.deepEqual([outside.status, outside.headers.get("location")], [303, "/internal/sign-in?to=%2Finternal%2Fboard"]);
    assert.equal((await fetch(`${served.site}/internal/board`, { redirect: "manual" })).status, 404);
    await page.close();
  });
});

describe("a clerk at a desk", () => {
  test("publishes in place of a village that did not, and the public page says who did and why", async () => {
    const desktop = await launch(served.folder, "desktop", DESKTOP);
    const other = await launch(served.folder, "secretary");
    try {
      const secretary = await enter(other, "shuji.liuxi/1", { name: "镇书记(虚构)", org: TOWN, role: "approver" });
      const page = await enter(desktop, "fabu.liuxi/1", { name: "镇公开办(虚构)", org: TOWN, role: "publisher" });
      assert.ok(await page.locator("#soon").isVisible());
      await shot(page, "board-desk-wide");
      await page.goto(`${site}/internal/board`);
      await shot(page, "board-wide");
      await page.goto(`${site}/internal/board/undisclosed`);
      await shot(page, "board-list-wide");
      const row = page.locator(".awaited").filter({ has: page.getByRole("link", { name: "代为公开" }) }).first();
      const village = await row.locator(".meta span").first().innerText();
      await row.getByRole("link", { name: "代为公开" }).click();
      await page.waitForURL(/write\/disclosure\.published\?for=/);
      assert.ok((await page.locator("#f-place option").first().innerText()).startsWith(village));
      assert.equal(await page.locator('form.write [data-name="published_by"]').inputValue(), "substitute");
      assert.equal(await page.locator('form.write [data-name="content"]').inputValue(), "finance");
      const field = (name) => page.locator(`form.write [data-name="${name}"]`).first();
      const period = await field("period").inputValue();
      assert.match(period, /^\d{4}-\d{2}$/);
      await accessible(page);
      const org = new URL(page.url()).searchParams.get("for");
      const { items } = await (await fetch(`${site}/api/v1/disclosures?org=${org}&limit=100`)).json();
      const books = items.filter((sheet) => sheet.content === "finance" && sheet.status !== "withdrawn").sort((a, b) => (a.period < b.period ? -1 : 1));
      const before = books.filter((sheet) => sheet.period < period).pop();
      const money = before ? (before.totals[3] / 100).toFixed(2) : "0.00";
      await field("title").fill(`${village}${period}收支公开表(虚构)`);
      for (const [name, value] of Object.entries({ opening: money, income: "0.00", expense: "0.00", closing: money })) await field(name).fill(value);
      await field("book").selectOption("committee");
      await field("no_movement").check();
      // Alone the clerk cannot say it.
      await page.locator("[data-status].bad", { hasText: "上级机构审批人会签" }).waitFor();
      await page.getByText("还要谁一起签名").click();
      await page.locator("label.tick", { hasText: "镇书记(虚构)" }).locator("input").check();
      await page.getByText("检查通过").waitFor();
      await shot(page, "board-substitute");
      await page.getByRole("button", { name: "签名并提交" }).click();
      await page.getByText("已签名，等别人联署").waitFor();

      await secretary.goto(`${site}/internal/`);
      await secretary.locator("[data-cosign]").getByRole("link", { name: "打开" }).click();
      await secretary.locator("[data-public]").getByText("乡镇代为公开").waitFor();
      await secretary.getByRole("button", { name: "联署" }).click();
      await secretary.getByText("已记入账本").waitFor();
      const index = (await secretary.locator("[data-index]").innerText()).trim();

      for (const context of [desktop, other]) {
        const { page: seen, complaints } = await open(`/n/${index}`, context);
        assert.match(await seen.locator("main .callout", { hasText: "代为公开" }).innerText(), new RegExp(`${village}到期没有公开，由柳溪镇代为公开并会签`));
        assert.match(await seen.locator("main").innerText(), /本月无收支/);
        await accessible(seen);
        await shot(seen, context === desktop ? "board-substituted-wide" : "board-substituted");
        assert.deepEqual(complaints, []);
        await seen.close();
      }
      await page.goto(`${site}/internal/board/undisclosed`);
      const still = page.locator(".awaited", { hasText: village }).filter({ hasText: `${period.split("-")[0]}年${Number(period.split("-")[1])}月` });
      assert.equal(await still.getByRole("link", { name: "代为公开" }).count(), 0, "what was disclosed is not missing");
    } finally {
      await desktop.close();
      await other.close();
    }
  });
});

describe("an erasure request", () => {
  test("leaves a tombstone on the page, and every proof still verifies", async () => {
    const openings = (await (await fetch(`${site}/log/openings/000`)).text()).trim().split("\n").map((line) => JSON.parse(line));
    const pledges = (await (await fetch(`${site}/api/v1/pledges?limit=100`)).json()).items;
    const entry = openings.find(({ index, open: fields }) => pledges.some((pledge) => pledge.first_index === index) && fields.some(({ name }) => name === "pledger"));
    const { slot, value } = entry.open.find(({ name }) => name === "pledger");
    const pledge = pledges.find(({ first_index: index }) => index === entry.index);
    const path = `/pledges/${pledge.stream.split("/")[1]}`;
    const { page, complaints } = await open(path);
    assert.ok((await page.locator("main").innerText()).includes(value));
    const { receipt } = record(
      { kind: "slot.withdrawn.v1", org: COUNTY, fields: { entry: entry.index, slot_numbers: [slot], basis: "personal_data", reason: "当事人要求删去姓名(虚构)", appeal: "十五日内向县公开办提出" } },
      key("gongkaiban-1"),
      `approver=${key("xianwei-shenpi-1")}`,
    );
    // Asked for what reflects the entry, the answer waits until it does.
    assert.equal((await fetch(`${site}/api/v1/pledges?at_least=${receipt.index}`)).status, 200);
    await page.reload();
    const pledger = page.locator("main .rows > div", { hasText: "谁承诺" }).first();
    assert.match(await pledger.locator(".tomb").innerText(), /撤回留痕.*个人信息/);
    assert.ok(!(await pledger.innerText()).includes(value), "the name is gone");
    await accessible(page);
    await shot(page, "board-tombstone");
    assert.deepEqual(complaints, []);
    const vkey = (await (await fetch(`${site}/log/vkey`)).text()).trim();
    assert.ok(run("verify", "--url", served.site, "--vkey", vkey).length > 0);
    const proof = join(served.folder, `${entry.index}.tlog-proof`);
    writeFileSync(proof, Buffer.from(await (await fetch(`${site}/api/v1/entries/${entry.index}/proof`)).arrayBuffer()));
    writeFileSync(join(served.folder, `${entry.index}.entry`), Buffer.from(await (await fetch(`${site}/entries/${entry.index}`)).arrayBuffer()));
    assert.ok(run("verify", proof, "--vkey", vkey).length > 0);
    await page.close();
  });
});

describe("a slow phone", () => {
  test("paints a pledge's page within two seconds at 400 kbit/s and 400 ms", async () => {
    const slow = await launch(served.folder, "slow");
    try {
      const [first] = (await (await fetch(`${served.site}/api/v1/pledges?limit=1`)).json()).items;
      const page = await slow.newPage();
      const session = await slow.newCDPSession(page);
      await session.send("Network.enable");
      await session.send("Network.emulateNetworkConditions", SLOW);
      await page.goto(`${served.site}/pledges/${first.stream.split("/")[1]}`);
      const painted = await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
      const paint = await painted.jsonValue();
      console.log(`first paint of a pledge page at 400 kbit/s, 400 ms: ${Math.round(paint)} ms`);
      assert.ok(paint <= PAINT_MS_MAX, `${paint} ms`);
    } finally {
      await slow.close();
    }
  });
});
