// A ballot from the code on a slip of paper, byte for byte as core/domain/src/kind/tally.rs: the code gives the credential,
// the hashes that the tally published give its place and the path to the root to which the tally's opening commits.
//
// Pure: texts in, values or an Error with a Chinese reason out. The code leaves the browser in no other form than the
// credential, and that only sealed (office.js).
import { blake3 } from "./vendor/crypto.js";
import { concat, decode, encode, utf8 } from "./proof.js";
import { uuid } from "./statement.js";

const LEVELS = 16; // a tally has at most 65,536 credentials
const CODE_CHARS = 16;
const SLIP_CONTEXT = utf8("gongkai 2026 tally slip v1");
const CREDENTIAL_CONTEXT = utf8("gongkai 2026 tally credential v1");
const STREAM_CONTEXT = utf8("gongkai 2026 tally ballot stream v1");

const idOf = (tally) => Uint8Array.from(tally.split("/")[1].replaceAll("-", "").match(/../g), (pair) => Number.parseInt(pair, 16));
const derived = (context, tally, bytes) => blake3(concat(idOf(tally), bytes), { context });
const leafOf = (commitment) => blake3(concat([0], commitment));
const nodeOf = (left, right) => blake3(concat([1], left, right));

/** A code as it was given out, of a status or a slip: people write small letters, leave dashes out, and take O for 0. */
export function normalCode(text) {
  const letters = text.replaceAll(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  return letters.length === CODE_CHARS && /^[0-9A-Z]+$/.test(letters) ? letters.match(/..../g).join("-") : undefined;
}

/** The stream of the ballot with a credential: a second one with the same credential is refused. */
export const ballotStream = (tally, credential) => `tally/${uuid(derived(STREAM_CONTEXT, tally, decode(credential)).slice(0, 16))}`;

/** Root over these leaves, filled up with empty ones, and the path of one of them. */
function climb(leaves, place) {
  const path = [];
  let [level, empty, at] = [leaves, leafOf(new Uint8Array(32)), place];
  for (let height = 0; height < LEVELS; height += 1) {
    path.push(level[at ^ 1] ?? empty);
    const below = level;
    level = Array.from({ length: Math.ceil(below.length / 2) }, (_, n) => nodeOf(below[2 * n], below[2 * n + 1] ?? empty));
    [empty, at] = [nodeOf(empty, empty), at >> 1];
  }
  return { root: level[0], path };
}

/** What a ballot shows for a slip: `{ credential, place, path }`; `published` is the text of all hashes, one a line. */
export function fromSlip(tally, code, published, root) {
  const credential = derived(SLIP_CONTEXT, tally, utf8(code));
  const lines = published.split("\n").slice(0, -1);
  const place = lines.indexOf(encode(derived(CREDENTIAL_CONTEXT, tally, credential)));
  const climbed = lines.length > 2 ** LEVELS ? undefined : climb(lines.map((line) => leafOf(decode(line))), Math.max(place, 0));
  if (!climbed?.root || encode(climbed.root) !== root) {
    throw new Error("公布的票码哈希清单与发起投票时承诺的不符，没有投票。请告诉监票人和上级机关");
  }
  if (place < 0) throw new Error("不是这次投票发出的票码，请核对");
  return { credential: encode(credential), place, path: climbed.path.map((hash) => ({ hash: encode(hash) })) };
}
