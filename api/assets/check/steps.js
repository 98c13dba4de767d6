// The checks of one entry, step by step, in this page: nothing that the server says about the outcome is believed.
//
// Each step ends as "ok", "bad" or "none" (not checked, with the reason), and says in plain words what was found. The order
// is that in which one rests on another; each is made all the same when one before it failed, so that a reader sees all that
// is wrong. To add a step: a function and a line in STEPS; what it says when it fails is in ADVICE.
import { blake3 } from "../vendor/crypto.js";
import { checkInclusion, decode, encode, parseCheckpoint, parseProof, utf8 } from "../proof.js";
import { isBy, parseKey, parseNote } from "../note.js";
import { isSignedBy, sha256 } from "./crypt.js";
import { parseEntry, registered, signersOf } from "./entry.js";
import { forkFile } from "./kept.js";
import { keyFor, keysOf } from "./keys.js";
import { demandsNobody, parsePolicy, witnessed } from "./policy.js";
import { linesIn, openedIn } from "./said.js";
import { Unreachable, fetched, needed, text } from "./site.js";
import { follow } from "./tree.js";
import { bad, cut, day, none, ok } from "./verdict.js";
import { whole } from "./whole.js";

const ADVICE = {
  key: "这一页先不要信。问账本的管理单位有没有公告换钥匙；没有公告，就把两把钥匙都抄下来，告诉上级督查部门。确实公告过的，到“自己核对”页让这个浏览器忘掉旧的，再来一次。",
  checkpoint: "检查点可能是冒充的，也可能传坏了。换一个网络再核对一次；还是不对，就保存检查点，告诉上级督查部门。",
  inclusion: "这条记录可能被改过，也可能传坏了。刷新再核对一次；还是不对，就下载条目原始字节和证明文件，交给上级督查部门。",
  owner: "签名用的钥匙来路不明。下载条目原始字节和证明文件，问签名人有没有这把钥匙，并告诉上级督查部门。",
  author: "原文不是签名人签的那一份。下载条目原始字节和证明文件，告诉签名人和上级督查部门。",
  words: "网上显示的文字不是签名人说的那一份。把页面拍下来，连同条目原始字节告诉签名人和上级督查部门。",
  whole: "可能有记录没有给您看。刷新再核对一次；还是不对，就把页面拍下来，下载总目证明，告诉上级督查部门。",
  witnesses: "见证方没有认这个检查点，先不要信。过十分钟再核对；还是这样，就保存检查点，发给见证方和上级督查部门问清楚。",
  growth: "账本可能被倒回去改过，或者给不同的人看了不同的账。请保存证据文件，发给见证方和上级督查部门，自己留一份。",
  receipt: "账本里记的不是回执上的那一份。保管好回执，下载条目原始字节和证明文件，告诉上级督查部门。",
};

/** The checkpoint of a note that the key signed; throws when it did not, or when it is another log's. */
async function opened(note, key) {
  const { text: signed, signatures } = parseNote(note);
  const own = signatures.filter((line) => isBy(line, key));
  if (own.length === 0) throw new Error("检查点上没有账本钥匙的签名");
  for (const line of own) {
    if (!(await isSignedBy(utf8(signed), line.signature, key))) throw new Error("检查点上账本钥匙的签名是假的");
  }
  const checkpoint = parseCheckpoint(signed);
  if (checkpoint.origin !== key.name) throw new Error("检查点是另一本账的");
  return { ...checkpoint, note };
}

/** What one check has gathered. */
class Case {
  seen = []; // checkpoints whose signature was verified here

  constructor(asked, kept) {
    Object.assign(this, { asked, kept, recorded: new Map() });
  }

  /** Bytes and proof of an entry: those that the reader brought, else the site's. */
  entry(index) {
    if (!this.recorded.has(index)) this.recorded.set(index, this.read(index));
    return this.recorded.get(index);
  }

  async read(index) {
    const { asked } = this;
    const own = index === asked.index ? asked : {};
    const [bytes, proof] = await Promise.all([
      own.entry ?? needed(`/entries/${index}`),
      own.proof ?? needed(`/api/v1/entries/${index}/proof`, text),
    ]);
    return { bytes, proof: parseProof(proof) };
  }

  latest() {
    this.fetching ??= needed("/log/checkpoint", text);
    return this.fetching;
  }

  /** Trusts this key, and no other yet. */
  alone(key) {
    this.key = key;
    this.keys = key && [{ at: 0n, key }];
  }

  /** Remembers a checkpoint note that the trusted key signed. */
  async trust(note) {
    this.trusted();
    const checkpoint = await opened(note, keyFor(note, this.keys));
    if (!this.seen.some(({ size, root }) => size === checkpoint.size && root === checkpoint.root)) this.seen.push(checkpoint);
    return checkpoint;
  }

  /** The log's key that everything rests on. */
  trusted() {
    if (!this.key) throw new Unreachable("没有账本的钥匙");
    return this.key;
  }

  /** An entry of the log: proven under a checkpoint that the log signed, and read. */
  async proven(index) {
    const { bytes, proof } = await this.entry(index);
    if (proof.index !== index) throw new Error("证明说的是另一条");
    return this.under(proof, bytes);
  }

  /** The entry whose proof and bytes these are. */
  async under(proof, bytes) {
    await this.trust(proof.note);
    await checkInclusion(proof, bytes, sha256);
    const entry = parseEntry(bytes);
    if (entry.index !== proof.index) throw new Error("原文写的是另一个序号");
    if (entry.origin !== this.key.name) throw new Error("原文是写给另一本账的");
    return entry;
  }

  /** What the server says besides: which entries registered the keys, what is open. Hints, each of which is checked. */
  hints() {
    this.hinting ??= needed(`/api/v1/entries/${this.asked.index}`, text).then(JSON.parse);
    return this.hinting;
  }

  /** For each who signed: the name, the entry that registered the key, the key, or why there is none. */
  owners() {
    this.owning ??= this.find();
    return this.owning;
  }

  async find() {
    const { bytes } = await this.entry(this.asked.index);
    const names = signersOf(parseEntry(bytes));
    const { signatures = [] } = await this.hints();
    const owner = async (name) => {
      const at = signatures.find(({ key }) => key === name)?.registered_index;
      if (!Number.isSafeInteger(at)) return { name, why: new Unreachable(`网站没有说 ${name} 登记在哪一条`) };
      try {
        return { name, at, key: await this.registered(name, BigInt(at)) };
      } catch (why) {
        return { name, at, why };
      }
    };
    return Promise.all(names.map(owner));
  }

  /** The key of this name out of the entry that registered it, which is before the one that it signed. */
  async registered(name, at) {
    const { statement } = await this.proven(at);
    const { kind } = statement ?? {};
    // What brings the log's own key is signed by that key.
    const isOwn = at === this.asked.index && (at === 0n || kind === "ledger.key_rotated.v1");
    if (at >= this.asked.index && !isOwn) throw new Error(`${name} 登记在这条记录之后`);
    const vkey = registered(statement, name);
    if (!vkey) throw new Error(`第 ${at} 条登记的不是 ${name}`);
    return parseKey(vkey);
  }
}

/** Which key is trusted: the one that the reader brought, else the one that this browser kept, else the site's. */
async function key(check) {
  const { asked, kept } = check;
  const before = kept.get("key");
  check.alone(asked.key ? parseKey(asked.key) : before && parseKey(before.text));
  const offered = parseKey(await needed("/log/vkey", text));
  check.alone(check.key ?? offered);
  const mark = check.key.fingerprint;
  if ([before?.text ?? offered.text, offered.text].some((other) => other !== check.key.text)) {
    const history = await fetched("/log/key-history");
    if (history) return replaced(check, { offered, before, history });
  }
  if (before && before.text !== check.key.text) {
    return bad(`您给的钥匙和这个浏览器 ${day(before.at)} 记下的不一样。您给的：${check.key.text}；以前记下的：${before.text}`);
  }
  if (offered.text !== check.key.text) {
    return bad(`网站给的钥匙不是原来那一把。原来的：${check.key.text}；现在给的：${offered.text}`);
  }
  if (asked.key) return ok(`网站用的就是您给的钥匙（指纹 ${mark}）。`);
  if (before) return ok(`和这个浏览器 ${day(before.at)} 记下的是同一把（指纹 ${mark}）。`);
  if (!kept.isAble) return none(`这个浏览器不让网页记东西，只能先信网站给的钥匙（指纹 ${mark}）。请和墙上、公告上印的比一比。`);
  return none(`第一次在这个浏览器核对，先信网站给的钥匙并记下来（指纹 ${mark}）。请和墙上、公告上印的比一比。`);
}

/** The log has changed its key: the one that is trusted leads to the one that the site gives, or it is another log. */
async function replaced(check, { offered, before, history }) {
  const keys = await keysOf(history);
  const isOne = (text) => keys.some(({ key }) => key.text === text);
  const now = keys[keys.length - 1];
  const strange = [before?.text, check.key.text, offered.text].find((text) => text !== undefined && !isOne(text));
  if (strange !== undefined) return bad(`账本换过钥匙，但换过的钥匙里没有这一把：${strange}`);
  if (offered.text !== now.key.text) return bad(`网站给的钥匙不是账本现在的。现在的：${now.key.text}；网站给的：${offered.text}`);
  check.keys = keys;
  for (const { at, key } of keys.slice(1)) {
    const { statement } = await check.proven(at);
    if (statement?.body?.new_key !== key.text) throw new Error(`第 ${at} 条换的不是这把钥匙`);
  }
  return ok(`账本在第 ${now.at} 条换过钥匙，有恢复钥匙背书：原来的指纹是 ${keys[0].key.fingerprint}，现在是 ${now.key.fingerprint}。`);
}

async function checkpoint(check) {
  const trusted = check.trusted();
  const latest = await check.trust(await check.latest());
  const { proof } = await check.entry(check.asked.index);
  await check.trust(proof.note);
  check.areSigned = true;
  // The first key stays until the reader forgets it; another one that somebody typed does not take its place.
  if (!check.kept.get("key")) check.kept.put("key", trusted.text);
  return ok(`最新的检查点（共 ${latest.size} 条）和证明里的检查点，都有账本钥匙的签名。`);
}

async function inclusion(check) {
  const { index } = check.asked;
  const { bytes, proof } = await check.entry(index);
  if (proof.index !== index) throw new Error("证明说的是另一条");
  await checkInclusion(proof, bytes, sha256);
  const entry = parseEntry(bytes);
  if (entry.index !== index) throw new Error("原文写的是另一个序号");
  if (check.key && entry.origin !== check.key.name) throw new Error("原文是写给另一本账的");
  return ok(`第 ${index} 条的原文算出的根哈希，和检查点里的一样：入账以后一个字也没有变。`);
}

async function owner(check) {
  const owners = await check.owners();
  const wrong = owners.find(({ why }) => why && !(why instanceof Unreachable));
  if (wrong) throw new Error(`${wrong.name} 的钥匙核对不上：${wrong.why.message}`);
  const unknown = owners.find(({ why }) => why);
  if (unknown) return none(unknown.why.message);
  const places = owners.map(({ name, at }) => `${name}（第 ${at} 条）`).join("、");
  return ok(`签名用的钥匙都登记在账本里，登记那一条也在同一本账里：${places}。`);
}

async function author(check) {
  const { bytes } = await check.entry(check.asked.index);
  const { said, signatures } = parseEntry(bytes);
  const owners = await check.owners();
  for (const [place, { name, key }] of owners.entries()) {
    const line = signatures[place];
    if (!key) return none(`没有拿到 ${name} 的钥匙，签名没有核对。`);
    if (!isBy(line, key)) throw new Error(`${name} 的签名用的是另一把钥匙`);
    if (!(await isSignedBy(said, line.signature, key))) throw new Error(`${name} 的签名是假的`);
  }
  return ok(`${owners.map(({ name }) => name).join("、")} 签的就是这份原文，一个字节也不差。`);
}

const SHOWN_MAX = 8;
const SHOWN_CHARS_MAX = 60;

/** A value as one compares it with the page. */
function quoted(value) {
  const plain = [...(typeof value === "string" ? value : JSON.stringify(value))];
  return plain.length > SHOWN_CHARS_MAX ? `${plain.slice(0, SHOWN_CHARS_MAX).join("")}…` : plain.join("");
}

/** What is public of what was said: whoever doctors the page alone does not get past this. */
async function words(check) {
  const { bytes } = await check.entry(check.asked.index);
  const entry = parseEntry(bytes);
  if (!entry.statement) return none("这一条是封存时段，没有公开的文字。");
  const values = openedIn(entry, await check.hints());
  const shown = values.slice(0, SHOWN_MAX).map(quoted);
  const said = values.length > 0 ? `公开的 ${values.length} 处文字，就是签名时封存的：${shown.join("；")}。` : "这一条没有公开的文字。";
  const { lines } = entry.statement.body;
  if (lines === undefined) return ok(said);
  const root = Array.from(decode(lines), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const { open, gone } = linesIn(entry, await needed(`/log/lines/${root}`, text));
  return ok(`${said}明细 ${open} 行也是，另有 ${gone} 行已撤下。`);
}

const NO_WITNESS = "所以这次核对排除不了“给两个人看两本账”。把检查点抄下来，和别人看到的比一比。";

/** Whether the notes that were seen satisfy a policy; the better of them counts, since all are of one history. */
async function satisfied(policy, notes) {
  const found = [];
  for (const note of notes) found.push(await witnessed(note, policy));
  return found.find(({ forged }) => forged) ?? found.find(({ isEnough }) => isEnough) ?? found[0];
}

async function witnesses(check) {
  const trusted = check.trusted();
  const now = await text("/log/policy");
  const before = check.kept.get("policy");
  if (now === undefined) {
    if (before) return bad("上次来还有见证方名单，现在网站不给了。");
    return none(`没有见证方：这本账没有公布见证方名单，${NO_WITNESS}`);
  }
  const policy = parsePolicy(now);
  if (policy.logs.length > 0 && !policy.logs.some((log) => check.keys.some(({ key }) => key.text === log.text))) throw new Error("见证方名单说的是另一本账");
  const { proof } = await check.entry(check.asked.index);
  const notes = [...new Set([proof.note, await check.latest()])];
  const hasChanged = before !== undefined && before.text !== now;
  for (const [list, isOld] of [[policy, false], ...(hasChanged ? [[parsePolicy(before.text), true]] : [])]) {
    const { forged, isEnough, by } = await satisfied(list, notes);
    if (forged) return bad(`见证方 ${forged} 的联署是假的。`);
    const whose = by.length > 0 ? by.join("、") : "没有一家";
    if (!isEnough && isOld) return bad(`见证方名单换过了，按这个浏览器 ${day(before.at)} 记下的名单不够数（联署的：${whose}）。`);
    if (!isEnough) return bad(`见证方不够数（联署的：${whose}）。`);
  }
  check.kept.put("policy", now);
  if (demandsNobody(policy)) return none(`没有见证方：名单不要求任何一家联署，${NO_WITNESS}`);
  const { by, latest } = await satisfied(policy, notes);
  const at = day(Number(latest) * 1000);
  if (hasChanged) return ok(`够数：${by.join("、")} 联署了检查点，最近一次在 ${at}。名单和这个浏览器以前记下的不一样，按新旧两份都够数。`);
  return ok(`够数：${by.join("、")} 联署了检查点，最近一次在 ${at}。`);
}

/** The checkpoint that this browser saw last; `isForeign` when the trusted key did not sign it. */
async function remembered(check) {
  const before = check.kept.get("checkpoint");
  if (!before) return undefined;
  try {
    return { ...(await opened(before.text, keyFor(before.text, check.keys))), at: before.at };
  } catch {
    return { isForeign: true };
  }
}

async function growth(check) {
  if (!check.areSigned) return none("检查点的签名没有核对上，没有往下比。");
  const top = check.seen.reduce((most, seen) => (seen.size > most.size ? seen : most));
  const before = await remembered(check);
  if (before?.isForeign) return bad("这个浏览器上次记下的检查点，是用另一把钥匙签的。");
  const conflict = (older, said) => bad(said, { fork: forkFile(older.note, top.note) });
  if (before && before.size > top.size) {
    return conflict(before, `账本变短了：这个浏览器 ${day(before.at)} 看到 ${before.size} 条，现在只有 ${top.size} 条。`);
  }
  const tile = (path) => fetched(`/log/${path}`);
  for (const older of [...(before ? [before] : []), ...check.seen.filter((seen) => seen !== top)]) {
    const verdict = await follow(older, top, tile, sha256);
    if (verdict === "unproven") return conflict(older, "账本给出的哈希和它自己的检查点对不上，证明不了没有改过。");
    if (verdict === "grown") continue;
    if (older !== before) return conflict(older, `账本签了两个合不到一起的检查点：一个 ${older.size} 条，一个 ${top.size} 条。`);
    return conflict(before, `和上次看到的接不上：这个浏览器 ${day(before.at)} 看到的 ${before.size} 条，不是现在这 ${top.size} 条的开头。`);
  }
  check.kept.put("checkpoint", top.note);
  if (check.rooted) check.kept.put("root", check.rooted);
  if (before) return ok(`这个浏览器 ${day(before.at)} 看到 ${before.size} 条，现在 ${top.size} 条：中间只有添，没有改。`);
  if (!check.kept.isAble) return none("这个浏览器不让网页记东西，没有以前的检查点可比。");
  return none(`没有以前的检查点可比。已经记下现在这个（共 ${top.size} 条），下次核对就能看出账本有没有倒回去改过。`);
}

async function receipt(check) {
  const { entry_hash: whole, statement_hash: said } = check.asked.receipt;
  const { bytes } = await check.entry(check.asked.index);
  if (whole !== encode(blake3(bytes))) throw new Error("原文的哈希和回执上的不一样");
  if (said !== encode(blake3(parseEntry(bytes).said))) throw new Error("声明的哈希和回执上的不一样");
  return ok("账本里记的就是回执上的那一份。");
}

const STEPS = [
  ["key", "账本的钥匙", key],
  ["checkpoint", "检查点的签名", checkpoint],
  ["inclusion", "原文在账本里", inclusion],
  ["owner", "签名人的钥匙", owner],
  ["author", "签名人的签名", author],
  ["words", "公开的文字", words],
  ["whole", "一条不少", whole],
  ["witnesses", "见证方", witnesses],
  ["growth", "只增不改", growth],
  ["receipt", "和回执一样", receipt],
];

/** What no check of one entry can show; said after every one. */
export const UNCHECKED = [
  "写的事是不是真的。核对只说明记下来以后没有改过。",
  "登记钥匙的人有没有这个权，钥匙在签名以前有没有注销。这要核对整本账。",
  "见证方自己是不是可靠。",
  "总目有没有把整本账都算进去。这里只数了这一件事；核对整本账时才会重算，镜像一直在算。",
];

/** Steps without which nothing is proven. */
const NEEDED = ["checkpoint", "inclusion", "owner", "author"];

/** An error of ours has a sentence; any other means that an answer was not what it has to be. */
function failed(error) {
  if (error instanceof Unreachable) return cut(`没有核对成：${error.message}。`);
  return bad(error.constructor === Error ? `${error.message}。` : "网站的回答看不懂。");
}

/**
 * Checks one entry. `asked` is `{ index }` with what the reader brought: `entry` (bytes), `proof` (text), `receipt` (parsed),
 * `key` (text); and with `page`, the entries that the page lists, where it lists all records of the matter. `tell` hears
 * every step when it ends. Gives "ok", "bad", or "none" when something needed was not checked.
 */
export async function check(asked, kept, tell) {
  const made = new Case(asked, kept);
  const states = new Map();
  let isCut = false;
  for (const [id, title, run] of STEPS.filter(([id]) => id !== "receipt" || asked.receipt)) {
    let step;
    try {
      step = await run(made);
    } catch (error) {
      step = failed(error);
    }
    states.set(id, step.state);
    isCut ||= step.isCut === true;
    tell({ id, title, ...step, advice: step.state === "bad" ? ADVICE[id] : undefined });
  }
  if ([...states.values()].includes("bad")) return "bad";
  return !isCut && NEEDED.every((id) => states.get(id) === "ok") ? "ok" : "none";
}
