// Keys, notes and small trees as a test needs them to lie: the formats of c2sp.org/signed-note, tlog-checkpoint and
// tlog-cosignature, by Node's own cryptography and none of the project's code.
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex"); // RFC 8410: an Ed25519 seed follows

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** A key of a kind: 1 signs notes, 4 cosigns. */
export function keyOf(name, seed, kind = 1) {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const bytes = Buffer.from(createPublicKey(secret).export({ format: "jwk" }).x, "base64url");
  const typed = Buffer.concat([Buffer.from([kind]), bytes]);
  const id = sha256(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  return { name, id, secret, text: `${name}+${id.toString("hex")}+${typed.toString("base64")}` };
}

/** A key of a ledger out of its file. */
export function keyIn(file) {
  const [, name, seed] = readFileSync(file, "utf8").split("\n");
  return keyOf(name, Buffer.from(seed, "base64"));
}

const line = (key, bytes) => `— ${key.name} ${Buffer.concat([key.id, bytes]).toString("base64")}\n`;

/** The signature line of a key under a text. */
export const signatureOf = (key, text) => line(key, sign(null, Buffer.from(text), key.secret));

/** A checkpoint note. */
export function checkpointOf(key, size, root) {
  const text = `${key.name}\n${size}\n${root.toString("base64")}\n`;
  return `${text}\n${signatureOf(key, text)}`;
}

/** A checkpoint note with cosignatures. */
export function cosigned(note, witnesses, time) {
  const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
  const cosign = (key) => {
    const seconds = Buffer.alloc(8);
    seconds.writeBigUInt64BE(BigInt(time));
    return line(key, Buffer.concat([seconds, sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), key.secret)]));
  };
  return note + witnesses.map(cosign).join("");
}

/** Root over leaf hashes (RFC 6962 §2.1, as it is written there). */
export function rootOf(leaves) {
  if (leaves.length === 0) return sha256(Buffer.alloc(0));
  if (leaves.length === 1) return leaves[0];
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return sha256(Buffer.from([1]), rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

/** The hashes beside the way of a leaf, from the leaf up (RFC 9162 §2.1.3.1, as it is written there). */
export function pathOf(leaves, index) {
  if (leaves.length === 1) return [];
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  const [first, second] = [leaves.slice(0, left), leaves.slice(left)];
  return index < left ? [...pathOf(first, index), rootOf(second)] : [...pathOf(second, index - left), rootOf(first)];
}

/** An entry whose only signature line, by this name and its key id, was made with another key. */
export function resigned(entry, name, seed) {
  const text = String(entry);
  const said = text.split("\n").slice(5, 8).join("\n") + "\n";
  const before = text.slice(0, text.lastIndexOf(`— ${name} `));
  const id = Buffer.from(text.slice(before.length).trim().split(" ").at(-1), "base64").subarray(0, 4);
  return Buffer.from(before + line({ name, id }, sign(null, Buffer.from(said), keyOf(name, seed).secret)));
}
