// What the walks share: the demo ledger served by the real binary, and a real browser on a phone-sized screen.
//
// GONGKAI_BINARY names the binary. Screenshots go to target/screenshots.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const root = resolve(import.meta.dirname, "../..");
export const binary = process.env.GONGKAI_BINARY ?? join(root, "target/debug/gongkai");
export const screenshots = join(root, "target/screenshots");
// Making the demo ledger in a debug build on a busy machine of two cores.
export const START_MS_MAX = 240_000;

const PHONE = { width: 390, height: 844 };

export function options(more) {
  return {
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: [
      ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
    ],
    viewport: PHONE,
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    locale: "zh-CN",
    timezoneId: "Asia/Shanghai",
    acceptDownloads: true,
    ...more,
  };
}

/** Opens a browser with a profile of its own. */
export const launch = (folder, name, more = {}) =>
  chromium.launchPersistentContext(join(folder, name), options(more));

/** Starts the demo and waits until it says its addresses; gives them with the folder and a way to end it. */
export async function demo(name) {
  assert.ok(existsSync(binary), `${binary} is missing: build it with cargo build -p gongkai-api`);
  assert.ok(existsSync("/usr/bin/chromium"), "Chromium is missing: tests/run installs it");
  mkdirSync(screenshots, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), `gongkai-${name}-`));
  const { child, site, internal } = await demoIn(folder);
  const end = async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, site, internal, end };
}

/** Starts the demo in a folder, and makes it if it is not there yet. */
export async function demoIn(folder) {
  const args = ["demo", "--dir", join(folder, "demo"), "--listen", "127.0.0.1:0"];
  const { child, found } = await start(args, SITE, /内部 https:\/\/(127\.0\.0\.1:[1-9]\d*)/);
  return { child, site: found[0], internal: `http://${found[1]}` };
}

/** How every program that serves a site says its address. */
export const SITE = /网站 (http:\/\/127\.0\.0\.1:[1-9]\d*)/;

/** Starts the binary and waits until it has said everything that is looked for; gives the first group of each pattern. */
export function start(args, ...patterns) {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((done, failed) => {
    let said = "";
    const hear = (line) => {
      said += `${line}\n`;
      const found = patterns.map((pattern) => pattern.exec(said)?.[1]);
      if (found.every(Boolean)) done({ child, found });
    };
    createInterface({ input: child.stdout }).on("line", hear);
    createInterface({ input: child.stderr }).on("line", hear);
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`gongkai ${args[0]} ended with ${code}:\n${said}`)));
  });
}

/** Asks a program to stop, and waits until it has. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  await ended;
}

/** Keeps everything that a page of a site complains about. */
export function complaintsOf(page, site) {
  const complaints = [];
  // A ledger without witnesses, or with its first key, answers a check's question for them with 404, which is an answer.
  const isAnswer = (url) => [`${site}/log/policy`, `${site}/log/key-history`].includes(url);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !isAnswer(message.location().url)) complaints.push(`${page.url()}: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
  page.on("requestfailed", (request) => {
    // Aborted is what was still loading when the page was left, and what became a download.
    const failure = request.failure()?.errorText;
    if (failure !== "net::ERR_ABORTED") complaints.push(`${request.url()}: ${failure}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(site)) complaints.push(`${page.url()} asked ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400 && !isAnswer(response.url())) complaints.push(`${response.url()}: ${response.status()}`);
  });
  return complaints;
}

/** What a command of the binary prints. */
export const run = (...args) => execFileSync(binary, args, { encoding: "utf8", stdio: "pipe" });

/** A picture of a whole page. */
export const shot = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

/** A page that everybody can use (WCAG 2.2 AA), and that is not wider than its screen. */
export async function accessible(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= screen, `${page.url()} is ${wide} px wide on a screen of ${screen}`);
}
