// Keys of people on their own device.
//
// A key is made here and never leaves: the browser keeps it non-extractable where it can sign with Ed25519 itself. Because
// browsers drop what a site stored that is visited once a month, there is a card (签章卡): the key, encrypted under a PIN,
// as a text and a QR code to print; it brings the key back on any device. Where the browser has no Ed25519 the encrypted
// key stands in the browser's store, and the PIN is asked for at each signature.
//
// Not here: who may sign what (the ledger), how pages look.
import { scryptAsync } from "../vendor/card.js";
import { ed25519, sha256, xchacha20poly1305 } from "../vendor/crypto.js";
import { parseKey } from "../note.js";
import { concat, decode, encode, utf8 } from "../proof.js";
import { random } from "../statement.js";

const STORE = "keys";
const CARD_FORM = "GK1";
// 64 MiB and about a second on a phone, for each guess at a PIN.
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, dkLen: 32 };
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const SEALED_BYTES = 48;
/** Fewest characters of a PIN, as of a key file's passphrase. */
export const PIN_CHARS_MIN = 8;
// The PKCS #8 of an Ed25519 key is these bytes and the seed (RFC 8410).
const PKCS8 = Uint8Array.from([0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]);

function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("gongkai", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "name" });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(new Error("这个浏览器不让网页保存钥匙。请关掉无痕浏览，或换一个浏览器"));
  });
}

async function within(mode, work) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(new Error("浏览器没有存下钥匙"));
      transaction.onabort = transaction.onerror;
    });
  } finally {
    opened.close();
  }
}

/** The keys of this device. */
export const all = () => within("readonly", (store) => store.getAll());
export const forget = (name) => within("readwrite", (store) => store.delete(name));
const keep = (key) => within("readwrite", (store) => store.put(key));

const idOf = (name, pub) => sha256(concat(utf8(`${name}\n`), [1], pub)).subarray(0, 4);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const vkeyOf = (name, pub) => `${name}+${hex(idOf(name, pub))}+${encode(concat([1], pub))}`;

/** Whether a text can be a key's name: words without spaces and plus signs (c2sp.org/signed-note). */
export const isName = (name) => /^[^\s+\u0000-\u001f]{1,200}$/.test(name) && utf8(name).length <= 200;

const pinKey = (pin, salt) => scryptAsync(utf8(pin.normalize("NFKC")), salt, SCRYPT);

/** The card of a key: form, sealed seed, name. */
async function cardOf(name, seed, pin) {
  const [salt, nonce] = [random(SALT_BYTES), random(NONCE_BYTES)];
  const sealed = xchacha20poly1305(await pinKey(pin, salt), nonce, utf8(name)).encrypt(seed);
  return `${CARD_FORM}.${encode(concat(salt, nonce, sealed)).replaceAll("+", "-").replaceAll("/", "_")}.${name}`;
}

/** The seed in a card. */
async function openCard(card, pin) {
  const [, box, name] = /^GK1\.([\w=-]+)\.(.+)$/.exec(card.trim()) ?? [];
  const bytes = box ? decode(box.replaceAll("-", "+").replaceAll("_", "/")) : [];
  if (bytes.length !== SALT_BYTES + NONCE_BYTES + SEALED_BYTES || !isName(name)) throw new Error("这不是签章卡上的文字，或没有抄全");
  const [salt, nonce] = [bytes.subarray(0, SALT_BYTES), bytes.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES)];
  try {
    const seed = xchacha20poly1305(await pinKey(pin, salt), nonce, utf8(name)).decrypt(bytes.subarray(SALT_BYTES + NONCE_BYTES));
    return { name, seed };
  } catch {
    throw new Error("口令不对");
  }
}

/** What the browser keeps of a seed: a handle that signs and cannot be read, or nothing. */
async function handleOf(seed) {
  try {
    return await crypto.subtle.importKey("pkcs8", concat(PKCS8, seed), "Ed25519", false, ["sign"]);
  } catch {
    return undefined;
  }
}

async function remember(name, seed, card) {
  const pub = ed25519.getPublicKey(seed);
  const handle = await handleOf(seed);
  seed.fill(0);
  const key = { name, vkey: vkeyOf(name, pub), handle, card: handle ? undefined : card };
  await keep(key);
  // Without it the browser may drop the key when space is short; it may also say no.
  await navigator.storage?.persist?.().catch(() => false);
  return key;
}

/** Makes a key on this device. Returns it, and its card, which is shown once and stored only where it must be. */
export async function make(name, pin) {
  if (!isName(name)) throw new Error("钥匙名不能有空格和加号");
  if ([...pin].length < PIN_CHARS_MIN) throw new Error(`口令至少 ${PIN_CHARS_MIN} 个字符`);
  if ((await all()).some((key) => key.name === name)) throw new Error("这台设备上已经有这个名字的钥匙");
  const seed = random(32);
  const card = await cardOf(name, seed, pin);
  return { key: await remember(name, seed, card), card };
}

/** Brings a key back from its card. */
export async function restore(card, pin) {
  const { name, seed } = await openCard(card, pin);
  return remember(name, seed, card.trim());
}

/**
 * The signature line of a key under a text (c2sp.org/signed-note). `askPin` is called where the key is encrypted, and gives
 * the PIN or nothing.
 */
export async function sign(key, text, askPin) {
  const bytes = utf8(text);
  let signature;
  if (key.handle) {
    signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key.handle, bytes));
  } else {
    const pin = await askPin(key);
    if (!pin) throw new Error("没有输入口令，没有签名");
    const { seed } = await openCard(key.card, pin);
    signature = ed25519.sign(bytes, seed);
    seed.fill(0);
  }
  const { id } = parseKey(key.vkey);
  return `— ${key.name} ${encode(concat(id, signature))}\n`;
}
