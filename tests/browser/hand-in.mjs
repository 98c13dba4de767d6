// Somebody without a key hands in from a real browser, and the real receivers open it.
//
// What is held here: what accuses somebody leaves the browser encrypted and in no other form; the body's receiver opens it
// with the real binary, and the accused receiver does not; without scripts everything works that needs no encryption, and
// what needs it cannot be sent; statements made in the browser are those that the ledger computes again; the light proof
// of work takes an old phone seconds. Two languages agree byte for byte or nothing of this passes.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, binary, complaintsOf, demo, launch, root, screenshots } from "./demo.mjs";

const VILLAGE = "341599101201";
const CANARY = "金丝雀九一四六(虚构)";
// Twice the work's mean is done in this time on a phone that is six times slower than one busy core here.
const WORK_MS_MAX = 30_000;

let served;
let site;
let browser;

before(async () => {
  served = await demo("hand-in");
  ({ site } = served);
  browser = await launch(served.folder, "profile");
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

const shot = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
const key = (name) => join(served.folder, "demo/demo-keys", `${name}.key`);
const run = (...args) => execFileSync(binary, args, { encoding: "utf8", stdio: "pipe" });

/** A page with everything that it sends, and everything that it complains about. */
async function open(path, context = browser) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  const sent = [];
  page.on("request", async (request) => {
    sent.push(`${request.method()} ${request.url()}\n${JSON.stringify(request.headers())}\n${request.postData() ?? ""}`);
  });
  assert.equal((await page.goto(site + path)).status(), 200, path);
  return { page, sent, complaints };
}

/** Waits until the page's own script made the form work. */
const ready = (page) => page.waitForFunction(() => document.querySelector("[data-body]")?.textContent.includes("加密给"));

/** Hands in and waits for the answer under this title. */
async function send(page, title = "已收到") {
  await page.locator("form.write button[type=submit]").click();
  await page.locator("output.bad, main h1:text-matches('^(已收到|已记入账本|没有受理)$')").first().waitFor();
  assert.equal(await page.locator("main h1").innerText(), title, await page.locator("main").innerText());
}

/** The forms in which a text could have left. */
function encodings(text) {
  const bytes = Buffer.from(text);
  const shifted = [0, 1, 2].map((shift) => Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64").slice(4, -4));
  return [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), bytes.toString("hex"), ...shifted];
}

function assertNeverSent(sent, texts) {
  assert.ok(sent.some((request) => request.includes("/api/v1/submissions")), "nothing was handed in");
  for (const text of texts) {
    for (const form of encodings(text)) {
      for (const request of sent) assert.ok(!request.includes(form), `${text} left the browser: ${request.slice(0, 200)}`);
    }
  }
}

/** What a receiver of the county opens of the newest sealed matter of a family, as a file for `open-envelope`. */
function newest(family) {
  const address = `matters?family=${family}&purpose=handling`;
  const listed = JSON.parse(run("read", "--url", served.internal, "--key", key("xianwei-shenpi-1"), address));
  const [matter] = listed.matters.filter(({ hidden }) => hidden);
  const content = run("open", "--url", served.internal, "--key", key("xianwei-shenpi-1"), matter.stream);
  const file = join(served.folder, `${family}.json`);
  writeFileSync(file, content);
  return { matter, file, content };
}

const refused = (file, receiver, reason) =>
  assert.throws(
    () => run("open-envelope", "--key", key(receiver), file),
    (error) => error.status === 1 && `${error.stdout}${error.stderr}`.includes(reason),
  );

describe("what the page is made of", () => {
  test("the committed cryptography is what its sources and lock make", () => {
    const folder = join(root, "api/assets/vendor");
    execFileSync("npm", ["ci", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error"]);
    execFileSync(process.execPath, [join(folder, "bundle.mjs"), "--check"], { stdio: "inherit" });
  });

  test("only the page on which something is written loads it", async () => {
    for (const path of ["/", "/hand-in", "/follow", "/hand-in/letter.received"]) {
      const { page, sent, complaints } = await open(path);
      assert.ok(!sent.some((request) => request.includes("crypto.js")), path);
      assert.deepEqual(complaints, []);
      await page.close();
    }
  });
});

describe("a citizen who accuses somebody", () => {
  test("encrypts a letter in the browser past the accused's own body, and only the body's other receiver opens it", async () => {
    const { page, sent, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
    await page.selectOption("#f-class", "accusation");
    await ready(page);
    await page.locator("#f-title").fill("有人挪用公款(虚构)");
    await page.locator("#f-text").fill(`${CANARY}\n第二行`);
    await page.getByLabel("晏秋实(虚构)").check();
    const to = await page.locator("[data-to]").innerText();
    assert.match(to, /将加密给：青禾县，1 位收件人能打开/);
    assert.match(to, /跳过了五里桥村/);
    assert.match(to, /gongkai hand-in/);
    const accused = await page.getByLabel("晏秋实(虚构)").getAttribute("value");
    await shot(page, "hand-in-accusation");
    await send(page);
    const code = (await page.locator(".codeword").innerText()).trim();
    assert.match(code, /^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$/);
    assert.match(await page.locator("main").innerText(), /已加密给\s+青禾县/);
    await shot(page, "hand-in-receipt");
    assertNeverSent(sent, [CANARY, "有人挪用公款", "晏秋实", accused]);
    assert.deepEqual(complaints, []);
    await page.close();

    const { matter, file, content } = newest("letter");
    assert.equal(matter.org, "341599");
    assert.ok(!content.includes(CANARY), "the ledger handed out what it cannot read");
    const opened = JSON.parse(run("open-envelope", "--key", key("chu-receiver"), "--json", file));
    assert.equal(opened.text, `${CANARY}\n第二行`);
    assert.deepEqual(opened.concerns, [{ person: accused }]);
    assert.equal(opened.class, "accusation");
    refused(file, "yan-receiver", "不是加密给这把钥匙的");
  });

  test("objects to a nomination from its page, by controls that a browser could not send", async () => {
    const start = await open("/nominations");
    const board = start.page;
    await board.locator("main .items a.title").first().click();
    await board.locator('main a[href^="/hand-in/nomination.objected"]').click();
    const address = board.url().slice(site.length);
    await board.close();
    const { page, sent, complaints } = await open(address);
    await ready(page);
    assert.equal(await page.locator("form.write [name]").count(), 0);
    assert.equal(await page.locator("form.write").getAttribute("action"), null);
    await page.selectOption("#f-person", "1");
    await page.locator("#f-text").fill(CANARY);
    await send(page);
    assertNeverSent(sent, [CANARY]);
    assert.deepEqual(complaints, []);
    await page.close();
    const { file } = newest("nomination");
    for (const receiver of ["chu-receiver", "yan-receiver"]) {
      const opened = JSON.parse(run("open-envelope", "--key", key(receiver), "--json", file));
      assert.deepEqual([opened.text, opened.person, opened.real_name], [CANARY, 1, false]);
      assert.ok(address.includes(encodeURIComponent(opened.nomination)));
    }
    refused(file, "wen-receiver", "不是加密给这把钥匙的");
  });

  test("is stopped before anything is sent where the ledger could not see what is wrong", async () => {
    const { page, sent, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
    await page.selectOption("#f-class", "accusation");
    await page.locator("#f-title").fill("题");
    const no = async (text, reason) => {
      await page.locator("#f-text").fill(text);
      await page.locator("form.write button[type=submit]").click();
      await page.locator("output.bad").filter({ hasText: reason }).waitFor();
    };
    await no("", "没有填写");
    await no("他的号码是 11010519491231 002X", "身份证号");
    await no("长".repeat(20_001), "最多 20000 字");
    assert.ok(!sent.some((request) => request.startsWith("POST")), "something was sent");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("a citizen whose matter the office handles", () => {
  test("makes statements that the ledger computes again: a letter, a question, a recommendation", async () => {
    const letter = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await letter.page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
    await letter.page.selectOption("#f-class", "opinion");
    await letter.page.locator("#f-title").fill("路灯\"不亮\"(虚构)");
    await letter.page.locator("#f-text").fill("村口\\路灯坏了🚦\n请修(虚构)");
    await send(letter.page);
    assert.deepEqual(letter.complaints, []);
    await letter.page.close();

    const board = await open("/disclosures");
    await board.page.locator("main .items a.title").first().click();
    await board.page.locator('main a[href^="/hand-in/disclosure.questioned"]').click();
    const question = await open(board.page.url().slice(site.length));
    await board.page.close();
    await question.page.locator("#f-line").fill("1");
    await question.page.selectOption("#f-topic", "amount");
    await question.page.locator("#f-text").fill(CANARY);
    await send(question.page, "已记入账本");
    assert.deepEqual(question.complaints, []);
    await question.page.locator('main a[href^="/entries/"]').click();
    await question.page.waitForURL(/\/entries\/\d+\/view/);
    assert.ok(!(await question.page.content()).includes(CANARY), "the text of a question is not public");
    await question.page.close();

    const vacancies = await open("/vacancies");
    const pages = await vacancies.page.locator("main .items a.title").evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    let form;
    for (const path of pages) {
      await vacancies.page.goto(site + path);
      const link = vacancies.page.locator('main a[href^="/hand-in/vacancy.recommended"]');
      if (await link.count()) form = await link.getAttribute("href");
    }
    await vacancies.page.close();
    assert.ok(form, "no vacancy of the demo is open");
    const recommendation = await open(form);
    await recommendation.page.selectOption("#f-post", "0");
    await recommendation.page.selectOption("#f-channel", "individual");
    await recommendation.page.selectOption("#f-standing", "member");
    for (const name of ["recommender", "candidate", "reason"]) await recommendation.page.locator(`#f-${name}`).fill(`${name}(虚构)`);
    await send(recommendation.page);
    assert.deepEqual(recommendation.complaints, []);
    await recommendation.page.close();
  });

  test("who is refused gets the reason and a receipt that the page verified", async () => {
    const { page } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
    await page.selectOption("#f-class", "opinion");
    await page.locator("#f-title").fill("题(虚构)");
    await page.locator("#f-text").fill("实名而没有姓名(虚构)");
    await page.locator("#f-real_name").check();
    await send(page, "没有受理");
    const text = await page.locator("main").innerText();
    assert.match(text, /实名提交须填写姓名/);
    assert.match(text, /gongkai\.refusal\/v1/);
    await page.close();
  });

  test("follows it by the code, and a wrong code shows nothing", async () => {
    const { page } = await open("/follow");
    await page.locator("#f-code").fill("0000-0000-0000-0000");
    await page.locator("form.write button").click();
    await page.getByText("没有这个查询码").waitFor();
    assert.ok(!page.url().includes("0000"));
    await page.close();
  });
});

describe("a citizen whose browser runs no scripts", () => {
  test("hands in a letter, gets the code and follows it; what must be encrypted cannot be sent", async () => {
    const context = await launch(served.folder, "plain", { javaScriptEnabled: false });
    try {
      const { page, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`, context);
      assert.ok(await page.locator("#f-class option[value=accusation]").isDisabled());
      assert.ok(await page.getByText("检举控告要在您的设备上加密").isVisible());
      assert.ok(!(await page.locator(".people").isVisible()), "whom it is about is asked only where it is encrypted");
      await page.selectOption("#f-class", "appeal");
      await page.locator("#f-title").fill("水渠塌方(虚构)");
      await page.locator("#f-text").fill("两行\n文字(虚构)");
      await page.locator("form.write button").click();
      const code = (await page.locator(".codeword").innerText()).trim();
      assert.match(await page.locator("main pre").textContent(), /^gongkai\.promise\/v1/);
      await shot(page, "hand-in-without-scripts");
      assert.equal((await page.goto(`${site}/follow`)).status(), 200);
      await page.locator("#f-code").fill(code.toLowerCase().replaceAll("-", " "));
      await page.locator("form.write button").click();
      assert.match(await page.locator("main").innerText(), /已收到，等待登记/);
      assert.ok(page.url().endsWith("/follow"), page.url());
      await shot(page, "follow");
      assert.equal((await page.goto(`${site}/nominations`)).status(), 200);
      await page.locator("main .items a.title").first().click();
      await page.locator('main a[href^="/hand-in/"]').click();
      assert.ok(await page.locator("form.write button").isDisabled());
      assert.ok(await page.getByText("需要浏览器打开脚本").isVisible());
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  });
});

describe("an old phone", () => {
  test("does the proof of work in seconds, and the page stays alive meanwhile", async (t) => {
    const { page } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    const slow = await page.context().newCDPSession(page);
    await slow.send("Emulation.setCPUThrottlingRate", { rate: 6 });
    const { bits } = await (await fetch(`${site}/api/v1/work`)).json();
    const measured = await page.evaluate(async () => {
      const { solve } = await import("/assets/work.js");
      let tries = 0;
      let steps = 0;
      const from = performance.now();
      for (const seed of [1, 2, 3, 4, 5, 6]) {
        const solved = await solve("gkw1.13.1.00.00", new Uint8Array([seed]), 13, () => (steps += 1));
        tries += Number(solved.split(":")[1]) + 1;
      }
      return { steps, us: ((performance.now() - from) * 1000) / tries };
    });
    const mean = (measured.us * 2 ** bits) / 1000;
    t.diagnostic(`six times slower: ${measured.us.toFixed(1)} µs a try, ${(mean / 1000).toFixed(1)} s for ${bits} bits`);
    assert.ok(2 * mean < WORK_MS_MAX, `${mean} ms on average`);
    assert.ok(measured.steps > 5, "the page was not let in between");
    await page.close();
  });

  test("shows every page of handing in without a sideways scroll", async () => {
    const { page, complaints } = await open("/hand-in");
    await page.setViewportSize({ width: 360, height: 740 });
    const forms = await page.locator('main a[href^="/hand-in/"]').evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    for (const path of ["/hand-in", "/follow", ...forms, `/hand-in/letter.received?org=${VILLAGE}`, `/hand-in/letter.escalated?org=${VILLAGE}`]) {
      assert.equal((await page.goto(site + path)).status(), 200, path);
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => d.setAttribute("open", "")));
      const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= screen, `${path} is ${wide} px wide on a screen of ${screen}`);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
