// A village accountant uploads the sheet as it is: problems stand at their cells, are mended in the page, and what was
// mended is signed by accountant and supervisors and found in public.
//
// What is held here: an ID number blocks; equal lines stay two; nothing can be signed with a blocking problem; an unknown
// export is asked about once and then known on the device; what repeats is carried over; a file that is no sheet gets a
// clear sentence; nothing of a sheet is lost with a reload.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, root, screenshots } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";
import { gbk, xlsx, zip } from "./tables.mjs";

const VILLAGE = "341599101201";
const PIN = "山高月小水落石出";
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const ID_NUMBER = "11010519491231002X";
const KEYS = [
  { key: "kuaiji.wuliqiao/1", name: "测试会计(虚构)", role: "publisher" },
  { key: "jiandu.wuliqiao/1", name: "监督甲(虚构)", role: "supervisor" },
  { key: "jiandu.wuliqiao/2", name: "监督乙(虚构)", role: "supervisor" },
];

let served;
let site;
let browser;
let page;
let complaints;
let month; // what is published here, after the last month of the demo's books
let opening; // its balance brought forward, yuan

const shot = (name) => page.screenshot({ path: join(screenshots, `sheet-${name}.png`), fullPage: true });
const field = (name) => page.locator(`form.write [data-name="${name}"]`).first();
const status = () => page.locator(".sheetstatus");
const upload = (name, buffer) => page.getByLabel("选一份表格").setInputFiles({ name, mimeType: "application/octet-stream", buffer });

/** Makes a key on the device; gives what registrars record of its owner. */
async function newKey({ key, name, role }, number) {
  await page.goto(`${site}/internal/sign-in`);
  // With a key on the device the way to a further one is folded.
  if (number > 1) {
    await page.locator("[data-part=keys] li").first().waitFor();
    await page.locator("[data-part=first] summary").click();
  }
  const vkey = await makeKey(page, key, PIN);
  const person = `person/018f0000-0000-7000-8000-00000000d00${number}`;
  return entering(person, { name, org: VILLAGE, key: vkey, roles: [role] });
}

const [year, number] = [() => month.slice(0, 4), () => String(Number(month.slice(5)))];
const money = (amount) => amount.toLocaleString("en-US", { minimumFractionDigits: 2 });

/** The month's sheet as it comes: merged title, unit line, full-width digits, an empty column, totals, signatures. */
const messy = () =>
  [
    `五里桥村${year()}年${number()}月财务收支公开表（虚构）,,,,,,,,`,
    "单位：元,,,,,,,,",
    "日期,凭证号,,摘要,类别,收入,支出,余额,收款人",
    `${number()}月1日,,,上期结存,,,,"${money(opening)}",`,
    `${number()}月3日,记-1,,公厕水电费,水电费,,330.30,,供电所`,
    `${number()}月3日,记-1,,公厕水电费,水电费,,３３０．３０,,供电所`,
    `,记-2,,邮寄报刊,邮寄报刊,—,"￥1,26O.00",,邮政`,
    `${month.replace("-", "/")}/5,记-3,,误工补贴,误工补贴,,200.00,,俞某 ${ID_NUMBER}`,
    `${number()}月6日,记-4,,鱼塘租金,出租及承包,"5,000.00",,,渔业队`,
    `合 计,,,,,"5,000.00","2,120.60",,`,
    "制表人：纪某（虚构）,,,,,,,,",
    "",
  ].join("\r\n");

before(async () => {
  served = await demo("sheet");
  site = served.internal;
  browser = await launch(served.folder, "phone");
  page = await browser.newPage();
  complaints = complaintsOf(page, site);
  const commands = [];
  for (const [at, key] of KEYS.entries()) commands.push(...(await newKey(key, at + 1)));
  register(served, commands);
  await page.goto(`${site}/internal/sign-in`);
  await page.locator("[data-part=keys] li").filter({ hasText: KEYS[0].key }).getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/`);
  const { from } = await page.evaluate((org) => fetch(`/internal/api/v1/sheets/last?org=${org}`).then((answer) => answer.json()), VILLAGE);
  const next = new Date(`${from}-01T00:00:00Z`);
  next.setUTCMonth(next.getUTCMonth() + 1);
  month = next.toISOString().slice(0, 7);
  const table = await page.evaluate(
    ([org, csv]) => fetch(`/internal/api/v1/sheets?org=${org}&book=committee`, { method: "POST", body: csv }).then((answer) => answer.json()),
    [VILLAGE, `日期,摘要,支出\n${month}-01,水费,1.00\n`],
  );
  opening = table.fields.opening / 100;
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

async function open(viewport) {
  await page.setViewportSize(viewport);
  await page.goto(`${site}/internal/write/disclosure.published`);
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.getByLabel("选一份表格").waitFor();
}

const sign = () => page.getByRole("button", { name: "签名并提交" });
const card = (row) => page.locator(".problemcards > li").filter({ has: page.getByRole("heading", { name: `第 ${row} 行`, exact: true }) });

describe("a month that is like the last ones", () => {
  test("what repeats is carried from the last months and marked until it is touched", async () => {
    await open(DESKTOP);
    await page.getByRole("button", { name: "沿用上月" }).click();
    await page.getByText("处要改").first().waitFor();
    const marks = page.locator(".carried");
    const count = await marks.count();
    assert.ok(count > 0);
    const first = page.locator("td", { has: page.locator(".carried") }).first().locator("input");
    const label = await first.getAttribute("aria-label");
    await first.fill("改过的");
    await first.press("Enter");
    await page.waitForFunction((was) => document.querySelectorAll(".carried").length < was, count);
    assert.equal(await page.getByLabel(label, { exact: true }).inputValue(), "改过的");
    await shot("carried");
  });
});

describe("a messy sheet on a phone", () => {
  test("has its problems at their cells, and cannot be signed with them", async () => {
    await open(PHONE);
    await upload("二月.csv", gbk(messy()));
    await page.getByText("还有 2 处要改").first().waitFor();
    assert.equal(await page.locator(".problemcards > li").count(), 2);
    assert.match(await card(7).innerText(), /支出（G 列）[\s\S]*不是金额/);
    assert.equal(await card(7).locator("input").inputValue(), "￥1,26O.00");
    assert.match(await card(8).innerText(), /收款人（I 列）[\s\S]*身份证号，不能公开/);
    assert.ok(await sign().isHidden());
    assert.match(await page.locator(".sheetchecks").innerText(), /个人信息 不符[\s\S]*收支平衡 未核对/);
    await accessible(page);
    await shot("problems-phone");
  });

  test("is mended there, survives a reload, and adds up", async () => {
    await card(7).locator("input").fill("１，２６０．００");
    await card(7).locator("input").press("Enter");
    await page.getByText("还有 1 处要改").first().waitFor();
    await page.getByText("已保存，换一台设备也能接着写").waitFor();
    await page.reload();
    await page.getByText("还有 1 处要改").first().waitFor();
    await card(8).locator("input").fill("俞**");
    await card(8).locator("input").press("Enter");
    await page.getByText("没有要改的").waitFor();
    const checks = await page.locator(".sheetchecks").innerText();
    for (const label of ["上期结存相符", "收支平衡", "合计行相符", "其他收支列明", "个人信息"]) assert.match(checks, new RegExp(`✓ ${label} 相符`), checks);
    assert.equal(await field("period").inputValue(), month);
    assert.match(await field("title").inputValue(), /财务收支公开表/);
    await accessible(page);
    await shot("mended-phone");
  });

  test("is signed by the accountant and two supervisors, and the public reads both equal lines", async () => {
    await page.getByText("还要谁一起签名").click();
    for (const { name } of KEYS.slice(1)) await page.getByLabel(new RegExp(name.replace(/[()]/g, "\\$&"))).check();
    await page.getByText("检查通过").waitFor();
    assert.equal((await page.locator("[data-public]").innerText()).split("公厕水电费").length - 1, 2);
    await page.getByRole("button", { name: "签名并提交" }).click();
    await page.getByText("已记入账本").waitFor();
    const href = (await page.locator("[data-page]").getAttribute("href")).replace("/streams/disclosure/", "/disclosures/");
    await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), href);
    await page.goto(site + href);
    const shown = await page.locator("main").innerText();
    assert.equal(shown.split("公厕水电费").length - 1 >= 2, true);
    assert.match(shown, /1,260\.00/);
    assert.ok(!shown.includes(ID_NUMBER) && !shown.includes("记-1记-1"));
    await shot("public");
    await page.emulateMedia({ media: "print" });
    const table = page.locator("table").filter({ hasText: "公厕水电费" }).first();
    assert.ok(await table.isVisible(), "the sheet is on the wall paper");
    assert.ok(await page.locator("img.qr").first().isVisible(), "with a code to scan");
    await shot("wall");
    await page.emulateMedia({ media: null });
    // What the ledger still misses is told while one writes; nothing else may be wrong.
    assert.deepEqual(complaints.filter((said) => !said.includes("/api/v1/rehearsals")), []);
  });
});

describe("on a desk", () => {
  test("a workbook from unknown software is asked about once, and known the next time", async () => {
    await open(DESKTOP);
    const rows = [["某某软件"], ["发生", "干什么", "进账", "出账"], [`${month}-03`, "水费", "", 5], [`${month}-04`, "租金", 7.5, ""]];
    await upload("导出.xlsx", xlsx(rows));
    await page.getByRole("heading", { name: "请说明哪一列是什么" }).waitFor();
    assert.ok(await sign().isHidden());
    await shot("columns");
    await accessible(page);
    for (const [header, choice] of [["发生", "日期"], ["干什么", "摘要"], ["进账", "收入"], ["出账", "支出"]]) {
      await page.locator(".columns").getByLabel(new RegExp(`^${header}`)).selectOption({ label: choice });
    }
    await page.getByRole("button", { name: "按这样读" }).click();
    await page.getByText("读出 2 行").waitFor();
    await page.getByRole("button", { name: "不用这张表" }).click();
    await upload("导出.xlsx", xlsx([["三月"], ...rows.slice(1), [`${month}-05`, "电费", "", 3]]));
    await page.getByText("读出 3 行").waitFor();
    assert.ok(await page.getByRole("heading", { name: "请说明哪一列是什么" }).isHidden());
  });

  test("the problem stands beside its cell in the table, and a line can be added", async () => {
    await open(DESKTOP);
    await upload("乱.xlsx", xlsx([["日期", "摘要", "收入", "支出"], [`${month}-03`, "=SUM(A1:A2)", "", "5元5角"], [`${month}-04`, "&lt;b&gt;租金&lt;/b&gt;", 7.5, ""]]));
    await page.getByText("还有 1 处要改").first().waitFor();
    const wrong = page.locator("td.wrong").filter({ hasText: "不是金额" });
    assert.equal(await wrong.locator("input").inputValue(), "5元5角");
    assert.match(await page.locator("td.wrong").filter({ hasText: "公式" }).innerText(), /按文字读入/);
    assert.ok(await page.getByText("<b>租金</b>").first().isVisible(), "what looks like a page is text");
    await shot("table");
    await accessible(page);
    await wrong.locator("input").fill("5.50");
    await wrong.locator("input").press("Enter");
    await page.getByText("没有要改的").waitFor();
    await page.getByRole("button", { name: "改第 3 行" }).click();
    await page.getByRole("button", { name: "在下面照着加一行：第 3 行" }).click();
    await page.getByText("读出 3 行").waitFor();
    assert.equal(await field("income").inputValue(), "15.00");
  });
});

describe("a workbook of Excel 97", () => {
  // Month and day below a year, amounts below 收入 and 支出, one cell that is no amount.
  const TWO_ROWS = join(root, "tests/fixtures/two-row-header.xls");

  test("with a header of two rows is read like any other, and its cell is mended", async () => {
    await open(DESKTOP);
    await page.getByLabel("选一份表格").setInputFiles(TWO_ROWS);
    await page.getByText("读出 3 行，还有 1 处要改").waitFor();
    const wrong = page.locator("td.wrong").filter({ hasText: "不是金额" });
    assert.equal(await wrong.locator("input").getAttribute("aria-label"), "第 8 行 H 列 支出 金额");
    assert.equal(await wrong.locator("input").inputValue(), "二百元");
    assert.ok(await page.getByRole("heading", { name: "请说明哪一列是什么" }).isHidden());
    await shot("two-rows");
    await accessible(page);
    await wrong.locator("input").fill("200.00");
    await wrong.locator("input").press("Enter");
    await page.getByText("读出 4 行，没有要改的").waitFor();
    assert.match(await page.locator(".sheetchecks").innerText(), /✓ 合计行相符 相符/);
    assert.deepEqual([await field("period").inputValue(), await field("expense").inputValue()], ["2019-02", "860.60"]);
  });
});

describe("many matters from one table", () => {
  const csv = (third) =>
    [`年度,承诺人,承诺类型,承诺事项,目标,完成时限`, ...["硬化机耕路", "清淤水渠", third].map((title) => `2026,方禾生（虚构）,实事,${title}(虚构),年内完成,2026-12-31`), ""].join("\n");
  const submissions = () => page.locator("[data-plan] td:last-child").allInnerTexts();
  const send = (text) => page.getByLabel("选一份表格").setInputFiles({ name: "承诺.csv", mimeType: "text/csv", buffer: gbk(text) });

  test("are planned, and nothing is submitted while a row has a problem", async () => {
    await page.goto(`${site}/internal/import`);
    await page.locator("form[data-ready]").waitFor();
    await send(csv("修桥").replace("2026-12-31", "年底"));
    await page.getByText("有 1 处要改").waitFor();
    const wrong = page.locator("td.wrong");
    assert.equal(await wrong.locator("input").getAttribute("aria-label"), "第 2 行 F 列 完成时限");
    assert.equal(await wrong.locator("input").inputValue(), "年底");
    assert.match(await wrong.innerText(), /不是日期/);
    assert.ok(await page.getByRole("button", { name: "逐条签名提交" }).isHidden());
    await accessible(page);
    await shot("import-problem");
  });

  test("are signed one after the other, and a break repeats nothing", async () => {
    await send(csv("修桥"));
    await page.getByText("还有 3 条要签名提交").waitFor();
    // The second receipt is lost on the way: the ledger has recorded it, the page does not know.
    let seen = 0;
    await page.route("**/api/v1/submissions", async (route) => {
      seen += 1;
      if (seen !== 2) return route.continue();
      await route.fetch();
      return route.abort("connectionreset");
    });
    await page.getByRole("button", { name: "逐条签名提交" }).click();
    await page.getByText("停在这里").waitFor();
    assert.deepEqual(await submissions(), ["已入账", "", ""]);
    await page.unroute("**/api/v1/submissions");
    await page.reload();
    await send(csv("修桥"));
    await page.getByText("还有 2 条要签名提交").waitFor();
    await page.getByRole("button", { name: "逐条签名提交" }).click();
    await page.getByText("3 条都已入账").waitFor();
    await shot("import-done");
    await page.reload();
    await send(csv("修桥"));
    await page.getByText("都已经入账").waitFor();
    const found = await page.evaluate((org) => fetch(`/api/v1/pledges?org=${org}&limit=100`).then((answer) => answer.text()), VILLAGE);
    for (const title of ["硬化机耕路", "清淤水渠", "修桥"]) assert.equal(found.split(`${title}(虚构)`).length - 1 >= 1, true, title);
    const own = await page.evaluate(() => Object.entries(localStorage).find(([key]) => key.startsWith("import:"))[1]);
    const indexes = Object.values(JSON.parse(own).done).map(([index]) => index);
    assert.equal(new Set(indexes).size, 3);
  });
});

describe("a file that is no sheet", () => {
  const sentences = [
    ["弹.xlsx", () => zip({ "xl/workbook.xml": Buffer.alloc(80 * 2 ** 20) }), "解压后太大"],
    ["谎.xlsx", () => zip({ "xl/workbook.xml": Buffer.alloc(80 * 2 ** 20) }, () => 100), "解压后太大"],
    ["报告.xlsx", () => zip({ "[Content_Types].xml": "<Types/>", "word/document.xml": "<document/>" }), "不是 xlsx 表格"],
    ["空.xlsx", () => Buffer.alloc(0), "文件是空的"],
    ["图.csv", () => Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1"), "可能不是文本"],
  ];
  test("30 MB are refused before they are sent", async () => {
    await open(PHONE);
    await page.getByLabel("选一份表格").evaluate((input) => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(30 * 2 ** 20)], "大.xlsx"));
      input.files = files.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    await page.getByText("文件有 30.0 MB，超过 8 MB").waitFor();
    assert.ok(await sign().isHidden());
  });

  for (const [name, bytes, sentence] of sentences) {
    test(`${name} gets a clear sentence`, async () => {
      await open(PHONE);
      await upload(name, bytes());
      await page.getByText(sentence).first().waitFor();
      assert.ok(await sign().isHidden());
    });
  }
});
