// One question from the wall to the township: a citizen asks about one line, keeps the receipt as an image, an officer
// answers with a key of their own, the sheet is corrected, and whoever is not content goes on to the level above.
//
// What is held here: the receipt is an image in the page, with scripts and without, and no address holds the code; the page
// says by when and under which rule before anything is sent; the asker's name is on no public page, because the ledger
// refuses it, and the officer sees why beside the text; "not now" demands its explanation; the next month's sheet prints
// question and answer; the township's clock runs before the citizen's eyes.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";

const VILLAGE = "341599101201";
const ASKER = "宁知远";
const PHONE = "0564-7654321";
const KEY = "dafu.wuliqiao/1";
const PIN = "山高月小水落石出";
const ASKED = "这一笔为什么这么多？请把凭证晒出来(虚构)";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 };

let served;
let site;
let inside;
let phone;
let desk;
let sheet; // the sheet that is asked about, and the one of the next month
let next;
let number; // of the question

before(async () => {
  served = await demo("question");
  ({ site, internal: inside } = served);
  phone = await launch(served.folder, "phone");
  desk = await launch(served.folder, "desk", DESKTOP);
  const { items } = await (await fetch(`${site}/api/v1/disclosures?org=${VILLAGE}&limit=50`)).json();
  const books = items.filter(({ content, status }) => content === "finance" && status !== "withdrawn").sort((a, b) => (a.period < b.period ? 1 : -1));
  [next, sheet] = books;
  assert.ok(sheet, "the village has no two months of books");
}, { timeout: START_MS_MAX });

after(async () => {
  await phone?.close();
  await desk?.close();
  await served?.end();
});

const pageOf = ({ stream }) => `/disclosures/${stream.split("/")[1]}`;

async function open(path, context = phone, origin = site) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = complaintsOf(page, origin);
  const response = await page.goto(origin + path);
  return { page, complaints, response };
}

/** The image of a receipt: it has pixels, and is in the page itself. */
async function image(page) {
  const kept = page.locator(".keep img");
  await kept.waitFor();
  const [src, width, height] = await kept.evaluate(async (img) => {
    await img.decode();
    return [img.src.slice(0, 22), img.naturalWidth, img.naturalHeight];
  });
  assert.equal(src, "data:image/png;base64,");
  assert.ok(width === 750 && height > 600, `${width} × ${height}`);
}

const field = (page, name) => page.locator(`form.write [data-name="${name}"]`).first();

describe("a citizen at the wall", () => {
  test("asks about one line from the sheet's short address and keeps the receipt as an image", async () => {
    // The code that is printed on the wall leads to the short address.
    const { page, complaints } = await open(`/n/${sheet.first_index}`);
    assert.equal(page.url(), site + pageOf(sheet));
    const line = page.locator("tr#L1 details.opens");
    await line.locator("summary").click();
    assert.match(await line.innerText(), /比上月|上月没有|一样|凭证/, "a line opens to its comparison and its voucher");
    await line.getByText("就这一笔提问").click();
    await page.waitForURL(/\/hand-in\/disclosure\.questioned\?about=.*&line=1$/);
    assert.match(await page.locator(".vow .next").innerText(), /公开答复：最迟\d+年\d+月\d+日\s+询问答复期限（.+）/);
    assert.equal(await page.locator("#f-line").inputValue(), "1");
    await page.selectOption("#f-topic", "voucher");
    await page.locator("#f-text").fill(`我是${ASKER}，${ASKED}`);
    await page.locator("#f-asker").fill(`${ASKER}(虚构)`);
    await page.locator("#f-contact").fill(PHONE);
    await accessible(page);
    await page.locator("form.write button[type=submit]:not([disabled])").click();
    await page.locator("main h1:text-is('已记入账本')").waitFor();
    await image(page);
    const said = await page.locator("main").innerText();
    assert.match(said, /公开答复\s+最迟\d+年\d+月\d+日，询问答复期限（.+）/);
    assert.match(said, new RegExp(`问的是\\s+五里桥村\\d.*第1行`));
    number = Number(/№(\d+)/.exec(said)[1]);
    await accessible(page);
    await shot(page, "question-receipt");
    await page.getByRole("link", { name: "看公开的页面" }).click();
    await page.waitForURL(site + pageOf(sheet));
    const card = page.locator(`#Q${number}`);
    assert.match(await card.innerText(), /待答复/);
    assert.ok(!(await page.content()).includes(ASKER), "the asker is on a public page");
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("gets the image without scripts too, and its page alone admits images of its own", async () => {
    const plain = await launch(served.folder, "plain", { javaScriptEnabled: false });
    try {
      const { page, response } = await open(`/hand-in/letter.received?org=${VILLAGE}`, plain);
      assert.match(response.headers()["content-security-policy"], /img-src 'self' data:;/);
      await page.selectOption("#f-class", "opinion");
      await page.locator("#f-title").fill("路灯(虚构)");
      await page.locator("#f-text").fill("村口路灯不亮(虚构)");
      const [answer] = await Promise.all([page.waitForResponse(/hand-in/), page.locator("form.write button").click()]);
      assert.match(answer.headers()["content-security-policy"], /img-src 'self' data:;/);
      assert.equal(answer.headers()["cache-control"], "no-store");
      const code = (await page.locator(".codeword").innerText()).trim();
      const kept = await page.locator(".keep img").getAttribute("src");
      const png = Buffer.from(kept.split(",")[1], "base64");
      assert.deepEqual([...png.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join(""), "PNG");
      assert.equal(png.readUInt32BE(16), 750);
      assert.match(await page.locator("main").innerText(), /登记并告知来信人\s+最迟/);
      assert.ok(!page.url().includes(code.slice(0, 4)));
      await page.emulateMedia({ media: "print" });
      await shot(page, "question-receipt-print");
      const policy = (await fetch(`${site}${pageOf(sheet)}`)).headers.get("content-security-policy");
      assert.doesNotMatch(policy, /data:/);
    } finally {
      await plain.close();
    }
  });

  test("is shown what can be done on every page, with everything filled in", async () => {
    const { page, complaints } = await open("/vacancies");
    const all = await page.locator("main .items a.title").evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    let form;
    for (const path of all) {
      await page.goto(site + path);
      const link = page.getByRole("link", { name: /^推荐人选，也可以自荐/ });
      if (await link.count()) form = await link.first().getAttribute("href");
    }
    assert.ok(form, "no vacancy of the demo takes recommendations");
    await page.goto(site + form);
    assert.notEqual(await page.locator("#f-post").inputValue(), "", "the post is chosen");
    assert.match(await page.locator(".vow .next").innerText(), /推荐截止.*最迟/);
    await page.goto(`${site}/pledges`);
    await page.locator("main .items a.title").first().click();
    await page.getByRole("link", { name: "有话要说，写信" }).click();
    assert.equal(await page.locator("#f-class").inputValue(), "opinion");
    assert.match(await page.locator("#f-title").inputValue(), /^关于承诺：/);
    assert.match(await page.locator("header .callout").innerText(), /^说的是：/);
    await accessible(page);
    for (const board of ["/nominations", "/notices"]) {
      await page.goto(site + board);
      await page.locator("main .items a.title").first().click();
      await page.locator('main a[href^="/hand-in/"]').first().click();
      assert.match(await page.locator(".vow .next").innerText(), /办结异议：最迟/);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("a citizen who reads a pledge", () => {
  test("rates it by a grade and nothing else, and keeps a receipt that proves no grade", async () => {
    const { page, complaints } = await open("/pledges");
    await page.locator("main .items a.title").first().click();
    await page.getByRole("link", { name: "评一评", exact: true }).click();
    assert.match(await page.locator(".vow").innerText(), /只公布各等次有多少人.*不算群众评议/s);
    const shown = page.locator("main form").locator("input, select, textarea").locator("visible=true");
    assert.equal(await shown.count(), 1, "a grade is all that is asked");
    await page.getByLabel(/^评价/).selectOption({ label: "良好" });
    await accessible(page);
    await shot(page, "rate");
    await page.locator("form.write button[type=submit]:not([disabled])").click();
    await image(page);
    const said = await page.locator("main").innerText();
    assert.match(said, /查询码/);
    assert.doesNotMatch(said, /良好/);
    await accessible(page);
    await shot(page, "rate-receipt");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("a promise made at a session", () => {
  test("is a pledge of its own: the session lists it, and its page names the session", async () => {
    const { items } = await (await fetch(`${site}/api/v1/pledges?org=${VILLAGE}&limit=50`)).json();
    const pledge = items.find(({ title }) => title.includes("代办水电缴费"));
    const { page, complaints } = await open(`/pledges/${pledge.stream.split("/")[1]}`);
    const said = page.locator("dl.rows div", { hasText: "在哪里承诺的" });
    await page.goto(site + (await said.getByRole("link", { name: "柳溪镇民情沟通面对面" }).getAttribute("href")));
    const motion = page.locator("main .qa", { hasText: "老人缴水电费" });
    assert.match(await motion.innerText(), /列入计划[\s\S]*由党员定期上门代办/);
    assert.equal(await motion.getByRole("link").getAttribute("href"), `/pledges/${pledge.stream.split("/")[1]}`);
    await accessible(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("an officer at a desk", () => {
  test("finds the question by its age, reads the original after signing, and cannot name the asker", async () => {
    const { page } = await open("/internal/sign-in", desk, inside);
    const key = await makeKey(page, KEY, PIN);
    const person = "person/018f0000-0000-7000-8000-00000000da01";
    register(served, entering(person, { name: "答复员(虚构)", org: VILLAGE, key, roles: ["publisher"] }));
    await page.goto(`${inside}/internal/sign-in`);
    await page.getByRole("button", { name: "登录" }).click();
    await page.waitForURL(`${inside}/internal/`);
    await page.getByRole("link", { name: /^答复群众/ }).click();
    await accessible(page);
    await shot(page, "question-list");
    const waits = page.locator("main li", { hasText: "今天收到" }).filter({ has: page.locator(`a[href*="${sheet.stream.split("/")[1]}"]`) });
    assert.match(await waits.innerText(), /五里桥村\s+询问[\s\S]*最迟 \d+年/);
    await waits.getByRole("link", { name: /答复/ }).click();
    await page.getByRole("button", { name: "签名查阅原文" }).click();
    await page.getByText("查阅已经记下").waitFor();
    const original = await page.locator("[data-original]").innerText();
    assert.ok(original.includes(ASKER) && original.includes(PHONE), original);
    assert.equal(await page.locator("#f-masked").inputValue(), `我是宁**，${ASKED}`);
    await page.locator("#f-text").fill(`${ASKER}同志：两个月的电费一起付的(虚构)`);
    const why = page.locator(".field.wrong .why");
    await why.waitFor();
    assert.match(await why.innerText(), /第1字起写着提问人的姓名/);
    assert.ok(await page.getByRole("button", { name: "签名并公布" }).isDisabled());
    await shot(page, "question-refused");
    await page.locator("#f-text").fill("两个月的电费一起付的，凭证已张贴(虚构)");
    await page.locator("#f-masked").fill(`${ASKER}问：${ASKED}`);
    await page.locator(".field.wrong #f-masked").waitFor();
    await page.locator("#f-masked").fill(`宁**问：${ASKED}`);
    await page.getByText("检查通过").waitFor();
    await page.getByRole("button", { name: "加一项" }).click();
    await page.locator("[data-points] select").selectOption("not_now");
    await page.locator("[data-points] textarea").fill("加装分表(虚构)");
    await page.getByText(/须写明说明/).first().waitFor();
    assert.ok(await page.getByRole("button", { name: "签名并公布" }).isDisabled(), "not now without its explanation");
    await page.locator("#f-explanation").fill("今年维修费已经用完，明年一季度办(虚构)");
    await page.getByText("检查通过").waitFor();
    assert.match(await page.locator("[data-public]").innerText(), /宁\*\*问[\s\S]*凭证已张贴[\s\S]*暂不办理\s+加装分表/);
    await accessible(page);
    await shot(page, "question-answer");
    // Whoever walks round the page meets the same no.
    const forced = await page.evaluate(async ([stream, org, role, key, text]) => {
      const fields = { question: 99, answered_on: "2026-01-01", text };
      const { revision } = JSON.parse(document.querySelector("[data-table]").dataset.table);
      const body = JSON.stringify({ kind: "disclosure.answered.v1", stream, org, fields: { ...fields, question: revision }, signers: [[role, key]] });
      const response = await fetch("/internal/api/v1/rehearsals", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      return [response.status, (await response.json()).code];
    }, [sheet.stream, VILLAGE, "publisher", KEY, `答复${ASKER}`]);
    assert.deepEqual(forced, [422, "personal_data"]);
    await page.getByRole("button", { name: "签名并公布" }).click();
    await page.getByText("已答复并公布").waitFor();
    await shot(page, "question-done");
    await page.close();
  });

  test("corrects the sheet from there, and the public page shows everything in its order", async () => {
    const id = sheet.stream.split("/")[1];
    const { page } = await open(`/internal/write/disclosure.corrected?about=${encodeURIComponent(sheet.stream)}`, desk, inside);
    const now = await (await fetch(`${site}/api/v1/disclosures/${id}`)).json();
    const [opening, income, expense, closing] = now.totals.map((fen) => (fen / 100).toFixed(2));
    const { row } = now.lines.lines[0];
    await page.getByText("更多可填的").click();
    await field(page, "content").selectOption("finance");
    await field(page, "corrects").fill("0");
    for (const [name, value] of Object.entries({ opening, income, expense, closing, reason: "补写用途(虚构)" })) await field(page, name).fill(value);
    const cells = page.locator("[data-list]:not([hidden]) tbody tr").first();
    if (!(await cells.count())) await page.getByRole("button", { name: "加一行" }).click();
    const cell = (name) => cells.locator(`[data-name="${name}"]`);
    for (const name of ["date", "voucher", "account"]) if (row[name]) await cell(name).fill(row[name]);
    for (const name of ["income", "expense", "balance"]) if (row[name] !== undefined) await cell(name).fill((row[name] / 100).toFixed(2));
    await cell("summary").fill(`${row.summary}（两个月）`);
    await cell("summary").blur();
    await page.getByText("检查通过").waitFor();
    await page.getByRole("button", { name: "签名并提交" }).click();
    await page.getByText("已记入账本").waitFor();
    await page.close();

    const { page: seen, complaints } = await open(`${pageOf(sheet)}#Q${number}`);
    const card = seen.locator(`#Q${number}`);
    const steps = await card.locator(".steps li").allInnerTexts();
    assert.deepEqual(steps.map((step) => step.replace(/^№\d+ (\S+) .*$/s, "$1")), ["提出询问", "公布问题", "答复", "更正"]);
    const told = await card.innerText();
    assert.match(told, /宁\*\*问[\s\S]*凭证已张贴[\s\S]*暂不办理\s+加装分表[\s\S]*暂不办理的说明\s+今年维修费/);
    assert.match(await seen.locator("tr#L1").innerText(), /（两个月）/);
    assert.ok(!(await seen.content()).includes(ASKER));
    await accessible(seen);
    await card.scrollIntoViewIfNeeded();
    await shot(seen, "public");
    assert.deepEqual(complaints, []);
    await seen.close();
  });

  test("has the next month's sheet print question and answer", async () => {
    const { page } = await open(pageOf(next));
    for (const media of ["screen", "print"]) {
      await page.emulateMedia({ media });
      const wall = page.locator("#wall");
      assert.ok(await wall.isVisible());
      const told = await wall.innerText();
      assert.match(told, /答复上墙/);
      assert.match(told, /宁\*\*问[\s\S]*凭证已张贴/);
      assert.ok(!told.includes(ASKER));
    }
    await shot(page, "question-wall-print");
    await page.close();
  });
});

describe("a citizen who is not content", () => {
  test("goes on to the township, whose clock runs on the page behind the code", async () => {
    const { page, complaints } = await open(pageOf(sheet));
    const further = page.locator(`#Q${number}`).getByRole("link", { name: "对答复不满意，请柳溪镇处理" });
    await page.goto(site + (await further.getAttribute("href")));
    assert.equal(await page.locator("#f-class").inputValue(), "appeal");
    assert.match(await page.locator("#f-title").inputValue(), new RegExp(`^№${number}`));
    assert.match(await page.locator(".eyebrow").first().innerText(), /柳溪镇/);
    assert.match(await page.locator(".vow .next").innerText(), /登记并告知您：最迟/);
    await page.locator("#f-text").fill("凭证没有张贴(虚构)");
    await page.locator("form.write button[type=submit]:not([disabled])").click();
    await page.locator("main h1:text-is('已收到')").waitFor();
    await image(page);
    const code = (await page.locator(".codeword").innerText()).trim();
    assert.match(code, /^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$/);
    await shot(page, "question-letter-receipt");
    await page.goto(`${site}/follow`);
    await page.locator("#f-code").fill(code);
    await page.locator("form.write button").click();
    const told = await page.locator("main").innerText();
    assert.match(told, /柳溪镇登记并告知来信人\s+最迟 \d+年\d+月\d+日 来信登记告知期限/);
    assert.ok(!page.url().includes(code.slice(0, 4)));
    await accessible(page);
    await shot(page, "question-follow");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
