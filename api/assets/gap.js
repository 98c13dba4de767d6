// An intake, as somebody hands in through it and asks there from a browser: the same steps as api/src/gap/desk.rs, the same
// bytes as core/domain/src/gap.
//
// Its keys are taken from the entry that opened it, proven to be in the ledger's log. What is handed in becomes a packet that
// the ledger alone opens. The code is made here and goes nowhere: from it come the label, under which an answer is found,
// and the key that opens it. An answer is believed when it leads to the root that the ledger put on record.
import { blake3, xchacha20poly1305 } from "./vendor/crypto.js";
import { canonical } from "./canonical.js";
import { hpkeSeal } from "./envelope.js";
import { openNote, parseKey } from "./note.js";
import { No, ask, post } from "./office.js";
import { concat, decode, decodeExact, encode, utf8 } from "./proof.js";
import { random } from "./statement.js";
import { solve } from "./work.js";

const FORM = "gongkai.packet/v1";
const CONTENT_BYTES = [16 << 10, 64 << 10, 288 << 10]; // core/domain/src/gap/packet.rs
const LABEL_BYTES = 16;
const NONCE_BYTES = 24;
const CAPSULE_BYTES = LABEL_BYTES + NONCE_BYTES + (8 << 10) + 16;
const LEVELS = 16;
const CODE_CHARS = 24;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_CONTEXT = utf8("gongkai 2026 gap code v1");
const LABEL_CONTEXT = utf8("gongkai 2026 gap label v1");
const KEY_CONTEXT = utf8("gongkai 2026 gap capsule v1");
const PIECE_CONTEXT = utf8("gongkai 2026 gap piece v1");
const EVENT_CONTEXT = utf8("gongkai 2026 sealed event v1");

const grouped = (letters) => letters.match(/..../g).join("-");
const newCode = () => grouped(Array.from(random(CODE_CHARS), (byte) => ALPHABET[byte % ALPHABET.length]).join(""));

/** A code as it was given out: people write small letters, leave dashes out, and take O for 0. */
export function normalLong(text) {
  const letters = text.replaceAll(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  return letters.length === CODE_CHARS && /^[0-9A-Z]+$/.test(letters) ? grouped(letters) : undefined;
}

const secretOf = (code) => blake3(utf8(code.replaceAll("-", "")), { context: CODE_CONTEXT });
const commit = (salt, text) => blake3(concat(salt, utf8(text)), { context: EVENT_CONTEXT });
const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/** The root that a commitment at a leaf leads to, in a tree of 2^16 leaves. */
function climb(commitment, leaf, path) {
  const isPlace = Number.isInteger(leaf) && leaf >= 0 && leaf < 2 ** LEVELS;
  if (!isPlace || path.length !== LEVELS) throw new Error("答复没有证明：路径不对");
  const join = (hash, sibling, height) =>
    (leaf >> height) & 1 ? blake3(concat([1], sibling, hash)) : blake3(concat([1], hash, sibling));
  return path.map(decodeExact).reduce(join, blake3(concat([0], commitment)));
}

export class Desk {
  /** The intake that an entry of the ledger opened. */
  static async open(office, entry) {
    const statement = await office.proven(Number(entry));
    if (statement.kind !== "intake.opened.v1") throw new Error("账本里没有设立这个收件处");
    const desk = new Desk();
    Object.assign(desk, { office, at: `/intake/v1/${Number(entry)}`, stream: statement.stream });
    desk.key = parseKey(statement.body.key);
    desk.sealingKey = decodeExact(statement.body.sealing_key);
    return desk;
  }

  /**
   * Seals what somebody says under a new code: a `submission`, with the `code` of the matter that it continues inside, or an
   * `asking`.
   */
  seal(said) {
    const code = newCode();
    const text = utf8(JSON.stringify({ follow: encode(secretOf(code)), ...said }));
    const size = CONTENT_BYTES.find((bytes) => text.length <= bytes);
    if (!size) throw new Error("内容太长");
    const plain = new Uint8Array(size).fill(0x20);
    plain.set(text);
    const id = encode(blake3(this.sealingKey));
    const binding = utf8(canonical([FORM, this.office.origin, this.key.name, id]));
    const [contentKey, nonce] = [random(32), random(NONCE_BYTES)];
    const wrap = hpkeSeal(this.sealingKey, binding, contentKey);
    const sealed = xchacha20poly1305(contentKey, nonce, binding).encrypt(plain);
    // In this order and without spaces: a packet has one spelling.
    const packet = { form: FORM, key: id, wrap: encode(wrap), nonce: encode(nonce), sealed: encode(sealed) };
    return { code, packet: JSON.stringify(packet) };
  }

  /** Hands a packet in, with the work that is asked for; gives the verified promise. The same again gets the same promise. */
  async handIn(packet, step) {
    const bytes = utf8(packet);
    step("正在做防滥用的小计算……", 0);
    const { challenge, bits } = await (await ask(`${this.at}/work`)).json();
    const solved = await solve(challenge, bytes, bits, (share) => step("正在做防滥用的小计算……", share));
    step("正在提交……");
    const sent = await post(`${this.at}/packets`, bytes, { "Proof-Of-Work": solved }).catch((error) => {
      if (error instanceof No) throw error;
      throw new Error("没有收到承诺。内容还在，请检查网络后再按一次提交：原样重发，不会重复");
    });
    const answer = await sent.json();
    const [form, origin, commitment, received, deadline] = openNote(answer.promise, this.key).split("\n");
    const bound = encode(commit(decodeExact(answer.salt), packet));
    if (form !== "gongkai.promise/v1" || origin !== this.key.name || commitment !== bound) {
      throw new Error("收件承诺说的是另一件事项");
    }
    return { promise: answer.promise, commitment, received, deadline };
  }

  /** What the capsule of a code says, proven; `undefined` when there is nothing under it yet. */
  async status(code) {
    const plain = await this.opened(secretOf(code));
    if (!plain) return undefined;
    const status = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    await this.prove(status.answer);
    return status;
  }

  /** A piece that follows the capsule of a code, padded; `undefined` when there is none. */
  piece(code, number) {
    const place = new Uint8Array(4);
    new DataView(place.buffer).setUint32(0, number);
    return this.opened(blake3(concat(secretOf(code), place), { context: PIECE_CONTEXT }));
  }

  /** What the capsule of a secret says, padded; `undefined` when there is none. */
  async opened(secret) {
    const label = blake3(secret, { context: LABEL_CONTEXT, dkLen: LABEL_BYTES });
    let text;
    try {
      ({ capsule: text } = await (await post(`${this.at}/capsules`, JSON.stringify({ label: encode(label) }))).json());
    } catch (error) {
      if (error instanceof No && error.code === "not_found") return undefined;
      throw error;
    }
    try {
      const capsule = decode(text);
      if (capsule.length !== CAPSULE_BYTES || !same(capsule.subarray(0, LABEL_BYTES), label)) throw new Error("label");
      const nonce = capsule.subarray(LABEL_BYTES, LABEL_BYTES + NONCE_BYTES);
      const key = blake3(secret, { context: KEY_CONTEXT });
      return xchacha20poly1305(key, nonce, utf8(this.key.name)).decrypt(capsule.subarray(LABEL_BYTES + NONCE_BYTES));
    } catch {
      throw new Error("答复打不开，或不是这个查询码的");
    }
  }

  /** The ledger said so, in public and at the place that the answer names. */
  async prove({ index, commitment, outcome, note, salt, leaf, path }) {
    const said = await this.office.proven(index).catch((error) => {
      throw error instanceof No ? new Error("账本的答复刚到，本站还没有同步到那一条，请过一会儿再看") : error;
    });
    const text = `gongkai.answer/v1\n${this.key.name}\n${commitment}\n${outcome}\n${encode(blake3(utf8(note)))}\n`;
    const root = encode(climb(commit(decodeExact(salt), text), leaf, path));
    if (said.kind !== "intake.answered.v1" || said.stream !== this.stream || said.body.answers !== root) {
      throw new Error("答复没有证明：和账本公布的封存根不符");
    }
  }
}

/** The desks of entries apart by spaces, and the first that has something under a code: `{ desk, status }`. */
export async function find(office, entries, code) {
  for (const entry of entries.split(" ")) {
    const desk = await Desk.open(office, entry);
    const status = await desk.status(code);
    if (status) return { desk, status };
  }
  return undefined;
}
