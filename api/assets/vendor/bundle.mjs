// Makes crypto.js, the one file of cryptography that the public pages load, card.js, what the console needs besides (a
// PIN's key, QR codes), and scan.js, which reads QR codes, from the versions in package-lock.json.
//
//   npm ci && node bundle.mjs            writes all
//   npm ci && node bundle.mjs --check    compares: are the committed files what the sources say?
//
// No network at build or run time of the ledger: they are committed, and tests/run compares them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
const licenceOf = (name) => readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8").trim();
const FILES = [
  { entry: "entry.mjs", out: "crypto.js", of: ["@noble/ciphers", "@noble/curves", "@noble/hashes", "@noble/post-quantum"], licence: licenceOf("@noble/hashes") },
  { entry: "card.mjs", out: "card.js", of: ["@noble/hashes", "qrcode-generator"], licence: `${licenceOf("@noble/hashes")}\n\nqrcode-generator: MIT License, Copyright (c) 2009 Kazuhiko Arase` },
  { entry: "scan.mjs", out: "scan.js", of: ["qr"], licence: readFileSync(join(here, "node_modules/qr/LICENSE-MIT"), "utf8").trim() },
];

for (const { entry, out, of, licence } of FILES) {
  const list = of.map((name) => `${name} ${lock.packages[`node_modules/${name}`].version}`).join(", ");
  const made = await build({
    absWorkingDir: here,
    entryPoints: [entry],
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
  if (!process.argv.includes("--check")) {
    writeFileSync(join(here, out), text);
  } else if (readFileSync(join(here, out), "utf8") !== text) {
    console.error(`${out} is not what package-lock.json and ${entry} make: run node bundle.mjs and look at the difference`);
    process.exit(1);
  }
}
