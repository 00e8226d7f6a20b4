// One plot over time: stacked columns, lines above them, axes, a cursor, and a legend with the values.

import { arrange, draw, make, say } from "./dom.js";
import { rate } from "./words.js";

const HEIGHT = 168;
const TOP = 10, RIGHT = 6, BOTTOM = 20, LEFT = 34;

const AXIS_TOPS = [[1, 5], [1.2, 3], [1.5, 3], [2, 4], [2.4, 4], [3, 3], [4, 4], [5, 5], [6, 3], [8, 4], [10, 5]];

/** A round number at or above `largest`, and a number of steps whose values are round too. */
function axisTop(largest) {
  const size = 10 ** Math.floor(Math.log10(largest));
  const [round, steps] = AXIS_TOPS.find(([each]) => each * size >= largest * 1.0001);
  return { top: round * size, steps };
}

function axisWords(value) {
  if (value >= 1000) return `${+(value / 1000).toFixed(1)}k`;
  return String(+value.toFixed(2));
}

export class Plot {
  /**
   * `series` are stacked: {name, style, of(bucket)}; `lines` are {name, style, of(bucket), shown(buckets)}.
   * `onCursor` gets the position of the pointer as a share of the width, or null.
   */
  constructor(parent, { title, unit, series, lines, minimum }, onCursor, onStep) {
    Object.assign(this, { title, series, lines, minimum, buckets: [], cursor: null, width: 400 });
    this.svg = draw("svg", { role: "img", tabindex: "0", "aria-label": `${title}, ${unit}` });
    this.grid = draw("g");
    this.columns = series.map((each) => draw("path", { class: each.style }));
    this.strokes = lines.map((each) => draw("path", { class: each.style }));
    this.cursorLine = draw("path", { class: "cursor" });
    this.empty = draw("text", { class: "empty" });
    this.svg.append(this.grid, ...this.columns, ...this.strokes, this.cursorLine, this.empty);
    const heading = make("h3", "", `${title} `, make("small", "", unit));
    this.legend = make("ul", "legend");
    this.keys = [...series, ...lines].map((each) => this.#key(each));
    parent.append(make("figure", "plot card", "", heading, this.svg, this.legend));
    new ResizeObserver(([entry]) => { this.width = Math.max(120, entry.contentRect.width); this.draw(); })
      .observe(this.svg);
    this.svg.addEventListener("pointermove", (event) => onCursor(this.#share(event)));
    this.svg.addEventListener("pointerleave", () => onCursor(null));
    this.svg.addEventListener("blur", () => onCursor(null));
    this.svg.addEventListener("keydown", (event) => onStep(event, this));
  }

  show(buckets, seconds) {
    this.buckets = buckets;
    this.seconds = seconds;
    this.draw();
  }

  point(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  /** The content of the legend in words, for screen readers. */
  spoken() { return this.keys.filter((key) => !key.item.hidden).map((key) => key.item.textContent).join(", "); }

  draw() {
    if (!this.seconds) return;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    const { top, steps } = this.#axisTop();
    this.x = (share) => LEFT + share * (this.width - LEFT - RIGHT);
    this.y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
    this.#drawGrid(top, steps);
    this.#drawColumns();
    this.#drawLines();
    this.#drawCursor();
    this.#showValues();
  }

  #axisTop() {
    const stacked = this.buckets.map((bucket) => (bucket ? this.series.reduce((sum, each) => sum + each.of(bucket), 0) : 0));
    const lined = this.lines.flatMap((line) => this.buckets.map((bucket) => (bucket && this.#lined(line) ? line.of(bucket) : 0)));
    return axisTop(Math.max(this.minimum, ...stacked, ...lined));
  }

  #lined(line) { return line.shown(this.buckets.filter(Boolean)); }

  #drawGrid(top, steps) {
    const parts = [];
    for (let step = 0; step <= steps; step += 1) {
      const value = (top * step) / steps;
      const y = Math.round(this.y(value)) + 0.5;
      parts.push(draw("path", { class: step ? "grid" : "axis", d: `M${LEFT} ${y}H${this.width - RIGHT}` }));
      parts.push(draw("text", { class: "end", x: LEFT - 7, y: y + 3.5 }, axisWords(value)));
    }
    const minutes = this.seconds / 60;
    const every = minutes > 5 ? 2 : minutes > 1 ? 0.5 : 0.25;
    for (let ago = 0; ago <= minutes; ago += every) {
      const x = Math.round(this.x(1 - ago / minutes));
      const side = ago === 0 ? "end" : x < LEFT + 20 ? "" : "middle";
      const words = ago === 0 ? "now" : ago < 1 ? `−${ago * 60} s` : `−${ago} min`;
      parts.push(draw("text", { class: side, x, y: HEIGHT - 4 }, words));
    }
    arrange(this.grid, parts);
  }

  #drawColumns() {
    const wide = (this.width - LEFT - RIGHT) / Math.max(1, this.buckets.length);
    const gap = wide > 5 ? 1 : 0; // gaps between narrow columns flicker
    const floor = this.buckets.map(() => 0);
    this.series.forEach((each, row) => {
      let path = "";
      this.buckets.forEach((bucket, index) => {
        const value = bucket ? each.of(bucket) : 0;
        if (!value) return;
        const x = this.x(index / this.buckets.length);
        const base = this.y(floor[index]);
        floor[index] += value;
        path += `M${(x + gap / 2).toFixed(2)} ${base.toFixed(2)}h${(wide - gap).toFixed(2)}V${this.y(floor[index]).toFixed(2)}h${(gap - wide).toFixed(2)}z`;
      });
      this.columns[row].setAttribute("d", path);
    });
    const nothing = !this.buckets.some(Boolean);
    say(this.empty, nothing ? "the first second is on its way" : "");
    this.empty.setAttribute("x", this.width / 2);
    this.empty.setAttribute("y", HEIGHT / 2);
  }

  #drawLines() {
    this.lines.forEach((line, row) => {
      let path = "";
      let broken = true;
      if (this.#lined(line)) {
        this.buckets.forEach((bucket, index) => {
          if (!bucket || line.of(bucket) === null) { broken = true; return; }
          const y = this.y(line.of(bucket)).toFixed(2);
          path += broken ? `M${this.x(index / this.buckets.length).toFixed(2)} ${y}` : `V${y}`;
          path += `H${this.x((index + 1) / this.buckets.length).toFixed(2)}`;
          broken = false;
        });
      }
      this.strokes[row].setAttribute("d", path);
    });
  }

  #drawCursor() {
    const index = this.#index();
    const x = index === null ? 0 : Math.round(this.x((index + 0.5) / this.buckets.length)) + 0.5;
    this.cursorLine.setAttribute("d", index === null ? "" : `M${x} ${TOP}V${HEIGHT - BOTTOM}`);
  }

  #index() {
    if (this.cursor === null || !this.buckets.length) return null;
    return Math.min(this.buckets.length - 1, Math.max(0, Math.floor(this.cursor * this.buckets.length)));
  }

  #showValues() {
    const index = this.#index();
    const bucket = index === null ? this.buckets.findLast(Boolean) : this.buckets[index];
    for (const key of this.keys) {
      const shown = !key.each.shown || this.#lined(key.each);
      if (key.item.hidden === shown) key.item.hidden = !shown;
      const value = bucket ? key.each.of(bucket) : null;
      say(key.value, value === null ? "–" : rate(value));
    }
  }

  #key(each) {
    const line = Boolean(each.shown);
    const swatch = draw("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
    swatch.append(line ? draw("path", { class: each.style, d: "M0 6H12" }) : draw("rect", { class: each.style, x: 1, y: 1, width: 10, height: 10, rx: 2.5 }));
    const value = make("b");
    const item = make("li", "", "", swatch, make("span", "", `${each.name} `), value);
    this.legend.append(item);
    return { each, item, value };
  }

  #share(event) {
    const box = this.svg.getBoundingClientRect();
    return Math.min(0.9999, Math.max(0, (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)));
  }
}
