// Which witnesses suffice (c2sp.org/tlog-policy), and their cosignatures (c2sp.org/tlog-cosignature): the same rules as
// core/log/src/policy.rs and cosignature.rs. Pure.
import { utf8 } from "../proof.js";
import { COSIGNATURE, ED25519, isBy, parseKey, parseNote } from "../note.js";
import { isSignedBy } from "./crypt.js";

const ITEMS_MAX = 1_024;
const BYTES_MAX = 1 << 20;
const TIME_BYTES = 8;

class Reader {
  logs = [];
  witnesses = [];
  groups = []; // members of a group come before it
  names = new Map();

  key(text, kind, list) {
    const key = parseKey(text, kind);
    const isListed = list.some((listed) => listed.key.every((byte, at) => byte === key.key[at]));
    if (isListed) throw new Error("同一把钥匙写了两次");
    if (list.length === ITEMS_MAX) throw new Error("写得太多");
    return key;
  }

  define(name, named) {
    if (name === "none" || this.names.has(name)) throw new Error("名字重复，或者不能用");
    this.names.set(name, { named, isTaken: false });
  }

  group(name, threshold, members) {
    if (this.groups.length === ITEMS_MAX) throw new Error("写得太多");
    const number = { all: String(members.length), any: "1" }[threshold] ?? threshold;
    const least = /^[1-9]\d{0,3}$/.test(number) ? Number(number) : 0;
    if (least === 0 || least > members.length) throw new Error("要几家才算数写得不对");
    const group = members.map((member) => {
      const known = this.names.get(member);
      if (!known || known.isTaken) throw new Error("成员没有写过，或者写了两次");
      known.isTaken = true;
      return known.named;
    });
    this.define(name, { group: this.groups.length });
    this.groups.push({ least, members: group });
  }

  read(line) {
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) throw new Error("含有看不见的控制字符");
    const [what, ...words] = line.split(/[ \t]+/).filter(Boolean);
    if (what === undefined || what.startsWith("#")) return;
    if (what === "log" && [1, 2].includes(words.length)) {
      this.logs.push(this.key(words[0], ED25519, this.logs));
    } else if (what === "witness" && [2, 3].includes(words.length)) {
      const key = this.key(words[1], COSIGNATURE, this.witnesses);
      this.define(words[0], { witness: this.witnesses.length });
      this.witnesses.push({ ...key, label: words[0] });
    } else if (what === "group" && words.length >= 2) {
      this.group(words[0], words[1], words.slice(2));
    } else if (what === "quorum" && words.length === 1 && this.quorum === undefined) {
      const known = this.names.get(words[0]);
      if (!known && words[0] !== "none") throw new Error("法定数写得不对");
      this.quorum = known?.named ?? {};
    } else {
      throw new Error("看不懂这一行");
    }
  }
}

/** Reads a policy file: its logs, witnesses, groups and quorum. */
export function parsePolicy(text) {
  if (utf8(text).length > BYTES_MAX || !text.endsWith("\n")) throw new Error("见证方名单的格式不对");
  const reader = new Reader();
  text.slice(0, -1).split("\n").forEach((line, at) => {
    try {
      reader.read(line);
    } catch (error) {
      throw new Error(`见证方名单第 ${at + 1} 行：${error.message}`);
    }
  });
  const { logs, witnesses, groups, quorum } = reader;
  if (quorum === undefined) throw new Error("见证方名单没有写要几家才算数");
  return { logs, witnesses, groups, quorum };
}

/** The time in Unix seconds that a cosignature states, when the witness signed that time and this checkpoint. */
async function cosigned(text, { signature }, witness) {
  if (signature.length !== TIME_BYTES + 64) return undefined;
  const time = new DataView(signature.buffer, signature.byteOffset, TIME_BYTES).getBigUint64(0);
  const message = utf8(`cosignature/v1\ntime ${time}\n${text}`);
  return (await isSignedBy(message, signature.subarray(TIME_BYTES), witness)) ? time : undefined;
}

function isSatisfied({ groups, quorum }, signed) {
  const held = [];
  const holds = ({ witness, group }) => (witness === undefined ? held[group] : signed[witness]);
  for (const { least, members } of groups) held.push(members.filter(holds).length >= least);
  return quorum.witness === undefined && quorum.group === undefined ? true : holds(quorum);
}

/**
 * Who of a policy cosigned a checkpoint note, whether they suffice, and whose line is false: a false line of a listed
 * witness condemns the note.
 */
export async function witnessed(note, policy) {
  const { text, signatures } = parseNote(note);
  const signed = policy.witnesses.map(() => false);
  const times = [];
  for (const [place, witness] of policy.witnesses.entries()) {
    for (const line of signatures.filter((line) => isBy(line, witness))) {
      const time = await cosigned(text, line, witness);
      if (time === undefined) return { isEnough: false, forged: witness.label, by: [] };
      signed[place] = true;
      times.push(time);
    }
  }
  const by = policy.witnesses.filter((_, place) => signed[place]).map(({ label }) => label);
  const latest = times.reduce((most, time) => (time > most ? time : most), 0n);
  return { isEnough: isSatisfied(policy, signed), by, latest };
}

/** Whether a policy demands anybody at all. */
export const demandsNobody = ({ quorum }) => quorum.witness === undefined && quorum.group === undefined;
