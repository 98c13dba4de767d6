// Signing in with a key of this device, and asking the internal side.
import { parseKey } from "../note.js";
import { sign } from "./keys.js";

/** A no of the ledger: its sentence, its code, and the place that it names. */
export class No extends Error {
  constructor(answer, status) {
    super(answer.detail ?? answer.title ?? `服务器返回 ${status}`);
    this.code = answer.code ?? String(status);
    this.place = answer.place;
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  const sent = { cache: "no-store", credentials: "same-origin", referrerPolicy: "no-referrer", ...options };
  const response = await fetch(path, sent).catch(() => {
    throw new Error("网络不通，没有提交。写好的内容还在这一页，请先别关，网络恢复后再试");
  });
  if (response.ok) return response.status === 204 ? undefined : response.json();
  throw new No(await response.json().catch(() => ({})), response.status);
}

export const post = (path, body, headers = {}) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });

/** Name of the ledger, as its own key says. */
export async function origin() {
  const response = await fetch("/log/vkey", { cache: "no-store" });
  return parseKey(await response.text()).name;
}

/** Signs in. What is signed must be a login of this ledger for this key: no server gets another thing signed. */
export async function signIn(key, askPin) {
  const { challenge } = await post("/internal/api/v1/challenges", { key: key.name });
  const [form, from, name] = challenge.split("\n");
  if (form !== "gongkai.login/v1" || from !== (await origin()) || name !== key.name) {
    throw new Error("服务器给的登录文字不是这个账本的，或不是给这把钥匙的，没有签名");
  }
  const note = `${challenge}\n${await sign(key, challenge, askPin)}`;
  return post("/internal/api/v1/sessions", { note });
}

export const signOut = () => ask("/internal/api/v1/sessions/current", { method: "DELETE" });
