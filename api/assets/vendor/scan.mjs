// What the page for checking takes where a browser has no detector of its own: reading QR codes (paulmillr/qr, MIT or
// Apache-2.0, Paul Miller, without dependencies). `bundle.mjs` makes scan.js of it.
export { decodeQR } from "qr/decode.js";
