// The four steps of a publication in real browsers: an officer at a desk, reviewers on phones.
//
// What is held here: the end of a period stands beside the form with the days that are skipped, and a shorter one is refused
// beside its field; what is typed is kept on the server, on another device and over a lost connection and an ended session,
// and lies in no storage of the browser; a draft is opened by a signed access only, returned with its reason, mended, passed
// once by two who press at once, and published as it was approved, with the last signature made on another phone; objections
// are sealed and the outcome is forced; a late recommendation gets a receipt of its refusal; a revoked device is out at once.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { START_MS_MAX, accessible, complaintsOf, demo, options, run, shot } from "./demo.mjs";
import { register } from "./people.mjs";

const COUNTY = "341599";
const OFFICE = "341599-zzb";
const TOWN = "341599101";
const PIN = "山高月小水落石出";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 };
const TITLE = "青禾县拟任干部任前公示(虚构)第五批";
const REASON = "现任职务写错了，请核对后再送(虚构)";
const LINES = [["叶青田(虚构)", "柳溪镇副镇长人选"], ["安栖禾(虚构)", "河湾镇党委委员人选"]];
const today = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);

let served;
let site;
let chrome;
const people = {};

const field = (page, name) => page.locator(`form.write [data-name="${name}"]`).first();
const act = (page, name) => page.getByRole("button", { name, exact: true });
const demoKey = (name) => join(served.folder, "demo/demo-keys", `${name}.key`);

/** A browser of its own for one device. */
async function device(shape = {}) {
  const { viewport, deviceScaleFactor, isMobile, hasTouch, locale, timezoneId } = options(shape);
  return chrome.newContext({ viewport, deviceScaleFactor, isMobile, hasTouch, locale, timezoneId, ...shape });
}

async function visit(context, path) {
  const page = await context.newPage();
  await page.goto(site + path);
  return page;
}

/** Makes a key on a device; gives its verifier key and its card. */
async function newKey(context, name) {
  const page = await visit(context, "/internal/sign-in");
  const made = await page.evaluate(([name, pin]) => import("/assets/console/keys.js").then(({ make }) => make(name, pin)).then(({ key, card }) => ({ vkey: key.vkey, card })), [name, PIN]);
  await page.close();
  return made;
}

async function restore(context, card) {
  const page = await visit(context, "/internal/sign-in");
  await page.evaluate(([card, pin]) => import("/assets/console/keys.js").then(({ restore }) => restore(card, pin)).then(() => undefined), [card, PIN]);
  await page.close();
}

async function signIn(context, path = "/internal/") {
  const page = await visit(context, `/internal/sign-in?to=${encodeURIComponent(path)}`);
  await act(page, "登录").click();
  await page.waitForURL(site + path);
  return page;
}

/** People with a key on a device of their own, and their roles. */
async function appoint(who) {
  const commands = [];
  let number = 0;
  for (const [id, { name, at, roles, shape }] of Object.entries(who)) {
    const context = await device(shape);
    const made = await newKey(context, `${id}.ceshi/1`);
    const person = `person/018f0000-0000-7000-8000-00000000e00${(number += 1)}`;
    commands.push({ kind: "person.registered.v1", stream: person, org: at, fields: { name } });
    commands.push({ kind: "key.authorized.v1", org: at, fields: { person, key: made.vkey } });
    for (const [role, org] of roles) commands.push({ kind: "role.granted.v1", org, fields: { person, role } });
    people[id] = { ...made, person, context, at };
  }
  register(served, commands);
}

async function fill(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const control = field(page, name);
    await control.evaluate((element) => (element.closest("details") ? (element.closest("details").open = true) : undefined));
    if ((await control.evaluate((element) => element.tagName)) === "SELECT") await control.selectOption(value);
    else await control.fill(value);
  }
}

const ready = (page) => page.locator("form[data-ready]").waitFor();
const kept = (page) => page.locator("[data-kept][data-state=saved]").waitFor();
const status = (page, text) => page.locator("[data-status]").filter({ hasText: text }).waitFor();

/** Fills the first cells of the list's lines. */
async function lines(page, rows) {
  const box = page.locator("[data-list]:not([hidden])");
  const first = box.locator("tbody tr").first().locator("input").first();
  await first.focus();
  await first.evaluate((cell, text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    cell.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, `${rows.map((cells) => cells.join("\t")).join("\n")}\n`);
}

before(async () => {
  served = await demo("gates");
  site = served.internal;
  const { executablePath, headless, args } = options();
  chrome = await chromium.launch({ executablePath, headless, args });
  await appoint({
    officer: { name: "组工员(虚构)", at: OFFICE, roles: [["publisher", OFFICE], ["publisher", TOWN]], shape: DESKTOP },
    first: { name: "审核甲(虚构)", at: COUNTY, roles: [["reviewer", COUNTY]] },
    second: { name: "审核乙(虚构)", at: COUNTY, roles: [["reviewer", COUNTY]] },
    chief: { name: "书记(虚构)", at: COUNTY, roles: [["approver", COUNTY]] },
  });
}, { timeout: START_MS_MAX });

after(async () => {
  await chrome?.close();
  await served?.end();
});

describe("an officer who writes a notice before an appointment", () => {
  test("sees when the period ends and why, and is told beside the field that it is too short", async () => {
    const page = await signIn(people.officer.context, "/internal/write/nomination.announced");
    await ready(page);
    await page.selectOption("#f-place", { label: (await page.locator("#f-place option").allInnerTexts()).find((text) => !text.includes("柳溪镇")) });
    await fill(page, { starts_on: "2025-09-26" });
    const period = page.locator("[data-period]");
    await period.getByText("期限到 2025-10-09（星期四） 届满").waitFor();
    const why = await period.innerText();
    for (const part of ["10月1日", "放假", "9月28日调休上班，计入", "公示期", "工作日"]) assert.ok(why.includes(part), `${part}: ${why}`);
    await fill(page, { ends_on: "2025-10-08" });
    await page.locator(".field.wrong .why").waitFor();
    assert.equal(await field(page, "ends_on").getAttribute("aria-invalid"), "true");
    await period.getByText("最短也要到 2025-10-09").waitFor();
    await shot(page, "gates-period");
    await accessible(page);
    await fill(page, { ends_on: "", title: TITLE });
    await page.locator(".field.wrong").waitFor({ state: "detached" });
    await kept(page);
    await page.close();
  });

  test("goes on on another device, without a connection and after the session ended, and the browser keeps nothing", async () => {
    const other = await device();
    await restore(other, people.officer.card);
    const desk = await signIn(other);
    await desk.getByText("没写完的").waitFor();
    await shot(desk, "gates-desk-phone");
    await desk.getByRole("link", { name: "接着写" }).click();
    await ready(desk);
    assert.equal(await field(desk, "title").inputValue(), TITLE);
    assert.equal(await field(desk, "starts_on").inputValue(), "2025-09-26");
    await other.setOffline(true);
    await fill(desk, { title: `${TITLE}，在路上改的` });
    await desk.locator("[data-kept][data-state=offline]").waitFor();
    assert.match(await desk.locator("[data-kept]").innerText(), /还在这一页，请先别关/);
    await other.setOffline(false);
    await kept(desk);
    await other.clearCookies();
    await fill(desk, { title: TITLE });
    await desk.getByText("登录已经过期").first().waitFor();
    await shot(desk, "gates-ended");
    await act(desk, "重新登录").click();
    await kept(desk);
    assert.equal(await field(desk, "title").inputValue(), TITLE);
    const stored = await desk.evaluate(async () => {
      const names = (await indexedDB.databases()).map(({ name }) => name);
      return { local: JSON.stringify(localStorage), session: JSON.stringify(sessionStorage), names };
    });
    assert.deepEqual(stored, { local: "{}", session: "{}", names: ["gongkai"] });
    await other.close();
  });
});

describe("a draft on its way through the gates", () => {
  let review;

  /** Opens the draft: the reader's signed access first. */
  async function opened(page) {
    await act(page, "签名查阅，打开稿件").click();
    await status(page, "查阅已经记录");
  }

  async function send(page) {
    await status(page, "检查通过，可以送审");
    await act(page, "签名送审").click();
    await page.getByText("已送审").waitFor();
    const href = await page.getByRole("link", { name: "看走到哪一步" }).getAttribute("href");
    return `review/${href.split("/").pop()}`;
  }

  test("is sent to its reviewers from the form, because a rule demands it", async () => {
    const fields = { rule: "nomination_review", value: 2, unit: "scheme", from: today, basis: "青禾县任前公示审核办法(虚构)" };
    register(served, [{ kind: "rule.published.v1", org: COUNTY, fields }]);
    const page = await visit(people.officer.context, "/internal/write/nomination.announced");
    await ready(page);
    await fill(page, { starts_on: today, batch: "青组公示第5号(虚构)", report_to: "12380" });
    await lines(page, LINES.map(([name]) => [name]));
    const post = page.locator('[data-list]:not([hidden]) [data-name="intended_post"]');
    for (const [at, [, text]] of LINES.entries()) await post.nth(at).fill(text);
    assert.match(await page.locator("[data-gates]").innerText(), /县级程序：政治关、政策关、实事关、文字关、保密关、书记审批/);
    await status(page, "检查通过，可以送审");
    await shot(page, "gates-send");
    review = await send(page);
    await shot(page, "gates-sent");
    await page.close();
  });

  test("comes back with a reason, and is mended with what was written", async () => {
    const phone = await signIn(people.first.context);
    await phone.getByText("政治关").waitFor();
    await phone.getByRole("link", { name: "打开" }).first().waitFor();
    await phone.goto(`${site}/internal/reviews/${review.split("/")[1]}`);
    await shot(phone, "gates-review-closed");
    assert.ok(!(await phone.locator("main").innerText()).includes(TITLE), "nothing is shown before the access is on record");
    await opened(phone);
    assert.ok((await phone.locator("[data-public]").innerText()).includes(TITLE));
    await act(phone, "退回").click();
    await status(phone, "退回要写明原因");
    await phone.locator("#f-opinion").fill(REASON);
    await accessible(phone);
    await shot(phone, "gates-review");
    await act(phone, "退回").click();
    await status(phone, "已退回");
    await phone.close();
    const page = await visit(people.officer.context, "/internal/");
    await page.locator("[data-waiting]").getByRole("link", { name: "看走到哪一步" }).click();
    await opened(page);
    assert.match(await page.locator("[data-opinions]").innerText(), new RegExp(REASON.replace(/[()]/g, "\\$&")));
    await shot(page, "gates-returned");
    await act(page, "照原稿修改，再送审").click();
    await ready(page);
    assert.equal(await field(page, "title").inputValue(), TITLE);
    await fill(page, { text: "现任职务已核对(虚构)" });
    const returned = review;
    review = await send(page);
    assert.notEqual(review, returned);
    await page.close();
  });

  test("is passed once where two press at once, and the later one is told", async () => {
    const path = `/internal/reviews/${review.split("/")[1]}`;
    const [one, two] = [await visit(people.first.context, path), await signIn(people.second.context, path)];
    await opened(one);
    await opened(two);
    await two.locator("#f-opinion").fill("同意，字句再看一遍(虚构)");
    await act(one, "通过").dblclick();
    await status(one, "“政治关”已通过");
    await act(two, "通过").click();
    await status(two, "别人先办了一步");
    assert.equal(await two.locator("#f-opinion").inputValue(), "同意，字句再看一遍(虚构)");
    assert.match(await two.locator("[data-standing] li").first().innerText(), /已办 审核甲/);
    assert.match(await two.locator("[data-standing] .next").innerText(), /政策关/);
    await shot(two, "gates-too-late");
    await act(two, "通过").click();
    await status(two, "“政策关”已通过");
    const { events } = JSON.parse(run("read", "--url", served.internal, "--key", demoKey("shenhe-zhengzhi-1"), `matters/${review}?purpose=review`));
    assert.deepEqual(events.map(({ kind }) => kind), ["review.submitted.v1", "review.gate_passed.v1", "review.gate_passed.v1"]);
    await one.close();
    await two.close();
    for (const name of ["shenhe-shishi-1", "shenhe-wenzi-1", "shenhe-baomi-1"]) {
      run("review", "--url", served.internal, "--outbox", join(served.folder, "outbox"), "--key", demoKey(name), "pass", review);
    }
  });

  test("is approved on a phone, published as it was approved, and signed there as well", async () => {
    const path = `/internal/reviews/${review.split("/")[1]}`;
    const phone = await signIn(people.chief.context, path);
    await opened(phone);
    const approved = await phone.locator("[data-bytes]").textContent();
    await act(phone, "通过").click();
    await status(phone, "“书记审批”已通过");
    const page = await visit(people.officer.context, path);
    await opened(page);
    await act(page, "签名公开").click();
    await page.waitForURL(/\/internal\/drafts\//);
    await page.getByText("等别人在自己的设备上联署").waitFor();
    await shot(page, "gates-half");
    await phone.goto(`${site}/internal/`);
    await phone.locator("[data-cosign]").getByRole("link", { name: "打开" }).click();
    await phone.locator("[data-public]").getByText(TITLE).waitFor();
    await accessible(phone);
    await shot(phone, "gates-cosign");
    await act(phone, "联署").dblclick();
    await phone.getByText("已记入账本").waitFor();
    const index = (await phone.locator("[data-index]").innerText()).trim();
    const entry = await (await fetch(`${site}/entries/${index}`)).text();
    const of = (text) => JSON.parse(text.split("\n").find((line) => line.startsWith("{")));
    const [said, wanted] = [of(entry.slice(entry.indexOf("gongkai.statement/v1"))), of(approved)];
    for (const part of ["kind", "org", "stream", "body", "slots"]) assert.deepEqual(said[part], wanted[part], part);
    for (const name of ["officer", "chief"]) assert.match(entry, new RegExp(`— ${name}\\.ceshi/1 `));
    await phone.goto(`${site}/internal/`);
    await phone.getByText("写一件新的").waitFor();
    assert.ok(await phone.locator("[data-cosign]").isHidden(), "what is recorded waits for nobody");
    await page.goto(site + path);
    await page.getByText(`已经公开，第 ${index} 号`).waitFor();
    assert.ok(await page.locator("[data-publish]").isHidden());
    await page.close();
    await phone.close();
  });

  test("takes sealed objections, and its outcome is forced by time", async () => {
    const citizen = await device();
    const page = await citizen.newPage();
    const complaints = complaintsOf(page, served.site);
    await page.goto(`${served.site}/nominations`);
    await page.getByRole("link", { name: TITLE }).click();
    const announced = page.url();
    const form = await page.locator('main a[href^="/hand-in/nomination.objected"]').first().getAttribute("href");
    for (const text of ["第一件异议(虚构)", "第二件异议(虚构)"]) {
      await page.goto(served.site + form);
      await page.waitForFunction(() => document.querySelector("[data-body]")?.textContent.includes("加密给"));
      await page.selectOption("#f-person", "0");
      await page.locator("#f-text").fill(text);
      await page.locator("form.write button[type=submit]").click();
      await page.locator("main h1").filter({ hasText: "已收到" }).waitFor();
    }
    await page.goto(announced);
    assert.ok(!(await page.locator("main").innerText()).includes("件异议"), "the public page tells nothing of objections");
    assert.deepEqual(complaints, []);
    await citizen.close();
    const officer = await visit(people.officer.context, `/internal/continue?about=${encodeURIComponent(announced)}`);
    await officer.getByRole("link", { name: "公示结束" }).click();
    await ready(officer);
    await fill(officer, { closed_on: today });
    await status(officer, "才结束");
    assert.ok(await officer.locator("[data-sign]").isDisabled());
    await shot(officer, "gates-not-yet");
    await officer.goto(`${served.site}/nominations`);
    await officer.getByRole("link", { name: "县属事业单位拟任人选任前公示" }).click();
    assert.match(await officer.locator("main").innerText(), /公示期满·未公布结果/, "a period that ran out without an outcome is told to everybody");
    await officer.close();
  });
});

describe("a batch of vacancies", () => {
  test("is announced, takes recommendations, is closed and counted, and a late one gets a receipt", async () => {
    const page = await visit(people.officer.context, "/internal/write/vacancy.announced");
    await ready(page);
    await page.selectOption("#f-place", { label: (await page.locator("#f-place option").allInnerTexts()).find((text) => text.includes("柳溪镇")) });
    await fill(page, { scope: "everyone", opens_on: today, closes_on: today, title: "柳溪镇空缺职位(虚构)" });
    await page.locator('[data-list]:not([hidden]) [data-name="post"]').first().fill("农业服务中心主任(虚构)");
    await status(page, "检查通过，可以签名");
    await shot(page, "gates-vacancy");
    await act(page, "签名并提交").click();
    await page.getByText("已记入账本").waitFor();
    const address = await page.getByRole("link", { name: "看公开的样子" }).getAttribute("href");
    const stream = address.replace("/streams/", "");
    const citizen = await device();
    const form = `${served.site}/hand-in/vacancy.recommended?about=${encodeURIComponent(stream)}`;
    const recommend = async (candidate, title) => {
      const sheet = await citizen.newPage();
      await sheet.goto(form);
      await sheet.selectOption("#f-channel", "individual");
      await sheet.selectOption("#f-standing", "member");
      await sheet.selectOption("#f-post", "0");
      for (const [name, text] of [["recommender", "推荐人(虚构)"], ["candidate", candidate], ["reason", "熟悉农技(虚构)"]]) await sheet.locator(`#f-${name}`).fill(text);
      const close = () => sheet.close();
      return { sheet, close, title };
    };
    const hand = async ({ sheet, title, close }) => {
      await sheet.locator("form.write button[type=submit]").click();
      await sheet.locator("main h1").filter({ hasText: title }).waitFor();
      const text = await sheet.locator("main").innerText();
      await close();
      return text;
    };
    await hand(await recommend("方禾生(虚构)", "已收到"));
    const late = await recommend("迟来者(虚构)", "没有受理");
    await write(page, "推荐截止", stream, { closed_on: today });
    assert.match(await hand(late), /gongkai\.refusal\/v1/);
    await write(page, "公布推荐统计", stream, {}, async () => {
      await page.locator(".field", { hasText: "各职位统计" }).getByRole("button", { name: "加一行" }).click();
      for (const [name, value] of [["post", "0"], ["received", "1"], ["valid", "1"], ["recommended", "1"]]) await field(page, name).fill(value);
    });
    const seen = await citizen.newPage();
    await seen.goto(`${served.site}${address}`);
    assert.ok(!(await seen.locator("main").innerText()).includes("方禾生"), "counts are public, names are not");
    await citizen.close();
    await page.close();
  });

  /** Goes on with a matter from the desk. */
  async function write(page, label, stream, values, more = async () => {}) {
    await page.goto(`${site}/internal/continue?about=${encodeURIComponent(stream)}`);
    await page.getByRole("link", { name: label }).click();
    await ready(page);
    await page.selectOption("#f-place", { label: (await page.locator("#f-place option").allInnerTexts()).find((text) => text.includes("柳溪镇")) });
    await fill(page, values);
    await more();
    await status(page, "检查通过，可以签名");
    await act(page, "签名并提交").click();
    await page.getByText("已记入账本").waitFor();
  }
});

describe("a device that is lost", () => {
  test("is revoked from another one, and its session ends at once", async () => {
    const { person, at, context: phone } = people.officer;
    const desk = await device(DESKTOP);
    const made = await newKey(desk, "officer.ceshi/2");
    register(served, [{ kind: "key.authorized.v1", org: at, fields: { person, key: made.vkey } }]);
    const lost = await visit(phone, "/internal/");
    await lost.getByText("写一件新的").waitFor();
    const page = await signIn(desk, "/internal/devices");
    await shot(page, "gates-devices");
    await accessible(page);
    page.on("dialog", (dialog) => dialog.accept());
    await page.locator("li", { hasText: "officer.ceshi/1" }).getByRole("button", { name: "丢了，注销" }).click();
    await status(page, "officer.ceshi/1 已经注销");
    await lost.reload();
    assert.match(lost.url(), /\/internal\/sign-in/);
    await act(lost, "登录").click();
    await lost.getByText("签名或登录请求不可用").waitFor();
    await page.reload();
    assert.match(await page.locator("li", { hasText: "officer.ceshi/1" }).innerText(), /已注销/);
    await desk.close();
  });
});
