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
import axe from "axe-core";
import { blake3 } from "../../api/assets/vendor/crypto.js";
import { START_MS_MAX, complaintsOf, demo, launch, root, run, shot } from "./demo.mjs";

const VILLAGE = "341599101201";
const TOWN = "341599101";
const CANARY = "金丝雀九一四六(虚构)";
// The work's mean on a phone that is six times slower than a core here, however busy that is.
const WORK_MS_MAX = 20_000;

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

const key = (name) => join(served.folder, "demo/demo-keys", `${name}.key`);

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
  const handedIn = sent.find((request) => request.startsWith(`POST ${site}/api/v1/submissions`));
  assert.ok(handedIn, "nothing was handed in");
  // The body was seen, or its silence would prove nothing.
  const { note, openings, envelope } = JSON.parse(handedIn.slice(handedIn.lastIndexOf("\n") + 1));
  assert.match(note, /^gongkai\.statement\/v1\n/);
  assert.ok(envelope.to.length > 0 && openings.every((opening) => Object.keys(opening).sort().join() === "commitment,slot"));
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
  const content = run("open", "--url", served.internal, "--key", key("xianwei-shenpi-1"), "--json", matter.stream);
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
    const text = page.locator("#f-text");
    assert.equal(await text.getAttribute("aria-invalid"), "true");
    assert.equal(await page.evaluate(() => document.activeElement.id), "f-text");
    const described = (await text.getAttribute("aria-describedby")).split(" ").map((id) => page.locator(`#${id}`).innerText());
    assert.deepEqual(await Promise.all(described), ["写清时间、地点、什么事。不要写身份证号。", "没有填写"]);
    await text.fill("字");
    assert.equal(await text.getAttribute("aria-invalid"), null);
    assert.equal(await page.locator(".why").count(), 0);
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
      if (await link.count()) form = await link.first().getAttribute("href");
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
      const form = { _org: VILLAGE, class: "accusation", title: "题(虚构)", text: CANARY };
      const forced = await page.request.post(`${site}/hand-in/letter.received`, { form, headers: { origin: site } });
      assert.equal(forced.status(), 400);
      assert.match(await forced.text(), /应在您自己的设备上加密后提交/);
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

const today = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);

/** Commands into the ledger from the inside. */
function say(by, commands, ...cosigners) {
  const file = join(served.folder, "commands.jsonl");
  writeFileSync(file, commands.map((command) => `${JSON.stringify(command)}\n`).join(""));
  const cosign = cosigners.flatMap((signer) => ["--cosign", signer]);
  const outbox = join(served.folder, "outbox");
  return run("submit", "--url", served.internal, "--key", key(by), "--outbox", outbox, ...cosign, file);
}

const utf8 = (text) => new TextEncoder().encode(text);
const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const base64 = (part) => Buffer.from(part).toString("base64");

const idOf = (tally) => Buffer.from(tally.split("/")[1].replaceAll("-", ""), "hex");
const derived = (context, tally, part) => blake3(bytes(idOf(tally), part), { context: utf8(`gongkai 2026 tally ${context} v1`) });
const credentialOf = (tally, code) => derived("slip", tally, utf8(code));
const hashOf = (tally, credential) => derived("credential", tally, credential);
const leafOf = (commitment) => blake3(bytes([0], commitment));
const nodeOf = (left, right) => blake3(bytes([1], left, right));

/** The whole tree over 65,536 credentials, most of them empty: its root, and the path of the first. */
function tree(hashes) {
  const path = [];
  let level = Array.from({ length: 65_536 }, (_, place) => leafOf(hashes[place] ?? new Uint8Array(32)));
  while (level.length > 1) {
    path.push(base64(level[1]));
    level = Array.from({ length: level.length / 2 }, (_, at) => nodeOf(level[2 * at], level[2 * at + 1]));
  }
  return { root: base64(level[0]), path };
}

// The codes of one tally are on slips, and their hashes are published; of the other the voters get credential and path.
const BY_SLIP = { stream: "tally/019a0000-0000-7000-8000-00000000c0de", title: "民主评议(虚构)" };
const BY_PATH = { stream: "tally/019a0000-0000-7000-8000-00000000f00d", title: "推荐投票(虚构)" };
const SLIPS = ["7K2M-9QXA-40TB-RZ8C", "3V5N-C0W1-HJ6P-M2EY", "ZT4R-81DG-QF7S-K9XB"];
const CREDENTIAL = blake3(utf8("the only credential"));

/** Keeps a file that a statement is going to name. */
async function attach(text) {
  const headers = { "Content-Type": "application/octet-stream" };
  const kept = await fetch(`${served.internal}/api/v1/attachments`, { method: "PUT", body: text, headers });
  assert.equal(kept.status, 200);
  return { ...(await kept.json()), media_type: "text/plain" };
}

/** A consultation and two tallies that are open today. */
async function openMatters() {
  const window = { opens_on: today(), closes_on: today() };
  const lines = ["满意", "基本满意", "不满意"].map((option) => ({ option }));
  const tally = ({ stream, title }, hashes, more) => {
    const fields = { ...window, purpose: "appraisal", eligible: hashes.length, credentials: tree(hashes).root, choices_max: 1, title, lines };
    return { kind: "tally.opened.v1", stream, org: VILLAGE, fields: { ...fields, ...more } };
  };
  const hashes = SLIPS.map((code) => hashOf(BY_SLIP.stream, credentialOf(BY_SLIP.stream, code)));
  const published = await attach(hashes.map((hash) => `${base64(hash)}\n`).join(""));
  say(
    "wuliqiao-wenshu-1",
    [
      { kind: "consultation.opened.v1", org: VILLAGE, fields: { ...window, title: "停车场怎么建(虚构)", text: "请大家说说(虚构)" } },
      tally(BY_SLIP, hashes, { slips: [published] }),
      tally(BY_PATH, [hashOf(BY_PATH.stream, CREDENTIAL)]),
    ],
    `supervisor=${key("wuliqiao-jiandu-1")}`,
  );
  await shown();
}

/** Goes on from the page of what can be handed in to the form of a matter that is open. */
async function choose(page, label, title) {
  await page.goto(`${site}/hand-in`);
  await page.locator(".offer", { has: page.getByRole("heading", { name: label, exact: true }) }).locator("a.btn").click();
  await page.locator("main li", { hasText: title }).locator("a.btn").click();
}

const LOOKS_MAX = 1000;

/** Waits until the pages show all that was committed: the follower is a moment behind the receipt. */
async function shown() {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const { views, committed } = await (await fetch(`${site}/healthz`)).json();
    if (views === committed) return;
  }
  assert.fail("the views do not catch up");
}

describe("a citizen who takes part", () => {
  before(openMatters);

  test("writes an opinion in a consultation that the page of what can be done leads to", async () => {
    const { page, complaints } = await open("/hand-in");
    await choose(page, "提意见", "停车场怎么建(虚构)");
    await page.locator("#f-text").fill("建在晒谷场边(虚构)");
    await page.locator("#f-consent_to_publish").check();
    await send(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("casts a ballot by a tick and the code on a slip, of which nothing is sent, and no slip votes twice", async () => {
    const { page, sent } = await open("/hand-in");
    const cast = async (slip) => {
      await choose(page, "投票", BY_SLIP.title);
      await page.getByLabel("基本满意").check();
      await page.locator("#f-_slip").fill(slip);
      await page.locator("form.write button[type=submit]").click();
      await page.locator("output.bad, main h1:text-matches('^(已收到|没有受理)$')").first().waitFor();
      return page.locator("main").innerText();
    };
    assert.match(await cast("7K2M-9QXA"), /应是 16 位字母和数字/);
    assert.match(await cast("WRNG-WRNG-WRNG-WRNG"), /不是这次投票发出的票码/);
    for (const request of sent) for (const form of ["POST", "9QXA", "WRNG"]) assert.ok(!request.includes(form), request);
    const [, code] = SLIPS;
    const received = await cast(` ${code.toLowerCase().replaceAll("-", "").replace("0", "o").replace("1", "l")} `);
    const [, ballot] = received.match(/选票编号\s+([A-Za-z0-9+/]{43}=)/);
    const statusCode = (await page.locator(".codeword").innerText()).trim();
    for (const request of sent) assert.ok(!request.includes(code.slice(0, 9)), request);
    assert.doesNotMatch(await cast(code), /查询码/);
    await page.goto(`${site}/follow`);
    await page.locator("#f-code").fill(statusCode);
    await page.getByRole("button", { name: "查看" }).click();
    assert.ok((await page.locator("main").innerText()).includes(ballot), "the same number under the code");
    await page.close();
  });

  test("casts a ballot by credential and path where no hashes were published", async () => {
    const { page, complaints } = await open("/hand-in");
    await choose(page, "投票", BY_PATH.title);
    await page.getByLabel("基本满意").check();
    await page.locator("#f-credential").fill(base64(CREDENTIAL));
    await page.locator("#f-place").fill("0");
    await page.locator("#f-path").fill(tree([hashOf(BY_PATH.stream, CREDENTIAL)]).path.join("\n"));
    await send(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("rates an answer and asks the level above, from the page that the code opens", async () => {
    const listed = () => {
      const address = "matters?family=letter&purpose=handling";
      return JSON.parse(run("read", "--url", served.internal, "--key", key("wuliqiao-wenshu-1"), address)).matters.map(({ stream }) => stream);
    };
    const before = new Set(listed());
    const { page, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    await page.selectOption("#f-class", "appeal");
    await page.locator("#f-title").fill("水管漏了(虚构)");
    await page.locator("#f-text").fill("请修(虚构)");
    await send(page);
    const code = (await page.locator(".codeword").innerText()).trim();
    const stream = listed().find((found) => !before.has(found));
    const told = { kind: "letter.registered.v1", stream, org: VILLAGE };
    const registered = { class: "appeal", channel: "web", real_name: false, consent_to_publish: false, registered_on: today() };
    say("wuliqiao-wenshu-1", [{ ...told, fields: registered }]);
    const answered = { answered_on: today(), told_on: today(), text: "已经修好(虚构)" };
    say("wuliqiao-wenshu-1", [{ ...told, kind: "letter.answered.v1", fields: answered }]);
    const follow = async () => {
      await page.goto(`${site}/follow`);
      await page.locator("#f-code").fill(code);
      await page.locator("form.write button").click();
      await page.locator("h1", { hasText: "已办结" }).waitFor();
    };
    await follow();
    assert.match(await page.locator("main").innerText(), /已经修好\(虚构\)/);
    await shot(page, "follow-answered");
    await page.locator("main a", { hasText: "评价答复" }).click();
    await page.locator("#f-_code").fill(code.slice(0, 9));
    await page.selectOption("#f-satisfaction", { index: 1 });
    await page.locator("form.write button[type=submit]").click();
    await page.locator("output.bad", { hasText: "应是 16 位字母和数字" }).waitFor();
    await page.locator("#f-_code").fill(code);
    await send(page);
    await follow();
    assert.match(await page.locator("main").innerText(), /满意度\s+(非常)?满意/, "values are told by their labels");
    await page.locator("main a", { hasText: "申请复查复核" }).click();
    await page.locator("#f-_code").fill(code);
    await page.selectOption("#f-to", TOWN);
    await page.locator("#f-reason").fill("又漏了(虚构)");
    await send(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("who has only a keyboard gets to every field and hands in", async () => {
    const { page, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
    const reach = async (id) => {
      for (let pressed = 0; pressed < 60; pressed += 1) {
        if ((await page.evaluate(() => document.activeElement?.id)) === id) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`the keyboard does not get to ${id}`);
    };
    await reach("f-class");
    for (let pressed = 0; pressed < 9 && (await page.locator("#f-class").inputValue()) !== "opinion"; pressed += 1) {
      await page.keyboard.press("ArrowDown");
    }
    assert.equal(await page.locator("#f-class").inputValue(), "opinion");
    await reach("f-title");
    await page.keyboard.type("路灯(虚构)");
    await reach("f-text");
    await page.keyboard.type("不亮(虚构)");
    await reach("f-consent_to_publish");
    await page.keyboard.press("Space");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.type), "submit");
    await page.keyboard.press("Enter");
    await page.locator("main h1:text-is('已收到')").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "the answer is where the reader is");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

/** Every page of handing in, with the form of each kind, by a name for its screenshot. */
async function everyPage(page) {
  const pages = new Map([
    ["offers", "/hand-in"],
    ["follow", "/follow"],
    ["organizations", "/hand-in/letter.received"],
    ["letter.received", `/hand-in/letter.received?org=${VILLAGE}`],
    ["letter.rated", `/hand-in/letter.rated?org=${VILLAGE}`],
    ["letter.escalated", `/hand-in/letter.escalated?org=${VILLAGE}`],
  ]);
  const take = async (path) => {
    await page.goto(site + path);
    for (const link of await page.locator('main a[href*="about="]').evaluateAll((links) => links.map((a) => a.getAttribute("href")))) {
      pages.set(link.split("/")[2].split("?")[0], link);
    }
  };
  for (const kind of ["consultation.submitted", "tally.cast"]) await take(`/hand-in/${kind}`);
  for (const board of ["/nominations", "/notices", "/disclosures", "/vacancies"]) {
    await page.goto(site + board);
    const titles = await page.locator("main .items a.title").evaluateAll((links) => links.map((a) => a.getAttribute("href")));
    for (const title of titles) await take(title);
  }
  // Every pledge can be rated.
  await page.goto(`${site}/pledges`);
  await take(await page.locator("main .items a.title").first().getAttribute("href"));
  return pages;
}

describe("every page of handing in", () => {
  let page;
  let pages;
  let complaints;

  before(async () => {
    ({ page, complaints } = await open("/hand-in"));
    pages = await everyPage(page);
  });

  after(() => page?.close());

  test("is there for every kind that citizens hand in, and allows no script but the site's own files", async () => {
    const { kinds } = await (await fetch(`${site}/api/v1/kinds`)).json();
    // What the intake key signs for others; what it says of the ledger itself is not handed in.
    const handedIn = kinds.filter(({ authors, family }) => authors.includes("intake") && !["ledger", "map", "intake"].includes(family));
    assert.ok(handedIn.length >= 9, `${handedIn.length} kinds`);
    for (const { kind } of handedIn) assert.ok(pages.has(kind.replace(/\.v\d+$/, "")), `${kind} has no form`);
    for (const path of pages.values()) {
      const policy = (await fetch(site + path)).headers.get("content-security-policy");
      assert.match(policy, /default-src 'self'/);
      assert.doesNotMatch(policy, /unsafe|script-src|https?:/);
      // A receipt's image stands in the page that a form becomes; nothing else is in an address of its own.
      assert.doesNotMatch(policy.replace("img-src 'self' data:", ""), /data:/);
    }
  });

  test("fits a phone and a desk", async () => {
    for (const width of [360, 375, 1200]) {
      await page.setViewportSize({ width, height: 800 });
      for (const [name, path] of pages) {
        assert.equal((await page.goto(site + path)).status(), 200, path);
        await shot(page, `hand-in-${name}-${width}`);
        await page.evaluate(() => document.querySelectorAll("details").forEach((d) => d.setAttribute("open", "")));
        const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(wide <= screen, `${path} is ${wide} px wide on a screen of ${screen}`);
      }
    }
    assert.deepEqual(complaints, []);
  });

  test("can be used by those who do not see it: names, order, contrast, also of what went wrong", async () => {
    const look = async (what) => {
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${what}: ${id}, ${help}: ${html.slice(0, 160)}`));
      assert.deepEqual(found, []);
    };
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const [name, path] of pages) {
        await page.goto(site + path);
        await look(`${name}, ${colorScheme}`);
        const button = page.locator("form.write button[type=submit]:not([disabled])");
        if (!(await button.count())) continue;
        await button.click();
        await page.locator(".why").first().waitFor();
        await look(`${name}, ${colorScheme}, refused`);
      }
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
        const solved = await solve("gkw1.15.1.00.00", new Uint8Array([seed]), 15, () => (steps += 1));
        tries += Number(solved.split(":")[1]) + 1;
      }
      return { steps, us: ((performance.now() - from) * 1000) / tries };
    });
    // Tries are independent: half of all take less than ln 2 of the mean.
    const mean = (measured.us * 2 ** bits) / 1000;
    const [half, whole] = [mean * Math.LN2, mean].map((ms) => `${(ms / 1000).toFixed(1)} s`);
    t.diagnostic(`six times slower: ${measured.us.toFixed(1)} µs a try; ${bits} bits: median ${half}, mean ${whole}`);
    assert.ok(mean < WORK_MS_MAX, `${mean} ms on average`);
    assert.ok(measured.steps > 5, "the page was not let in between");
    await page.close();
  });
});
