// A letter from a citizen's phone to the public page: an officer finds it by its day, registers it, answers item by item,
// and publishes it masked, because its sender agreed.
//
// What is held here: the steps that are offered are those that may be taken now, with their days; an item that is not done
// now is refused beside that item until it is explained; the draft that is published is masked by the rule, and what names
// the sender is refused beside the text; the sender reads the answer behind the code, with the rule by which it was due;
// a letter whose sender did not agree is not published, and the page says why; a letter that waits is put under
// supervision from the board, and no public page or feed shows it.
//
// Run by tests/run. GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { START_MS_MAX, accessible, complaintsOf, demo, launch, shot } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";

const COUNTY = "341599";
const VILLAGE = "341599101201";
const SENDER = "宁知远";
const PHONE = "0564-7654321";
const PIN = "山高月小水落石出";
const TITLE = "村口路灯和水渠(虚构)";
const DESKTOP = { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 };

let served;
let site;
let inside;
let phone;
let desk;
let code; // of the letter
let letter; // its page inside

before(async () => {
  served = await demo("answer");
  ({ site, internal: inside } = served);
  phone = await launch(served.folder, "phone");
  desk = await launch(served.folder, "desk", DESKTOP);
}, { timeout: START_MS_MAX });

after(async () => {
  await phone?.close();
  await desk?.close();
  await served?.end();
});

async function open(path, context = phone, origin = site) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = complaintsOf(page, origin);
  await page.goto(origin + path);
  return { page, complaints };
}

let people = 0;

/** Makes a key in a browser, has it approved for some roles, and signs in. */
async function enter(context, key, name, org, roles) {
  const { page } = await open("/internal/sign-in", context, inside);
  const vkey = await makeKey(page, key, PIN);
  const person = `person/018f0000-0000-7000-8000-00000000dc0${(people += 1)}`;
  register(served, entering(person, { name, org, key: vkey, roles }));
  await page.goto(`${inside}/internal/sign-in`);
  await page.getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${inside}/internal/`);
  return page;
}

/** Writes a letter on the phone; gives its code. */
async function write(fields, ticks = []) {
  const { page, complaints } = await open(`/hand-in/letter.received?org=${VILLAGE}`);
  await page.selectOption("#f-class", "appeal");
  for (const [name, value] of Object.entries(fields)) await page.locator(`#f-${name}`).fill(value);
  for (const name of ticks) await page.locator(`#f-${name}`).check();
  await accessible(page);
  await page.locator("form.write button[type=submit]:not([disabled])").click();
  await page.locator("main h1:text-is('已收到')").waitFor();
  const found = (await page.locator(".codeword").innerText()).trim();
  assert.deepEqual(complaints, []);
  await page.close();
  return found;
}

/** What a code shows. */
async function follow(of, picture) {
  const { page, complaints } = await open("/follow");
  await page.locator("#f-code").fill(of);
  await page.locator("form.write button").click();
  await page.locator("main h2:text-is('办理经过')").waitFor();
  await accessible(page);
  if (picture) await shot(page, picture);
  const told = await page.locator("main").innerText();
  assert.deepEqual(complaints, []);
  await page.close();
  return told;
}

const steps = (page) => page.locator("[data-step]").evaluateAll((links) => links.map((link) => link.dataset.step.split(".")[1]));
const sign = (page, part) => page.locator(`${part} [data-sign]`);
const field = (page, name) => page.locator(`[data-fields] [data-name="${name}"]`);

async function read(page) {
  await page.getByRole("button", { name: "签名查阅原文" }).click();
  await page.getByText("查阅已经记下").waitFor();
  return page.locator("[data-original]").innerText();
}

describe("a letter from a phone", () => {
  test("is written with consent, and says by when which body registers it", async () => {
    const text = `我是${SENDER}，电话${PHONE}。村口路灯三个月不亮，五里桥的水渠也塌了。`;
    code = await write({ title: TITLE, text, request: "修路灯，修水渠(虚构)", name: `${SENDER}(虚构)`, contact: PHONE }, ["real_name", "consent_to_publish"]);
    const told = await follow(code);
    assert.match(told, /登记并告知来信人\s+最迟 \d+年\d+月\d+日 来信登记告知期限/);
  });
});

describe("an officer at a desk", () => {
  test("finds it by its day and registers it as it was read", async () => {
    const page = await enter(desk, "banxin.wuliqiao/1", "办信员(虚构)", VILLAGE, ["publisher"]);
    await page.getByRole("link", { name: /^答复群众/ }).click();
    const waits = page.locator("main li", { hasText: "今天收到" }).filter({ hasText: "来信" });
    assert.match(await waits.innerText(), /五里桥村[\s\S]*登记并告知来信人[\s\S]*最迟 \d+年\d+月\d+日，来信登记告知期限/);
    await waits.getByRole("link", { name: /答复/ }).click();
    letter = page.url();
    assert.deepEqual(await steps(page), ["registered", "forwarded", "not_accepted"]);
    assert.match(await page.locator("li", { hasText: "登记受理" }).first().innerText(), /最迟 \d+年.*来信登记告知期限/);
    assert.ok(!(await page.content()).includes(TITLE), "content before it was read");
    await accessible(page);
    await shot(page, "answer-letter");
    const original = await read(page);
    assert.ok(original.includes(SENDER) && original.includes(PHONE) && /来信类别\s+申诉求决/.test(original), original);
    await page.getByRole("link", { name: /^办理.*登记受理$/ }).click();
    await page.getByText("检查通过").waitFor();
    assert.equal(await field(page, "class").inputValue(), "appeal");
    assert.ok(await field(page, "consent_to_publish").isChecked());
    assert.notEqual(await field(page, "told_on").inputValue(), "", "whoever wrote over the network is told at once");
    await accessible(page);
    await shot(page, "answer-register");
    await sign(page, "[data-taking]").click();
    await page.getByText("已经签名、封存").waitFor();
    await page.getByRole("link", { name: "接着办这封信" }).click();
    await page.waitForURL(letter);
    assert.deepEqual(await steps(page), ["answered", "forwarded", "not_accepted"]);
    await page.close();
  });

  test("answers item by item; what is not done now is refused beside its item until it is explained", async () => {
    const { page, complaints } = await open(new URL(letter).pathname, desk, inside);
    await read(page);
    assert.match(await page.locator("li", { has: page.locator("[data-step='letter.answered.v1']") }).innerText(), /办结并答复：最迟 \d+年.*信访工作条例/);
    await page.locator("[data-step='letter.answered.v1']").click();
    await page.locator("#f-text").fill(`${SENDER}同志：两件事都看过了(虚构)`);
    const item = (at) => page.locator("[data-points] li").nth(at);
    await page.getByRole("button", { name: "加一项" }).click();
    for (const [at, point, result, reply] of [[0, "修路灯", "done", "路灯已经换新"], [1, "修水渠", "not_now", "今年不修"]]) {
      await item(at).getByLabel("问的是什么").fill(point);
      await item(at).locator("select").selectOption(result);
      await item(at).getByLabel("这一项的答复").fill(reply);
    }
    const why = item(1).locator(".why");
    await why.waitFor();
    assert.match(await why.innerText(), /第2项「暂不办理的说明」必须填写/);
    assert.equal(await item(0).locator(".why").count(), 0);
    assert.ok(await sign(page, "[data-taking]").isDisabled());
    await accessible(page);
    await shot(page, "answer-unexplained");
    await item(1).getByLabel("暂不办理的说明").fill("资金排在明年春灌以前(虚构)");
    await page.getByText("检查通过，可以签名").waitFor();
    await sign(page, "[data-taking]").click();
    await page.getByText("已经签名、封存").waitFor();
    await page.getByRole("link", { name: "接着办这封信" }).click();
    await page.waitForURL(letter);
    assert.deepEqual(await steps(page), []);
    assert.deepEqual(complaints.filter((one) => !one.includes("/rehearsals")), [], "but for the refusal that was asked for");
    await page.close();
  });

  test("publishes the pair masked, and cannot name the sender", async () => {
    const { page } = await open(new URL(letter).pathname, desk, inside);
    await read(page);
    await page.locator("[data-publishing]").getByText("检查通过，没有写到来信人").waitFor();
    const value = (id) => page.locator(id).inputValue();
    assert.match(await value("#f-masked"), /^我是宁\*\*，电话\*\*。村口路灯三个月不亮，五里桥的水渠也塌了。\n诉求：修路灯/);
    assert.match(await value("#f-reply"), /^宁\*\*同志：两件事都看过了\(虚构\)\n1. 修路灯　已办结　路灯已经换新\n2. 修水渠　暂不办理　今年不修　暂不办理的说明：资金排在明年/);
    const masked = await value("#f-reply");
    await page.locator("#f-reply").fill(`答${SENDER}：${masked}`);
    const why = page.locator(".field.wrong .why");
    await why.waitFor();
    assert.match(await why.innerText(), /第2字起写着来信人的姓名/);
    assert.ok(await page.locator(".field.wrong #f-reply").isVisible());
    assert.ok(await sign(page, "[data-publishing]").isDisabled());
    await shot(page, "answer-refused");
    await page.locator("#f-reply").fill(masked);
    await page.getByText("检查通过，没有写到来信人").waitFor();
    assert.match(await page.locator("[data-public]").innerText(), /宁\*\*[\s\S]*路灯已经换新/);
    await accessible(page);
    await shot(page, "answer-publish");
    await sign(page, "[data-publishing]").click();
    await page.getByText("来信和答复是账本第").waitFor();
    const href = await page.getByRole("link", { name: "看公开的样子" }).getAttribute("href");
    await page.close();

    for (const [context, name] of [[phone, "answer-public"], [desk, "answer-public-wide"]]) {
      const { page: seen, complaints } = await open(href, context);
      const shown = await seen.locator("main").innerText();
      assert.match(shown, /村口路灯和水渠[\s\S]*宁\*\*，电话\*\*[\s\S]*路灯已经换新/);
      const bytes = await seen.content();
      assert.ok(!bytes.includes(SENDER) && !bytes.includes(PHONE) && !bytes.includes(new URL(letter).pathname.split("/").pop()));
      await accessible(seen);
      await shot(seen, name);
      assert.deepEqual(complaints, []);
      await seen.close();
    }
  });
});

describe("the sender", () => {
  test("reads the answer behind the code, item by item, and the rule by which it was due", async () => {
    const told = await follow(code, "answer-follow");
    assert.match(told, /^[\s\S]*已办结/);
    assert.match(told, /答复来信[\s\S]*1. 修路灯　已办结　路灯已经换新\s+2. 修水渠　暂不办理　今年不修　暂不办理的说明：资金/);
    assert.match(told, /登记受理[\s\S]*登记并告知来信人\s+按时 最迟 \d+年\d+月\d+日 来信登记告知期限/);
    assert.match(told, /答复来信[\s\S]*办结并答复\s+按时 最迟 \d+年\d+月\d+日 .*信访工作条例/);
  });
});

describe("a sender who did not agree", () => {
  test("is answered, and the page says why nothing is published", async () => {
    await write({ title: "另一件(虚构)", text: "自来水时有时无(虚构)" });
    const { page, complaints } = await open("/internal/answers", desk, inside);
    await page.locator("main li", { hasText: "今天收到" }).filter({ hasText: "来信" }).getByRole("link", { name: /答复/ }).click();
    const own = page.url();
    await read(page);
    for (const step of ["registered", "answered"]) {
      await page.locator(`[data-step='letter.${step}.v1']`).click();
      if (step === "answered") {
        await page.locator("#f-text").fill("水泵已修(虚构)");
      }
      await page.getByText("检查通过，可以签名").waitFor();
      await sign(page, "[data-taking]").click();
      await page.getByText("已经签名、封存").waitFor();
      await page.goto(own);
    }
    await read(page);
    await page.getByText("不能公开：来信人没有同意公开。").waitFor();
    assert.ok(!(await page.locator("#f-reply").isVisible()));
    await shot(page, "answer-without-consent");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});

describe("the secretary", () => {
  test("puts a letter that waits under supervision from the board, and nothing public tells of it", async () => {
    const waiting = await write({ title: "第三件(虚构)", text: "桥上的望柱断了(虚构)" });
    let stream;
    const secretary = await launch(served.folder, "secretary");
    try {
      const page = await enter(secretary, "shuji.qinghe/2", "书记(虚构)", COUNTY, ["approver"]);
      await page.goto(`${inside}/internal/board/unanswered`);
      const row = page.locator(".awaited").filter({ hasText: "来信" }).filter({ hasText: "五里桥村" }).filter({ has: page.getByRole("link", { name: "督办", exact: true }) }).first();
      await shot(page, "answer-board");
      await accessible(page);
      await row.getByRole("link", { name: "督办", exact: true }).click();
      await page.waitForURL(/write\/letter\.urged\?/);
      // The page's script fills it in.
      await page.waitForFunction((county) => document.querySelector('form.write [data-name="by"]')?.value === county, COUNTY);
      stream = new URL(page.url()).searchParams.get("about");
      await page.locator('form.write [data-name="text"]').fill("请在时限前修好望柱并答复来信人(虚构)");
      await page.getByText("检查通过").waitFor();
      await accessible(page);
      await shot(page, "answer-urge");
      await page.getByRole("button", { name: "签名并提交" }).click();
      await page.getByText("已封存").waitFor();
      await page.goto(`${inside}/internal/board/unanswered`);
      await shot(page, "answer-supervised");
      assert.ok(await page.locator(".awaited").filter({ hasText: "来信" }).getByRole("link", { name: "正在督办" }).first().isVisible());
      await page.close();
    } finally {
      await secretary.close();
    }
    assert.match(await follow(waiting, "answer-urged"), /督办机构\s+青禾县[\s\S]*办理时限/);
    assert.match(await follow(waiting), /按督办时限办结并答复\s+最迟/);
    for (const path of [`/feeds/organizations/${VILLAGE}`, `/organizations/${VILLAGE}`, "/timeline", "/api/v1/openapi.json"]) {
      const answer = await fetch(site + path);
      assert.equal(answer.status, 200, path);
      assert.ok(!(await answer.text()).includes(stream.split("/")[1]), `${path} names the letter`);
    }
    assert.equal((await fetch(`${site}/streams/${stream}`)).status, 404);
    const { hits } = await (await fetch(`${site}/api/v1/search?q=${encodeURIComponent("望柱")}`)).json();
    assert.deepEqual(hits, []);
  });
});
