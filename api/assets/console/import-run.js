// Signing and submitting the commands of a table one after the other. What was signed is kept on the device until its receipt
// came, so that a break repeats the same bytes under the same key, never twice.
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { No, post } from "./session.js";

const name = (session) => `import:${session}`;

/** What this device knows of an import: { done: { id: [index, stream, row] }, pending?: { id, stream, submission } }. */
export const recall = (session) => JSON.parse(localStorage.getItem(name(session)) ?? '{"done":{}}');
const store = (session, kept) => localStorage.setItem(name(session), JSON.stringify(kept));

/** Which field of a kind refers to what the same row made, and what is said when that was not made. */
const REFERS = {
  "role.granted.v1": ["person", "这个人还没有登记成"],
  "person.registered.v1": ["post", "这个职务还没有设成"],
};

/** The command with the streams that are known by now: of people and posts that the same table makes. */
function resolved({ stream_key: _, ...command }, plan, kept) {
  const [name, missing] = REFERS[command.kind] ?? [];
  const reference = command.fields[name];
  if (!reference?.startsWith("@")) return command;
  const made = plan.commands.find(({ id, json }) => json.stream_key === reference.slice(1) && kept.done[id]);
  if (!made) throw new Error(missing);
  return { ...command, fields: { ...command.fields, [name]: kept.done[made.id][1] } };
}

/**
 * Submits what is open of a plan; `said` is the channel and original of what others said. `signers(command)` says who signs,
 * author first; `told(command, error)` is called for each,
 * with the error of one that was not taken. Ends with how many were refused; a break or the end of the session is thrown.
 */
export async function submit({ session, plan, kept, said, signers, told }) {
  const keys = await all();
  let refused = 0;
  for (const planned of plan.commands) {
    if (kept.done[planned.id]) continue;
    told(planned);
    try {
      await one(planned, { session, plan, kept, said, signers, keys });
      told(planned, undefined, true);
    } catch (error) {
      // What the ledger refused is prepared anew next time; a break or the end of the session stops here.
      if (!(error instanceof No) || error.status === 401 || error.status >= 500) throw error;
      delete kept.pending;
      store(session, kept);
      refused += 1;
      told(planned, error, true);
    }
  }
  return refused;
}

/** One command, signed before if it was: the same bytes under the same key give the same receipt. */
async function one(planned, { session, plan, kept, said, signers, keys }) {
  const { id } = planned;
  if (kept.pending?.id !== id) {
    kept.pending = { id, ...(await signed({ ...resolved(planned.json, plan, kept), proxy: said }, signers(planned.json), keys)) };
    store(session, kept);
  }
  const { stream, submission } = kept.pending;
  const answer = await post("/api/v1/submissions", submission, { "Idempotency-Key": `${session.slice(0, 32)}-${id.slice(0, 32)}` });
  kept.done[id] = [answer.index, stream, planned.source[0]?.row];
  delete kept.pending;
  store(session, kept);
}

async function signed(command, signers, keys) {
  const prepared = await post("/internal/api/v1/rehearsals", { ...command, signers });
  let note = `${prepared.statement}\n`;
  for (const [, owner] of signers) {
    const key = keys.find((one) => one.name === owner);
    if (!key) throw new Error(`这台设备上没有 ${owner}`);
    note += await sign(key, prepared.statement, askPin);
  }
  const { stream } = JSON.parse(prepared.statement.split("\n")[2]);
  return { stream, submission: { note, openings: prepared.openings, lines: prepared.lines } };
}
