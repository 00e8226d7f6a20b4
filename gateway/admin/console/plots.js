// The three plots, which share their time span and their cursor.

import { byId, choices, say } from "./dom.js";
import { Plot } from "./plot.js";
import { timeOfDay } from "./words.js";

const ITEMS = 25; // dial requests in a call at most
const PERIODS = [[120, "2 minutes", 1], [300, "5 minutes", 3], [600, "10 minutes", 5]];
const OUTCOMES = ["rejected", "expired", "not accepted", "unknown"];

const limited = (buckets) => buckets.some((bucket) => bucket.ceiling > 0);
const isCut = (bucket) => bucket.rate < bucket.ceiling - 0.005;

const CALLS = {
  title: "Calls against the quota", unit: "a second, as they end", minimum: 1,
  series: [
    { name: "answered", style: "s-blue", of: (bucket) => bucket.calls[0] },
    { name: "throttled", style: "s-amber", of: (bucket) => bucket.calls[1] },
    { name: "failed", style: "s-red", of: (bucket) => bucket.calls[2] },
  ],
  lines: [
    { name: "quota", style: "l-limit", of: (bucket) => bucket.ceiling, shown: limited },
    { name: "reduced rate", style: "l-rate", of: (bucket) => (isCut(bucket) ? bucket.rate : null), shown: (buckets) => buckets.some(isCut) },
  ],
};
const GOODPUT = {
  title: "Goodput", unit: "accepted a second", minimum: 1,
  series: [{ name: "accepted", style: "s-blue", of: (bucket) => bucket.accepted }],
  lines: [{ name: "if every call is full", style: "l-limit", of: (bucket) => bucket.ceiling * ITEMS, shown: limited }],
};
const OTHERS = {
  title: "Answered otherwise", unit: "a second", minimum: 1,
  series: [
    ...["s-violet", "s-amber", "s-grey", "s-red"].map((style, index) => ({
      name: OUTCOMES[index], style, of: (bucket) => bucket.answers[index + 1],
    })),
    { name: "replayed", style: "s-blue", of: (bucket) => bucket.replayed },
  ],
  lines: [],
};

export class Plots {
  constructor() {
    this.cursor = null;
    this.model = null;
    [this.period, , this.step] = PERIODS[0];
    const parent = byId("plots");
    this.plots = [CALLS, GOODPUT, OTHERS].map(
      (what) => new Plot(parent, what, (share) => this.point(share), (event, plot) => this.#walk(event, plot)),
    );
    choices(byId("period"), PERIODS.map(([seconds, words]) => [seconds, words]), this.period, (seconds) => {
      [this.period, , this.step] = PERIODS.find(([each]) => each === seconds);
      this.point(null);
      if (this.model) this.show(this.model);
    });
  }

  show(model) {
    this.model = model;
    this.buckets = bucketed(model, this.period, this.step);
    for (const plot of this.plots) plot.show(this.buckets, this.period);
    this.#sayInstant();
  }

  point(share) {
    this.cursor = share;
    for (const plot of this.plots) plot.point(share);
    this.#sayInstant();
  }

  #walk(event, plot) {
    const number = this.buckets?.length ?? 0;
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -number, End: number }[event.key];
    if (event.key === "Escape") this.point(null);
    if (!move || !number) return;
    event.preventDefault();
    const from = this.cursor === null ? number - 1 - Math.min(move, 0) : Math.floor(this.cursor * number);
    this.point((Math.min(number - 1, Math.max(0, from + move)) + 0.5) / number);
    say(byId("plots-spoken"), `${byId("instant").textContent}: ${plot.title}: ${plot.spoken()}`);
  }

  #sayInstant() {
    if (this.cursor === null || !this.model) { say(byId("instant"), ""); return; }
    const ago = (1 - this.cursor) * this.period;
    say(byId("instant"), `at ${timeOfDay(this.model.epoch - ago)}`);
  }
}

/** Put points, one a second, into buckets of `step`; a rate is a sum divided by the time of the bucket. */
function bucketed(model, period, step) {
  const number = period / step;
  const newest = Math.floor((model.points.at(-1)?.number ?? 0) / step);
  const sums = new Array(number).fill(null);
  for (const point of model.points) {
    const index = number - 1 - newest + Math.floor(point.number / step);
    if (index < 0) continue;
    const sum = (sums[index] ??= { seconds: 0, calls: [0, 0, 0], answers: [0, 0, 0, 0, 0], accepted: 0, replayed: 0 });
    sum.seconds += point.seconds;
    point.calls.forEach((each, row) => { sum.calls[row] += each; });
    point.answers.forEach((each, row) => { sum.answers[row] += each; });
    sum.accepted += point.accepted;
    sum.replayed += point.replayed;
    sum.rate = point.rate;
    sum.ceiling = point.ceiling;
  }
  return sums.map((sum) => sum && {
    ...sum, calls: sum.calls.map((each) => each / sum.seconds), answers: sum.answers.map((each) => each / sum.seconds),
    accepted: sum.accepted / sum.seconds, replayed: sum.replayed / sum.seconds,
  });
}
