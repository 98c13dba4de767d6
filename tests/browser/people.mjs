// People of the walks: a key made in a browser by the console's form, and what both registrars record of its owner.
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./demo.mjs";

/** Makes a key on the page for signing in, which is open; gives its verifier key. */
export async function makeKey(page, name, pin) {
  await page.getByLabel("钥匙名").fill(name);
  await page.getByLabel("签章卡口令").fill(pin);
  await page.getByLabel("再输一次").fill(pin);
  await page.getByRole("button", { name: "生成钥匙" }).click();
  const vkey = page.locator("[data-part=made] [data-vkey]").filter({ hasText: name });
  await vkey.waitFor();
  return (await vkey.innerText()).trim();
}

/** The commands that enter somebody with a key and roles at an organization. */
export function entering(person, { name, org, key, roles }) {
  return [
    { kind: "person.registered.v1", stream: person, org, fields: { name } },
    { kind: "key.authorized.v1", org, fields: { person, key } },
    ...roles.map((role) => ({ kind: "role.granted.v1", org, fields: { person, role, avoidance_declared: true } })),
  ];
}

/** Both registrars of the demo record commands. */
export function register({ folder, internal }, commands) {
  const file = join(mkdtempSync(join(folder, "commands-")), "commands.jsonl");
  writeFileSync(file, commands.map((command) => JSON.stringify(command)).join("\n"));
  const [first, second] = [1, 2].map((number) => join(folder, `demo/keys/registrar-${number}.key`));
  run("submit", "--url", internal, "--outbox", join(folder, "outbox"), "--key", first, "--cosign", `registrar=${second}`, file);
}
