// That nothing is missing of a matter: the step of the check that counts its records, with what is true, and with every
// answer that it rests on changed once. A part of verify.mjs, which starts the demo.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, test } from "node:test";
import { STRANGER, flip, outcome } from "./checking.mjs";
import { shot } from "./demo.mjs";
import { checkpointOf, pathOf, resigned, rootOf } from "./signing.mjs";

const mapPath = (stream) => `/api/v1/streams/${stream}/proof`;

/** The entry that a map's proof rests on. */
const rootIn = (proof) => Number(/\nindex (\d+)\n/.exec(String(proof))[1]);

/** `given` tells the site, how to get of it, the log's key, its leaves, an entry of another matter, and the readers. */
export const thatNothingIsMissing = (given) => describe("that nothing is missing", () => {
  let site, get, log, leaves, number, readers;
  let matter; // one whose middle can be taken out
  let newest; // the entry that says the root

  before(async () => {
    ({ site, get, log, leaves, number, readers } = given());
    const { items } = JSON.parse(await get("/api/v1/pledges"));
    const histories = await Promise.all(items.map(async ({ stream }) => JSON.parse(await get(`/api/v1/streams/${stream}`))));
    const long = histories.find(({ stream, history }) => history.length > 2 && stream !== items[0].stream);
    matter = { stream: long.stream, indexes: long.history.map(({ index }) => index) };
    newest = JSON.parse(await get(`/api/v1/entries/${rootIn(await get(mapPath(matter.stream)))}`));
  });

  /** What is found of the matter with one answer changed; the last of its records is asked about. */
  const found = (answers, kept, index = matter.indexes.at(-1)) => readers.tampered(answers, kept, index);
  const history = async (change) => {
    const answer = JSON.parse(await get(`/api/v1/streams/${matter.stream}`));
    return JSON.stringify({ ...answer, history: change(answer.history) });
  };
  const listing = (change) => ({ [`/api/v1/streams/${matter.stream}`]: () => history(change) });
  const proof = (change) => ({ [mapPath(matter.stream)]: async () => change(String(await get(mapPath(matter.stream)))) });
  const notRooted = () => ({ [mapPath(matter.stream)]: () => ({ status: 503, body: JSON.stringify({ code: "not_rooted" }) }) });
  const seen = (index, size, hash) => ({ key: log.text, root: `${log.name} ${index} ${size} ${hash} 2026-03-10T01:12:00.000000Z` });
  const bad = (outcome, words) => {
    assert.equal(outcome.states.whole, "bad", JSON.stringify(outcome));
    assert.match(outcome.said.whole, words);
    assert.match(outcome.said.whole, /可能有记录没有给您看/, "what to do");
    assert.match(outcome.text, /没有核对上/);
  };

  test("is counted record by record, up to a root whose time is named, and the root is remembered", async () => {
    const reader = await readers.visitor();
    const { states, said, text } = await readers.checked(reader, matter.indexes[0]);
    assert.deepEqual([states.whole, states.growth], ["ok", "none"], said.whole);
    assert.match(text, /浏览器已核对/);
    const { size } = newest.statement.body;
    assert.match(said.whole, new RegExp(`第 ${newest.index} 条）：到第 ${size} 条之前，这件事一共 ${matter.indexes.length} 条记录`));
    assert.match(said.whole, new RegExp(`一条不少：第 ${matter.indexes.join("、")} 条。`));
    assert.match(said.whole, /是不是最新的，请看登记时间/);
    const kept = JSON.parse(await reader.page.evaluate(() => localStorage.getItem("gongkai.check.root")));
    assert.ok(kept.text.startsWith(`${log.name} ${newest.index} ${size} ${newest.statement.body.root} 20`), kept.text);
    const again = await readers.checked(reader, number);
    assert.equal(again.states.whole, "ok", again.said.whole);
    assert.doesNotMatch(again.said.whole, /请看登记时间/);
    await reader.page.goto(`${site}/verify`);
    assert.match(await reader.page.locator('[data-of="root"]').innerText(), /记下/);
    await reader.end();
  });

  test("is checked on the matter's own page against what that page lists", async () => {
    const page = `/${matter.stream.replace("pledge/", "pledges/")}`;
    const at = async (body) => {
      const reader = await readers.visitor();
      if (body) await reader.page.route(`**${page}`, (route) => route.fulfill({ contentType: "text/html", body }));
      await reader.page.goto(site + page);
      await reader.page.locator("#check summary").first().tap();
      await reader.page.locator("[data-verify]").tap();
      const result = await outcome(reader.page);
      await shot(reader.page, body ? "verify-left-out" : "verify-whole");
      await reader.end();
      return result;
    };
    const honest = await at();
    assert.equal(honest.states.whole, "ok", honest.said.whole);
    const html = String(await get(page));
    const middle = matter.indexes[1];
    const lacks = html.replace(`id="e${middle}"`, 'id="e999999"');
    assert.notEqual(lacks, html);
    bad(await at(lacks), new RegExp(`这一页没有列出第 ${middle} 条`));
    const [first] = matter.indexes;
    const added = html.replace(`id="e${first}"`, `id="e${first}"></li><li class="event" id="e${first - 1}"`);
    bad(await at(added), new RegExp(`这一页多列了第 ${first - 1} 条`));
  });

  test("a record left out, at the end, in the middle, or with another put in its place", async () => {
    const [first, middle, ...rest] = matter.indexes;
    const without = (gone) => listing((all) => all.filter(({ index }) => index !== gone));
    bad(await found(without(matter.indexes.at(-1)), {}, first), /网站列出的是 \d+ 条/);
    bad(await found(without(middle)), /网站列出的是 \d+ 条/);
    bad(await found(listing((all) => all.map((one) => (one.index === middle ? { ...one, index: middle - 1 } : one)))), /不是这件事的记录|次序不对/);
    bad(await found(listing((all) => [...all].reverse())), /次序不对/);
    assert.ok(rest.length > 0);
  });

  test("a record that was added", async () => {
    bad(await found(listing((all) => [{ ...all[0], index: all[0].index - 1 }, ...all])), /网站列出的是 \d+ 条/);
    // After the root, where no number is known: it is no record of this matter.
    bad(await found(listing((all) => [...all, { ...all[0], index: newest.index }])), /不是这件事的记录/);
  });

  test("a record whose bytes are changed on the way", async () => {
    const entry = await get(`/entries/${matter.indexes[0]}`);
    const changed = flip(entry, entry.indexOf("declared_at") + 16);
    bad(await found({ [`/entries/${matter.indexes[0]}`]: () => changed }), /算出的根哈希/);
  });

  test("a hash on the way, the count or the end in the proof", async () => {
    const [, , leaf, hash] = String(await get(mapPath(matter.stream))).split("\n");
    const [, path, count, end] = leaf.split(" ");
    bad(await found(proof((text) => text.replace(hash, leaves[0].toString("base64")))), /算出的根，和登记在账本里的不一样/);
    bad(await found(proof((text) => text.replace(`${hash}\n`, ""))), /算出的根，和登记在账本里的不一样/);
    bad(await found(proof((text) => text.replace(leaf, `leaf ${path} ${Number(count) - 1} ${end}`))), /算出的根，和登记在账本里的不一样/);
    bad(await found(proof((text) => text.replace(leaf, "leaf none"))), /算出的根，和登记在账本里的不一样/);
    bad(await found(proof((text) => text.replace("gongkai.map-proof/v1", "gongkai.map-proof/v2"))), /总目证明的格式不对/);
  });

  test("another matter's proof, under its own name and under this one's", async () => {
    const other = String(await get(mapPath(JSON.parse(await get(`/api/v1/entries/${number}`)).statement.stream)));
    bad(await found(proof(() => other)), /说的是别的事/);
    const renamed = other.replace(/\nkey .*\n/, `\nkey stream ${matter.stream}\n`);
    bad(await found(proof(() => renamed)), /末尾不在这件事的路上|算出的根，和登记在账本里的不一样/);
  });

  test("the entry of the root: changed, another one, or signed by somebody else though the log has it", async () => {
    const text = String(await get(mapPath(matter.stream)));
    const [bytes] = /(?<=\nentry ).*/.exec(text);
    const entry = Buffer.from(bytes, "base64");
    const changed = flip(entry, entry.indexOf('"size":') + 7).toString("base64");
    bad(await found(proof(() => text.replace(bytes, changed))), /算出的根哈希/);
    const [head, , ...rest] = text.split("\n\n");
    const third = [`entry ${(await get("/entries/3")).toString("base64")}`, String(await get("/api/v1/entries/3/proof"))];
    bad(await found(proof(() => [head, ...third].join("\n\n"))), /没有登记总目/);
    assert.ok(rest.length > 0);
    // A log whose own key signs anything: the root at the end of it is a stranger's.
    const forged = resigned(entry, newest.signatures[0].key, STRANGER);
    const tree = [...leaves.slice(0, newest.index), createHash("sha256").update(Buffer.concat([Buffer.from([0]), forged])).digest()];
    const hashes = pathOf(tree, newest.index).map((hash) => `${hash.toString("base64")}\n`).join("");
    const inclusion = `c2sp.org/tlog-proof@v1\nindex ${newest.index}\n${hashes}\n${checkpointOf(log, tree.length, rootOf(tree))}`;
    bad(await found(proof(() => `${head}\n\nentry ${forged.toString("base64")}\n\n${inclusion}`)), /收件钥匙的签名是假的/);
  });

  test("an older root than this browser has seen, and a second one for the same entries", async () => {
    const { size } = newest.statement.body;
    bad(await found({}, seen(newest.index + 9, size + 9, leaves[0].toString("base64"))), /网站给的总目是旧的：.*已经看到第 \d+ 条的总目/);
    bad(await found({}, seen(newest.index - 1, size, leaves[0].toString("base64"))), /登记过两个不同的总目/);
    const same = await found({}, seen(newest.index, size, newest.statement.body.root));
    assert.equal(same.states.whole, "ok", same.said.whole);
    const foreign = await found({}, { key: log.text, root: `other.example ${newest.index + 9} 1 x 2026-03-10T01:12:00Z` });
    assert.equal(foreign.states.whole, "ok", "another ledger's root says nothing of this one's");
  });

  test("no root yet is said, and is a lie to whoever has seen one; what is withheld leaves the check unfinished", async () => {
    const none = await found(notRooted());
    assert.equal(none.states.whole, "none");
    assert.match(none.said.whole, /还没有登记过总目.*这次没有核对/);
    assert.match(none.text, /浏览器已核对/);
    bad(await found(notRooted(), seen(newest.index, 1, "x")), /还看到过总目，现在网站说没有/);
    for (const answers of [{ [mapPath(matter.stream)]: () => 503 }, { [mapPath(matter.stream)]: () => 404 }, { [`/api/v1/streams/${matter.stream}`]: () => 503 }]) {
      const cut = await found(answers);
      assert.equal(cut.states.whole, "none", JSON.stringify(cut));
      assert.match(cut.text, /没有核对完/);
    }
    const behind = await found({ [`/api/v1/streams/${matter.stream}`]: async () => JSON.stringify({ ...JSON.parse(await history((all) => all)), size: 1 }) });
    assert.match(behind.said.whole, /没有跟上总目/);
    assert.match(behind.text, /没有核对完/);
  });

  test("a matter that began after the last root is not claimed to be whole", async () => {
    const { states, said, text } = await found({}, {}, newest.index);
    assert.equal(states.whole, "none");
    assert.match(said.whole, /那时还没有这件事。此后又有 1 条/);
    assert.match(text, /浏览器已核对/);
  });
});
