// What the checks fetch of this site: GET requests, without cookies, past every cache. Nothing else is sent.
const BYTES_MAX = 64 << 20;

/** An answer that is not there because of the network or the server; the check was not made. */
export class Unreachable extends Error {}

/** Bytes at an address of this site; `undefined` when there is nothing. */
export async function fetched(path) {
  const sent = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" };
  const response = await fetch(path, sent).catch(() => {
    throw new Unreachable(`取不到 ${path}，请检查网络`);
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Unreachable(`${path} 返回 ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > BYTES_MAX) throw new Unreachable(`${path} 太大`);
  return bytes;
}

/** The same as text; what is not UTF-8 is refused, and no byte is lost. */
export async function text(path) {
  const bytes = await fetched(path);
  if (!bytes) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${path} 不是文字`);
  }
}

/** What has to be there. */
export async function needed(path, read = fetched) {
  const found = await read(path);
  if (found === undefined) throw new Unreachable(`网站上没有 ${path}`);
  return found;
}
