// A village accountant photographs a receipt and attaches it to its line of the sheet; a citizen opens the line and gets it.
//
// What is held here: one line's file is that line's alone; where it was taken stays on the phone; a reload loses nothing;
// what is no picture is said beside its line; the page says that names have to be covered before; the file is kept by
// whoever opens the line, never shown as a page.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";
import { GPS_MARK, photo } from "./photo.mjs";

const VILLAGE = "341599101201";
const PIN = "山高月小水落石出";
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };
const KEYS = [
  { key: "kuaiji.wuliqiao/7", name: "测试会计(虚构)", role: "publisher" },
  { key: "jiandu.wuliqiao/7", name: "监督甲(虚构)", role: "supervisor" },
  { key: "jiandu.wuliqiao/8", name: "监督乙(虚构)", role: "supervisor" },
];

let served;
let site;
let browser;
let page;
let complaints;
let month; // after the last month of the demo's books
let sent; // the photo as it left the phone

/** Makes a key on the device; gives what registrars record of its owner. */
async function newcomer({ key, name, role }, number) {
  await page.goto(`${site}/internal/sign-in`);
  if (number > 1) {
    await page.locator("[data-part=keys] li").first().waitFor();
    await page.locator("[data-part=first] summary").click();
  }
  const person = `person/018f0000-0000-7000-8000-00000000e00${number}`;
  return entering(person, { name, org: VILLAGE, key: await makeKey(page, key, PIN), roles: [role] });
}

before(async () => {
  served = await demo("voucher");
  site = served.internal;
  browser = await launch(served.folder, "phone");
  page = await browser.newPage();
  complaints = complaintsOf(page, site);
  const commands = [];
  for (const [at, key] of KEYS.entries()) commands.push(...(await newcomer(key, at + 1)));
  register(served, commands);
  await page.goto(`${site}/internal/sign-in`);
  await page.locator("[data-part=keys] li").filter({ hasText: KEYS[0].key }).getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/`);
  const { from } = await page.evaluate((org) => fetch(`/internal/api/v1/sheets/last?org=${org}`).then((answer) => answer.json()), VILLAGE);
  const next = new Date(`${from}-01T00:00:00Z`);
  next.setUTCMonth(next.getUTCMonth() + 1);
  month = next.toISOString().slice(0, 7);
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

const sheet = () =>
  [
    "日期,凭证号,摘要,类别,收入,支出,附件张数",
    `${month}-03,记-1,公厕水电费,水电费,,330.30,1`,
    `${month}-06,记-2,邮寄报刊,邮寄报刊,,120.00,`,
    `${month}-09,记-3,鱼塘租金,出租及承包,5000.00,,`,
    "",
  ].join("\r\n");

const line = (row) => page.locator(".vouchers > li").filter({ hasText: `第 ${row} 行` });
const attach = (row, name, buffer) => line(row).locator("input[type=file]").setInputFiles({ name, mimeType: "image/jpeg", buffer });

describe("an accountant with a receipt and a phone", () => {
  test("is told beside the line what has to be covered, and what is no picture", async () => {
    await page.goto(`${site}/internal/write/disclosure.published`);
    await page.getByLabel("选一份表格").setInputFiles({ name: "收支.csv", mimeType: "text/csv", buffer: Buffer.from(sheet()) });
    await page.getByText("读出 3 行，没有要改的").waitFor();
    assert.ok(await page.getByText("姓名、身份证号、账号要先遮住").first().isVisible());
    await page.getByText("给 3 笔附凭证（照片或 PDF）").click();
    assert.equal(await page.locator(".vouchers > li").count(), 3);
    assert.match(await line(2).innerText(), /记-1　公厕水电费　支出 330\.30 元/);
    await attach(4, "坏的.jpg", Buffer.from("no picture"));
    await line(4).getByText("打不开这张图片").waitFor();
    assert.equal(await page.getByText("打不开这张图片").count(), 1);
    await accessible(page);
  });

  test("attaches the photo to its line, and where it was taken stays on the phone", async () => {
    const taken = await photo(page);
    assert.ok(taken.includes(GPS_MARK));
    const request = page.waitForRequest((request) => request.url().endsWith("/api/v1/attachments"));
    await attach(3, "IMG_31.50N.jpg", taken);
    sent = (await request).postDataBuffer();
    await line(3).getByText("image/jpeg").waitFor();
    assert.ok(!sent.includes(GPS_MARK) && !sent.includes("Exif"));
    await page.getByText("给 3 笔附凭证（照片或 PDF），已附 1 个文件").waitFor();
    await shot(page, "voucher-console");
  });

  test("loses nothing with a reload, and finds the photo at its line when another is added above", async () => {
    await page.waitForFunction(() => document.querySelector("[data-kept]").dataset.state === "saved");
    await page.reload();
    await line(3).getByText("image/jpeg").waitFor();
    await page.getByText("读出 3 行，没有要改的").waitFor();
    await page.setViewportSize(DESKTOP);
    await page.getByRole("button", { name: "改第 2 行", exact: true }).click();
    await page.getByRole("button", { name: "在下面照着加一行：第 2 行" }).click();
    await page.getByText("读出 4 行").waitFor();
    assert.match(await line(4).innerText(), /记-2　邮寄报刊[\s\S]*image\/jpeg/);
    await page.getByRole("button", { name: "改第 3 行", exact: true }).click();
    await page.getByRole("button", { name: "去掉第 3 行", exact: true }).click();
    await page.getByText("读出 3 行，没有要改的").waitFor();
    assert.match(await line(4).innerText(), /记-2　邮寄报刊[\s\S]*image\/jpeg/);
    assert.equal(await page.locator(".vouchers .files li").count(), 1);
    await accessible(page);
    await shot(page, "voucher-console-desktop");
    await page.setViewportSize(PHONE);
  });

  test("sees it in what will be public, and signs it with both supervisors", async () => {
    await page.locator('form.write [data-name="title"]').fill("五里桥村财务收支公开表（虚构）");
    await page.getByText("还要谁一起签名").click();
    for (const { name } of KEYS.slice(1)) await page.getByLabel(new RegExp(name.replace(/[()]/g, "\\$&"))).check();
    await page.getByText("检查通过").waitFor();
    assert.match(await page.locator("[data-public]").innerText(), /凭证文件[\s\S]*image\/jpeg 1 KB/);
    await page.getByRole("button", { name: "签名并提交" }).click();
    await page.getByText("已记入账本").waitFor();
    const href = (await page.locator("[data-page]").getAttribute("href")).replace("/streams/disclosure/", "/disclosures/");
    await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), href);
    await page.goto(site + href);
  });
});

describe("a citizen", () => {
  test("opens the line and gets its photo, without where it was taken; the other lines have none", async () => {
    const row = (number) => page.locator(`#L${number}`);
    await row(2).locator("summary").click();
    const link = row(2).getByRole("link", { name: /凭证文件 1（image\/jpeg）/ });
    assert.ok(await link.isVisible());
    await accessible(page);
    await shot(page, "voucher-public-phone");
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    const kept = await page.evaluate(
      (path) => fetch(path).then(async (answer) => [answer.headers.get("content-disposition"), [...new Uint8Array(await answer.arrayBuffer())]]),
      await link.getAttribute("href"),
    );
    assert.match(kept[0], /^attachment;/);
    assert.deepEqual(Buffer.from(kept[1]), sent);
    assert.ok(!Buffer.from(kept[1]).includes(GPS_MARK));
    assert.equal(new URL(download.url()).pathname, await link.getAttribute("href"));
    assert.equal(await page.locator("main a[href^='/log/attachment/']").count(), 1);
    assert.equal(await page.locator("main table img").count(), 0);
    await page.setViewportSize(DESKTOP);
    await accessible(page);
    await shot(page, "voucher-public-desktop");
    // What the ledger still misses is told while one writes; nothing else may be wrong.
    assert.deepEqual(complaints.filter((said) => !said.includes("/api/v1/rehearsals")), []);
  });
});
