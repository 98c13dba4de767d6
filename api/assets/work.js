// The light proof of work that goes with a submission (api/src/http/citizen/work.rs): a nonce so that SHA-256 of
// `<challenge>:<hex SHA-256 of the body>:<nonce>` begins with so many zero bits.
//
// In slices on the page's own thread: the page stays alive and shows how far it is, and phones whose browsers have no
// module workers do it too. The hash over everything before the nonce is computed once.
import { sha256 } from "./vendor/crypto.js";
import { utf8 } from "./proof.js";

export const BITS_MAX = 20; // more than half a minute's work of an old phone is not done for anybody
const SLICE_MS = 40;
const BATCH = 64; // hashes between two looks at the clock

function zeros(view) {
  const high = Math.clz32(view.getUint32(0));
  return high < 32 ? high : 32 + Math.clz32(view.getUint32(4));
}

const pause = () => new Promise((done) => setTimeout(done));

/** Solves a challenge for a body; `progress` is told the share of the mean that is done. */
export async function solve(challenge, body, bits, progress = () => {}) {
  if (!Number.isInteger(bits) || bits > BITS_MAX) throw new Error(`要求的工作量（${bits} 位）太大`);
  const hex = Array.from(sha256(body), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const begun = sha256.create().update(utf8(`${challenge}:${hex}:`));
  // Made once and used again: most of the time went into making them.
  const hasher = sha256.create();
  const hash = new Uint8Array(32);
  const view = new DataView(hash.buffer);
  for (let nonce = 0; ; ) {
    const until = performance.now() + SLICE_MS;
    do {
      for (const end = nonce + BATCH; nonce < end; nonce += 1) {
        begun._cloneInto(hasher).update(utf8(String(nonce))).digestInto(hash);
        if (zeros(view) >= bits) return `${challenge}:${nonce}`;
      }
    } while (performance.now() < until);
    progress(Math.min(1, nonce / 2 ** bits));
    await pause();
  }
}
