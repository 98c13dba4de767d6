// What this browser remembers of a ledger between visits: its key, the checkpoint that it saw last, its witnesses' policy,
// and the newest root of the map.
//
// Trust on first use: the first key is believed, and every other one after it is not. It lies in this browser's own storage,
// is sent nowhere, and whoever clears the browser's data starts anew. Where the browser allows no storage nothing is kept,
// and the checks say so.
const NAMES = { key: "gongkai.check.key", checkpoint: "gongkai.check.checkpoint", policy: "gongkai.check.policy", root: "gongkai.check.root" };

/** The file that two notes make which should not both exist; `gongkai verify` reads it. */
export const FORK_FORM = "gongkai.fork/v1";

function storage() {
  try {
    const { localStorage } = globalThis;
    localStorage.setItem("gongkai.check", "1");
    localStorage.removeItem("gongkai.check");
    return localStorage;
  } catch {
    return undefined;
  }
}

export class Kept {
  constructor(store = storage()) {
    this.store = store;
  }

  /** Whether anything can be kept here. */
  get isAble() {
    return this.store !== undefined;
  }

  /** What is kept under a name: `{ text, at }`, `at` in milliseconds since 1970. */
  get(what) {
    try {
      const { text, at } = JSON.parse(this.store?.getItem(NAMES[what]));
      return typeof text === "string" && Number.isSafeInteger(at) ? { text, at } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps a text. The day of a text that is kept already stays. */
  put(what, text) {
    if (this.get(what)?.text === text) return;
    try {
      this.store?.setItem(NAMES[what], JSON.stringify({ text, at: Date.now() }));
    } catch {
      // Full: the next visit compares with what was there before, which proves as much.
    }
  }

  /** Forgets everything, after the reader asked for it. */
  forget() {
    Object.values(NAMES).forEach((name) => this.store?.removeItem(name));
  }
}

/** The evidence file of two checkpoint notes of one log that do not go together. */
export const forkFile = (older, newer) => `${FORK_FORM}\n${older}--\n${newer}`;
