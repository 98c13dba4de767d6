// What a submitter encrypts to the people of a body, byte for byte as core/domain/src/envelope.rs: a content key encrypts
// all 16 slots (XChaCha20-Poly1305), HPKE wraps it to each receiver. A receiver who is accused gets a wrap to a key that
// nobody has: of the same length and as random as the others, so nobody sees who is left out.
//
// HPKE is RFC 9180's base mode, single shot, with X-Wing (0x647a), HKDF-SHA256 and ChaCha20-Poly1305. It is forty lines on
// libraries that are audited, and needs no WebCrypto, which browsers withhold from pages without https; a library for all
// of HPKE would bring its own ML-KEM and key handling for modes that nobody here uses.
import { chacha20poly1305, expand, extract, sha256, xchacha20poly1305, xwing } from "./vendor/crypto.js";
import { canonical } from "./canonical.js";
import { concat, decode, encode, utf8 } from "./proof.js";
import { random } from "./statement.js";

const FORM = "gongkai.envelope/v1";
const RECEIVERS_MAX = 32;
const CONTENT_BYTES_MAX = 256 << 10;
const BUCKET_BYTES_MIN = 128;
const PUBLIC_KEY_BYTES = 1216;
const NONE = new Uint8Array(0);

const SUITE = concat(utf8("HPKE"), [0x64, 0x7a, 0x00, 0x01, 0x00, 0x03]);
const VERSION = utf8("HPKE-v1");
const labeledExtract = (salt, label, material) => extract(sha256, concat(VERSION, SUITE, utf8(label), material), salt);
const labeledExpand = (secret, label, info, bytes) =>
  expand(sha256, secret, concat([bytes >> 8, bytes & 255], VERSION, SUITE, utf8(label), info), bytes);

/** RFC 9180, 6.1: encapsulated key, then the ciphertext. */
export function hpkeSeal(publicKey, info, plain) {
  const { cipherText, sharedSecret } = xwing.encapsulate(publicKey);
  const context = concat([0], labeledExtract(NONE, "psk_id_hash", NONE), labeledExtract(NONE, "info_hash", info));
  const secret = labeledExtract(sharedSecret, "secret", NONE);
  const key = labeledExpand(secret, "key", context, 32);
  const nonce = labeledExpand(secret, "base_nonce", context, 12);
  return concat(cipherText, chacha20poly1305(key, nonce).encrypt(plain));
}

/** The next size that a length is padded to (Padmé): at most an eighth more, and few sizes in all. */
export function bucket(length) {
  const bytes = Math.max(length, BUCKET_BYTES_MIN);
  const exponent = 31 - Math.clz32(bytes);
  const mask = (1 << (exponent - (31 - Math.clz32(exponent)) - 1)) - 1;
  return (bytes + mask) & ~mask;
}

/**
 * Puts the slots of a prepared statement into an envelope; `to` are `{ receiver, sealing_key, mayOpen }`. Returns the
 * envelope and what stands for the slots in the submission.
 */
export function seal({ origin, id, slots, openings, commitments }, to) {
  if (to.length > RECEIVERS_MAX || !to.some(({ mayOpen }) => mayOpen)) throw new Error("没有能打开的收件人");
  const binding = [FORM, origin, id, slots];
  const contentKey = random(32);
  const recipients = to.map(({ receiver, sealing_key: sealingKey, mayOpen }) => {
    const key = decode(sealingKey);
    if (key.length !== PUBLIC_KEY_BYTES) throw new Error("收件人的公钥长度不对");
    const info = utf8(canonical([binding, receiver]));
    const wrap = mayOpen ? hpkeSeal(key, info, contentKey) : hpkeSeal(xwing.keygen().publicKey, info, new Uint8Array(32));
    return { receiver, wrap: encode(wrap) };
  });
  const content = utf8(JSON.stringify(openings));
  if (content.length > CONTENT_BYTES_MAX) throw new Error("内容太长");
  const plain = new Uint8Array(bucket(content.length)).fill(0x20);
  plain.set(content);
  const nonce = random(24);
  const sealed = xchacha20poly1305(contentKey, nonce, utf8(canonical(binding))).encrypt(plain);
  const hidden = openings.map(({ slot }, at) => ({ slot, commitment: encode(commitments[at]) }));
  return { envelope: { to: recipients, nonce: encode(nonce), sealed: encode(sealed) }, hidden };
}
