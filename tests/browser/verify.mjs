// Checking in the reader's own browser, in Chromium on a phone-sized screen against the real binary: what is true checks
// out step by step; with one answer changed on the way, the step that it concerns says so in plain Chinese; nothing is
// sent but GET requests to the site. Codes are scanned from a photo and through a camera that plays a film.
//
// Witnesses are this test's own: it serves their policy and cosigns the checkpoint. Run by tests/run; GONGKAI_BINARY names
// the binary, GONGKAI_SHARED the vectors.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { Readers, SEEN_AT, STRANGER, flip, outcome } from "./checking.mjs";
import { START_MS_MAX, accessible, complaintsOf, demo, options, root, shot } from "./demo.mjs";
import { thatNothingIsMissing } from "./missing.mjs";
import { checkpointOf, cosigned, keyIn, keyOf, rootOf } from "./signing.mjs";

const shared = process.env.GONGKAI_SHARED ?? join(root, "../shared");
const WITNESSES = [1, 2, 3].map((number) => keyOf(`witness.example/${number}`, Buffer.alloc(32, 100 + number), 4));

let served;
let site;
let log;
let note;
let leaves;
let number;
let browser;
let readers;

const get = async (path) => {
  const response = await fetch(site + path);
  assert.equal(response.status, 200, path);
  return Buffer.from(await response.arrayBuffer());
};

before(async () => {
  served = await demo("verify");
  ({ site } = served);
  browser = await chromium.launch(options());
  log = keyIn(join(served.folder, "demo/keys/log.key"));
  note = String(await get("/log/checkpoint"));
  const size = Number(note.split("\n")[1]);
  assert.ok(size > 256, `${size} entries, and the tests want more than one tile`);
  const tiles = Buffer.concat([await get("/log/tile/0/000"), await get(`/log/tile/0/001.p/${size - 256}`)]);
  leaves = Array.from({ length: size }, (_, at) => tiles.subarray(32 * at, 32 * at + 32));
  const pledges = JSON.parse(await get("/api/v1/pledges"));
  const history = JSON.parse(await get(`/api/v1/streams/${pledges.items[0].stream}`));
  number = history.history[0].index;
  readers = new Readers(browser, site);
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  await served?.end();
});

const visitor = (...given) => readers.visitor(...given);
const checked = (reader, index = number) => readers.checked(reader, index);
const tampered = (answers, kept) => readers.tampered(answers, kept, number);

const entryPath = () => `/entries/${number}`;
const proofPath = () => `/api/v1/entries/${number}/proof`;
const withNote = async (changed) => String(await get(proofPath())).replace(note, changed);
const flipLast = (text) => text.replace(/(.)(=*\n)$/, (_, char, rest) => (char === "A" ? "E" : "A") + rest);

/** All answers as if the log had been cosigned by these. */
const cosignedBy = (...witnesses) => {
  const signed = cosigned(note, witnesses, 1_773_100_000);
  return { "/log/checkpoint": () => signed, [proofPath()]: () => withNote(signed) };
};
const policyOf = (least, witnesses = WITNESSES) =>
  [
    `log ${log.text}`,
    ...witnesses.map((witness, at) => `witness w${at + 1} ${witness.text}`),
    `group all-of-us ${least} ${witnesses.map((_, at) => `w${at + 1}`).join(" ")}`,
    "quorum all-of-us",
    "",
  ].join("\n");

describe("what is true", () => {
  test("checks out on an item's own page, and says what was not checked", async () => {
    const reader = await visitor();
    const [matter] = JSON.parse(await get("/api/v1/pledges")).items;
    await reader.page.goto(`${site}/pledges/${matter.stream.split("/")[1]}`);
    await reader.page.locator("#check summary").first().tap();
    await reader.page.locator("[data-verify]").tap();
    const { text, states, said } = await outcome(reader.page);
    assert.match(text, /浏览器已核对/);
    assert.deepEqual(states, {
      key: "none", checkpoint: "ok", inclusion: "ok", owner: "ok", author: "ok", words: "ok", whole: "ok", witnesses: "none", growth: "none",
    });
    assert.match(said.key, /第一次在这个浏览器核对/);
    assert.match(said.witnesses, /没有见证方.*两个人看两本账/);
    assert.match(said.growth, /已经记下现在这个/);
    assert.match(await reader.page.locator("[data-steps] .check-left").innerText(), /登记钥匙的人有没有这个权/);
    await accessible(reader.page);
    await shot(reader.page, "verify-panel");
    assert.deepEqual(reader.complaints, []);
    assert.ok(reader.sent.every((request) => request.startsWith(`GET ${site}/`)), String(reader.sent));
    // The second time there is something to compare with.
    const again = await checked(reader);
    assert.deepEqual([again.states.key, again.states.growth], ["ok", "ok"]);
    assert.match(again.said.growth, /中间只有添，没有改/);
    await reader.end();
  });

  test("is a statement of the ledger, of several signers, and a sealed period too", async () => {
    const reader = await visitor();
    const sheets = JSON.parse(await get("/api/v1/disclosures?type=finance")).items;
    const sheet = JSON.parse(await get(`/api/v1/streams/${sheets.find(({ status }) => status === "disclosed").stream}`));
    for (const index of [0, 1, 40, sheet.history[0].index, leaves.length - 1]) {
      const { states, text } = await checked(reader, index);
      assert.match(text, /浏览器已核对/, `${index}: ${JSON.stringify(states)}`);
    }
    await reader.end();
  });

  test("checks out where the browser has no WebCrypto, as on a plain http address, and a lie does not", async () => {
    const reader = await visitor();
    await reader.page.addInitScript(() => Object.defineProperty(Crypto.prototype, "subtle", { get: () => undefined }));
    const before = checkpointOf(log, 300, rootOf(leaves.slice(0, 300)));
    await reader.page.addInitScript((text) => localStorage.setItem("gongkai.check.checkpoint", text), JSON.stringify({ text: before, at: SEEN_AT }));
    const found = await checked(reader);
    assert.equal(await reader.page.evaluate(() => crypto.subtle), undefined);
    assert.match(found.text, /浏览器已核对/);
    assert.equal(found.states.growth, "ok", found.said.growth);
    await reader.page.route(`**/entries/${number}`, async (route) => {
      const entry = await get(entryPath());
      await route.fulfill({ body: flip(entry, entry.indexOf("declared_at") + 16) });
    });
    const lied = await checked(reader);
    assert.deepEqual([lied.states.inclusion, lied.states.author], ["bad", "bad"]);
    await reader.end();
  });

  test("continues an earlier checkpoint of any size, by tiles alone", async () => {
    for (const size of [1, 255, 256, leaves.length - 1]) {
      const before = checkpointOf(log, size, rootOf(leaves.slice(0, size)));
      const { states, said } = await tampered({}, { key: log.text, checkpoint: before });
      assert.equal(states.growth, "ok", `${size}: ${said.growth}`);
      assert.match(said.growth, new RegExp(`看到 ${size} 条，现在 ${leaves.length} 条`));
    }
  });

  test("is cosigned by a quorum, and a changed policy is named", async () => {
    const enough = { ...cosignedBy(WITNESSES[0], WITNESSES[2]), "/log/policy": () => policyOf(2) };
    const first = await tampered(enough);
    assert.equal(first.states.witnesses, "ok", first.said.witnesses);
    assert.match(first.said.witnesses, /够数：w1、w3/);
    const changed = await tampered(enough, { policy: policyOf(1) });
    assert.match(changed.said.witnesses, /名单和这个浏览器以前记下的不一样/);
    const worse = await tampered(enough, { policy: policyOf(3) });
    assert.equal(worse.states.witnesses, "bad");
    assert.match(worse.said.witnesses, /名单换过了/);
    const gone = await tampered({}, { policy: policyOf(2) });
    assert.match(gone.said.witnesses, /现在网站不给了/);
  });
});

thatNothingIsMissing(() => ({ site, get, log, leaves, number, readers }));

describe("one changed answer", () => {
  const bad = (found, step, words) => {
    assert.equal(found.states[step], "bad", JSON.stringify(found));
    assert.match(found.said[step], words);
    assert.match(found.text, /没有核对上/);
  };

  test("a byte of the entry", async () => {
    const entry = await get(entryPath());
    const found = await tampered({ [entryPath()]: () => flip(entry, entry.indexOf("declared_at") + 16) });
    bad(found, "inclusion", /算出的根哈希和证明里的检查点不一样/);
    bad(found, "author", /的签名是假的/);
  });

  test("a signature of the entry", async () => {
    const entry = String(await get(entryPath()));
    const found = await tampered({ [entryPath()]: () => flipLast(entry) });
    bad(found, "author", /的签名是假的|签名用的是另一把钥匙|base64/);
    assert.match(found.said.author, /签名人/);
  });

  test("a hash of the proof", async () => {
    const proof = String(await get(proofPath()));
    const hash = proof.split("\n")[2];
    const found = await tampered({ [proofPath()]: () => proof.replace(hash, leaves[number].toString("base64")) });
    bad(found, "inclusion", /算出的根哈希和证明里的检查点不一样/);
    const short = await tampered({ [proofPath()]: () => proof.replace(`${hash}\n`, "") });
    bad(short, "inclusion", /证明的长度不对|根哈希/);
  });

  test("another entry's proof", async () => {
    const other = String(await get("/api/v1/entries/3/proof"));
    bad(await tampered({ [proofPath()]: () => other }), "inclusion", /证明说的是另一条/);
  });

  test("the checkpoint's size, root or signature", async () => {
    const [, size, hash] = note.split("\n");
    for (const changed of [
      note.replace(`\n${size}\n`, `\n${Number(size) + 1}\n`),
      note.replace(hash, rootOf(leaves.slice(1)).toString("base64")),
      flipLast(note),
    ]) {
      assert.notEqual(changed, note);
      const found = await tampered({ "/log/checkpoint": () => changed });
      bad(found, "checkpoint", /账本钥匙的签名是假的|没有账本钥匙的签名/);
    }
    const unsigned = checkpointOf(keyOf(log.name, STRANGER), leaves.length, rootOf(leaves));
    bad(await tampered({ "/log/checkpoint": () => unsigned }), "checkpoint", /没有账本钥匙的签名/);
  });

  test("the ledger's key, after the first visit or against the one on paper", async () => {
    const other = keyOf(log.name, STRANGER);
    const found = await tampered({ "/log/vkey": () => `${other.text}\n` }, { key: log.text });
    bad(found, "key", /不是原来那一把/);
    assert.match(found.said.key, /先不要信/);
    // The same site, whole and consistent, under the key that was noted before: everything fails that rests on it.
    const moved = await tampered({}, { key: other.text });
    bad(moved, "key", /不是原来那一把/);
    bad(moved, "checkpoint", /没有账本钥匙的签名/);
  });

  test("a cosignature, and a quorum that is short by one", async () => {
    const policy = { "/log/policy": () => policyOf(2) };
    const short = await tampered({ ...cosignedBy(WITNESSES[1]), ...policy });
    bad(short, "witnesses", /见证方不够数（联署的：w2）/);
    const liar = { ...keyOf(WITNESSES[0].name, STRANGER, 4), id: WITNESSES[0].id };
    const forged = await tampered({ ...cosignedBy(liar, WITNESSES[1], WITNESSES[2]), ...policy });
    bad(forged, "witnesses", /见证方 w1 的联署是假的/);
    const broken = await tampered({ ...cosignedBy(...WITNESSES), "/log/policy": () => "witness w1 nonsense\nquorum w1\n" });
    bad(broken, "witnesses", /见证方名单第 1 行/);
    const foreign = policyOf(1).replace(log.text, keyOf("other.example", STRANGER).text);
    bad(await tampered({ ...cosignedBy(...WITNESSES), "/log/policy": () => foreign }), "witnesses", /另一本账/);
  });

  test("a history that was rewritten, shortened, or signed twice, with an evidence file to save", async () => {
    const fork = checkpointOf(log, 200, rootOf(leaves.slice(1, 201)));
    const reader = await visitor({}, { key: log.text, checkpoint: fork });
    const found = await checked(reader);
    bad(found, "growth", /和上次看到的接不上.*200 条/);
    assert.match(found.said.growth, /发给见证方和上级督查部门/);
    const saved = reader.page.waitForEvent("download");
    await reader.page.getByRole("button", { name: "保存证据文件" }).tap();
    const file = await (await saved).path();
    assert.equal(readFileSync(file, "utf8"), `gongkai.fork/v1\n${fork}--\n${note}`);
    await shot(reader.page, "verify-fork");
    await reader.end();

    const longer = checkpointOf(log, leaves.length + 5, rootOf(leaves));
    bad(await tampered({}, { key: log.text, checkpoint: longer }), "growth", /账本变短了/);
    const other = checkpointOf(log, leaves.length, rootOf(leaves.slice(1)));
    bad(await tampered({}, { key: log.text, checkpoint: other }), "growth", /接不上/);
    // Both in one visit: the published checkpoint is another history than the proof's.
    bad(await tampered({ "/log/checkpoint": () => fork }), "growth", /签了两个合不到一起的检查点/);
  });

  test("a tile that does not belong to the checkpoint", async () => {
    const before = checkpointOf(log, 200, rootOf(leaves.slice(0, 200)));
    const tile = await get("/log/tile/0/000");
    const found = await tampered({ "/log/tile/0/000": () => flip(tile, 32 * 255) }, { key: log.text, checkpoint: before });
    bad(found, "growth", /对不上/);
    bad(await tampered({ "/log/tile/0/000": () => 404 }, { key: log.text, checkpoint: before }), "growth", /取不到完整的/);
  });

  test("a word that the page shows, a commitment, a line of a sheet", async () => {
    const path = `/api/v1/entries/${number}`;
    const answer = JSON.parse(await get(path));
    const { value } = answer.openings[0];
    const honest = await tampered({});
    assert.equal(honest.states.words, "ok");
    assert.ok(honest.said.words.includes(String(value).slice(0, 20)), honest.said.words);
    const other = structuredClone(answer);
    other.openings[0].value = `${value}（改）`;
    bad(await tampered({ [path]: () => JSON.stringify(other) }), "words", /不是签名时封存的那一份/);
    const swapped = { ...answer, commitments: [...answer.commitments].reverse() };
    bad(await tampered({ [path]: () => JSON.stringify(swapped) }), "words", /封存值不是签名时的那一份/);
    const sheets = JSON.parse(await get("/api/v1/disclosures?type=finance")).items;
    const sheet = JSON.parse(await get(`/api/v1/streams/${sheets.find(({ status }) => status === "disclosed").stream}`));
    const { index } = sheet.history[0];
    const { statement } = JSON.parse(await get(`/api/v1/entries/${index}`));
    const lines = `/log/lines/${Buffer.from(statement.body.lines, "base64").toString("hex")}`;
    const text = String(await get(lines));
    const changed = text.replace(/"expense":(\d)/, (_, digit) => `"expense":${(Number(digit) % 9) + 1}`);
    assert.notEqual(changed, text);
    const reader = await visitor({ [lines]: () => changed });
    bad(await checked(reader, index), "words", /明细不是签名时的那一份/);
    await reader.end();
  });

  test("an answer that is withheld leaves the check unfinished", async () => {
    for (const [path, step] of [["/log/policy", "witnesses"], ["/log/vkey", "key"], ["/log/checkpoint", "checkpoint"]]) {
      const found = await tampered({ [path]: () => 503 }, { key: log.text });
      assert.equal(found.states[step], "none", path);
      assert.match(found.said[step], /没有核对成：.*返回 503/);
      assert.match(found.text, /没有核对完/);
    }
  });

  test("the entry that registered the author's key", async () => {
    const { signatures } = JSON.parse(await get(`/api/v1/entries/${number}`));
    const at = signatures[0].registered_index;
    assert.ok(at < number);
    const entry = await get(`/entries/${at}`);
    const found = await tampered({ [`/entries/${at}`]: () => flip(entry, entry.indexOf("declared_at") + 16) });
    bad(found, "owner", /的钥匙核对不上/);
    const elsewhere = JSON.stringify({ signatures: [{ ...signatures[0], registered_index: at - 1 }] });
    bad(await tampered({ [`/api/v1/entries/${number}`]: () => elsewhere }), "owner", /登记的不是/);
    const silent = await tampered({ [`/api/v1/entries/${number}`]: () => 503 });
    assert.deepEqual([silent.states.owner, silent.states.author, silent.states.words], ["none", "none", "none"]);
    assert.match(silent.text, /没有核对完/);
  });
});

describe("the page for checking", () => {
  /** A reader on /verify. */
  async function reader(answers, kept, more) {
    const found = await visitor(answers, kept, more);
    await found.page.goto(`${site}/verify`);
    return found;
  }

  const download = async (name, path) => {
    const file = join(served.folder, name);
    writeFileSync(file, await get(path));
    return file;
  };

  test("takes a number, a short address and a link, and says when an address is another site's", async () => {
    const { page, complaints, sent, end } = await reader();
    await shot(page, "verify-empty");
    await accessible(page);
    for (const text of [String(number), `№${number}`, `${site}/n/${number}`, `${site.slice(7)}/entries/${number}/view`]) {
      await page.locator("#v-no").fill(text);
      await page.getByRole("button", { name: "核对", exact: true }).tap();
      assert.match((await outcome(page)).text, new RegExp(`第 ${number} 条和账本一致`), text);
    }
    await page.locator("#v-no").fill("https://other.example/n/7");
    await page.getByRole("button", { name: "核对", exact: true }).tap();
    await page.getByText("这是另一个网站的网址：other.example").waitFor();
    assert.match(await page.locator('[data-of="checkpoint"]').innerText(), /记下[^]*demo\.qinghe\.example/);
    await page.locator("[data-forget]").tap();
    assert.equal(await page.locator('[data-of="key"]').innerText(), "还没有");
    await accessible(page);
    assert.deepEqual(complaints, []);
    assert.ok(sent.every((request) => request.startsWith(`GET ${site}/`)), String(sent));
    await end();
  });

  test("takes a proof file with its entry, and finds the byte that was changed in a file", async () => {
    const { page, end } = await reader();
    const proof = await download(`entry-${number}.tlog-proof`, proofPath());
    const entry = await download(`entry-${number}.txt`, entryPath());
    await page.locator("#v-files").setInputFiles([proof, entry]);
    assert.match((await outcome(page)).text, /浏览器已核对/);
    assert.match(await page.locator("[data-brought]").textContent(), /用您给的证明文件、条目原文/);
    await shot(page, "verify-files");
    writeFileSync(entry, flip(readFileSync(entry), readFileSync(entry).indexOf("declared_at") + 16));
    await page.reload();
    await page.locator("#v-files").setInputFiles([proof, entry]);
    const found = await outcome(page);
    assert.equal(found.states.inclusion, "bad");
    const other = await download("entry-3.tlog-proof", "/api/v1/entries/3/proof");
    await page.locator("#v-files").setInputFiles([other, entry]);
    await page.getByText("说的不是同一条").waitFor();
    await end();
  });

  test("takes a receipt, and holds it against what the ledger has", async () => {
    const { page, end } = await reader();
    const { index, entry_hash, statement_hash, recorded_at } = JSON.parse(await get(`/api/v1/entries/${number}`));
    const paste = async (receipt) => {
      await page.getByText("粘贴回执、证明文件或条目原文").tap();
      await page.locator("#v-paste").fill(JSON.stringify(receipt));
      await page.getByRole("button", { name: "看看是什么" }).tap();
      return outcome(page);
    };
    // As a line that `gongkai submit` prints, and as the API answers.
    const good = await paste({ receipt: { index, entry_hash, statement_hash, recorded_at } });
    assert.equal(good.states.receipt, "ok", good.said.receipt);
    await page.reload();
    const wrong = await paste({ index, entry_hash, statement_hash: entry_hash, recorded_at });
    assert.equal(wrong.states.receipt, "bad");
    assert.match(wrong.said.receipt, /和回执上的不一样/);
    await end();
  });

  test("checks with the key that somebody brings on paper", async () => {
    const { page, end } = await reader();
    const withKey = async (text) => {
      if (!(await page.locator("#v-key").isVisible())) await page.getByText("用纸上印的账本钥匙核对").tap();
      await page.locator("#v-key").fill(text);
      await page.locator("#v-no").fill(String(number));
      await page.getByRole("button", { name: "核对", exact: true }).tap();
    };
    await withKey(log.text);
    const good = await outcome(page);
    assert.match(good.said.key, /网站用的就是您给的钥匙/);
    await page.reload();
    await page.locator("[data-forget]").tap();
    await withKey(keyOf(log.name, STRANGER).text);
    const found = await outcome(page);
    assert.deepEqual([found.states.key, found.states.checkpoint], ["bad", "bad"]);
    await withKey("not a key");
    await page.getByText("账本钥匙抄得不对").waitFor();
    await end();
  });

  /** The printed code as a crooked photo of a sheet, made by the browser itself. */
  async function photo(page) {
    await page.goto(`${site}/n/${number}/qr.svg`);
    const svg = await page.evaluate(() => new XMLSerializer().serializeToString(document.documentElement));
    return page.evaluate(async (drawing) => {
      const image = new Image();
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing)}`;
      await image.decode();
      const canvas = new OffscreenCanvas(1280, 960);
      const context = canvas.getContext("2d");
      context.fillStyle = "#c9c2b4";
      context.fillRect(0, 0, 1280, 960);
      context.transform(0.96, 0.17, -0.2, 0.93, 480, 190);
      context.fillStyle = "#fbfaf6";
      context.fillRect(-60, -60, 560, 560);
      context.drawImage(image, 0, 0, 440, 440);
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 })).arrayBuffer())];
    }, svg);
  }

  test("reads the code on a photo, and says when there is none", async () => {
    const { page, sent, end } = await visitor();
    await page.goto(`${site}/about`);
    const free = await visitor({}, {}, { bypassCSP: true });
    const file = join(served.folder, "photo.jpg");
    writeFileSync(file, Buffer.from(await photo(free.page)));
    await free.end();
    await page.goto(`${site}/verify`);
    await page.locator("#v-files").setInputFiles(file);
    assert.match((await outcome(page)).text, new RegExp(`第 ${number} 条和账本一致`));
    assert.ok(sent.every((request) => request.startsWith(`GET ${site}/`)), String(sent));
    await page.locator("#v-files").setInputFiles({ name: "empty.png", mimeType: "image/png", buffer: await page.screenshot() });
    await page.getByText("照片里没有找到二维码").waitFor();
    await end();
  });

  test("reads the code through the camera, and lets go of it", async () => {
    const free = await visitor({}, {}, { bypassCSP: true });
    const film = join(served.folder, "film.mjpeg");
    writeFileSync(film, Buffer.from(await photo(free.page)));
    await free.end();
    const camera = await chromium.launch({
      ...options(),
      args: [...options().args, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${film}`],
    });
    try {
      const context = await camera.newContext(options());
      const page = await context.newPage();
      const complaints = complaintsOf(page, site);
      await page.goto(`${site}/verify`);
      await page.getByRole("button", { name: "用相机扫二维码" }).tap();
      assert.match((await outcome(page)).text, new RegExp(`第 ${number} 条和账本一致`));
      assert.equal(await page.evaluate(() => document.querySelector("video").srcObject), null);
      assert.ok(!(await page.locator("[data-scene]").isVisible()));
      assert.deepEqual(complaints, []);
    } finally {
      await camera.close();
    }
  });

  test("without scripts leads to the entry, and explains what a check shows", async () => {
    const { page, end } = await reader({}, {}, { javaScriptEnabled: false });
    assert.ok(!(await page.locator("#v-files").isVisible()), "what cannot work is not shown");
    await page.locator("#v-no").fill("https://other.example/n/7");
    await page.getByRole("button", { name: "核对", exact: true }).tap();
    await page.getByText("看不出是这本账的哪一条").waitFor();
    await page.locator("#v-no").fill(`${site}/n/${number}`);
    await page.getByRole("button", { name: "核对", exact: true }).tap();
    await page.waitForURL(new RegExp(`/entries/${number}/view`));
    assert.ok(await page.getByText("下载证明文件").isVisible());
    await end();
  });

  test("alone may use the camera, and keeps the strict policy of all pages", async () => {
    const [here, elsewhere] = [await fetch(`${site}/verify`), await fetch(`${site}/about`)];
    assert.match(here.headers.get("permissions-policy"), /camera=\(self\)/);
    assert.match(elsewhere.headers.get("permissions-policy"), /camera=\(\)/);
    const policy = (response) => response.headers.get("content-security-policy");
    assert.equal(policy(here), policy(elsewhere));
    assert.doesNotMatch(policy(here), /unsafe|blob:|data:/);
  });
});

describe("a sheet on the wall", () => {
  test("is compared from the total to the line, without scripts too", async () => {
    const sheets = JSON.parse(await get("/api/v1/disclosures?type=finance")).items;
    const sheet = `/disclosures/${sheets.find(({ content, status }) => content === "finance" && status === "disclosed").stream.split("/")[1]}`;
    for (const more of [{}, { javaScriptEnabled: false }]) {
      const { page, complaints, end } = await visitor({}, {}, more);
      await page.goto(site + sheet);
      const [income, expense] = await page.locator(".balance .in dd, .balance .out dd").allTextContents();
      await page.getByRole("link", { name: "和墙上的对一对" }).first().tap();
      await page.locator("#w-in").fill(income);
      await page.locator("#w-out").fill(expense);
      await page.getByRole("button", { name: "对一对" }).tap();
      await page.getByText("填的数和账本里的都一样").waitFor();
      await page.locator("#w-out").fill("1");
      await page.getByRole("button", { name: "对一对" }).tap();
      await page.getByText("二、支出小计").waitFor();
      await page.locator("#w-i0").fill("1");
      await page.getByRole("button", { name: "对一对" }).tap();
      await page.waitForURL(/i0=1/);
      const line = page.locator(".walllines a").first();
      assert.match(await line.getAttribute("href"), new RegExp(`^${sheet}#L\\d+$`));
      assert.deepEqual(complaints, []);
      if (more.javaScriptEnabled !== false) {
        await accessible(page);
        await shot(page, "wall");
      }
      await end();
    }
  });
});

/** Every vector below a folder, with its numbers as text: they go beyond what JSON's numbers can hold. */
function vectors(folder) {
  const found = readdirSync(join(shared, "vectors/merkle", folder), { recursive: true }).filter((name) => name.endsWith(".json"));
  return found.map((name) => {
    const text = readFileSync(join(shared, "vectors/merkle", folder, name), "utf8");
    return [name, JSON.parse(text.replace(/("(?:size[12]|leafIdx|treeSize)": )(\d+)/g, '$1"$2"'))];
  });
}

describe("the page's own arithmetic", () => {
  test("judges every vector of inclusion and consistency as it must be judged", async () => {
    const { page, end } = await visitor();
    await page.goto(`${site}/verify`);
    const cases = { inclusion: vectors("inclusion"), consistency: vectors("consistency") };
    assert.equal(cases.inclusion.length + cases.consistency.length, 196);
    const wrong = await page.evaluate(async ({ inclusion, consistency }) => {
      const { decodeExact, rootOf } = await import("/assets/proof.js");
      const { isConsistent } = await import("/assets/check/tree.js");
      const { sha256 } = await import("/assets/check/crypt.js");
      const hashes = (proof) => (proof ?? []).map(decodeExact);
      const included = async ({ leafIdx, treeSize, root, leafHash, proof }) => {
        try {
          const leaf = decodeExact(leafHash);
          return leaf.length === 32 && root === (await rootOf(leaf, BigInt(leafIdx), BigInt(treeSize), hashes(proof), sha256));
        } catch {
          return false;
        }
      };
      const consistent = async ({ size1, size2, root1, root2, proof }) => {
        try {
          return await isConsistent(BigInt(size1), BigInt(size2), root1 ?? "", root2 ?? "", hashes(proof), sha256);
        } catch {
          return false;
        }
      };
      const found = [];
      for (const [name, one] of inclusion) if ((await included(one)) === one.wantErr) found.push(`inclusion ${name}`);
      for (const [name, one] of consistency) if ((await consistent(one)) === one.wantErr) found.push(`consistency ${name}`);
      return found;
    }, cases);
    assert.deepEqual(wrong, []);
    await end();
  });

  test("reads the vectors' notes, policy and entry as the ledger does", async () => {
    const { page, end } = await visitor();
    await page.goto(`${site}/verify`);
    const read = (name) => readFileSync(join(shared, "vectors/ledger", name), "utf8");
    const keys = Object.values(JSON.parse(read("vectors.json")).keys).map(({ vkey }) => vkey);
    const found = await page.evaluate(async ({ proof, entry, cosigned, keys }) => {
      const { checkInclusion, parseProof } = await import("/assets/proof.js");
      const { openNote, parseKey } = await import("/assets/note.js");
      const { parseEntry, signersOf } = await import("/assets/check/entry.js");
      const { parsePolicy, witnessed } = await import("/assets/check/policy.js");
      const { sha256 } = await import("/assets/check/crypt.js");
      const [log, , , , witness] = keys;
      const parsed = parseProof(proof);
      openNote(parsed.note, parseKey(log));
      await checkInclusion(parsed, new TextEncoder().encode(entry), sha256);
      const policy = parsePolicy(`witness w ${witness}\nquorum w\n`);
      const { isEnough, by, latest } = await witnessed(cosigned, policy);
      return { isEnough, by, latest: String(latest), signers: signersOf(parseEntry(new TextEncoder().encode(entry))) };
    }, { proof: read("entry-1.tlog-proof"), entry: read("entry-1.txt"), cosigned: read("checkpoint-cosigned.txt"), keys });
    assert.deepEqual(found, { isEnough: true, by: ["w"], latest: "1773277927", signers: ["alice.example/1", "bob.example/1"] });
    await end();
  });

  test("refuses keys and signatures that strict Ed25519 refuses", async () => {
    const { page, end } = await visitor();
    await page.goto(`${site}/verify`);
    const found = await page.evaluate(async () => {
      const { isSigned } = await import("/assets/note.js");
      const { isSignedBy } = await import("/assets/check/crypt.js");
      const message = new TextEncoder().encode("anything");
      // The neutral element as key and as R, with S = 0: the equation holds for every message.
      const neutral = new Uint8Array(32);
      neutral[0] = 1;
      const signature = new Uint8Array(64);
      signature.set(neutral);
      const key = { key: neutral };
      return [isSigned(message, signature, key), await isSignedBy(message, signature, key)];
    });
    assert.deepEqual(found, [false, false]);
    await end();
  });
});
