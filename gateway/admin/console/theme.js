// The theme: light, dark, or that of the system; stored in this browser.

import { make, say } from "./dom.js";

const NAMES = ["system", "light", "dark"];

export function theme(button) {
  let chosen = NAMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system";
  const icon = make("span", "icon");
  icon.setAttribute("aria-hidden", "true");
  const words = make("span", "words"); // a narrow page shows only the icon; the words remain for screen readers
  button.replaceChildren(icon, words);
  function apply() {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    icon.dataset.is = chosen;
    say(words, `Theme: ${chosen}`);
    button.title = words.textContent;
    localStorage.setItem("theme", chosen);
  }
  button.addEventListener("click", () => {
    chosen = NAMES[(NAMES.indexOf(chosen) + 1) % NAMES.length];
    apply();
  });
  apply();
}
