// What an entry's signers said and is public now: openings of its slots, lines of its list, each led back to the roots that
// were signed (confidentiality.md §1; core/log/src/slot.rs, list.rs). Pure.
import { canonical } from "../canonical.js";
import { decodeExact, encode, utf8 } from "../proof.js";
import { rootOf, slotHash } from "../statement.js";

const SLOTS = 16;

const commitment = (salt, payload) => slotHash(decodeExact(salt), utf8(canonical(payload)));

const idOf = ({ stream, revision }) => `${stream}#${revision}`;

/** The values that are open, in the order of the slots; throws unless all are what was committed to and signed. */
export function openedIn({ origin, statement }, { commitments, openings }) {
  if (!Array.isArray(commitments) || commitments.length !== SLOTS) throw new Error("没有给全十六个封存值");
  if (encode(rootOf(commitments.map(decodeExact))) !== statement.slots) throw new Error("封存值不是签名时的那一份");
  return openings.map(({ slot, salt, tier, name, value }) => {
    const made = commitment(salt, [origin, idOf(statement), slot, tier, name, value]);
    if (encode(made) !== commitments[slot]) throw new Error("公开的文字不是签名时封存的那一份");
    return value;
  });
}

/** How many lines of a list are open and how many were taken down; throws unless together they are the list that was signed. */
export function linesIn({ origin, statement }, text) {
  const { lines, count } = statement.body;
  const rows = text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  const commitments = rows.map((row, at) => {
    if (row.line !== at) throw new Error("明细的行号不对");
    return row.row ? commitment(row.salt, [origin, idOf(statement), "line", at, row.row]) : decodeExact(row.commitment);
  });
  const isWhole = rows.length === count && count > 0 && encode(rootOf(commitments)) === lines;
  if (!isWhole) throw new Error("明细不是签名时的那一份");
  const open = rows.filter(({ row }) => row).length;
  return { open, gone: count - open };
}
