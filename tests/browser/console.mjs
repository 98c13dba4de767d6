// Somebody with a key of their own works in a real browser: makes the key, is approved by the registrar, signs in with one
// tap, writes, is told what is wrong, signs on the device, and finds the statement in the public log.
//
// What is held here: the secret key is in no request and the browser does not give it back; what is signed are the bytes
// that the ledger records; the card brings the key back on another device; what is typed survives the end of a session; a
// page of the console belongs to nobody who is not signed in.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";
import { entering, register } from "./people.mjs";
import { GPS_MARK, photo } from "./photo.mjs";

const VILLAGE = "341599101201";
const NAME = "ceshi.wuliqiao/1";
const PIN = "山高月小水落石出";
const TITLE = "硬化村北机耕路(虚构)";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 };

let served;
let site;
let browser;
let card;

before(async () => {
  served = await demo("console");
  site = served.internal;
  browser = await launch(served.folder, "phone");
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

/** A person, their key and their role, as registrars record them. */
function approve(vkey, { name, number, role }) {
  const person = `person/018f0000-0000-7000-8000-00000000c00${number}`;
  register(served, entering(person, { name, org: VILLAGE, key: vkey, roles: [role] }));
}

/** A further key on the device. */
async function newKey(page, name) {
  await page.locator("[data-part=first] summary").click();
  await page.getByLabel("钥匙名").fill(name);
  await page.getByLabel("签章卡口令").fill(PIN);
  await page.getByLabel("再输一次").fill(PIN);
  await page.getByRole("button", { name: "生成钥匙" }).click();
  await page.locator("[data-part=made] [data-vkey]").filter({ hasText: name }).waitFor();
  return page.locator("[data-part=made] [data-vkey]").innerText();
}

async function open(path, context = browser) {
  const page = await context.newPage();
  const complaints = complaintsOf(page, site);
  const sent = [];
  page.on("request", (request) => sent.push(`${request.method()} ${request.url()}\n${request.postData() ?? ""}`));
  await page.goto(site + path);
  return { page, sent, complaints };
}

const field = (page, name) => page.locator(`form.write [data-name="${name}"]`).first();

async function signIn(page) {
  await page.getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/`);
}

describe("somebody new", () => {
  test("is shown nothing but the way to sign in", async () => {
    const { page } = await open("/internal/write/pledge.made");
    assert.match(page.url(), /\/internal\/sign-in\?to=%2Finternal%2Fwrite%2Fpledge\.made$/);
    await page.close();
  });

  test("makes a key that never leaves the device, and gets a card", async () => {
    const { page, sent, complaints } = await open("/internal/sign-in");
    await page.getByLabel("钥匙名").fill(NAME);
    await page.getByLabel("签章卡口令").fill(PIN);
    await page.getByLabel("再输一次").fill("别的");
    await page.getByRole("button", { name: "生成钥匙" }).click();
    await page.getByText("两次输入的口令不同").waitFor();
    await page.getByLabel("再输一次").fill(PIN);
    await page.getByRole("button", { name: "生成钥匙" }).click();
    await page.locator("[data-part=made]").waitFor();
    card = (await page.locator("[data-part=made] [data-card]").innerText()).trim();
    assert.match(card, /^GK1\.[\w=-]{100,}\.ceshi\.wuliqiao\/1$/);
    assert.ok((await page.locator("[data-part=made] .qr svg path").count()) === 2);
    await accessible(page);
    await shot(page, "console-card");
    const secret = await page.evaluate(async () => {
      const opened = await new Promise((done) => (indexedDB.open("gongkai", 1).onsuccess = (event) => done(event.target.result)));
      const [key] = await new Promise((done) => (opened.transaction("keys").objectStore("keys").getAll().onsuccess = (event) => done(event.target.result)));
      return { extractable: key.handle?.extractable, card: key.card, exported: await crypto.subtle.exportKey("pkcs8", key.handle).catch((error) => error.name) };
    });
    assert.deepEqual(secret, { extractable: false, card: undefined, exported: "InvalidAccessError" });
    assert.ok(sent.every((request) => request.startsWith("GET ") && !request.includes(PIN)), sent.join("\n"));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("is not let in before a registrar approved the key, and with one tap after", async () => {
    const { page } = await open("/internal/sign-in");
    const vkey = await page.evaluate(() => import("/assets/console/keys.js").then(({ all }) => all()).then(([key]) => key.vkey));
    await page.getByRole("button", { name: "登录" }).click();
    await page.getByText("签名或登录请求不可用").waitFor();
    approve(vkey, { name: "测试员(虚构)", number: 1, role: "publisher" });
    await signIn(page);
    assert.match(await page.locator("main").innerText(), /作出承诺/);
    assert.match(await page.locator(".whoami").innerText(), /测试员\(虚构\)/);
    await accessible(page);
    await shot(page, "console-desk");
    await page.close();
  });
});

describe("somebody who writes a pledge", () => {
  test("is told beside the field what is wrong, and loses nothing when the session ends", async () => {
    const { page, sent } = await open("/internal/write/pledge.made");
    const fill = async (values) => {
      for (const [name, value] of Object.entries(values)) await field(page, name).fill(value);
    };
    await fill({ title: TITLE });
    await page.locator("[data-status].bad").waitFor();
    assert.ok(await page.getByRole("button", { name: "签名并提交" }).isDisabled());
    await page.getByText("更多可填的").click();
    await fill({ year: "2026", target: "三里路面硬化", due: "2026-12-31", pledger: "方禾生(虚构)" });
    await field(page, "pledger_kind").selectOption("official");
    await field(page, "category").selectOption("practical");
    await page.getByText("检查通过").waitFor();
    await fill({ target: "联系人身份证 11010519491231002X" });
    const why = page.locator(".field.wrong .why");
    await why.waitFor();
    assert.match(await why.innerText(), /身份证/);
    assert.ok(await page.getByRole("button", { name: "签名并提交" }).isDisabled());
    await shot(page, "console-write-wrong");
    await browser.clearCookies();
    await fill({ target: "三里路面硬化，两米宽" });
    await page.getByText("登录已经过期").first().waitFor();
    await page.getByRole("button", { name: "重新登录" }).click();
    await page.getByText("检查通过").waitFor();
    await page.locator("[data-kept][data-state=saved]").waitFor();
    assert.equal(await field(page, "target").inputValue(), "三里路面硬化，两米宽");
    assert.ok(!sent.some((request) => request.includes("/api/v1/submissions")), "nothing was submitted while it was checked");
    await page.close();
  });

  test("signs what was shown, once, and the ledger has those bytes", async () => {
    const { page, sent, complaints } = await open("/internal/write/pledge.made");
    await page.getByText("检查通过").waitFor();
    assert.ok((await page.locator("[data-public]").innerText()).includes(TITLE));
    await page.getByText("将要签名的原文").click();
    const bytes = await page.locator("[data-bytes]").innerText();
    await accessible(page);
    await shot(page, "console-write");
    const [preview] = await Promise.all([browser.waitForEvent("page"), page.getByRole("button", { name: "看公开以后的页面" }).click()]);
    const wrong = complaintsOf(preview, site);
    await preview.getByText("现在还没有公开").waitFor();
    assert.equal(await preview.locator("h1").innerText(), TITLE);
    await preview.locator("#check > summary").click();
    assert.match(await preview.locator("main").innerText(), /三里路面硬化，两米宽[\s\S]*记入账本以后，谁都可以在这里核对/);
    await accessible(preview);
    await shot(preview, "console-preview");
    assert.deepEqual(wrong, []);
    await preview.close();
    const button = page.getByRole("button", { name: "签名并提交" });
    await button.dblclick();
    await page.getByText("已记入账本").waitFor();
    const index = (await page.locator("[data-index]").innerText()).trim();
    const entry = await (await fetch(`${site}/entries/${index}`)).text();
    assert.ok(entry.includes(bytes.trim()), entry);
    assert.equal(sent.filter((request) => request.startsWith(`POST ${site}/api/v1/submissions`)).length, 1);
    await shot(page, "console-done");
    await page.getByRole("link", { name: "回工作台" }).click();
    await page.waitForURL(`${site}/internal/`);
    assert.ok(await page.locator("[data-drafts]").isHidden(), "what is recorded is no draft any more");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("somebody who adds a photo", () => {
  test("sends it without where it was taken, and by the hash that the device computed", async () => {
    const { page, complaints } = await open("/internal/write/disclosure.published");
    await page.getByText("更多可填的").click();
    const taken = await photo(page);
    assert.ok(taken.includes(GPS_MARK));
    const choose = async () => {
      const sent = page.waitForRequest((request) => request.url().endsWith("/api/v1/attachments"));
      await page.locator('form.write input[type=file][data-name="attachments"]').setInputFiles({ name: "IMG_31.50N.jpg", mimeType: "image/jpeg", buffer: taken });
      return (await sent).postDataBuffer();
    };
    const bytes = await choose();
    await page.locator(".files li", { hasText: "image/jpeg" }).waitFor();
    assert.deepEqual([...bytes.subarray(0, 3)], [0xff, 0xd8, 0xff], "it is a photo");
    assert.ok(!bytes.includes(GPS_MARK) && !bytes.includes("Exif"), "where it was taken stays on the device");
    await page.route("**/api/v1/attachments", (route) => route.fulfill({ json: { hash: "A".repeat(43) + "=", size: 1 } }));
    await choose();
    await page.getByText("服务器收到的和这台设备上的不同").waitFor();
    assert.equal(await page.locator(".files li", { hasText: "image/jpeg" }).count(), 1);
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("a list with two signatures", () => {
  test("is pasted from a spreadsheet, and the supervisor signs beside the accountant", async () => {
    const { page } = await open("/internal/sign-in");
    const supervisor = await newKey(page, "jiandu.wuliqiao/9");
    approve(supervisor, { name: "监督员(虚构)", number: 2, role: "supervisor" });
    await page.goto(`${site}/internal/write/disclosure.published`);
    await field(page, "class").selectOption("village");
    await field(page, "content").selectOption("roster");
    await field(page, "period").fill("2026-02");
    await field(page, "title").fill("补助名册(虚构)");
    const first = page.locator("[data-list]:not([hidden]) tbody tr").first().locator("input").first();
    await first.focus();
    await first.evaluate((cell) => {
      const data = new DataTransfer();
      data.setData("text/plain", "方**\t低保\n叶**\t临时救助\n");
      cell.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.getByText("共 2 行").waitFor();
    await page.getByText("还要谁一起签名").click();
    await page.getByLabel(/监督员\(虚构\)/).check();
    await page.getByText("检查通过").waitFor();
    await shot(page, "console-list");
    await page.getByRole("button", { name: "签名并提交" }).click();
    await page.getByText("已记入账本").waitFor();
    const index = (await page.locator("[data-index]").innerText()).trim();
    const entry = await (await fetch(`${site}/entries/${index}`)).text();
    assert.match(entry, /— ceshi\.wuliqiao\/1 /);
    assert.match(entry, /— jiandu\.wuliqiao\/9 /);
    await page.close();
  });
});

describe("another device", () => {
  test("gets the key from the card and the PIN, and from nothing else", async () => {
    const other = await launch(served.folder, "desktop", DESKTOP);
    const { page } = await open(`/internal/sign-in#card=${encodeURIComponent(card)}`, other);
    assert.ok(!page.url().includes("GK1"), "the card stays in no history");
    await page.locator("#f-card-pin").fill("不是这个口令呀");
    await page.getByRole("button", { name: "找回钥匙" }).click();
    await page.getByText("口令不对").waitFor();
    await page.locator("#f-card-pin").fill(PIN);
    await page.getByRole("button", { name: "找回钥匙" }).click();
    await page.getByText("已经回到这台设备上").waitFor();
    await signIn(page);
    await shot(page, "console-desk-desktop");
    await page.getByRole("button", { name: "退出" }).click();
    await page.waitForURL(`${site}/internal/sign-in`);
    await page.goto(`${site}/internal/`);
    assert.match(page.url(), /sign-in/);
    await other.close();
  });

  test("whose browser cannot sign with Ed25519 keeps the key encrypted, and asks for the PIN each time", async () => {
    const old = await launch(served.folder, "old", DESKTOP);
    await old.addInitScript(() => {
      const { importKey } = SubtleCrypto.prototype;
      SubtleCrypto.prototype.importKey = function (format, data, algorithm, ...rest) {
        const isUnknown = (algorithm.name ?? algorithm) === "Ed25519";
        return isUnknown ? Promise.reject(new DOMException("Unrecognized name", "NotSupportedError")) : importKey.call(this, format, data, algorithm, ...rest);
      };
    });
    const { page } = await open(`/internal/sign-in#card=${encodeURIComponent(card)}`, old);
    await page.locator("#f-card-pin").fill(PIN);
    await page.getByRole("button", { name: "找回钥匙" }).click();
    await page.getByText("已经回到这台设备上").waitFor();
    const stored = await page.evaluate(() => import("/assets/console/keys.js").then(({ all }) => all()).then(([key]) => [key.handle === undefined, key.card]));
    assert.deepEqual(stored, [true, card]);
    const pin = async (text) => {
      await page.locator("dialog[data-pin]").getByLabel("口令").fill(text);
      await page.locator("dialog[data-pin]").getByRole("button", { name: "确定" }).click();
    };
    await page.getByRole("button", { name: "登录" }).click();
    await pin("不是这个口令呀");
    await page.getByText("口令不对").waitFor();
    await page.getByRole("button", { name: "登录" }).click();
    await pin(PIN);
    await page.waitForURL(`${site}/internal/`);
    await page.goto(`${site}/internal/write/pledge.made`);
    await page.getByText("更多可填的").click();
    for (const [name, value] of Object.entries({ title: "修好村西水渠(虚构)", year: "2026", target: "二里", due: "2026-12-31", pledger: "方禾生(虚构)" })) await field(page, name).fill(value);
    await field(page, "pledger_kind").selectOption("official");
    await field(page, "category").selectOption("practical");
    await page.getByText("检查通过").waitFor();
    await page.getByRole("button", { name: "签名并提交" }).click();
    await pin(PIN);
    await page.getByText("已记入账本").waitFor();
    await old.close();
  });
});
