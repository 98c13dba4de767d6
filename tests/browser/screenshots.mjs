// Pictures of every page, to be looked at: public and console, 390 and 1280 pixels wide, of the demo and of a ledger in
// which nothing stands yet. Started by tests/screenshots; says where the pictures are and which pages are too large or too
// wide, and fails when a page is missing or complains.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { binary, complaintsOf, demo, launch, root } from "./demo.mjs";
import { entering, makeKey, register } from "./people.mjs";

const PAGE_BYTES_MAX = 100_000;
const PIN = "山高月小水落石出";
const COUNTY = "341599";
/** A day of the demo's story: half a year ago. */
const PAST = new Date(Date.now() - 180 * 86_400_000).toISOString().slice(0, 10);
const into = resolve(process.argv[2] ?? join(root, "target/screenshots/all"));
const SIZES = {
  390: {},
  1280: { viewport: { width: 1280, height: 900 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 },
};
const found = [];

async function take(page, site, path, name) {
  const response = await page.goto(site + path);
  const status = response.status();
  if (status !== 200 && !name.endsWith("problem")) found.push(`${name}: ${path} answers ${status}`);
  const bytes = (await response.body()).length;
  if (bytes > PAGE_BYTES_MAX) found.push(`${name}: ${path} has ${bytes} bytes`);
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  if (wide > screen) found.push(`${name}: ${path} is ${wide} px wide on ${screen}`);
  await page.screenshot({ path: join(into, `${name}-${page.viewportSize().width}.png`), fullPage: true });
}

/** The address behind the first link of a page, or nothing. */
const first = (page, selector) => page.locator(selector).first().getAttribute("href", { timeout: 1_000 }).catch(() => undefined);

/** Every kind of public page: its name and its address. */
async function publicPages(page, site) {
  const boards = ["pledges", "vacancies", "nominations", "notices", "disclosures"];
  const pages = [["home", "/"], ["timeline", "/timeline"], ["organizations", "/organizations"], ["compliance", "/compliance"], ["compare", "/compare"], ["about", "/about"], ["search", "/search?q=%E6%9D%91"], ["search-none", "/search?q=%E6%97%A0%E6%AD%A4%E4%BA%8B"], ["hand-in", "/hand-in"], ["follow", "/follow"], ["verify", "/verify"], ["verify-wrong", "/verify?no=none"], ["entry", "/entries/0/view"], ["problem", "/pledges/none"]];
  for (const list of ["overdue", "missing", "without-outcome", "unanswered", "unopened", "back-filled", "withdrawn"]) pages.push([`compliance-${list}`, `/compliance?list=${list}`]);
  for (const board of boards) {
    pages.push([board, `/${board}`], [`${board}-none`, `/${board}?q=%E6%97%A0%E6%AD%A4%E4%BA%8B`]);
    await page.goto(`${site}/${board}`);
    const one = await first(page, "main .items a.title");
    if (one) pages.push([`${board}-one`, one]);
    if (one && ["notices", "nominations", "disclosures"].includes(board)) pages.push([`${board}-loudspeaker`, `${one}/loudspeaker`]);
    const sheet = await first(page, 'main .items a.title:has-text("收支公开表")');
    if (sheet) pages.push(["disclosures-sheet", sheet], ["wall", `${sheet}/wall`], ["wall-differing", `${sheet}/wall?in=1&out=1`]);
    pages.push([`${board}-past`, `/${board}?on=${PAST}`]);
    const entry = board === "pledges" && (await first(page, "main .items a.no"));
    if (entry) pages.push(["picture", `/n/${entry.split("/")[2]}/picture`]);
  }
  await page.goto(`${site}/pledges`);
  const pledge = await first(page, "main .items a.title");
  if (pledge) pages.push(["hand-in-pledge.rated", `/hand-in/pledge.rated?about=${encodeURIComponent(`pledge/${pledge.split("/")[2]}`)}`]);
  await page.goto(`${site}/hand-in`);
  for (const href of await page.locator('main a[href^="/hand-in/"]').evaluateAll((links) => links.map((link) => link.getAttribute("href")))) {
    const name = `hand-in-${href.split("/")[2].split("?")[0]}`;
    if (!pages.some(([known]) => known === name)) pages.push([name, href]);
  }
  await page.goto(`${site}/compliance`);
  const village = await first(page, '#missing a[href^="/organizations/"]');
  if (village) {
    const codes = village.split("/")[2];
    pages.push(["organization", village], ["organization-past", `${village}?on=${PAST}`], ["compare-two", `/compare?org=${codes}&org=${COUNTY}101201`]);
  }
  await page.goto(`${site}/timeline`);
  const entry = await first(page, "main .items a.no");
  if (entry) pages.push(["entry-latest", entry]);
  return pages;
}

/** A key made in the browser, approved for roles, signed in. */
async function signIn(page, site, roles) {
  await page.goto(`${site}/internal/sign-in`);
  const key = await makeKey(page, `${roles[0]}.shots-${page.viewportSize().width}/1`, PIN);
  await page.screenshot({ path: join(into, `console-card-${page.viewportSize().width}.png`), fullPage: true });
  const person = `person/018f0000-0000-7000-8000-${roles[0].length.toString().padStart(4, "0")}${String(page.viewportSize().width).padStart(8, "0")}`;
  register(served, entering(person, { name: "欧阳尉迟长姓名(虚构)", org: COUNTY, key, roles }));
  await page.getByRole("button", { name: "登录" }).click();
  await page.waitForURL(`${site}/internal/`);
}

/** The pages of the console for whoever is signed in. */
async function consolePages(page, site, who) {
  const pages = [[`console-${who}-desk`, "/internal/"]];
  await page.goto(`${site}/internal/`);
  const forms = await page.locator('main a[href^="/internal/write/"]').evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  for (const href of new Set(forms)) pages.push([`console-write-${href.split("/")[3].split("?")[0]}`, href]);
  pages.push([`console-${who}-board`, "/internal/board"], [`console-${who}-answers`, "/internal/answers"], ["console-import", "/internal/import"], ["console-devices", "/internal/devices"]);
  await page.goto(`${site}/internal/answers`);
  const letter = await first(page, 'main a[href^="/internal/answers/letter/"]');
  if (letter) pages.push([`console-${who}-letter`, letter]);
  await page.goto(`${site}/internal/board`);
  for (const href of await page.locator(".board .num").evaluateAll((links) => links.map((link) => link.getAttribute("href")))) {
    pages.push([`console-${who}-board-${href.split("/")[3].split("?")[0]}`, href]);
  }
  await page.goto(`${site}/internal/board/overdue_pledges`);
  const matter = await first(page, "main .awaited a.title");
  if (matter) pages.push([`console-${who}-continue`, `/internal/continue?about=${encodeURIComponent(matter)}`]);
  return pages;
}

async function walk(page, site, pages, prefix) {
  const complaints = complaintsOf(page, site);
  for (const [name, path] of pages) await take(page, site, path, prefix + name);
  found.push(...complaints.filter((complaint) => !complaint.includes("/pledges/none")));
}

/** A ledger that was just made, served; nothing stands in it but its registrars. */
async function emptyLedger() {
  const folder = mkdtempSync(join(tmpdir(), "gongkai-empty-"));
  const dir = join(folder, "ledger");
  execFileSync(binary, ["init", "--dir", dir, "--origin", "empty.example", "--name", "空账本（虚构）"], { stdio: "pipe" });
  const server = spawn(binary, ["serve", "--dir", dir, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  const site = await new Promise((done, failed) => {
    const hear = (line) => {
      const address = /(http:\/\/127\.0\.0\.1:[1-9]\d*)/.exec(line)?.[1];
      if (address) done(address);
    };
    for (const stream of [server.stdout, server.stderr]) createInterface({ input: stream }).on("line", hear);
    server.once("exit", (code) => failed(new Error(`gongkai serve ended with ${code}`)));
  });
  const end = async () => {
    const ended = new Promise((done) => server.once("exit", done));
    server.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, site, end };
}

mkdirSync(into, { recursive: true });
const served = await demo("screenshots");
const empty = await emptyLedger();
try {
  for (const [width, more] of Object.entries(SIZES)) {
    const browser = await launch(served.folder, `shots-${width}`, more);
    const page = await browser.newPage();
    await walk(page, served.site, await publicPages(page, served.site), "");
    await walk(page, empty.site, await publicPages(page, empty.site), "empty-");
    await page.close();
    for (const [who, roles] of [["secretary", ["approver", "inspector"]], ["publisher", ["publisher"]], ["supervisor", ["supervisor"]]]) {
      const profile = await launch(served.folder, `shots-${who}-${width}`, more);
      const desk = await profile.newPage();
      await take(desk, served.internal, "/internal/sign-in", "console-sign-in");
      await signIn(desk, served.internal, roles);
      await walk(desk, served.internal, await consolePages(desk, served.internal, who), "");
      await profile.close();
    }
    await browser.close();
  }
} finally {
  await empty.end();
  await served.end();
  console.log(`pictures in ${into}`);
  for (const complaint of found) console.log(complaint);
}
process.exitCode = found.length > 0 ? 1 : 0;
