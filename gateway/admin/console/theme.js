// Light, dark, or what the system says; kept in this browser.

import { make } from "./dom.js";

const NAMES = ["system", "light", "dark"];

export function theme(button) {
  let chosen = NAMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system";
  function apply() {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    button.replaceChildren(make("span", "", "Theme: "), chosen);
    localStorage.setItem("theme", chosen);
  }
  button.addEventListener("click", () => {
    chosen = NAMES[(NAMES.indexOf(chosen) + 1) % NAMES.length];
    apply();
  });
  apply();
}
