// How a step of a check ends: "ok", "bad" or "none" (not checked, with the reason), and what it says in plain words.
export const ok = (said, more) => ({ state: "ok", said, ...more });
export const bad = (said, more) => ({ state: "bad", said, ...more });
export const none = (said, more) => ({ state: "none", said, ...more });

/** Not checked because something was not to be had: whoever withholds it must not get a whole check for it. */
export const cut = (said) => none(said, { isCut: true });

/** A moment as readers in China say it. */
export const day = (at) => new Date(at).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
