// A line chart over time, with a table of the same numbers for whoever cannot see or point at it.
import { attribute, element, rows, text } from "../dom.ts";
import { clock, NONE, nice } from "./figures.ts";

const SVG = "http://www.w3.org/2000/svg";
const WEEKDAY = 12 * 3600;

export interface Line {
  name: string;
  /** `a`, `b` or `c`: its colour and dashes. */
  look: "a" | "b" | "c";
  values: (number | null)[];
}

export interface Chart {
  start: number;
  step: number;
  /** What the range is called, such as `last hour`. */
  range: string;
  lines: Line[];
  say: (value: number) => string;
}

export class Plot {
  readonly root: HTMLElement;
  readonly #title: string;
  readonly #legend = element("ul", { class: "bago-plot-legend", "aria-hidden": "true" });
  readonly #top = element("span");
  readonly #middle = element("span");
  readonly #from = element("span");
  readonly #to = element("span");
  readonly #drawing = document.createElementNS(SVG, "svg");
  readonly #area = element("div", { class: "bago-plot-area" });
  readonly #cursor = element("div", { class: "bago-plot-cursor" });
  readonly #picture = element("div", { class: "bago-plot-picture", role: "img" });
  readonly #empty = element("p", { class: "bago-muted" }, "Nothing was asked in this time.");
  readonly #head = element("tr");
  readonly #body = element("tbody");
  readonly #twin: HTMLDetailsElement;
  #chart: Chart | null = null;
  #at: number | null = null;

  constructor(title: string) {
    this.#title = title;
    this.#drawing.setAttribute("viewBox", "0 0 100 100");
    this.#drawing.setAttribute("preserveAspectRatio", "none");
    this.#cursor.hidden = true;
    this.#area.append(this.#drawing, this.#cursor);
    this.#picture.append(
      element("div", { class: "bago-plot-values" }, this.#top, this.#middle, element("span", {}, "0")),
      this.#area,
      element("div", { class: "bago-plot-times" }, this.#from, this.#to),
    );
    const table = element(
      "table",
      {},
      element("caption", { class: "bago-board-hidden" }, title),
      element("thead", {}, this.#head),
      this.#body,
    );
    const scroll = {
      class: "bago-board-scroll bago-board-tall",
      role: "region",
      tabindex: 0,
      "aria-label": `${title}, table`,
    };
    this.#twin = element("details", {}, element("summary", {}, "As a table"), element("div", scroll, table));
    this.#twin.addEventListener("toggle", () => this.#tabulate());
    this.root = element(
      "figure",
      { class: "bago-plot" },
      element("figcaption", {}, element("h4", {}, title), this.#legend),
      this.#picture,
      this.#empty,
      this.#twin,
    );
    this.#area.addEventListener("pointermove", (event) => this.#point(event));
    this.#area.addEventListener("pointerleave", () => this.#leave());
  }

  show(chart: Chart): void {
    this.#chart = chart;
    const values = chart.lines.flatMap((line) => line.values).filter((value) => value !== null);
    const none = values.length === 0;
    this.#picture.hidden = none;
    this.#legend.hidden = none;
    this.#twin.hidden = none;
    this.#empty.hidden = !none;
    if (none) return;
    const top = nice(Math.max(...values));
    const count = Math.max(...chart.lines.map((line) => line.values.length));
    text(this.#top, chart.say(top));
    text(this.#middle, chart.say(top / 2));
    text(this.#from, this.#time(0));
    text(this.#to, this.#time(count - 1));
    attribute(this.#picture, "aria-label", describe(this.#title, chart));
    this.#draw(chart.lines, top, count);
    this.#label();
    this.#tabulate();
  }

  #draw(lines: Line[], top: number, count: number): void {
    while (this.#drawing.children.length > lines.length) this.#drawing.lastElementChild?.remove();
    for (const [at, line] of lines.entries()) {
      let path = this.#drawing.children[at];
      if (!path) {
        path = document.createElementNS(SVG, "path");
        this.#drawing.append(path);
      }
      attribute(path, "class", `bago-plot-line-${line.look}`);
      attribute(path, "d", trace(line.values, top, count));
    }
  }

  #time(index: number): string {
    const { start, step, lines } = this.#chart as Chart;
    const long = (lines[0]?.values.length ?? 0) * step > WEEKDAY;
    return clock(start + index * step, long);
  }

  /** The legend, with the values under the pointer where there is one. */
  #label(): void {
    const chart = this.#chart as Chart;
    const at = this.#at;
    const when = at === null ? [] : [{ name: this.#time(at), look: "", value: "" }];
    const shown = chart.lines.map((line) => {
      const value = at === null ? null : (line.values[at] ?? null);
      return {
        name: line.name,
        look: line.look,
        value: at === null ? "" : value === null ? NONE : chart.say(value),
      };
    });
    rows(
      this.#legend,
      [...when, ...shown],
      (item) => item.look || "when",
      () => element("li"),
      (row, item) => {
        attribute(row, "data-look", item.look || null);
        text(row, item.value ? `${item.name} ${item.value}` : item.name);
      },
    );
  }

  #tabulate(): void {
    const chart = this.#chart;
    if (!chart || !this.#twin.open) return;
    const count = Math.max(...chart.lines.map((line) => line.values.length));
    rows(
      this.#head,
      ["Time", ...chart.lines.map((line) => line.name)],
      (name) => name,
      () => element("th", { scope: "col" }),
      (head, name) => text(head, name),
    );
    const indices = Array.from({ length: count }, (_, at) => count - 1 - at);
    rows(
      this.#body,
      indices,
      (at) => String(chart.start + at * chart.step),
      () => element("tr", {}, element("th", { scope: "row" }), ...chart.lines.map(() => element("td"))),
      (row, at) => {
        const cells = [...row.children] as [Element, ...Element[]];
        text(cells[0], this.#time(at));
        for (const [index, line] of chart.lines.entries()) {
          const value = line.values[at] ?? null;
          text(cells[index + 1] as Element, value === null ? NONE : chart.say(value));
        }
      },
    );
  }

  #point(event: PointerEvent): void {
    const count = Math.max(...(this.#chart?.lines.map((line) => line.values.length) ?? [0]));
    const { left, width } = this.#area.getBoundingClientRect();
    if (count === 0 || width === 0) return;
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    this.#at = Math.round(share * (count - 1));
    this.#cursor.hidden = false;
    this.#cursor.style.left = `${place(this.#at, count)}%`;
    this.#label();
  }

  #leave(): void {
    this.#at = null;
    this.#cursor.hidden = true;
    if (this.#chart) this.#label();
  }
}

/** The path of a line in a box of 100 by 100; what is not known leaves a gap. */
export function trace(values: (number | null)[], top: number, count: number): string {
  const parts: string[] = [];
  let drawing = false;
  for (const [at, value] of values.entries()) {
    if (value === null) {
      drawing = false;
      continue;
    }
    const point = `${round(place(at, count))} ${round(100 - (100 * value) / top)}`;
    // A lone point is a line of no length, which a round cap makes visible.
    const alone = !drawing && (values[at + 1] ?? null) === null;
    parts.push(`${drawing ? "L" : "M"}${point}${alone ? "h0" : ""}`);
    drawing = true;
  }
  return parts.join("");
}

/** The chart in a sentence. */
export function describe(title: string, chart: Chart): string {
  const parts = chart.lines.map((line) => {
    const known = line.values.filter((value) => value !== null);
    if (known.length === 0) return `${line.name}: nothing`;
    const [low, high] = [Math.min(...known), Math.max(...known)].map(chart.say);
    const last = chart.say(known[known.length - 1] as number);
    return `${line.name} between ${low} and ${high}, ${last} at last`;
  });
  return `${title}, ${chart.range}. ${parts.join("; ")}.`;
}

function place(at: number, count: number): number {
  return count > 1 ? (100 * at) / (count - 1) : 50;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
