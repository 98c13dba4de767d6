// What somebody else said on paper, by phone or in a meeting, entered for them: the channel and the scan of the original,
// whose hash this device computes.
import { fileControl, make } from "./form.js";

/** The controls; `said()` gives the statement's `proxy`, `state()` and `restore()` are for the draft. */
export function proxyOf(channels) {
  const scan = fileControl("原件扫描件");
  const options = channels.map((channel) => make("option", { value: channel, text: channel }));
  const channel = make("select", { id: "f-channel" }, make("option", { value: "", text: "不是代录" }), ...options);
  const hint = make("p", { class: "hint", text: "别人在纸上、电话里、会上说的，由您代录：选来源，附上原件或记录的照片。公众看得到是代录。" });
  const element = make("details", { class: "field" }, make("summary", { text: "替别人代录" }), hint, make("label", { for: "f-channel", text: "来源" }), channel, make("p", { text: "原件扫描件" }), scan.element);

  function said() {
    if (!channel.value) return undefined;
    const [original] = scan.read() ?? [];
    if (!original) throw new Error("代录的要附上原件扫描件");
    return { channel: channel.value, original: original.hash };
  }

  return {
    element,
    said,
    state: () => ({ channel: channel.value || undefined, scan: scan.read() }),
    restore({ channel: value, scan: original } = {}) {
      channel.value = value ?? "";
      if (original) scan.write(original);
      element.open = Boolean(value);
    },
  };
}
