// That a log only grew: consistency proofs, verified and made from the log's own tiles (RFC 9162 §2.1.4, c2sp.org/tlog-tiles).
//
// The proof is made here and not asked for: a server that has forked its log has no tiles that lead from one tree to the
// other. Pure but for the tiles, which the caller fetches. The same steps as core/log/src/merkle.rs.
import { concat, decodeExact, encode } from "../proof.js";

const TILE = 256n;
const PROOF_HASHES_MAX = 65; // 64 of the proof and the start

const isPower = (number) => number > 0n && (number & (number - 1n)) === 0n;

/** Largest power of two below a number of at least 2. */
function leftOf(leaves) {
  let left = 1n;
  while (left * 2n < leaves) left *= 2n;
  return left;
}

const join = (sha256, left, right) => sha256(concat([1], left, right));

/**
 * The two roots, in base64, to which nodes lead for 0 < size1 < size2: the first is the subtree that the old tree ends with,
 * the rest is the proof. Throws when their number does not fit.
 */
async function rootsOf(size1, size2, nodes, sha256) {
  let place = size1 - 1n;
  let last = size2 - 1n;
  while (place & 1n) {
    place >>= 1n;
    last >>= 1n;
  }
  if (nodes.length === 0 || nodes.length > PROOF_HASHES_MAX) throw new Error("证明的长度不对");
  let [older] = nodes;
  let newer = older;
  for (const hash of nodes.slice(1)) {
    if (last === 0n || hash.length !== 32) throw new Error("证明的长度不对");
    if (place & 1n || place === last) {
      older = await join(sha256, hash, older);
      newer = await join(sha256, hash, newer);
      while (!(place & 1n) && place !== 0n) {
        place >>= 1n;
        last >>= 1n;
      }
    } else {
      newer = await join(sha256, newer, hash);
    }
    place >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new Error("证明的长度不对");
  return [encode(older), encode(newer)];
}

/** Whether a proof shows that the first tree is the beginning of the second. Roots are base64. */
export async function isConsistent(size1, size2, root1, root2, proof, sha256) {
  if (size1 > size2 || (size1 === 0n && size2 > 0n)) return false;
  if (size1 === size2) {
    const isKnown = size1 > 0n || root1 === encode(await sha256(new Uint8Array()));
    return proof.length === 0 && root1 === root2 && isKnown;
  }
  try {
    // When the old tree is one full subtree, its root is the start and is not in the proof.
    const nodes = isPower(size1) ? [decodeExact(root1), ...proof] : proof;
    const [older, newer] = await rootsOf(size1, size2, nodes, sha256);
    return older === root1 && newer === root2;
  } catch {
    return false;
  }
}

/** Address of a tile of hashes below the log's prefix; `width` 256 is the full one. */
export function tilePath(level, number, width) {
  const groups = [];
  let rest = number;
  do {
    groups.unshift(String(rest % 1000n).padStart(3, "0"));
    rest /= 1000n;
  } while (rest > 0n);
  const last = groups.pop();
  const name = [...groups.map((group) => `x${group}`), last].join("/");
  return `tile/${level}/${name}${width < 256 ? `.p/${width}` : ""}`;
}

/** Reads the hashes of full subtrees out of tiles, each tile once. `fetch` gives a tile's bytes, or nothing. */
class Tiles {
  constructor(size, fetch, sha256) {
    Object.assign(this, { size, fetch, sha256, kept: new Map() });
  }

  async tile(level, number) {
    const beyond = (this.size >> BigInt(8 * level)) - number * TILE;
    const width = Number(beyond < TILE ? beyond : TILE);
    const path = tilePath(level, number, width);
    if (!this.kept.has(path)) {
      // A partial tile may be gone once the full one is there.
      const bytes = (await this.fetch(path)) ?? (width < 256 ? await this.fetch(tilePath(level, number, 256)) : undefined);
      if (!bytes || bytes.length % 32 !== 0 || bytes.length < 32 * width) throw new Error(`取不到完整的 ${path}`);
      this.kept.set(path, Array.from({ length: width }, (_, at) => bytes.subarray(32 * at, 32 * at + 32)));
    }
    return this.kept.get(path);
  }

  /** Root over hashes whose number is a power of two. */
  async over(hashes) {
    let level = hashes;
    while (level.length > 1) {
      const pairs = Array.from({ length: level.length / 2 }, (_, at) => join(this.sha256, level[2 * at], level[2 * at + 1]));
      level = await Promise.all(pairs);
    }
    return level[0];
  }

  /** Root of the full subtree of 2^height leaves from `start`: part of one tile. */
  async full(start, height) {
    const level = Math.floor(height / 8);
    const first = start >> BigInt(8 * level);
    const tile = await this.tile(level, first / TILE);
    const from = Number(first % TILE);
    return this.over(tile.slice(from, from + 2 ** (height % 8)));
  }

  /** Root over the leaves from `start`, which is a multiple of the next power of two. */
  async range(start, leaves) {
    if (isPower(leaves)) return this.full(start, leaves.toString(2).length - 1);
    const left = leftOf(leaves);
    return join(this.sha256, await this.range(start, left), await this.range(start + left, leaves - left));
  }
}

async function proofFrom(tiles, size1, size2) {
  const proof = [];
  let [start, leaves] = [0n, size2];
  while (size1 < start + leaves) {
    const left = leftOf(leaves);
    if (size1 <= start + left) {
      proof.unshift(await tiles.range(start + left, leaves - left));
      leaves = left;
    } else {
      proof.unshift(await tiles.range(start, left));
      start += left;
      leaves -= left;
    }
  }
  if (start > 0n) proof.unshift(await tiles.range(start, leaves));
  return proof;
}

/**
 * Whether the later of two checkpoints, of the same or a larger size, continues the earlier: "grown"; "forked" when its own
 * tiles lead to another beginning; "unproven" when the tiles do not even lead to its own root. `fetch` gives a tile's bytes,
 * or nothing where there is none.
 */
export async function follow(older, newer, fetch, sha256) {
  if (older.size === newer.size) return older.root === newer.root ? "grown" : "forked";
  if (older.size === 0n) return older.root === encode(await sha256(new Uint8Array())) ? "grown" : "forked";
  const tiles = new Tiles(newer.size, fetch, sha256);
  const proof = await proofFrom(tiles, older.size, newer.size);
  // The start comes from the tiles too: then both roots are made of the same hashes, and it is the later checkpoint that
  // vouches for them before the earlier one is judged by them.
  const nodes = isPower(older.size) ? [await tiles.range(0n, older.size), ...proof] : proof;
  const [first, second] = await rootsOf(older.size, newer.size, nodes, sha256);
  if (second !== newer.root) return "unproven";
  return first === older.root ? "grown" : "forked";
}
