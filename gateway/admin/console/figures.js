// The strip of figures at the top: the present state.

import { make, meter, say } from "./dom.js";
import { count, duration, plural, rate, visible } from "./words.js";

const RECENT_S = 10;

class Figure {
  constructor(parent, name, aMeter = null) {
    this.big = make("dd", "big");
    this.value = make("span");
    this.unit = make("small");
    this.big.append(this.value, " ", this.unit);
    this.note = make("dd", "note");
    const parts = [make("dt", "", name), this.big];
    if (aMeter) { this.meter = aMeter; parts.push(aMeter.element); }
    parent.append(make("div", "figure", "", ...parts, this.note));
  }

  set(value, unit, note, { share, bad = false } = {}) {
    say(this.value, value);
    say(this.unit, unit);
    say(this.note, note);
    this.note.title = note;
    this.big.classList.toggle("bad", bad);
    if (this.meter) this.meter.set(share ?? 0);
  }
}

export class Figures {
  constructor(parent) {
    this.calls = new Figure(parent, "Calls to Amazon Connect", meter());
    this.goodput = new Figure(parent, "Goodput");
    this.waiting = new Figure(parent, "Waiting", meter(true));
    this.oldest = new Figure(parent, "Oldest wait");
    this.notFlowing = new Figure(parent, "Not flowing");
    this.callers = new Figure(parent, "Streams");
  }

  show(model) {
    const { totals } = model;
    const calls = model.recentRate(RECENT_S, (point) => point.calls.reduce((sum, each) => sum + each, 0));
    const cut = totals.rate < totals.ceiling ? `, cut to ${rate(totals.rate)}` : "";
    const quota = totals.ceiling ? `of ${rate(totals.ceiling)}/s quota${cut}` : "no limit is set";
    this.calls.set(rate(calls), "/s", quota, { share: totals.ceiling ? calls / totals.ceiling : 0 });
    const goodput = model.recentRate(RECENT_S, (point) => point.accepted);
    const replayed = model.recentRate(RECENT_S, (point) => point.replayed);
    const fill = calls > 0 ? ` · ${rate(goodput / calls)} a call` : "";
    const again = replayed > 0 ? ` · ${rate(replayed)}/s replayed` : "";
    this.goodput.set(rate(goodput), "accepted/s", `over ${RECENT_S} s${fill}${again}`);
    const inCalls = `${count(totals.in_flight)} more in calls`;
    this.waiting.set(count(totals.queued), "", inCalls, { share: totals.outstanding / totals.room });
    this.#showOldest(model);
    this.#showNotFlowing(totals);
    this.callers.set(count(totals.streams), "", `from ${plural(totals.callers, "caller")}`);
  }

  #showOldest(model) {
    let oldest = null;
    for (const campaign of model.campaigns.values()) {
      if (campaign.waiting_since === null) continue;
      if (oldest === null || campaign.waiting_since < oldest.waiting_since) oldest = campaign;
    }
    if (oldest === null) this.oldest.set("none", "", "nothing waits");
    else this.oldest.set(duration(model.at - oldest.waiting_since), "", `in ${visible(oldest.campaign_id)}`);
  }

  #showNotFlowing(totals) {
    const { flowing, ...others } = totals.campaigns;
    const notFlowing = Object.values(others).reduce((sum, each) => sum + each, 0);
    const words = Object.entries(others).filter(([, number]) => number)
      .map(([state, number]) => `${count(number)} ${state}`).join(", ");
    const all = plural(notFlowing + flowing, "campaign");
    this.notFlowing.set(count(notFlowing), `of ${all}`, words || "all flow", { bad: notFlowing > 0 });
  }
}
