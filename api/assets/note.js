// Signed notes (c2sp.org/signed-note) and the keys that sign them: the same strictness as core/log/src/note.rs and key.rs.
import { ed25519, sha256 } from "./vendor/crypto.js";
import { concat, decodeExact, utf8 } from "./proof.js";

export const ED25519 = 1; // the algorithm byte of an ordinary Ed25519 key
export const COSIGNATURE = 4; // of a witness's key (c2sp.org/tlog-cosignature)

const NOTE_BYTES_MAX = 1 << 20;
const SIGNATURES_MAX = 64;
const SIGNATURE_BYTES_MAX = 8_192;
const NAME_BYTES_MAX = 255;

const isName = (name) => /^[^+\s\p{Cc}]+$/u.test(name) && utf8(name).length <= NAME_BYTES_MAX;
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A key under which strict verification can succeed: a point of the curve, not of small order. */
function isUsable(key) {
  try {
    return !ed25519.Point.fromBytes(key).isSmallOrder();
  } catch {
    return false;
  }
}

/** Reads `name+hhhhhhhh+base64(kind ‖ public key)` of a kind and recomputes the key id. */
export function parseKey(text, kind = ED25519) {
  const line = text.trim();
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
  const bytes = encoded ? decodeExact(encoded) : [];
  if (bytes.length !== 33 || bytes[0] !== kind || !isName(name) || !isUsable(bytes.subarray(1))) {
    throw new Error("验证钥匙的格式不对");
  }
  const hash = sha256(concat(utf8(`${name}\n`), bytes)).subarray(0, 4);
  if (hex(hash) !== id) throw new Error("验证钥匙的编号不对");
  return { name, id: hash, fingerprint: id, kind, key: bytes.subarray(1), text: line };
}

function parseLine(line) {
  const [dash, name, encoded, more] = line.split(" ");
  if (dash !== "—" || more !== undefined || !encoded || !isName(name)) throw new Error("签名文件的格式不对");
  const bytes = decodeExact(encoded);
  if (bytes.length < 5 || bytes.length > SIGNATURE_BYTES_MAX) throw new Error("签名文件的格式不对");
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** The text of a note and its signature lines; nothing is verified yet. */
export function parseNote(note) {
  const split = note.lastIndexOf("\n\n");
  const isText = utf8(note).length <= NOTE_BYTES_MAX && !/[\u0000-\u0009\u000b-\u001f]/.test(note);
  if (split < 0 || !note.endsWith("\n") || split + 2 === note.length || !isText) throw new Error("签名文件的格式不对");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new Error("签名文件的格式不对");
  return { text: note.slice(0, split + 1), signatures: lines.map(parseLine) };
}

/** Whether a line claims to be by a key. */
export const isBy = (line, key) => line.name === key.name && key.id.every((byte, at) => byte === line.id[at]);

/**
 * Whether a key signed these bytes, strictly: canonical encodings (RFC 8032), and neither key nor R of small order, as
 * core/log/src/key.rs has it. WebCrypto leaves the latter to each browser, so noble decides here.
 */
export function isSigned(message, signature, key) {
  try {
    if (signature.length !== 64 || ed25519.Point.fromBytes(signature.subarray(0, 32)).isSmallOrder()) return false;
    return ed25519.verify(signature, message, key.key, { zip215: false });
  } catch {
    return false;
  }
}

/** The text of a note that the key signed; throws when it did not. Signatures by other keys are left aside. */
export function openNote(note, key) {
  const { text, signatures } = parseNote(note);
  const own = signatures.filter((line) => isBy(line, key));
  if (own.length === 0) throw new Error("没有这把钥匙的签名");
  if (!own.every((line) => isSigned(utf8(text), line.signature, key))) throw new Error("签名不符");
  return text;
}
