// Signing in again on the page where the session ended: nothing that stands there has to be thrown away.
import { make } from "./form.js";
import { all } from "./keys.js";
import { askPin } from "./pin.js";
import { signIn } from "./session.js";

/** Says in `status` that the session is over; the button signs in with the same key, and goes on with `then`. */
export function again(status, name, then) {
  const button = make("button", { type: "button", class: "btn main", text: "重新登录" });
  const why = make("span");
  button.onclick = async () => {
    button.disabled = true;
    try {
      const key = (await all()).find((one) => one.name === name);
      if (!key) throw new Error(`这台设备上没有 ${name}，请在另一页用签章卡找回，再回到这一页`);
      await signIn(key, askPin);
      status.replaceChildren();
      await then();
    } catch (error) {
      why.textContent = ` ${error.message}`;
      button.disabled = false;
    }
  };
  status.className = "bad";
  status.replaceChildren("登录已经过期，写好的内容还在这一页。", button, why);
}
