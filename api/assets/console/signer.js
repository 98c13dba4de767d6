// Signing beside an author from outside, in a browser: the same steps as api/src/gap/signer.rs, the same bytes as
// core/domain/src/gap/cosigning.rs.
//
// A book in the browser's store keeps the codes under which answers come back, newest first, and what was sent without an
// answer; it is sent again as it was. What waits is believed when its capsule opens with a code of the book and its answer is
// proven; that a text is what its statement commits to is checked here before it is shown or signed.
import { blake3 } from "../vendor/crypto.js";
import { canonical } from "../canonical.js";
import { linesIn, openedIn } from "../check/said.js";
import { sign } from "./keys.js";
import { concat, encode } from "../proof.js";
import { slotsOf } from "../statement.js";

const FORM = "gongkai.cosigning/v1";
const STATEMENT = "gongkai.statement/v1";
const PIECES_MAX = 48; // core/domain/src/gap/cosigning.rs
const CODES_MAX = 8;
const SPACE = 0x20;

/** Reads requests out of their pieces. */
function unpacked({ hash }, pieces) {
  const text = concat(...pieces);
  let end = text.length;
  while (end > 0 && text[end - 1] === SPACE) end -= 1;
  const own = text.subarray(0, end);
  if (encode(blake3(own)) !== hash) throw new Error("等着签的稿件刚刚换过，请再看一次");
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(own));
}

/** A request whose values are found to be what its statement commits to. */
function checked(request, ledger) {
  const { statement: text, openings, lines = [] } = request.content;
  const [form, origin, json, end] = text.split("\n");
  const statement = JSON.parse(json);
  if (form !== STATEMENT || origin !== ledger || end !== "" || canonical(statement) !== json) {
    throw new Error("稿件不是这本账的声明");
  }
  const signed = { origin, statement };
  const commitments = slotsOf(origin, `${statement.stream}#${statement.revision}`, openings).map(encode);
  openedIn(signed, { commitments, openings: openings.filter(({ name }) => name !== undefined) });
  if (lines.length > 0 || statement.body.lines !== undefined) {
    linesIn(signed, lines.map(({ line, salt, row }) => `${JSON.stringify({ line, salt, row })}\n`).join(""));
  }
  return { ...request, statement };
}

export class Signer {
  constructor(desk, key) {
    Object.assign(this, { desk, key, place: `gongkai-cosign ${desk.key.name} ${key.name}` });
    this.book = JSON.parse(localStorage.getItem(this.place) ?? '{"codes":[]}');
  }

  get isNew() {
    return this.book.codes.length === 0;
  }

  /** Before anything is sent: what is lost on the way is sent again. */
  keep() {
    localStorage.setItem(this.place, JSON.stringify(this.book));
  }

  /** Sends again what was sent without an answer; whether there was something. */
  async sendAgain(step) {
    if (!this.book.unsent) return false;
    await this.send(step);
    return true;
  }

  /** Asks what waits, with signatures for these requests. `askPin` is as for `sign`; it is asked once. */
  async ask(requests, askPin, step) {
    let asked;
    const once = (key) => (asked ??= askPin(key));
    const at = new Date(Date.now() + this.desk.office.ahead).toISOString().replace("Z", "000Z");
    const given = [];
    for (const { draft, content } of requests) {
      const line = await sign(this.key, content.statement, once);
      given.push(`${draft} ${line.trimEnd().split(" ").pop()}\n`);
    }
    const text = `${FORM}\n${this.desk.office.origin}\n${this.desk.key.name}\n${at}\n${given.join("")}`;
    const note = `${text}\n${await sign(this.key, text, once)}`;
    this.book.unsent = this.desk.seal({ asking: note });
    this.keep();
    return this.send(step);
  }

  async send(step) {
    const { code, packet } = this.book.unsent;
    const promised = await this.desk.handIn(packet, step);
    this.book = { codes: [code, ...this.book.codes].slice(0, CODES_MAX) };
    this.keep();
    return promised;
  }

  /** The latest answer of the ledger; `undefined` while there is none. */
  async answered() {
    for (const code of this.book.codes) {
      const status = await this.desk.status(code);
      if (status) return this.read(code, status);
    }
    return undefined;
  }

  async read(code, { as_of: asOf, answer, waiting = { pieces: 0, left_out: 0 } }) {
    if (answer.outcome !== "accepted") throw new Error("账本不予受理：这把钥匙没有登记、已经注销，或签名不符");
    if (waiting.pieces > PIECES_MAX) throw new Error("等着签的稿件太长");
    const pieces = [];
    for (let number = 0; number < waiting.pieces; number += 1) pieces.push((await this.desk.piece(code, number)) ?? new Uint8Array());
    const waits = waiting.hash ? unpacked(waiting, pieces) : [];
    const requests = waits.map((request) => checked(request, this.desk.office.origin));
    return { asOf, requests, leftOut: waiting.left_out, came: JSON.parse(answer.note) };
  }
}
