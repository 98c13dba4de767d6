// A registrar and an accountant bring what they have in tables: organizations, people with their roles, pledges. Problems
// stand at their cells and are mended in the page; what somebody said on paper is entered for them with its scan.
//
// What is held here: nothing is signed while a cell is wrong; what was mended survives a reload; what the ledger refuses is
// mended at its row, and what is recorded already is neither repeated nor changed; the templates come back as they are;
// whoever reads finds the organizations, the people and 代录，原件存档.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";
import { entering, register } from "./people.mjs";
import { gbk, xlsx } from "./tables.mjs";

const TOWN = "341599101";
const VILLAGE = "341599101201";
const OTHER_VILLAGE = "341599101202";
const NEW = ["341599101296", "341599101297"];
const PIN = "山高月小水落石出";
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const PEOPLE = [
  { key: "dengji.liuxi/1", name: "登记员甲(虚构)", org: TOWN, role: "registrar" },
  { key: "dengji.liuxi/2", name: "登记员乙(虚构)", org: TOWN, role: "registrar" },
  { key: "wenshu.wuliqiao/7", name: "文书庚(虚构)", org: VILLAGE, role: "publisher" },
];

let served;
let site;
let browser;
let page;
let complaints;

const act = (name) => page.getByRole("button", { name, exact: true });
const says = (text) => page.locator("[data-status]").filter({ hasText: text }).waitFor();
const kept = () => page.locator("[data-kept][data-state=saved]").waitFor();
const send = (name, buffer) => page.getByLabel("选一份表格").setInputFiles({ name, mimeType: "application/octet-stream", buffer });
const card = (row) => page.locator(".problemcards > li").filter({ has: page.getByRole("heading", { name: new RegExp(`^第 ${row} 行`) }) });
const cell = (row, letter) => page.getByLabel(new RegExp(`^第 ${row} 行 ${letter} 列`));
const results = () => page.locator("[data-plan] td:last-child").allInnerTexts();
/** What this device knows of the one import of so many commands: index, stream and row of each. */
const recorded = (count) => page.evaluate((count) => Object.entries(localStorage).filter(([key]) => key.startsWith("import:")).map(([, value]) => Object.values(JSON.parse(value).done)).find(({ length }) => length === count), count);
const public_ = (path) => page.evaluate((path) => fetch(path).then((answer) => answer.text()), path);

/** Keys on this device; both registrars of the ledger record whose they are and what these may do. */
async function appoint() {
  await page.goto(`${site}/internal/sign-in`);
  const commands = [];
  for (const [at, { key, name, org, role }] of PEOPLE.entries()) {
    const vkey = await page.evaluate(([key, pin]) => import("/assets/console/keys.js").then(({ make }) => make(key, pin)).then(({ key: { vkey } }) => vkey), [key, PIN]);
    const person = `person/018f0000-0000-7000-8000-00000000f00${at}`;
    commands.push(...entering(person, { name, org, key: vkey, roles: [role] }));
  }
  register(served, commands);
}

async function signIn({ key }) {
  await page.context().clearCookies();
  await page.goto(`${site}/internal/sign-in?to=/internal/import`);
  await page.locator("[data-part=keys] li").filter({ hasText: key }).getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/import`);
  await page.locator("form[data-ready]").waitFor();
}

async function reload() {
  await page.reload();
  await page.locator("form[data-ready]").waitFor();
}

async function beside(name) {
  await page.getByText("还要谁一起签名").click();
  await page.getByLabel(new RegExp(name.replace(/[()]/g, "\\$&"))).check();
}

/** What stands in a cell is replaced, and the table is read again. */
async function mend(input, text) {
  await input.fill(text);
  await input.press("Enter");
}

before(async () => {
  served = await demo("import");
  site = served.internal;
  browser = await launch(served.folder, "phone");
  page = await browser.newPage();
  complaints = complaintsOf(page, site);
  await appoint();
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

describe("a file to fill in", () => {
  test("comes in both forms, and its example is no pledge", async () => {
    await signIn(PEOPLE[2]);
    await page.setViewportSize(PHONE);
    await accessible(page);
    await shot(page, "import-empty-phone");
    const links = page.locator(".blanks a");
    assert.equal(await links.count(), 10);
    for (const form of ["xlsx", "csv"]) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`.blanks a[href$="pledges.${form}"]`).click()]);
      assert.equal(download.suggestedFilename(), `pledges.${form}`);
      await send(`空白.${form}`, readFileSync(await download.path()));
      await says("没有可以提交的内容");
      await page.getByText("第 2 行是落款、备注或示例").waitFor();
      assert.ok(await act("逐条签名提交").isHidden());
    }
    await act("不用这张表").click();
  });
});

describe("a registrar with a table of organizations, on a phone", () => {
  const rows = [
    ["柳溪镇新设村组登记表（虚构）"],
    ["机构代码", "机构名称", "上级机构代码", "层级", "成立日期"],
    [NEW[0], "测试一村（虚构）", TOWN, "村子", "2026-01-01"],
    ["3415 99101297", "测试二村（虚构）", TOWN, "村级", "今年年初"],
    [`${NEW[0]}-1`, "测试一村一组（虚构）", NEW[0], "组级", ""],
    ["合计", "3 个", "", "", ""],
    ["填表人：登记员甲(虚构)"],
  ];

  test("sees each problem at its cell, in Chinese, and signs nothing with it", async () => {
    await signIn(PEOPLE[0]);
    await page.setViewportSize(PHONE);
    await page.getByLabel("导入什么").selectOption({ label: "机构" });
    await send("机构.xlsx", xlsx(rows));
    await says("有 2 处要改");
    assert.match(await card(3).innerText(), /层级（D 列）[\s\S]*不是认得的值，可以填/);
    assert.equal(await card(3).locator("input").inputValue(), "村子");
    assert.match(await card(4).innerText(), /成立日期（E 列）[\s\S]*不是日期/);
    assert.ok(await act("逐条签名提交").isHidden());
    await accessible(page);
    await shot(page, "import-problems-phone");
  });

  test("mends them, also the one that shows only then, and loses nothing with a reload", async () => {
    await mend(cell(3, "D"), "村级");
    await says("有 1 处要改");
    await mend(cell(4, "E"), "2026-01-01");
    await card(4).getByText("不是机构代码").waitFor();
    assert.equal(await cell(4, "A").inputValue(), "3415 99101297");
    await kept();
    await reload();
    await says("有 1 处要改");
    assert.equal(await page.getByLabel("导入什么").inputValue(), "organizations");
    await act("再检查").click();
    await says("有 1 处要改");
    await mend(cell(4, "A"), NEW[1]);
    await says("生成 3 条，还有 3 条要签名提交");
    await accessible(page);
    await shot(page, "import-mended-phone");
  });

  test("signs them one after the other, and everybody finds them", async () => {
    await act("逐条签名提交").click();
    await says("3 条都已入账");
    await shot(page, "import-done-phone");
    const path = `/organizations/${NEW[0]}`;
    await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), `${path}-1`);
    await page.goto(site + path);
    assert.match(await page.locator("main").innerText(), /测试一村（虚构）[\s\S]*测试一村一组（虚构）/);
    await page.goto(`${site}/internal/`);
    await page.locator("main h1").waitFor();
    assert.ok(await page.locator("[data-drafts]").isHidden(), "what is recorded is no draft any more");
  });
});

describe("a registrar with a table of people and their roles, at a desk", () => {
  const csv = "姓名,职责,已作回避声明\n秋小穗（虚构）,监督人,是\n禾大田（虚构）,村长,\n";

  test("registers them with a second registrar, and nobody twice", async () => {
    await signIn(PEOPLE[0]);
    await page.setViewportSize(DESKTOP);
    await page.getByLabel("导入什么").selectOption({ label: "人员和职责" });
    await page.getByLabel("机构代码", { exact: true }).fill(NEW[0]);
    await send("人员.csv", gbk(csv));
    await says("有 1 处要改");
    const wrong = page.locator("td.wrong");
    assert.match(await wrong.innerText(), /不是认得的值，可以填：/);
    await accessible(page);
    await shot(page, "import-roles-desk");
    // The table is read again while somebody has gone into a cell: they are still there.
    await wrong.locator("input").focus();
    await page.getByLabel("机构代码", { exact: true }).dispatchEvent("change");
    await says("有 1 处要改");
    assert.equal(await page.evaluate(() => document.activeElement.id), await wrong.locator("input").getAttribute("id"));
    await mend(wrong.locator("input"), "发布人");
    await says("生成 4 条");
    // One registrar alone cannot appoint a supervisor: the ledger says so at that row, and the rest is recorded.
    await act("逐条签名提交").click();
    await says("1 条未受理");
    assert.deepEqual((await results()).map((text) => text.slice(0, 3)), ["已入账", "未受理", "已入账", "已入账"]);
    assert.match((await page.locator("[data-plan] tbody tr").nth(1).innerText()).trim(), /授予职责\s+监督人/);
    await page.locator("th").filter({ hasText: "登记员" }).filter({ hasText: "未受理" }).waitFor();
    await shot(page, "import-refused-desk");
    // Of that row the person is recorded: no other name can be put in their place.
    await act("改第 2 行").click();
    await mend(cell(2, "A"), "别人（虚构）");
    await says("有 1 处要改");
    await page.getByText("这一行已经入账，不能改成别的").waitFor();
    assert.ok(await act("逐条签名提交").isHidden());
    await mend(cell(2, "A"), "秋小穗（虚构）");
    await says("还有 1 条要签名提交");
    await beside(PEOPLE[1].name);
    await act("逐条签名提交").click();
    await says("4 条都已入账");
    const streams = (await recorded(4)).map(([, stream]) => stream);
    for (const stream of streams.filter((stream) => stream.startsWith("person/"))) {
      await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), `/streams/${stream}`);
    }
    const pages = await Promise.all(streams.map((stream) => public_(`/streams/${stream}`)));
    for (const said of ["秋小穗（虚构）", "禾大田（虚构）", "监督人", "发布人"]) assert.ok(pages.some((text) => text.includes(said)), said);
  });
});

describe("a registrar with a table of posts, at a desk", () => {
  const csv = `职务名称,职数,主要负责人,任职人\n村党支部书记,1,是,田一禾（虚构）\n村委会委员,3,,\n会计,1,否,秋小穗（虚构）\n`;

  test("sets them up and registers who holds one", async () => {
    await signIn(PEOPLE[0]);
    await page.getByLabel("导入什么").selectOption({ label: "职务" });
    await page.getByLabel("机构代码", { exact: true }).fill(NEW[0]);
    await send("职务.csv", gbk(csv));
    await says("生成 5 条");
    await act("逐条签名提交").click();
    await says("5 条都已入账");
    const [post, holder] = (await recorded(5)).map(([, stream]) => stream);
    const path = `/api/v1/streams/${holder}`;
    await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), path);
    const said = await page.evaluate((path) => fetch(path).then((answer) => answer.text()), path);
    assert.ok(said.includes(post), `${holder} holds ${post}: ${said}`);
  });
});

describe("an accountant with a table of pledges, at a desk", () => {
  const head = "年度,承诺人,承诺类型,承诺事项,完成时限,机构代码,备忘";
  const row = (title, due, org = "") => `2026,方禾生（虚构）,实事,${title}(虚构),${due},${org},`;
  const table = [head, row("新修文化广场", "2026-12-31"), row("安装路灯", "年底"), row("整治河塘", "2026-11-30", OTHER_VILLAGE), ""].join("\n");

  test("mends a cell, and what the ledger refuses is mended at its row and repeats nothing", async () => {
    await signIn(PEOPLE[2]);
    await page.setViewportSize(DESKTOP);
    await send("承诺.csv", gbk(table));
    await says("有 1 处要改");
    await page.getByText("这些列没有用到：备忘").waitFor();
    const wrong = page.locator("td.wrong");
    assert.equal(await wrong.locator("input").inputValue(), "年底");
    await mend(wrong.locator("input"), "2026-12-30");
    await says("还有 3 条要签名提交");
    await act("逐条签名提交").click();
    await says("1 条未受理");
    assert.deepEqual((await results()).map((text) => text.slice(0, 3)), ["已入账", "已入账", "未受理"]);
    await page.locator("tr").filter({ hasText: "整治河塘" }).filter({ hasText: "没有「发布人」职责" }).first().waitFor();
    assert.ok(await act("改第 2 行").isHidden(), "what is recorded stays");
    await kept();
    await reload();
    await says("还有 1 条要签名提交");
    await act("改第 4 行").click();
    await mend(cell(4, "F"), VILLAGE);
    await says("还有 1 条要签名提交");
    await accessible(page);
    await shot(page, "import-pledges-desk");
    await act("逐条签名提交").click();
    await says("3 条都已入账");
    const found = await page.evaluate((org) => fetch(`/api/v1/pledges?org=${org}&limit=100`).then((answer) => answer.text()), VILLAGE);
    for (const title of ["新修文化广场", "安装路灯", "整治河塘"]) assert.equal(found.split(`"title":"${title}(虚构)"`).length - 1, 1, title);
  });
});

describe("what somebody said in a meeting", () => {
  const scan = Buffer.from("%PDF-1.4\n% 会议记录扫描件（虚构）\n%%EOF\n");
  const hashed = () => page.evaluate((bytes) => Promise.all([import("/assets/vendor/crypto.js"), import("/assets/proof.js")]).then(([{ blake3 }, { encode }]) => encode(blake3(Uint8Array.from(bytes)))), [...scan]);
  const attach = () => page.getByLabel("原件扫描件").setInputFiles({ name: "记录.pdf", mimeType: "application/pdf", buffer: scan });
  /** What everybody reads of a pledge that was just recorded. */
  const shown = async (stream) => {
    const path = `/pledges/${stream.split("/").at(-1)}`;
    await page.waitForFunction((path) => fetch(path).then((answer) => answer.ok), path);
    await page.goto(site + path);
    return page.locator("main").innerText();
  };

  test("is entered with its channel and the hash of its scan, and the public reads that it was", async () => {
    await page.setViewportSize(PHONE);
    await page.goto(`${site}/internal/write/pledge.made`);
    await page.locator("form[data-ready]").waitFor();
    await page.getByText("更多可填的").click();
    const title = "会上答应的渠道清淤(虚构)";
    for (const [name, value] of Object.entries({ title, year: "2026", target: "二里", due: "2026-12-31", pledger: "方禾生(虚构)" })) await page.locator(`form.write [data-name="${name}"]`).first().fill(value);
    for (const [name, value] of Object.entries({ pledger_kind: "official", category: "practical" })) await page.locator(`form.write [data-name="${name}"]`).first().selectOption(value);
    await page.getByText("替别人代录").click();
    await page.locator("#f-channel").selectOption("会议");
    await page.getByText("代录的要附上原件扫描件").waitFor();
    assert.ok(await act("签名并提交").isDisabled());
    await attach();
    await page.getByText("检查通过").waitFor();
    await accessible(page);
    await shot(page, "import-proxy-phone");
    await act("签名并提交").click();
    await page.getByText("已记入账本").waitFor();
    const original = await hashed();
    const href = await page.locator("[data-page]").getAttribute("href");
    const index = (await page.locator("[data-index]").innerText()).trim();
    const entry = await public_(`/entries/${index}`);
    assert.ok(entry.includes(`"proxy":{"channel":"会议","original":"${original}"}`), entry);
    const said = await shown(href);
    assert.match(said, /代录，原件存档 来自会议/);
    assert.ok(said.includes(original), said);
    await shot(page, "import-proxy-public");
  });

  test("is entered for a whole table in the same way", async () => {
    await page.setViewportSize(DESKTOP);
    await page.goto(`${site}/internal/import`);
    await page.locator("form[data-ready]").waitFor();
    await page.getByText("替别人代录").click();
    await page.locator("#f-channel").selectOption("来访");
    await send("口头.csv", gbk("年度,承诺人,承诺类型,承诺事项,完成时限\n2026,方禾生（虚构）,实事,口头答应的修桥(虚构),2026-12-31\n"));
    await says("还有 1 条要签名提交");
    await act("逐条签名提交").click();
    await says("代录的要附上原件扫描件");
    await attach();
    await page.locator(".files li").waitFor();
    await act("逐条签名提交").click();
    await says("1 条都已入账");
    const [[, stream]] = await recorded(1);
    assert.match(await shown(stream), /代录，原件存档 来自来访/);
    // What the ledger refuses is told in its row; nothing else may be wrong.
    assert.deepEqual(complaints.filter((said) => !said.includes("/api/v1/rehearsals")), []);
  });
});
