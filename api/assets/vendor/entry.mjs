// What the public site's own scripts take from the noble libraries (MIT, Paul Miller), and nothing more. `bundle.mjs`
// makes crypto.js of it. To take more, export it here, run `npm ci` and `node bundle.mjs`, and commit crypto.js.
export { blake3 } from "@noble/hashes/blake3.js";
export { expand, extract } from "@noble/hashes/hkdf.js";
export { sha256 } from "@noble/hashes/sha2.js";
export { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
export { ed25519 } from "@noble/curves/ed25519.js";
// X-Wing: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem), public key 1,216 bytes, ciphertext 1,120.
export { ml_kem768_x25519 as xwing } from "@noble/post-quantum/hybrid.js";
