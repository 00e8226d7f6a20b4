// The refusals by rules of calling, and the number of dial requests that wait for them.

import { arrange, byId, make, say, show } from "./dom.js";
import { count, plural, visible } from "./words.js";

export class Guard {
  constructor() { this.rows = new Map(); }

  show(model) {
    const { guard } = model.totals;
    show(byId("guard"), Boolean(guard));
    if (!guard) return;
    arrange(byId("guard-rows"), guard.refused.map((row) => this.#row(row)));
    show(byId("guard-none"), !guard.refused.length);
    const words = [guard.version ? `version ${visible(guard.version)}` : "no rules"];
    words.push(`${plural(guard.waiting, "dial request waits", "dial requests wait")} until they are allowed`);
    if (guard.suppressed) words.push(`${plural(guard.suppressed, "number")} suppressed by operators`);
    say(byId("guard-aside"), words.join(" · "));
  }

  #row(refused) {
    const name = JSON.stringify([refused.rule, refused.reason, refused.observed]);
    let row = this.rows.get(name);
    if (!row) {
      const rule = make("td", "", "", make("bdi", "", visible(refused.rule) || "none"));
      const reason = make("td", "", refused.observed ? `${refused.reason} (only observed)` : refused.reason);
      row = { count: make("td", "number") };
      row.element = make("tr", "", "", rule, reason, row.count);
      this.rows.set(name, row);
    }
    say(row.count, count(refused.requests));
    return row.element;
  }
}
