// What a page says of a step that it takes: one line of status, the buttons off meanwhile, and what went wrong.

/** Says something on a line. */
export const teller = (line) => (text, bad = false) => {
  line.textContent = text;
  line.className = bad ? "bad" : "";
};

/** Takes steps one at a time, each with the buttons of main off; the dialog for the PIN is outside of it. */
export const stepper = (say, failed = (error) => say(error.message, true)) => async (text, work) => {
  const buttons = [...document.querySelectorAll("main button")];
  if (buttons.some(({ disabled }) => disabled)) return;
  for (const button of buttons) button.disabled = true;
  say(text);
  try {
    await work();
  } catch (error) {
    failed(error);
  }
  for (const button of buttons) button.disabled = false;
};
