// Somebody hands in across a network gap from a real browser: three programs, the ledger inside, the intake and the mirror outside.
//
// What is held here: the page asks its own site only; what is written leaves the browser as a packet that the ledger alone
// opens, and the code leaves it not at all; the promise is the intake's, the answer is opened and proven in the page; a matter
// goes on with its code; what fails on the way is sent again as it was; without scripts nothing can be sent in the clear.
// Browser and ledger agree byte for byte or nothing of this passes.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SITE, START_MS_MAX, accessible, complaintsOf, demoIn, launch, run, screenshots, shot, start, stop } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";
import { keyIn, signatureOf } from "./signing.mjs";

const VILLAGE = "341599101201";
const CANARY = "金丝雀三五九一(虚构)";
const INTAKE = "intake/019a0000-0000-7000-8000-0000000000aa";
const CODE = /^([0-9A-Z]{4}-){5}[0-9A-Z]{4}$/;
const WAIT_MS_MAX = 120_000;

let folder;
let ledger;
let intake;
let mirror;
let site;
let browser;

const vkey = () => join(folder, "demo/log/vkey");
const key = (name) => join(folder, "demo/demo-keys", `${name}.key`);

/** Asks until there is an answer: for what another program does by itself within a moment. */
async function until(what, ask) {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `never came: ${what}`);
  }
}

/** The demo takes in from the intake by itself, each second. */
function configure(url) {
  const path = join(folder, "demo/gongkai.toml");
  const kept = readFileSync(path, "utf8").split("\n").filter((line) => !/^(intakes|intake_seconds) =/.test(line));
  writeFileSync(path, [`intakes = ["${url}"]`, "intake_seconds = 1", ...kept].join("\n"));
}

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), "gongkai-gap-"));
  ledger = await demoIn(folder);
  await stop(ledger.child);
  const sealingKey = run("take-in", "--dir", join(folder, "demo"), "--sealing-key").trim();
  const outside = ["intake", "--dir", join(folder, "intake"), "--listen", "127.0.0.1:0", "--ledger", vkey(), "--period", "1", "--hours", "1"];
  const { child, found } = await start(outside, /收件 (http:\/\/127\.0\.0\.1:[1-9]\d*)/, /验证钥匙 (\S+)/);
  intake = { child, url: found[0], vkey: found[1] };
  configure(intake.url);
  ledger = await demoIn(folder);
  const fields = { key: intake.vkey, sealing_key: sealingKey, answer_hours: 1 };
  register({ folder, internal: ledger.internal }, [{ kind: "intake.opened.v1", stream: INTAKE, org: "341599", fields }]);
  const follow = ["mirror", "--source", ledger.site, "--dir", join(folder, "mirror"), "--vkey", vkey(), "--every", "1"];
  mirror = await start([...follow, "--serve", "127.0.0.1:0", "--intake", intake.url], SITE);
  [site] = mirror.found;
  await until("the forms of the mirror", async () => (await (await fetch(`${site}/hand-in/letter.received?org=${VILLAGE}`)).text()).includes("data-intake="));
  browser = await launch(folder, "profile");
}, { timeout: 2 * START_MS_MAX });

after(async () => {
  await browser?.close();
  for (const { child } of [mirror, intake, ledger].filter(Boolean)) await stop(child);
  rmSync(folder, { recursive: true, force: true });
});

/** A page with everything that it sends, and everything that it complains about. */
async function open(path, context = browser) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  const sent = [];
  page.on("request", (request) => {
    sent.push(`${request.method()} ${request.url()}\n${JSON.stringify(request.headers())}\n${request.postData() ?? ""}`);
  });
  assert.equal((await page.goto(site + path)).status(), 200, path);
  return { page, sent, complaints };
}

const letterPage = async () => {
  const opened = await open(`/hand-in/letter.received?org=${VILLAGE}`);
  await opened.page.locator("#f-class option[value=accusation]:not([disabled])").waitFor({ state: "attached" });
  return opened;
};

/** Hands in and waits for the intake's promise; gives the code. */
async function send(page) {
  await page.locator("form.write button[type=submit]").click();
  await page.locator("output.bad, main h1:text-is('收件处已收到')").first().waitFor();
  assert.equal(await page.locator("main h1").innerText(), "收件处已收到", await page.locator("main").innerText());
  const code = (await page.locator(".codeword").innerText()).replaceAll(/\s/g, "");
  assert.match(code, CODE);
  return code;
}

/** Waits until the ledger has answered everything that was handed in by now, and the mirror shows it. */
async function answered() {
  const [, size] = (await (await fetch(`${intake.url}/log/checkpoint`)).text()).split("\n").map(Number);
  await until("the ledger's answer", async () => {
    const { intakes } = await (await fetch(`${site}/api/v1/intakes`)).json();
    return intakes[0].answered > size;
  });
}

/**
 * Follows a code until the page says this. What is new under a code comes with an answer of the ledger: nobody looks more
 * often, and an address may not.
 */
async function follow(page, code, said) {
  return until(`an answer like ${said}`, async () => {
    await answered();
    await page.goto(`${site}/follow`);
    await page.locator("form[data-intakes] button:not([disabled])").waitFor();
    await page.locator("#f-code").fill(code);
    await page.getByRole("button", { name: "查看" }).click();
    await page.locator("output.bad:not(:empty), main h1[tabindex]").first().waitFor();
    const text = await page.locator("main").innerText();
    return said.test(text) && text;
  });
}

/** What a page may complain of: that there was no answer yet. */
const serious = (complaints) => complaints.filter((complaint) => !/\/(capsules|entries\/\d+)/.test(complaint));

/** The forms in which a text could have left. */
function encodings(text) {
  const bytes = Buffer.from(text);
  const shifted = [0, 1, 2].map((shift) => Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64").slice(4, -4));
  return [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), bytes.toString("hex"), ...shifted];
}

function assertNeverSent(sent, texts) {
  for (const text of texts) {
    for (const form of encodings(text)) {
      for (const request of sent) assert.ok(!request.includes(form), `${text} left the browser: ${request.slice(0, 200)}`);
    }
  }
}

const packets = (sent) => sent.filter((request) => /^POST \S+\/intake\/v1\/\d+\/packets\n/.test(request));
const bodyOf = (request) => request.slice(request.lastIndexOf("\n") + 1);
const today = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);

const listed = () => {
  const address = "matters?family=letter&purpose=handling";
  const { matters } = JSON.parse(run("read", "--url", ledger.internal, "--key", key("wuliqiao-wenshu-1"), address));
  return matters.map(({ stream }) => stream);
};

/** Somebody of the village says something inside. */
function say(command) {
  const file = join(folder, "command.json");
  writeFileSync(file, JSON.stringify(command));
  run("submit", "--url", ledger.internal, "--key", key("wuliqiao-wenshu-1"), "--outbox", join(folder, "outbox"), file);
}

describe("a citizen on the internet, with the ledger in an inner network", () => {
  test("accuses somebody: a packet leaves the browser and nothing else, and inside the body's receiver alone opens it", async () => {
    const { page, sent, complaints } = await letterPage();
    assert.equal(await page.locator("form.write [name]").count(), 0, "no browser could post it");
    assert.equal(await page.locator("form.write").getAttribute("action"), null);
    await page.selectOption("#f-class", "accusation");
    await page.waitForFunction(() => document.querySelector("[data-body]")?.textContent.includes("加密给"));
    await page.locator("#f-title").fill("有人挪用公款(虚构)");
    await page.locator("#f-text").fill(CANARY);
    await page.getByLabel("晏秋实(虚构)").check();
    const accused = await page.getByLabel("晏秋实(虚构)").getAttribute("value");
    await accessible(page);
    await shot(page, "gap-accusation");
    const code = await send(page);
    assert.match(await page.locator("main").innerText(), /已加密给\s+青禾县/);
    assert.match(await page.locator("main pre").textContent(), /^gongkai\.promise\/v1\n\S+\/outside\n/);
    const image = page.locator(".keep img");
    await image.waitFor();
    assert.match(await image.getAttribute("src"), /^data:image\/png;base64,/);
    assert.ok((await image.evaluate((img) => img.decode().then(() => img.naturalHeight))) > 600);
    await accessible(page);
    await shot(page, "gap-receipt");
    const [packet, ...more] = packets(sent);
    assert.deepEqual([more, sent.filter((request) => request.startsWith("POST")).length], [[], 1]);
    assert.deepEqual(Object.keys(JSON.parse(bodyOf(packet))), ["form", "key", "wrap", "nonce", "sealed"]);
    const secrets = [CANARY, "有人挪用公款", "晏秋实", accused, code, code.replaceAll("-", "")];
    assertNeverSent(sent, secrets);
    assert.deepEqual(complaints, []);

    await follow(page, code.toLowerCase().replaceAll("-", " "), /已收到/);
    assert.match(await page.locator("main").innerText(), /账本的答复，已核对/);
    assert.ok(!page.url().includes("?"), page.url());
    await accessible(page);
    await shot(page, "gap-follow");
    assertNeverSent(sent, secrets);
    assert.deepEqual(serious(complaints), []);
    await page.close();

    const address = "matters?family=letter&purpose=handling";
    const inside = JSON.parse(run("read", "--url", ledger.internal, "--key", key("xianwei-shenpi-1"), address));
    const [matter] = inside.matters.filter(({ hidden }) => hidden);
    const file = join(folder, "letter.json");
    writeFileSync(file, run("open", "--url", ledger.internal, "--key", key("xianwei-shenpi-1"), "--json", matter.stream));
    const opened = JSON.parse(run("open-envelope", "--key", key("chu-receiver"), "--json", file));
    assert.deepEqual([opened.text, opened.concerns], [CANARY, [{ person: accused }]]);
  });

  test("gets an answer to a letter under the code, and rates it with the code that showed it", async () => {
    const before = new Set(listed());
    const { page, sent, complaints } = await letterPage();
    await page.selectOption("#f-class", "appeal");
    await page.locator("#f-title").fill("水管漏了(虚构)");
    await page.locator("#f-text").fill("请修\n村口第二户(虚构)");
    const code = await send(page);
    await follow(page, code, /已收到/);
    const stream = listed().find((found) => !before.has(found));
    const told = { stream, org: VILLAGE };
    const registered = { class: "appeal", channel: "web", real_name: false, consent_to_publish: false, registered_on: today() };
    say({ ...told, kind: "letter.registered.v1", fields: registered });
    const fields = { answered_on: today(), told_on: today(), text: "已经修好(虚构)" };
    say({ ...told, kind: "letter.answered.v1", fields });
    assert.match(await follow(page, code, /已办结/), /已经修好\(虚构\)/);
    await accessible(page);
    await shot(page, "gap-follow-answered");

    await page.locator("main a", { hasText: "评价答复" }).click();
    await page.locator("form.write button[type=submit]:not([disabled])").waitFor();
    assert.equal(await page.locator("form.write [name]").count(), 0);
    await page.locator("#f-_code").fill(code.slice(0, 19));
    await page.selectOption("#f-satisfaction", { index: 1 });
    await page.locator("form.write button[type=submit]").click();
    await page.locator("output.bad", { hasText: "应是 24 位字母和数字" }).waitFor();
    await page.locator("#f-_code").fill(code);
    const next = await send(page);
    assert.notEqual(next, code);
    assert.ok(await page.getByText("原来的查询码照样能看那件事").isVisible());
    for (const either of [next, code]) assert.match(await follow(page, either, /满意度/), /满意度\s+(非常)?满意/);
    assertNeverSent(sent, [code, next, "水管漏了(虚构)", "村口第二户(虚构)"]);
    assert.deepEqual(serious(complaints), []);
    await page.close();
  });

  test("asks about a sheet, which becomes public inside and is found by its number", async () => {
    const { page, complaints } = await open("/disclosures");
    await page.locator("main .items a.title").first().click();
    await page.locator('main a[href^="/hand-in/disclosure.questioned"]').first().click();
    await page.locator("form.write button[type=submit]:not([disabled])").waitFor();
    await page.locator("#f-line").fill("1");
    await page.selectOption("#f-topic", "amount");
    await page.locator("#f-text").fill(CANARY);
    const code = await send(page);
    await follow(page, code, /账本已记下/);
    await page.locator("main a", { hasText: "看公开的页面" }).click();
    await page.waitForURL(/\/disclosures\//);
    assert.ok(!(await page.content()).includes(CANARY), "the text of a question is not public");
    assert.deepEqual(serious(complaints), []);
    await page.close();
  });

  test("who is refused sees it under the code, with the ledger's receipt", async () => {
    const { page } = await letterPage();
    await page.selectOption("#f-class", "opinion");
    await page.locator("#f-title").fill("题(虚构)");
    await page.locator("#f-text").fill("实名而没有姓名(虚构)");
    await page.locator("#f-real_name").check();
    const code = await send(page);
    const text = await follow(page, code, /账本不予受理/);
    assert.match(text, /gongkai\.refusal\/v1/);
    assert.match(text, /有一项填得不对/);
    await shot(page, "gap-refused");
    await page.close();
  });

  test("whose connection breaks sends the same again, and what was changed meanwhile is another", async () => {
    const { page, sent } = await letterPage();
    await page.selectOption("#f-class", "opinion");
    await page.locator("#f-title").fill("路灯不亮(虚构)");
    await page.locator("#f-text").fill("村口(虚构)");
    await page.route("**/packets", (route) => route.abort(), { times: 2 });
    const press = async () => {
      await page.locator("form.write button[type=submit]").click();
      await page.locator("output.bad", { hasText: "原样重发，不会重复" }).waitFor();
    };
    await press();
    await page.locator("#f-text").fill("村口和学校门口(虚构)");
    await press();
    await send(page);
    const [first, second, third] = packets(sent).map(bodyOf);
    assert.notEqual(first, second, "changed");
    assert.equal(second, third, "the same packet");
    await page.close();
  });

  test("is told of a code that is none, and of one under which there is nothing", async () => {
    const { page, sent } = await open("/follow");
    await page.locator("form[data-intakes] button:not([disabled])").waitFor();
    const look = async (code, reason) => {
      await page.locator("#f-code").fill(code);
      await page.getByRole("button", { name: "查看" }).click();
      await page.locator("output.bad", { hasText: reason }).waitFor();
    };
    const asked = () => sent.filter((request) => request.startsWith("POST")).length;
    await look("7K2M-9QXA-40TB-RZ8C", "24 位字母和数字");
    assert.equal(asked(), 0);
    await look("0000-0000-0000-0000-0000-0000", "账本还没有答复，或查询码不对");
    assert.equal(asked(), 1);
    await page.close();
  });
});

/** The clerk of the village leaves a statement for somebody beside: signed, and waiting. */
async function leave(beside, text) {
  const clerk = keyIn(key("wuliqiao-wenshu-1"));
  const asked = async (method, path, body, token) => {
    const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(ledger.internal + path, { method, headers, body: JSON.stringify(body) });
    const told = await answer.json();
    assert.ok(answer.ok, JSON.stringify(told));
    return told;
  };
  const fields = { class: "village", content: "text", period: "2026-09", published_by: "self", title: "门口路灯更换情况(虚构)", text };
  const signers = [["publisher", clerk.name], ["supervisor", beside]];
  const prepared = await asked("POST", "/api/v1/prepare", { kind: "disclosure.published.v1", org: VILLAGE, fields, signers });
  const { challenge } = await asked("POST", "/internal/api/v1/challenges", { key: clerk.name });
  const { token } = await asked("POST", "/internal/api/v1/sessions", { note: `${challenge}\n${signatureOf(clerk, challenge)}` });
  const half = { ...prepared, signatures: [signatureOf(clerk, prepared.statement).trimEnd()] };
  const draft = { label: "九月村务公开(虚构)", kind: "disclosure.published.v1", href: "/internal/write/disclosure.published.v1", prepared: half };
  await asked("PUT", `/internal/api/v1/drafts/${crypto.randomUUID()}`, draft, token);
}

describe("a supervisor who is outside", () => {
  const PIN = "山高月小水落石出";
  const NAME = "jiandu.waimian/1";

  test("signs on a phone what waits inside, with the key from the card, and the last signature publishes it", async () => {
    const inside = await browser.newPage();
    await inside.goto(`${ledger.internal}/internal/sign-in`);
    const vkey = await makeKey(inside, NAME, PIN);
    const card = await inside.locator("[data-part=made] [data-card]").innerText();
    await inside.close();
    const person = "person/018f0000-0000-7000-8000-00000000c001";
    const known = { name: "外出监督员(虚构)", org: VILLAGE, key: vkey, roles: ["supervisor"] };
    register({ folder, internal: ledger.internal }, entering(person, known));
    await leave(NAME, CANARY);

    const { page, sent, complaints } = await open(`/cosign#card=${encodeURIComponent(card)}`);
    assert.equal(new URL(page.url()).hash, "", "a card stays in no history");
    await page.locator("#f-card-pin").fill("不是这个口令");
    await page.getByRole("button", { name: "找回钥匙" }).click();
    await page.locator("[data-status].bad", { hasText: "口令不对" }).waitFor();
    await page.locator("#f-card-pin").fill(PIN);
    await page.getByRole("button", { name: "找回钥匙" }).click();
    const look = page.getByRole("button", { name: "看等我签的" });
    await page.locator("[data-status]", { hasText: "已经在这台设备上" }).waitFor();
    await look.click();
    await page.locator("[data-status]", { hasText: "已送出" }).waitFor();
    const told = (said) => until(said, async () => {
      await answered();
      await page.locator("[data-look]:not([disabled])").click();
      await page.locator("[data-look]:not([disabled])").waitFor();
      const text = await page.locator("main").innerText();
      return text.includes(said) && text;
    });
    const text = await told("等您联署的稿件 1 份");
    for (const part of ["九月村务公开(虚构)", "门口路灯更换情况(虚构)", CANARY, NAME]) assert.ok(text.includes(part), `${part}: ${text}`);
    await accessible(page);
    await shot(page, "gap-cosign");
    await page.getByRole("button", { name: "签名并送出" }).click();
    await page.locator("[data-status]", { hasText: "已送出" }).waitFor();
    const [, index] = /已记入账本，第 (\d+) 号/.exec(await told("已记入账本"));
    assertNeverSent(sent, [CANARY, NAME, card, PIN]);
    assert.deepEqual(serious(complaints), []);
    const entry = await until("the entry on the mirror", async () => {
      const answer = await fetch(`${site}/entries/${index}`);
      return answer.ok && answer.text();
    });
    assert.ok(entry.includes(`— ${NAME} `) && entry.includes("— wuliqiao-wenshu/1 "), entry);
    await page.close();
  });

  test("is told where there is nothing to sign through, and that scripts are needed", async () => {
    const here = await browser.newPage();
    await here.goto(`${ledger.site}/cosign`);
    await here.getByText("这里没有收件处，不能在外面联署").waitFor();
    await here.close();
    const context = await launch(folder, "plain-cosign", { javaScriptEnabled: false });
    try {
      const { page } = await open("/cosign", context);
      assert.ok(await page.getByText("需要浏览器打开脚本").isVisible());
      assert.equal(await page.locator("main button:visible").count(), 0);
    } finally {
      await context.close();
    }
  });
});

describe("the mirror's pages of handing in", () => {
  test("allow nothing but the site's own files and ask no other site", async () => {
    for (const path of ["/hand-in", `/hand-in/letter.received?org=${VILLAGE}`, "/follow"]) {
      const policy = (await fetch(site + path)).headers.get("content-security-policy");
      assert.match(policy, /default-src 'self'/);
      assert.doesNotMatch(policy, /unsafe|script-src|connect-src|https?:/);
    }
  });

  test("say plainly what needs scripts, and send nothing without them", async () => {
    const context = await launch(folder, "plain", { javaScriptEnabled: false });
    try {
      const { page } = await open(`/hand-in/letter.received?org=${VILLAGE}`, context);
      assert.ok(await page.locator("form.write button").isDisabled());
      assert.ok(await page.getByText("需要浏览器打开脚本").isVisible());
      assert.equal(await page.locator("form.write [name]").count(), 0);
      await page.goto(`${site}/follow`);
      assert.ok(await page.locator("form.write button").isDisabled());
      assert.ok(await page.getByText("需要浏览器打开脚本").isVisible());
      const headers = { origin: site };
      const forced = await page.request.post(`${site}/hand-in/letter.received`, { form: { _org: VILLAGE, title: CANARY }, headers });
      assert.equal(forced.status(), 403);
    } finally {
      await context.close();
    }
  });

  test("fit a phone and a desk, can be used by everybody, and are there in English", async () => {
    const { page, complaints } = await open("/hand-in");
    for (const path of ["/hand-in", `/hand-in/letter.received?org=${VILLAGE}`, `/hand-in/letter.rated?org=${VILLAGE}`, "/follow"]) {
      for (const width of [360, 1200]) {
        await page.setViewportSize({ width, height: 800 });
        await page.goto(site + path);
        await accessible(page);
      }
      await page.goto(`${site}${path}${path.includes("?") ? "&" : "?"}lang=en`);
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
      assert.doesNotMatch(await page.locator("main h1").innerText(), /[\u4e00-\u9fff]/);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("close when the intake cannot be asked", async () => {
    await stop(intake.child);
    const path = `${site}/hand-in/letter.received?org=${VILLAGE}`;
    const text = await until("a closed form", async () => {
      const page = await (await fetch(path)).text();
      return page.includes("收件处现在连不上") && page;
    });
    assert.ok(!text.includes('<form class="write"'));
  });
});
