// The log's keys over time, out of the entries that brought them (core/domain/src/key_history.rs): the genesis, signed by its
// own key, names the recovery key; each later key is endorsed by that one and has signed itself. A checkpoint counts under
// the key of its size (core/log/src/log_keys.rs). At which entry a key came is what the caller proves.
import { utf8 } from "../proof.js";
import { isBy, parseKey, parseNote } from "../note.js";
import { isSignedBy } from "./crypt.js";
import { parseEntry, signersOf } from "./entry.js";

/** The entries of a bundle: each has its length before it, two bytes. */
function bundled(bytes) {
  const entries = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes[at] * 256 + bytes[at + 1];
    if (!(end <= bytes.length)) throw new Error("钥匙来历的格式不对");
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** Throws unless exactly these keys signed an entry, in this order. */
async function demand(entry, keys) {
  const names = signersOf(entry);
  if (names.length !== keys.length) throw new Error("钥匙来历里有一条不是该签的人签的");
  for (const [place, key] of keys.entries()) {
    const line = entry.signatures[place];
    const isGood = isBy(line, key) && (await isSignedBy(entry.said, line.signature, key));
    if (!isGood) throw new Error("钥匙来历里有一条不是该签的人签的");
  }
}

/** Each key with the entry that brought it, the genesis first; throws where the history proves nothing. */
export async function keysOf(bytes) {
  const [first, ...later] = bundled(bytes).map(parseEntry);
  if (first?.statement?.kind !== "ledger.created.v1" || first.index !== 0n) throw new Error("钥匙来历不是从创世条目开始的");
  const recovery = parseKey(first.statement.body.recovery_key);
  const keys = [{ at: 0n, key: parseKey(first.statement.body.log_key) }];
  await demand(first, [keys[0].key]);
  for (const entry of later) {
    const { kind, body } = entry.statement ?? {};
    const last = keys[keys.length - 1];
    if (kind !== "ledger.key_rotated.v1" || body.old_key !== last.key.text || entry.index <= last.at) throw new Error("钥匙来历接不上");
    const key = parseKey(body.new_key);
    if (key.name !== last.key.name || entry.origin !== key.name) throw new Error("钥匙来历接不上");
    await demand(entry, [recovery, key]);
    keys.push({ at: entry.index, key });
  }
  return keys;
}

/** The key that signs checkpoints as large as this note's. */
export function keyFor(note, keys) {
  const size = /^(0|[1-9]\d{0,15})$/.exec(parseNote(note).text.split("\n", 2)[1] ?? "");
  const of = keys.filter(({ at }) => at === 0n || (size && BigInt(size[0]) > at));
  return of[of.length - 1].key;
}
