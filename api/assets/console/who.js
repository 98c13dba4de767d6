// Signing out, on every page of whoever is signed in.
import { signOut } from "./session.js";

const button = document.querySelector("[data-sign-out]");
button?.addEventListener("click", async () => {
  button.disabled = true;
  await signOut().catch(() => undefined);
  location.assign("/internal/sign-in");
});
