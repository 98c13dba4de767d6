// Asks for a PIN in a dialog of the page, so that it is masked and its letters are in no history.
const dialog = document.querySelector("dialog[data-pin]");

/** The PIN of an encrypted key, or nothing when somebody thought better of it. */
export function askPin(key) {
  const [form, input] = [dialog.querySelector("form"), dialog.querySelector("input")];
  dialog.querySelector("[data-name]").textContent = key.name;
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const end = (value) => {
      form.onsubmit = null;
      dialog.onclose = null;
      if (dialog.open) dialog.close();
      input.value = "";
      resolve(value);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      end(input.value);
    };
    dialog.onclose = () => end(undefined);
    dialog.querySelector("[data-cancel]").onclick = () => end(undefined);
  });
}
