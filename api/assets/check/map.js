// The map that proves that nothing is missing: its proof file, the way of a stream in it, and the head that a stream's own
// statements lead to (core/log/src/map/mod.rs, proof.rs). Pure; that the entry which says the root is in the log, and who
// signed it, is the step's to check (whole.js).
import { blake3 } from "../vendor/crypto.js";
import { concat, decodeExact, encode, parseProof, utf8 } from "../proof.js";

const FORM = "gongkai.map-proof/v1";
const PATH_CONTEXT = utf8("gongkai.map/v1\n");
const HASHES_MAX = 256; // one a bit of a path
const NUMBER = /^(0|[1-9]\d{0,15})$/;

/** Before the first statement. */
const NONE = { count: 0, hash: encode(new Uint8Array(32)) };

function hashIn(text) {
  const bytes = decodeExact(text ?? "");
  if (bytes.length !== 32) throw new Error("总目证明的格式不对");
  return bytes;
}

function leafIn(text) {
  if (text === "none") return undefined;
  const [path, count, hash, ...more] = text.split(" ");
  if (!NUMBER.test(count ?? "") || more.length > 0) throw new Error("总目证明的格式不对");
  return { path: hashIn(path), count: Number(count), hash: encode(hashIn(hash)) };
}

/** Key, leaf at the end, hashes from the root down, the entry that says the root, and the proof of that entry. */
export function parseMapProof(text) {
  const [head, entry, ...rest] = text.split("\n\n");
  const [form, key, leaf, ...hashes] = head.split("\n");
  const isGood = form === FORM && key?.startsWith("key ") && leaf?.startsWith("leaf ") && entry?.startsWith("entry ");
  if (!isGood || hashes.length > HASHES_MAX) throw new Error("总目证明的格式不对");
  return {
    key: key.slice(4),
    end: leafIn(leaf.slice(5)),
    siblings: hashes.map(hashIn),
    entry: decodeExact(entry.slice(6)),
    inclusion: parseProof(rest.join("\n\n")),
  };
}

/** Whether a path turns right at a depth. */
const bit = (path, depth) => (path[depth >> 3] >> (7 - (depth & 7))) & 1;

/** A number as 8 bytes, the highest first. */
function bytesOf(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

/**
 * What the map with this root (base64) holds under a key: count and hash, both nothing where it is proven to hold nothing.
 * Throws when the proof is another key's, or leads to another root.
 */
export async function headIn({ key: named, end, siblings }, key, root, sha256) {
  if (named !== key) throw new Error("总目证明说的是别的事");
  const path = await sha256(concat(PATH_CONTEXT, utf8(key)));
  if (end && siblings.some((_, depth) => bit(end.path, depth) !== bit(path, depth))) throw new Error("总目证明的末尾不在这件事的路上");
  let found = end ? await sha256(concat([2], end.path, bytesOf(end.count), decodeExact(end.hash))) : new Uint8Array(32);
  for (let depth = siblings.length - 1; depth >= 0; depth -= 1) {
    const pair = bit(path, depth) ? [siblings[depth], found] : [found, siblings[depth]];
    found = await sha256(concat([3], ...pair));
  }
  if (encode(found) !== root) throw new Error("总目证明算出的根，和登记在账本里的不一样");
  const isOwn = end && encode(end.path) === encode(path);
  return isOwn ? { count: end.count, hash: end.hash } : NONE;
}

/** Where the statements of a stream lead, in their order; throws at the first that does not follow the one before. */
export function folded(entries, stream) {
  return entries.reduce(({ count, hash }, { index, said, statement }) => {
    if (statement?.stream !== stream) throw new Error(`第 ${index} 条不是这件事的记录`);
    const isNext = statement.revision === count && (count === 0 ? statement.parent === undefined : statement.parent === hash);
    if (!isNext) throw new Error(`第 ${index} 条接不上前一条，中间少了或多了记录`);
    return { count: count + 1, hash: encode(blake3(said)) };
  }, NONE);
}
