// Checking in the reader's own browser after the ledger has replaced its log key (case 18): a browser that noted the old key
// goes on, one that noted a strange key does not, and a checkpoint that only the stolen key signed is false.
//
// Run by tests/run; GONGKAI_BINARY names the binary.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Readers, STRANGER } from "./checking.mjs";
import { SITE, START_MS_MAX, binary, options, start, stop } from "./demo.mjs";
import { keyIn, keyOf, signatureOf } from "./signing.mjs";

const ORIGIN = "ledger.example/rotated";

let folder;
let child;
let browser;
let readers;
let old;
let noted;

const run = (...words) => execFileSync(binary, words, { stdio: ["ignore", "pipe", "pipe"] });
const published = (name) => readFileSync(join(folder, "ledger/log", name), "utf8");

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "gongkai-rotation-"));
  const dir = join(folder, "ledger");
  const [prepared, endorsed] = ["prepared.json", "endorsed.json"].map((name) => join(folder, name));
  run("init", "--dir", dir, "--origin", ORIGIN, "--name", "换钥匙的账本（虚构）", "--org", "341599");
  old = keyIn(join(dir, "keys/log.key"));
  noted = published("checkpoint");
  run("rotate-key", "prepare", "--dir", dir, "--reason", "stolen", "--out", prepared);
  run("rotate-key", "endorse", "--key", join(dir, "keys/recovery.key"), "--out", endorsed, prepared);
  run("rotate-key", "apply", "--dir", dir, endorsed);
  const served = await start(["serve", "--dir", dir, "--listen", "127.0.0.1:0"], SITE);
  ({ child } = served);
  browser = await chromium.launch(options());
  readers = new Readers(browser, served.found[0]);
}, { timeout: START_MS_MAX });

after(async () => {
  await browser?.close();
  if (child) await stop(child);
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("a browser that noted the old key and an old checkpoint goes on over the rotation", async () => {
  for (const index of [0, 1]) {
    const reader = await readers.visitor({}, { key: old.text, checkpoint: noted });
    const { states, said } = await readers.checked(reader, index);
    const { key, checkpoint, inclusion, owner, author, growth } = states;
    assert.deepEqual({ key, checkpoint, inclusion, owner, author, growth }, {
      key: "ok", checkpoint: "ok", inclusion: "ok", owner: "ok", author: "ok", growth: "ok",
    }, JSON.stringify(said));
    assert.match(said.key, /账本在第 1 条换过钥匙，有恢复钥匙背书/);
    assert.match(said.growth, /中间只有添，没有改/);
    // A ledger this young has no root of its map yet, from which a matter's records could be counted.
    assert.deepEqual(reader.complaints.filter((told) => !told.includes("/api/v1/streams/")), []);
    await reader.end();
  }
});

test("a first visit believes the key of the day, and a strange one that was noted is not led anywhere", async () => {
  const first = await readers.tampered({}, {}, 1);
  assert.deepEqual([first.states.key, first.states.checkpoint], ["none", "ok"]);
  const strange = await readers.tampered({}, { key: keyOf(ORIGIN, STRANGER).text }, 1);
  assert.equal(strange.states.key, "bad");
  assert.match(strange.said.key, /换过的钥匙里没有这一把/);
});

test("a checkpoint that only the stolen key signed is not the ledger's, and a history that it endorsed is none", async () => {
  const note = published("checkpoint");
  const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
  const forged = `${text}\n${signatureOf(old, text)}`;
  const stolen = await readers.tampered({ "/log/checkpoint": () => forged }, { key: old.text, checkpoint: noted }, 1);
  assert.equal(stolen.states.checkpoint, "bad", JSON.stringify(stolen.said));
  assert.match(stolen.said.checkpoint, /没有账本钥匙的签名/);
  const history = readFileSync(join(folder, "ledger/log/key-history"));
  const broken = Buffer.from(history);
  broken[broken.length - 40] ^= 1;
  const told = await readers.tampered({ "/log/key-history": () => broken }, { key: old.text }, 1);
  assert.equal(told.states.key, "bad");
});
