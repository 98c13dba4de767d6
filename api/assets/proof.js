// Proofs of inclusion: that an entry is in the tree of a checkpoint (c2sp.org/tlog-proof, RFC 9162).
//
// Pure: bytes and texts in, an answer or an Error with a Chinese reason out. The caller brings SHA-256 (WebCrypto's on the
// check panel, noble's on the hand-in page) and, where it matters, verifies the checkpoint's signature (note.js).
const PROOF_HASHES_MAX = 63; // tlog-proof: a tree of 2^63 entries has no longer path

const encoder = new TextEncoder();
export const utf8 = (text) => encoder.encode(text);
export const decode = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** Padded base64 in its only spelling: `atob` takes several for the same bytes, and one value has one byte string. */
export function decodeExact(text) {
  let bytes;
  try {
    bytes = decode(text);
  } catch {
    throw new Error("base64 编码不对");
  }
  if (encode(bytes) !== text) throw new Error("base64 编码不对");
  return bytes;
}

/** Padded base64. In portions: a long list of arguments overflows the stack. */
export function encode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text);
}

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const NUMBER = /^(0|[1-9]\d{0,15})$/;

function isHash(text) {
  try {
    return decodeExact(text).length === 32;
  } catch {
    return false;
  }
}

/** Header, optional extra, index, hashes, blank line, checkpoint note. */
export function parseProof(text) {
  const split = text.indexOf("\n\n");
  const lines = text.slice(0, split).split("\n");
  if (split < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("证明文件的格式不对");
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = /^index (.*)$/.exec(lines.shift() ?? "")?.[1];
  const isGood = NUMBER.test(index ?? "") && lines.length <= PROOF_HASHES_MAX && lines.every(isHash);
  if (!isGood) throw new Error("证明文件的格式不对");
  const note = text.slice(split + 2);
  return { index: BigInt(index), path: lines.map(decode), note, checkpoint: parseCheckpoint(note) };
}

/** Origin, size and root of a checkpoint's text, or of the note that it is signed in; extension lines are left aside. */
export function parseCheckpoint(note) {
  const split = note.lastIndexOf("\n\n");
  const [origin, size, root, ...more] = (split < 0 ? note.replace(/\n$/, "") : note.slice(0, split)).split("\n");
  if (!origin || !NUMBER.test(size ?? "") || !isHash(root) || more.includes("")) throw new Error("检查点的格式不对");
  return { origin, size: BigInt(size), root };
}

/** RFC 9162, 2.1.3.2: the root that an inclusion path leads to, in base64. */
export async function rootOf(leaf, index, size, path, sha256) {
  if (index >= size) throw new Error("检查点还没有包含这一条");
  if (path.length > PROOF_HASHES_MAX) throw new Error("证明的长度不对");
  let fn = index;
  let sn = size - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (sibling.length !== 32 || sn === 0n) throw new Error("证明的长度不对");
    if (fn & 1n || fn === sn) {
      hash = await sha256(concat([1], sibling, hash));
      while (!(fn & 1n) && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      hash = await sha256(concat([1], hash, sibling));
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw new Error("证明的长度不对");
  return encode(hash);
}

/** Throws unless these bytes are the entry at the proof's index in the tree of its checkpoint. */
export async function checkInclusion(proof, entry, sha256) {
  const leaf = await sha256(concat([0], entry));
  const root = await rootOf(leaf, proof.index, proof.checkpoint.size, proof.path, sha256);
  if (root !== proof.checkpoint.root) throw new Error("算出的根哈希和证明里的检查点不一样");
}
