// Statements and their 16 slots, byte for byte as core/log/src/statement.rs and slot.rs make them
// (confidentiality.md §1): each value in a random slot under a salt of its own, the rest filled with random bytes, so that
// outsiders learn neither how many values there are nor which.
import { blake3 } from "./vendor/crypto.js";
import { canonical } from "./canonical.js";
import { concat, decode, encode, utf8 } from "./proof.js";

const SLOTS = 16;
const SLOT_CONTEXT = utf8("gongkai 2026 slot v1");
const STATEMENT_BYTES_MAX = 65_535;

export const random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

/** Commitment of a salted content: of a slot, or of a line of a list. */
export const slotHash = (salt, content) => blake3(concat(salt, content), { context: SLOT_CONTEXT });

/** Commitment of one slot, open, empty or hidden. */
function commit(origin, id, filled) {
  if (filled.commitment) return decode(filled.commitment);
  if (filled.filler) return slotHash(decode(filled.salt), decode(filled.filler));
  const content = canonical([origin, id, filled.slot, filled.tier, filled.name, filled.value]);
  return slotHash(decode(filled.salt), utf8(content));
}

/** The commitments of all slots, in their order; throws unless each slot is there once. */
export function slotsOf(origin, id, openings) {
  const places = [...openings].sort((a, b) => a.slot - b.slot);
  if (places.length !== SLOTS || places.some(({ slot }, at) => slot !== at)) throw new Error("没有给全十六个封存值");
  return places.map((filled) => commit(origin, id, filled));
}

/** Root over commitments in the shape of RFC 6962: leaves BLAKE3(0x00 ‖ C), nodes BLAKE3(0x01 ‖ left ‖ right). */
export function rootOf(commitments) {
  if (commitments.length === 1) return blake3(concat([0], commitments[0]));
  let left = 1;
  while (left * 2 < commitments.length) left *= 2;
  return blake3(concat([1], rootOf(commitments.slice(0, left)), rootOf(commitments.slice(left))));
}

/** A uniform number below `n`: bytes beyond the last whole multiple are thrown away. */
function below(n) {
  for (;;) {
    const [byte] = random(1);
    if (byte < 256 - (256 % n)) return byte % n;
  }
}

/** Puts `[name, tier, value]` into random slots and fills the rest. */
function fill(values) {
  if (values.length > SLOTS) throw new Error("填写的项目太多");
  const order = Array.from({ length: SLOTS }, (_, slot) => slot);
  for (let last = SLOTS - 1; last > 0; last -= 1) {
    const at = below(last + 1);
    [order[last], order[at]] = [order[at], order[last]];
  }
  const filled = order.map((slot, place) => {
    const salt = encode(random(32));
    const [name, tier, value] = values[place] ?? [];
    return name ? { slot, salt, tier, name, value } : { slot, salt, filler: encode(random(32)) };
  });
  return filled.sort((a, b) => a.slot - b.slot);
}

/** A UUID's text with version and variant of a random one. */
export function uuid(bytes) {
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** A sealed matter has a random name, which tells nothing, not even when it began. */
export const newStream = (family) => `${family}/${uuid(random(16))}`;

export const newKey = () => uuid(random(16));

/**
 * Gives a command its bytes. `fields` are `{ name, place, tier, value }`; `head` is `{ revision, hash }` of the statement
 * that it follows. Returns the text that the intake key signs, all 16 openings, their commitments, and the statement.
 */
export function prepare({ origin, kind, stream, head, org, declaredAt, intake, fields }) {
  const revision = head ? head.revision + 1 : 0;
  const id = `${stream}#${revision}`;
  const openings = fill(fields.filter((field) => field.place === "slot").map(({ name, tier, value }) => [name, tier, value]));
  const commitments = openings.map((filled) => commit(origin, id, filled));
  const body = Object.fromEntries(fields.filter((field) => field.place === "body").map(({ name, value }) => [name, value]));
  const slots = encode(rootOf(commitments));
  const members = { body, declared_at: declaredAt, kind, org, revision, signers: [["intake", intake]], slots, stream };
  if (head) members.parent = head.hash;
  const json = canonical(members);
  if (utf8(json).length > STATEMENT_BYTES_MAX) throw new Error("内容太长");
  return { text: `gongkai.statement/v1\n${origin}\n${json}\n`, openings, commitments, origin, id, slots };
}
