// What the console's scripts take besides crypto.js: scrypt (noble, MIT, Paul Miller), which makes a key of a PIN, and QR
// codes (qrcode-generator, MIT, Kazuhiko Arase), which are drawn on the device because a printed key is nobody else's
// business. `bundle.mjs` makes card.js of it.
export { scryptAsync } from "@noble/hashes/scrypt.js";
export { default as qrcode } from "qrcode-generator";
