// RFC 8785 canonical JSON for what a ledger may hold: no floats, integers to 2^53 − 1, well-formed text.
// The same bytes as core/log/src/canonical.rs.

/** Whether a text has no half of a surrogate pair, which UTF-8 could not write. */
function isWellFormed(text) {
  try {
    return encodeURIComponent(text) !== undefined;
  } catch {
    return false;
  }
}

export function canonical(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(Object.is(value, -0) ? 0 : value);
  if (typeof value === "string" && isWellFormed(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object") {
    // Without an argument `sort` compares UTF-16 code units, as the RFC demands.
    const members = Object.keys(value).sort().map((name) => `${canonical(name)}:${canonical(value[name])}`);
    return `{${members.join(",")}}`;
  }
  throw new Error("有一项内容不能记录：含有小数或残缺的字符");
}
