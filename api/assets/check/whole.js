// That nothing is missing of a matter: the map's root, which the ledger logs as an entry of its own, says how many records
// the matter has and where they end; every one of them is fetched, proven to be in the log, and counted here.
//
// The site says only which records there are, as a hint. Not here: that the root is the right one for all that was ever
// said, which a check of the whole log finds out; and what came after the root, which no root covers yet.
import { checkInclusion } from "../proof.js";
import { isBy, parseKey } from "../note.js";
import { isSignedBy, sha256 } from "./crypt.js";
import { parseEntry, signersOf } from "./entry.js";
import { folded, headIn, parseMapProof } from "./map.js";
import { needed, text, textUnless } from "./site.js";
import { bad, cut, day, none, ok } from "./verdict.js";

/** Each is fetched with its proof; longer histories are for a check of the whole log. */
const RECORDS_MAX = 200;
/** Requests under way at once. */
const AT_ONCE = 6;
const SHOWN_MAX = 12;

const STREAM = /^[a-z_]{1,32}\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The root that the file's own entry says: in the log, and signed with the key that the ledger speaks with. */
async function rootOf(check, { entry: bytes, inclusion }) {
  const entry = await check.under(inclusion, bytes);
  const { kind, body, signers } = entry.statement ?? {};
  if (kind !== "map.rooted.v1") throw new Error(`第 ${entry.index} 条没有登记总目`);
  const { size, root } = body;
  if (!Number.isSafeInteger(size) || size < 0 || BigInt(size) > entry.index || typeof root !== "string") {
    throw new Error(`第 ${entry.index} 条登记的总目不成样子`);
  }
  const [name] = signersOf(entry);
  const genesis = (await check.proven(0n)).statement;
  const key = parseKey(genesis.body.intake_key);
  if (genesis.kind !== "ledger.created.v1" || signers.length !== 1 || signers[0][0] !== "intake" || name !== key.name) {
    throw new Error("总目不是账本自己登记的");
  }
  const [line] = entry.signatures;
  if (!isBy(line, key) || !(await isSignedBy(entry.said, line.signature, key))) throw new Error("总目上账本收件钥匙的签名是假的");
  return { index: entry.index, recorded: entry.recorded, size: BigInt(size), root, origin: entry.origin };
}

/** A root as this browser keeps it. */
const spelled = ({ origin, index, size, root, recorded }) => `${origin} ${index} ${size} ${root} ${recorded}`;

/** What is wrong with a root beside the newest that this browser saw; the sizes are of one history when the log only grew. */
function conflict(check, root) {
  const before = check.kept.get("root");
  const [origin, index, size, hash, recorded] = before?.text.split(" ") ?? [];
  if (origin !== root.origin || !/^\d+$/.test(index) || !/^\d+$/.test(size)) return undefined;
  if (BigInt(size) === root.size && hash !== root.root) {
    return `账本给同样的 ${size} 条登记过两个不同的总目：这个浏览器 ${day(before.at)} 看到的，和现在第 ${root.index} 条登记的。`;
  }
  if (BigInt(index) <= root.index) return undefined;
  return `网站给的总目是旧的：${day(root.recorded)} 登记，在第 ${root.index} 条；这个浏览器 ${day(before.at)} 已经看到第 ${index} 条的总目，${day(recorded)} 登记。新的记录可能没有给您看。`;
}

/** Which entries the site says that the stream has, in their order, and how many entries of the log it has read. */
async function listed(stream) {
  const { history, size } = JSON.parse(await needed(`/api/v1/streams/${stream}`, text));
  const indexes = history.map(({ index }) => index);
  if (!indexes.every((index, at) => Number.isSafeInteger(index) && (at === 0 || index > indexes[at - 1]))) {
    throw new Error("网站列出的记录次序不对");
  }
  return { indexes: indexes.map(BigInt), reach: BigInt(size) };
}

/** Every one of these entries, proven; a few at a time. */
async function all(check, indexes) {
  const entries = [];
  for (let from = 0; from < indexes.length; from += AT_ONCE) {
    entries.push(...(await Promise.all(indexes.slice(from, from + AT_ONCE).map((index) => check.proven(index)))));
  }
  return entries;
}

const places = (indexes) => indexes.slice(0, SHOWN_MAX).join("、") + (indexes.length > SHOWN_MAX ? "……" : "");

/** What is said of a matter whose records were all counted; an old root shows only beside one that was seen before. */
function told(check, root, covered, later) {
  const since = later > 0 ? `此后又有 ${later} 条，总目还没有算进去，有没有少，要等下一次总目。` : "";
  if (covered.length === 0) {
    return none(`最近的总目 ${day(root.recorded)} 登记（第 ${root.index} 条），那时还没有这件事。${since}`);
  }
  const more = since + (check.kept.get("root") ? "" : "以前没有看过总目，它是不是最新的，请看登记时间。");
  return ok(`总目 ${day(root.recorded)} 登记（第 ${root.index} 条）：到第 ${root.size} 条之前，这件事一共 ${covered.length} 条记录，已逐条取来数过，一条不少：第 ${places(covered)} 条。${more}`);
}

/** What does not go together in the lists of records, or `undefined`. */
function listedWrong(check, root, head, indexes, covered) {
  if (covered.length !== head.count) {
    return `按总目，到第 ${root.size} 条之前这件事有 ${head.count} 条记录，网站列出的是 ${covered.length} 条。`;
  }
  const { index, page } = check.asked;
  if (!indexes.includes(index)) return `网站列出的记录里，没有您核对的第 ${index} 条。`;
  const left = page ? indexes.filter((one) => !page.includes(one)) : [];
  if (left.length > 0) return `这一页没有列出第 ${places(left)} 条。`;
  const added = page ? page.filter((one) => !indexes.includes(one)) : [];
  return added.length > 0 ? `这一页多列了第 ${places(added)} 条。` : undefined;
}

/** The step: counts a matter's records and compares them with what the map says, and with those that the page lists. */
export async function whole(check) {
  const asked = parseEntry((await check.entry(check.asked.index)).bytes);
  if (!asked.statement) return none("这一条是封存时段，不属于哪一件事。");
  const { stream } = asked.statement;
  if (typeof stream !== "string" || !STREAM.test(stream)) throw new Error("原文没有写明是哪件事");
  const proof = await textUnless(`/api/v1/streams/${stream}/proof`, "not_rooted");
  if (proof === undefined) {
    const before = check.kept.get("root");
    if (before) return bad(`这个浏览器 ${day(before.at)} 还看到过总目，现在网站说没有。`);
    return none("账本还没有登记过总目，通常十分钟登记一次。这件事的记录有没有少，这次没有核对。");
  }
  const file = parseMapProof(proof);
  const root = await rootOf(check, file);
  const head = await headIn(file, `stream ${stream}`, root.root, sha256);
  const older = conflict(check, root);
  if (older) return bad(older);
  const { indexes, reach } = await listed(stream);
  if (reach < root.size) return cut("网站的查询还没有跟上总目，请过一会儿再核对。");
  const covered = indexes.filter((index) => index < root.size);
  const wrong = listedWrong(check, root, head, indexes, covered);
  if (wrong) return bad(wrong);
  if (indexes.length > RECORDS_MAX) {
    return none(`条数和总目一致，但是有 ${indexes.length} 条，太多了，没有逐条核对。要核对，请用 gongkai verify。`);
  }
  const entries = await all(check, indexes);
  folded(entries, stream);
  if (folded(entries.slice(0, covered.length), stream).hash !== head.hash) return bad("逐条算出的末尾，和总目里的不一样。");
  // Kept by the step that finds that the log only grew.
  check.rooted = spelled(root);
  return told(check, root, covered, indexes.length - covered.length);
}
