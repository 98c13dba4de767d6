// What the checks fetch of this site: GET requests, without cookies, past every cache. Nothing else is sent.
const BYTES_MAX = 64 << 20;

/** An answer that is not there because of the network or the server; the check was not made. */
export class Unreachable extends Error {}

/** Status and bytes of an answer of this site, whatever the status. */
async function answered(path) {
  const sent = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" };
  const response = await fetch(path, sent).catch(() => {
    throw new Unreachable(`取不到 ${path}，请检查网络`);
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > BYTES_MAX) throw new Unreachable(`${path} 太大`);
  return { status: response.status, isGood: response.ok, bytes };
}

/** The bytes of an answer; `undefined` when there is nothing. */
function found(path, { status, isGood, bytes }) {
  if (status === 404) return undefined;
  if (!isGood) throw new Unreachable(`${path} 返回 ${status}`);
  return bytes;
}

/** Bytes as text; what is not UTF-8 is refused, and no byte is lost. */
function read(path, bytes) {
  if (!bytes) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${path} 不是文字`);
  }
}

/** Bytes at an address of this site; `undefined` when there is nothing. */
export const fetched = async (path) => found(path, await answered(path));

/** The same as text. */
export const text = async (path) => read(path, await fetched(path));

/** What has to be there. */
export async function needed(path, read = fetched) {
  const bytes = await read(path);
  if (bytes === undefined) throw new Unreachable(`网站上没有 ${path}`);
  return bytes;
}

/** The code by which a problem of the site is known (RFC 9457); `undefined` for anything else. */
function codeOf(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)).code;
  } catch {
    return undefined;
  }
}

/** The text that has to be there, or `undefined` where the site says by this code why it is not yet. */
export async function textUnless(path, code) {
  const answer = await answered(path);
  if (!answer.isGood && codeOf(answer.bytes) === code) return undefined;
  return needed(path, async () => read(path, found(path, answer)));
}
