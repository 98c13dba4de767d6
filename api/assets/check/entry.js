// An entry's bytes, read as strictly as the checks need it: its place, its signed text, who had to sign and who did
// (core/log/src/entry.rs, statement.rs). Pure; nothing is verified here.
import { canonical } from "../canonical.js";
import { decodeExact, utf8 } from "../proof.js";
import { parseNote } from "../note.js";

const SIGNERS_MAX = 16;

const isText = (value) => typeof value === "string" && value.length > 0;

function parseStatement(line) {
  let statement;
  try {
    statement = JSON.parse(line);
  } catch {
    throw new Error("声明不是 JSON");
  }
  // One value, one spelling: a doubled member or another order would let two readers read two things.
  if (canonical(statement) !== line) throw new Error("声明的写法不规范");
  const { signers } = statement;
  const isGood = Array.isArray(signers) && signers.length > 0 && signers.length <= SIGNERS_MAX;
  if (!isGood || !signers.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isText))) {
    throw new Error("声明没有写明由谁签名");
  }
  return statement;
}

/** The parts of an entry. A period of sealed events has no statement; its note is signed by the intake key. */
export function parseEntry(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const [form, index, recorded, prev, blank] = text.split("\n", 5);
  const isHead = form === "gongkai.entry/v1" && /^(0|[1-9]\d{0,15})$/.test(index ?? "") && blank === "" && recorded;
  if (!isHead || decodeExact(prev).length !== 32) throw new Error("条目的格式不对");
  const { text: said, signatures } = parseNote(text.slice([form, index, recorded, prev].join("\n").length + 2));
  const [kind, origin, line, rest, ...more] = said.split("\n");
  if (rest !== "" || more.length > 0) throw new Error("条目的格式不对");
  if (kind !== "gongkai.statement/v1" && kind !== "gongkai.sealed/v1") throw new Error("条目的格式不对");
  const statement = kind === "gongkai.statement/v1" ? parseStatement(line) : undefined;
  return { index: BigInt(index), recorded, origin, said: utf8(said), statement, signatures };
}

/** Names of those who had to sign, in their order; throws unless exactly they signed, in that order. */
export function signersOf({ statement, signatures }) {
  if (!statement) return signatures.map(({ name }) => name);
  const names = statement.signers.map(([, name]) => name);
  const isExact = names.length === signatures.length && names.every((name, at) => name === signatures[at].name);
  if (!isExact || new Set(names).size < names.length) throw new Error("签名的人和声明里写的人不一样");
  return names;
}

/** The verifier key of this name that a statement registers, if it does: the genesis, a key's own entry, or the one that replaced the log's. */
export function registered(statement, name) {
  const { kind, body } = statement ?? {};
  const keys =
    kind === "key.authorized.v1" ? [body.key]
    : kind === "ledger.key_rotated.v1" ? [body.new_key]
    : kind === "ledger.created.v1" ? [body.log_key, body.intake_key, body.recovery_key, ...body.registrars.map(({ key }) => key)]
    : [];
  return keys.find((key) => isText(key) && key.slice(0, key.indexOf("+")) === name);
}
