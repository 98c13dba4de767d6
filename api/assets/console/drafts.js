// Drafts are kept on the server, encrypted there, so that a shared PC holds nothing and another device goes on with them.
import { newKey } from "../statement.js";
import { ask } from "./session.js";

const PATH = "/internal/api/v1/drafts";
const SAVE_AFTER_MS = 800;
const RETRY_AFTER_MS = 4_000;

/** All drafts that one may see; nothing where the server keeps none. */
export async function list() {
  try {
    return (await ask(PATH)).drafts;
  } catch (error) {
    if (error.status === 404) return undefined;
    throw error;
  }
}

export const open = (id) => ask(`${PATH}/${id}`);
export const drop = (id) => ask(`${PATH}/${id}`, { method: "DELETE" });

export const put = (id, known, content) =>
  ask(`${PATH}/${id}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ known, ...content }) });

/** Adds a signature, or with none hands in what is completely signed. */
export const sign = (id, signature) =>
  ask(`${PATH}/${id}/signatures`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ signature }) });

/** Says in an element how far keeping is: `saved()` words that it is done, `what` names what would be lost. */
export const teller = (element, { saved, what, ended }) => (state, error) => {
  const texts = {
    saving: "正在保存……",
    saved: saved(),
    offline: `没有连上服务器，${what}还在这一页，请先别关；连上后自动保存。`,
    ended: "还没有保存，请先别关这一页。",
    nowhere: `这台服务器没有启用限阅库，不保存草稿；${what}只在这一页，请先别关。`,
  };
  element.textContent = texts[state] ?? error.message;
  element.className = ["saving", "saved"].includes(state) ? "hint" : "bad";
  element.dataset.state = state;
  if (state === "ended") ended();
};

/**
 * Keeps what `content()` gives, a moment after the last change, and again when the connection or the session is back.
 * `tell(state)` is called with saving, saved, offline, ended, changed, nowhere or refused, and the error.
 */
export function keeper({ id = newKey(), known, content, tell }) {
  let timer;
  let dirty = false;
  let busy;
  let off = false;

  async function save() {
    clearTimeout(timer);
    if (busy) return busy;
    busy = (async () => {
      while (dirty && !off) {
        dirty = false;
        try {
          ({ revision: known } = await put(id, known, content()));
          if (!dirty) tell("saved");
        } catch (error) {
          dirty = true;
          failed(error);
          return;
        }
      }
    })();
    await busy;
    busy = undefined;
  }

  function failed(error) {
    if (error.status === undefined || error.status >= 500) {
      tell("offline", error);
      timer = setTimeout(save, RETRY_AFTER_MS);
    } else if (error.status === 401) {
      tell("ended", error);
    } else {
      // Trying again would change nothing.
      off = error.status === 404 || error.status === 409;
      tell({ 404: "nowhere", 409: "changed" }[error.status] ?? "refused", error);
    }
  }

  addEventListener("online", save);
  addEventListener("beforeunload", (event) => dirty && event.preventDefault());
  return {
    id,
    touch() {
      if (off) return;
      dirty = true;
      tell("saving");
      clearTimeout(timer);
      timer = setTimeout(save, SAVE_AFTER_MS);
    },
    async flush() {
      clearTimeout(timer);
      await save();
    },
    /** Keeps another thing under the same id, at once. */
    async replace(other) {
      clearTimeout(timer);
      await busy;
      [dirty, off] = [false, true];
      ({ revision: known } = await put(id, known, other));
    },
    /** What was submitted is no draft any more. */
    async end() {
      clearTimeout(timer);
      await busy;
      [dirty, off] = [false, true];
      if (known !== undefined) await drop(id).catch(() => undefined);
    },
  };
}
