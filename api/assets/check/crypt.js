// The two primitives of every check: SHA-256, and strict Ed25519.
//
// WebCrypto where the browser has it, which on a plain http address is nowhere; else noble, which is vendored. For
// signatures both have to say yes: noble refuses what RFC 8032 refuses and keys of small order, which WebCrypto leaves to
// each browser; WebCrypto's equation is the one without the cofactor in every browser that we know, and noble's is not.
import { sha256 as noble } from "../vendor/crypto.js";
import { isSigned } from "../note.js";

const subtle = globalThis.crypto?.subtle;

/** SHA-256 of bytes. */
export const sha256 = async (bytes) => (subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : noble(bytes));

/** What the browser itself says of a signature; `undefined` when it knows no Ed25519. */
async function own(message, signature, key) {
  try {
    const imported = await subtle.importKey("raw", key.key, "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", imported, signature, message);
  } catch {
    return undefined;
  }
}

/** Whether a key signed these bytes. */
export async function isSignedBy(message, signature, key) {
  return isSigned(message, signature, key) && (await own(message, signature, key)) !== false;
}
