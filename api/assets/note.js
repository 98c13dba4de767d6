// Signed notes (c2sp.org/signed-note) and the keys that sign them: the same strictness as core/log/src/note.rs.
import { ed25519, sha256 } from "./vendor/crypto.js";
import { concat, decode, utf8 } from "./proof.js";

const ED25519 = 1; // the algorithm byte of an ordinary Ed25519 key

/** Reads `name+hhhhhhhh+base64(kind ‖ public key)` and recomputes the key id. */
export function parseKey(text) {
  const [, name, id, key] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim()) ?? [];
  const bytes = key ? decode(key) : [];
  if (bytes.length !== 33 || bytes[0] !== ED25519) throw new Error("验证钥匙的格式不对");
  const hash = sha256(concat(utf8(`${name}\n`), bytes)).subarray(0, 4);
  if (Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("") !== id) throw new Error("验证钥匙的编号不对");
  return { name, id: hash, key: bytes.subarray(1) };
}

/** The text of a note that the key signed; throws when it did not. Signatures by other keys are left aside. */
export function openNote(note, key) {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Error("签名文件的格式不对");
  const text = note.slice(0, split + 1);
  for (const line of note.slice(split + 2, -1).split("\n")) {
    const [dash, name, encoded, more] = line.split(" ");
    if (dash !== "—" || more !== undefined || !encoded) throw new Error("签名文件的格式不对");
    const bytes = decode(encoded);
    if (name !== key.name || bytes.length !== 68 || key.id.some((byte, at) => byte !== bytes[at])) continue;
    // Strict as RFC 8032 has it: no small-order keys, no second form of a signature.
    if (!ed25519.verify(bytes.subarray(4), utf8(text), key.key, { zip215: false })) throw new Error("签名不符");
    return text;
  }
  throw new Error("没有这把钥匙的签名");
}
