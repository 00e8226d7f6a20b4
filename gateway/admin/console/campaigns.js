// The table of campaigns: filtered, sorted, and changed only in cells whose content has changed.

import { arrange, byId, choices, make, mark, meter, say, show } from "./dom.js";
import { count, duration, plural, rate, visible } from "./words.js";

const STATES = ["held", "parked", "cooling", "flowing"];
const FIRST = 50, MORE = 200;
const SHORT = { THROTTLED: "throttled", CAMPAIGN_NOT_RUNNING: "not running", HELD: "" };

const COLUMNS = [
  ["name", "Campaign", (row) => row.name || row.campaign_id, "ascending"],
  ["state", "State, and what ends it", (row) => STATES.indexOf(row.state), "ascending"],
  ["queue", "Waiting", (row) => row.queued, "descending"],
  ["flight", "In calls", (row) => row.in_flight, "descending"],
  ["wait", "Oldest wait", (row) => -(row.waiting_since ?? Infinity), "descending"],
  ["rate", "Accepted/s", (row) => row.rate, "descending"],
  ["accepted", "Accepted", (row) => row.counts[0], "descending"],
  ["others", "Otherwise", (row) => others(row), "descending"],
];

const capital = (word) => word[0].toUpperCase() + word.slice(1);
/** The text that a search looks through: the id, the name and the tags. */
const searchText = (row) => [row.campaign_id, row.name, ...row.tags.map(([key, value]) => `${key}=${value}`)].join("\n").toLowerCase();
const others = (row) => row.counts[1] + row.counts[2] + row.counts[3] + row.counts[4];

export class Campaigns {
  constructor(onAsk) {
    this.onAsk = onAsk;
    this.rows = new Map();
    this.limit = FIRST;
    this.state = "all";
    this.sort = { column: "state", order: "ascending" };
    this.pointed = false;
    this.order = [];
    this.body = byId("campaign-rows");
    this.states = choices(byId("states"), [["all", "All"], ...STATES.map((state) => [state, capital(state)])], "all", (state) => {
      this.state = state;
      this.#rebuild();
    });
    this.#head();
    byId("find").addEventListener("input", () => this.#rebuild());
    byId("campaign-more").addEventListener("click", () => { this.limit += MORE; this.#rebuild(false); });
    // Rows keep their places while the pointer is over them, so that nobody presses another campaign's button.
    const table = byId("campaign-table");
    table.addEventListener("pointerenter", () => { this.pointed = true; });
    table.addEventListener("pointerleave", () => { this.pointed = false; });
  }

  show(model) {
    this.model = model;
    this.largest = 1;
    for (const row of model.campaigns.values()) this.largest = Math.max(this.largest, row.queued);
    this.#nameStates(model.totals.campaigns);
    const steady = this.pointed || this.body.contains(document.activeElement);
    if (!steady || !this.order.length) this.order = this.#ordered();
    this.#fill();
  }

  /** Move the focus to the buttons of a campaign, if its row is shown. */
  focus(id) { this.rows.get(id)?.focus(); }

  #rebuild(fromStart = true) {
    if (fromStart) this.limit = FIRST;
    if (!this.model) return;
    this.order = this.#ordered();
    this.#fill();
  }

  #ordered() {
    const wanted = byId("find").value.trim().toLowerCase();
    const found = [...this.model.campaigns.values()].filter((row) =>
      (this.state === "all" || row.state === this.state)
      && (!wanted || searchText(row).includes(wanted)));
    const [, , of] = COLUMNS.find(([name]) => name === this.sort.column);
    const way = this.sort.order === "ascending" ? 1 : -1;
    found.sort((one, other) => {
      const [a, b] = [of(one), of(other)];
      if (a !== b) return (a < b ? -1 : 1) * way;
      return one.campaign_id < other.campaign_id ? -1 : 1;
    });
    return found.map((row) => row.campaign_id);
  }

  #fill() {
    const known = this.order.filter((id) => this.model.campaigns.has(id));
    const shown = known.slice(0, this.limit);
    const elements = shown.map((id) => {
      let row = this.rows.get(id);
      if (!row) this.rows.set(id, row = new Row(id, this.onAsk));
      row.show(this.model, this.largest);
      return row.element;
    });
    arrange(this.body, elements);
    const keep = new Set(shown);
    for (const id of this.rows.keys()) if (!keep.has(id)) this.rows.delete(id);
    this.#showAroundTable(known.length, shown.length);
  }

  #showAroundTable(known, shown) {
    const none = byId("campaign-none");
    show(none, !known);
    say(none, this.model.campaigns.size ? "No campaign matches." : "No dial request has arrived yet. A campaign appears with its first one.");
    show(byId("campaign-table"), known > 0);
    const more = byId("campaign-more");
    show(more, known > shown);
    say(more, `Show ${count(Math.min(MORE, known - shown))} more of ${count(known)}`);
  }

  #nameStates(campaigns) {
    const all = Object.values(campaigns).reduce((sum, each) => sum + each, 0);
    this.states.name("all", `All ${count(all)}`);
    for (const state of STATES) this.states.name(state, `${capital(state)} ${count(campaigns[state])}`);
  }

  #head() {
    const cells = COLUMNS.map(([name, words, , order], index) => {
      const button = make("button", "", words);
      button.type = "button";
      const cell = make("th", index > 1 ? "number" : "", "", button);
      cell.scope = "col";
      button.addEventListener("click", () => {
        const turned = this.sort.order === "ascending" ? "descending" : "ascending";
        this.sort = { column: name, order: this.sort.column === name ? turned : order };
        for (const [each, other] of cells) this.#markSort(each, other);
        this.#rebuild(false);
      });
      return [cell, name];
    });
    for (const [cell, name] of cells) this.#markSort(cell, name);
    byId("campaign-head").append(...cells.map(([cell]) => cell), make("th", "do", "", make("span", "unseen", "Changes")));
  }

  #markSort(cell, name) {
    if (name === this.sort.column) cell.setAttribute("aria-sort", this.sort.order);
    else cell.removeAttribute("aria-sort");
  }
}

class Row {
  constructor(id, onAsk) {
    this.id = id;
    this.state = make("span", "state");
    this.why = make("p");
    this.parts = make("p", "parts");
    this.queue = make("span");
    this.meter = meter();
    this.name = make("span", "called");
    this.name.dir = "auto"; // its direction does not affect the text around it, as with the element of the id
    this.tags = make("p", "tags");
    const name = make("td", "name", "", this.name, make("bdi", "id", visible(id)), this.tags);
    const cells = COLUMNS.slice(3).map(([, words]) => { const cell = make("td", "number"); cell.dataset.label = words; return cell; });
    [this.flight, this.wait, this.rate, this.accepted, this.others] = cells;
    const queue = make("td", "number queue", "", this.queue, this.meter.element);
    queue.dataset.label = "Waiting";
    this.hold = this.#button("Hold", () => onAsk("hold", id));
    this.release = this.#button("Release", () => onAsk("release", id));
    this.purge = this.#button("Purge", () => onAsk("purge", id));
    const actions = make("td", "do", "", this.hold, this.release, this.purge);
    this.element = make("tr", "", "", name, make("td", "why", "", this.state, this.why, this.parts), queue, ...cells, actions);
  }

  show(model, largest) {
    const row = model.campaigns.get(this.id);
    say(this.name, visible(row.name));
    show(this.name, row.name !== "");
    say(this.tags, row.tags.map(([key, value]) => `${visible(key)}=${visible(value)}`).join(", "));
    show(this.tags, row.tags.length > 0);
    mark(this.state, "data-is", row.state);
    say(this.state, capital(row.state));
    say(this.why, why(row, model.at));
    say(this.parts, row.parts.length ? row.parts.map((part) => words(part, row)).join(" · ") : "");
    show(this.parts, row.parts.length > 0);
    this.#number(this.queue, row.queued);
    this.meter.set(row.queued / largest);
    this.#number(this.flight, row.in_flight);
    say(this.wait, row.waiting_since === null ? "–" : duration(model.at - row.waiting_since));
    say(this.rate, rate(row.rate));
    this.#number(this.accepted, row.counts[0]);
    this.#number(this.others, others(row));
    const [, rejected, expired, notAccepted, unknown] = row.counts;
    mark(this.others, "title", `${count(rejected)} rejected, ${count(expired)} expired, ${count(notAccepted)} not accepted, ${count(unknown)} unknown`);
    const held = row.state === "held";
    const focused = document.activeElement === (held ? this.hold : this.release);
    show(this.hold, !held);
    show(this.release, held);
    if (focused) this.focus(); // the button that had the focus was replaced
    this.purge.disabled = !row.queued;
  }

  focus() { (this.hold.hidden ? this.release : this.hold).focus(); }

  #number(element, number) {
    say(element, count(number));
    element.classList.toggle("zero", !number);
  }

  #button(words, onPress) {
    const button = make("button", "quiet", words);
    button.type = "button";
    button.setAttribute("aria-label", `${words} ${visible(this.id)}`);
    button.addEventListener("click", onPress);
    return button;
  }
}

/** One replica's part of a campaign; its state is shown only if it differs from the campaign's. */
function words(part, row) {
  const state = part.state === row.state ? "" : `${part.state}, `;
  return `${visible(part.replica)}: ${state}${count(part.queued)} waiting, ${count(part.in_flight)} in calls, ${rate(part.rate)}/s`;
}

/** Why a campaign does not flow, and what ends that; for one that flows, the last action of an operator. */
function why(row, at) {
  if (row.hold) {
    const answers = row.answering ? "new requests are answered HELD" : "new requests wait";
    const reason = row.hold.reason ? `“${visible(row.hold.reason)}”, ` : "";
    return `${reason}${visible(row.hold.caller)}, ${duration(at - row.hold.at)} ago; ${answers} until it is released`;
  }
  if (row.state === "flowing") return row.last ? lastAction(row.last, at) : "";
  const since = row.since === null ? "" : `${SHORT[row.reason] ?? row.reason} for ${duration(at - row.since)}: `;
  const next = row.until !== null && row.until > at ? `, in ${duration(row.until - at)}` : "";
  return `${since}${visible(row.detail)}${next}`;
}

function lastAction(last, at) {
  const done = { hold: "held", release: "released", purge: `purged of ${plural(last.answered, "dial request")}` }[last.kind];
  const reason = last.reason ? `, “${visible(last.reason)}”` : "";
  return `${done} by ${visible(last.caller)}, ${duration(at - last.at)} ago${reason}`;
}
