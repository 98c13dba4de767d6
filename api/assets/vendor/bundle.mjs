// Makes crypto.js, the one file of cryptography that the hand-in page loads, from the versions in package-lock.json.
//
//   npm ci && node bundle.mjs            writes crypto.js
//   npm ci && node bundle.mjs --check    compares: is the committed file what the sources say?
//
// No network at build or run time of the ledger: crypto.js is committed, and tests/run compares it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const out = join(here, "crypto.js");
const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
const parts = Object.keys(JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies);
const list = parts.map((name) => `${name} ${lock.packages[`node_modules/${name}`].version}`).join(", ");
const licence = readFileSync(join(here, "node_modules/@noble/hashes/LICENSE"), "utf8").trim();

const made = await build({
  absWorkingDir: here,
  entryPoints: ["entry.mjs"],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2020",
  minify: true,
  charset: "utf8",
  legalComments: "inline",
  banner: { js: `/*! Made by bundle.mjs from ${list}.\n\n${licence} */` },
  logLevel: "warning",
});
const text = made.outputFiles[0].text;

if (process.argv.includes("--check")) {
  if (readFileSync(out, "utf8") !== text) {
    console.error("crypto.js is not what package-lock.json and entry.mjs make: run node bundle.mjs and look at the difference");
    process.exit(1);
  }
} else {
  writeFileSync(out, text);
}
