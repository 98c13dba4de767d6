// The ledger as somebody without a key hands in to it, in a browser: the same steps as api/src/citizen.rs.
//
// Nothing of what somebody writes is sent before `handIn`, and what accuses somebody is encrypted by then. The keys to which
// it is encrypted are taken from entries that are proven to be in the log. That the log's own key is the right one a page
// of this very site cannot prove; whoever wants that uses `gongkai hand-in --vkey`.
import { ballotStream, fromSlip } from "./ballot.js";
import { blake3, sha256 } from "./vendor/crypto.js";
import { seal } from "./envelope.js";
import { openNote, parseKey } from "./note.js";
import { checkInclusion, decode, encode, parseProof, utf8 } from "./proof.js";
import { newKey, newStream, prepare } from "./statement.js";
import { solve } from "./work.js";

/** A lawful no: its sentence, and the receipt that it was said, if the ledger gave one. */
export class No extends Error {
  constructor(answer, status) {
    super(answer.detail ?? `服务器返回 ${status}`);
    this.code = answer.code ?? String(status);
    this.receipt = answer.receipt;
  }
}

/** Asks this site; a no is thrown as a `No`. */
export async function ask(path, options = {}) {
  const sent = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", ...options };
  const response = await fetch(path, sent).catch(() => {
    throw new Error("网络不通，没有提交。请检查网络后再试");
  });
  if (response.ok) return response;
  throw new No(await response.json().catch(() => ({})), response.status);
}

export const post = (path, body, headers = {}) =>
  ask(path, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } });

const pad = (number) => String(number).padStart(2, "0");

/** The time in China, whole seconds with offset. */
function chinaTime(now) {
  const at = new Date(now.getTime() + 8 * 3_600_000);
  const day = `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
  return `${day}T${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}+08:00`;
}

export class Office {
  /** Reads the log's key and takes the intake key from the genesis, which is proven to be in the log. */
  static async open() {
    const office = new Office();
    const response = await ask("/log/vkey");
    office.vkey = parseKey(await response.text());
    office.origin = office.vkey.name;
    // Clocks of old devices are wrong by hours; a statement from the future is refused.
    const date = Date.parse(response.headers.get("date") ?? "");
    office.ahead = Number.isNaN(date) ? 0 : date - Date.now();
    const genesis = await office.proven(0);
    if (genesis.kind !== "ledger.created.v1") throw new Error("账本的第一条不是创世条目");
    office.intake = parseKey(genesis.body.intake_key);
    return office;
  }

  /** The statement at an index, proven to be in the log under its signed checkpoint. */
  async proven(index) {
    return JSON.parse((await this.recorded(index)).split("\n")[2]);
  }

  /** The three lines of that statement. */
  async recorded(index) {
    const [entry, text] = await Promise.all([
      ask(`/entries/${index}`).then((response) => response.arrayBuffer()),
      ask(`/api/v1/entries/${index}/proof`).then((response) => response.text()),
    ]);
    const proof = parseProof(text);
    const signed = openNote(proof.note, this.vkey);
    if (proof.index !== BigInt(index) || signed.split("\n")[0] !== this.origin) throw new Error("证明说的是另一条");
    const bytes = new Uint8Array(entry);
    await checkInclusion(proof, bytes, sha256);
    const recorded = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const [form, origin, json] = recorded.slice(recorded.indexOf("\n\n") + 2).split("\n");
    if (form !== "gongkai.statement/v1" || origin !== this.origin) throw new Error(`第 ${index} 号条目不是声明`);
    return `${form}\n${origin}\n${json}\n`;
  }

  /** The organization and those above it, nearest first: who receives, who leads. */
  async bodies(org) {
    const response = await ask(`/api/v1/organizations/${encodeURIComponent(org)}/receivers`);
    return (await response.json()).bodies;
  }

  /** A receiver is believed who was appointed in public, with this key. */
  async checkReceiver(org, listed) {
    const history = await (await ask(`/api/v1/streams/${listed.receiver}`)).json();
    const statement = await this.proven(history.history[0].index);
    const { person, sealing_key: key } = statement.body;
    const agrees = statement.kind === "receiver.appointed.v1" && person === listed.person && key === listed.sealing_key;
    if (!agrees || statement.org !== org || statement.stream !== listed.receiver) {
      throw new Error(`收件人 ${listed.receiver} 与账本里登记的不同，没有提交。请把这件事告诉上级机关`);
    }
  }

  /** What a slip's code shows, by the hashes to which the tally's opening commits. The code is not sent. */
  async ballot(tally, code) {
    const history = await (await ask(`/api/v1/streams/${tally}`)).json();
    const opened = await this.proven(history.history[0].index);
    const file = opened.body.slips?.[0];
    if (opened.stream !== tally || !file) throw new Error("这次投票没有公布票码哈希清单，不能用票码投票");
    const hex = Array.from(decode(file.hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const published = new Uint8Array(await (await ask(`/log/attachment/${hex}`)).arrayBuffer());
    if (encode(blake3(published)) !== file.hash) throw new Error("票码哈希清单与登记的不同，没有投票。请告诉监票人和上级机关");
    return fromSlip(tally, code, new TextDecoder("utf-8", { fatal: true }).decode(published), opened.body.credentials);
  }

  /** What a continuing statement follows. Only the kind and the code are sent. */
  async head(kind, org, stream, code) {
    const asked = { kind, org, fields: {}, signers: [["intake", this.intake.name]] };
    if (stream) asked.stream = stream;
    const response = await post("/api/v1/prepare", JSON.stringify(asked), code ? { "Status-Code": code } : {});
    const { stream: found, parent, revision } = JSON.parse((await response.json()).statement.split("\n")[2]);
    return { stream: found, head: parent ? { revision: revision - 1, hash: parent } : undefined };
  }

  /** What the next statement of a public matter follows, where no ledger is to be asked: its last one, proven. */
  async last(stream) {
    const { history } = await (await ask(`/api/v1/streams/${stream}`)).json();
    const { index } = history.reduce((last, event) => (event.revision > last.revision ? event : last));
    const text = await this.recorded(index);
    const { stream: found, revision } = JSON.parse(text.split("\n")[2]);
    if (found !== stream) throw new Error("证明说的是另一条");
    return { stream, head: { revision, hash: encode(blake3(utf8(text))) } };
  }

  /**
   * Writes a statement and encrypts it where `body` is given. `command` is `{ kind, family, opens, org, about, credential,
   * fields }`; `place` is what it continues; `against` are the accused; `step` is told what is being done. Returns the
   * submission and the statement's hash.
   */
  async write({ kind, family, opens, org, about, credential, fields }, place, body, against, step) {
    const opened = { stream: credential ? ballotStream(about, credential) : newStream(family) };
    const declaredAt = chinaTime(new Date(Date.now() + this.ahead));
    const prepared = prepare({
      origin: this.origin, kind, ...(opens ? opened : place), org: body?.org ?? org, declaredAt, intake: this.intake.name, fields,
    });
    const submission = { note: prepared.text, openings: prepared.openings };
    if (body) {
      step(`正在核对${body.receivers.length}位收件人的公钥确实登记在账本里……`);
      for (const listed of body.receivers) await this.checkReceiver(body.org, listed);
      step("正在加密……");
      const to = body.receivers.map((listed) => ({ ...listed, mayOpen: !against.includes(listed.person) }));
      const { envelope, hidden } = seal(prepared, to);
      Object.assign(submission, { openings: hidden, envelope });
    }
    return { submission, statement: encode(blake3(utf8(prepared.text))) };
  }

  /** Writes, works and hands in; `command` has the `code` of the matter that it continues. Returns the verified answer. */
  async handIn(command, body, against, step) {
    const { kind, opens, org, about, code } = command;
    const place = opens ? undefined : await this.head(kind, org, about, code);
    const { submission, statement } = await this.write(command, place, body, against, step);
    const answer = await this.send(JSON.stringify(submission), code, step);
    return { ...answer, statement };
  }

  async send(text, code, step) {
    const bytes = utf8(text);
    step("正在做防滥用的小计算……", 0);
    const { challenge, bits } = await (await ask("/api/v1/work")).json();
    const solved = await solve(challenge, bytes, bits, (share) => step("正在做防滥用的小计算……", share));
    step("正在提交……");
    const headers = { "Idempotency-Key": newKey(), "Proof-Of-Work": solved };
    if (code) headers["Status-Code"] = code;
    try {
      const answer = await (await post("/api/v1/submissions", bytes, headers)).json();
      return answer.promise ? this.checkPromise(answer) : answer;
    } catch (error) {
      if (error.receipt) this.checkRefusal(error.receipt, bytes);
      throw error;
    }
  }

  checkPromise(answer) {
    const [form, origin, commitment, , deadline] = openNote(answer.promise, this.intake).split("\n");
    const agrees = form === "gongkai.promise/v1" && origin === this.origin && commitment === answer.commitment;
    if (!agrees) throw new Error("收件承诺说的是另一件事项");
    return { ...answer, deadline };
  }

  checkRefusal(receipt, bytes) {
    const [form, origin, submission] = openNote(receipt, this.intake).split("\n");
    if (form !== "gongkai.refusal/v1" || origin !== this.origin || submission !== encode(blake3(bytes))) {
      throw new Error("服务器给的不予受理回执说的是另一份提交");
    }
  }
}

/** The nearest body that handles what is said against these people (core/domain/src/competence.rs). */
export const competent = (bodies, against) =>
  bodies.find(
    ({ receivers, led_by: ledBy }) =>
      receivers.some(({ person }) => !against.includes(person)) && !ledBy.some((person) => against.includes(person)),
  );
