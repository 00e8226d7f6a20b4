// The callers, and the calls that failed.

import { arrange, byId, make, meter, say, show } from "./dom.js";
import { count, plural, timeOfDay, visible } from "./words.js";

export class Callers {
  constructor() { this.rows = new Map(); }

  show(model) {
    const elements = model.callers.map((caller) => this.#row(caller));
    const names = new Set(model.callers.map((caller) => caller.name));
    for (const name of this.rows.keys()) if (!names.has(name)) this.rows.delete(name);
    arrange(byId("callers"), elements);
    show(byId("callers-none"), !elements.length);
    const { callers } = model.totals;
    say(byId("callers-aside"), callers > elements.length ? `${count(elements.length)} of ${count(callers)}, most unanswered first` : "");
  }

  #row(caller) {
    let row = this.rows.get(caller.name);
    if (!row) {
      row = { streams: make("td", "number"), unanswered: make("span"), meter: meter(true) };
      const unanswered = make("td", "number", "", row.unanswered, row.meter.element);
      row.element = make("tr", "", "", make("td", "", "", make("bdi", "", visible(caller.name))), row.streams, unanswered);
      this.rows.set(caller.name, row);
    }
    say(row.streams, count(caller.streams));
    say(row.unanswered, count(caller.unanswered));
    row.meter.set(caller.unanswered / caller.window);
    row.element.title = `may have ${count(caller.window)} unanswered`;
    return row.element;
  }
}

/** The number of a call with its instant, since a gateway that replaces another one counts from 1 again. */
const nameOf = (failed) => `${failed.number} at ${failed.at}`;

export class Failures {
  constructor(onSay) {
    this.onSay = onSay;
    this.rows = new Map();
  }

  show(model) {
    const newest = [...model.failures].reverse();
    const names = new Set(newest.map(nameOf));
    for (const name of this.rows.keys()) if (!names.has(name)) this.rows.delete(name);
    arrange(byId("failures"), newest.map((failed) => this.#row(failed, model)));
    show(byId("failures-none"), !newest.length);
    const all = Object.entries(model.totals.calls).reduce((sum, [name, each]) => sum + (name === "ok" ? 0 : each), 0);
    say(byId("failures-aside"), all ? `${plural(all, "attempt")} failed since the start` : "");
  }

  #row(failed, model) {
    const name = nameOf(failed);
    if (this.rows.has(name)) return this.rows.get(name);
    const time = make("time", "", timeOfDay(model.epochOf(failed.at)));
    const what = make("span", "what", "", make("b", "", visible(failed.kind)), " in ", make("bdi", "", visible(failed.campaign_id)));
    const trace = make("button", "trace mono", failed.trace_id || "no trace");
    trace.type = "button";
    trace.title = "Copy the trace id";
    trace.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(failed.trace_id);
        this.onSay("The trace id is copied");
      } catch {
        getSelection().selectAllChildren(trace);
      }
    });
    const about = `${plural(failed.items, "dial request")}, ${plural(failed.attempts, "attempt")}`;
    const words = make("span", "words", `${visible(failed.words)} (${about})`);
    const row = make("li", "", "", time, what, trace, words);
    this.rows.set(name, row);
    return row;
  }
}
