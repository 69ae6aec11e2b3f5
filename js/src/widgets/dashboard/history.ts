// Latency and throughput over a range of time that is chosen here.
import { element } from "../dom.ts";
import type { Measure, Span } from "./board.ts";
import { quantity, seconds } from "./figures.ts";
import { Plot } from "./plot.ts";

const RANGES: [number, string, string][] = [
  [900, "15 min", "last 15 minutes"],
  [3600, "1 h", "last hour"],
  [86400, "24 h", "last 24 hours"],
];
const CHOSEN = 3600;

let groups = 0;

export class History {
  readonly root: HTMLElement;
  readonly #latency = new Plot("Latency");
  readonly #requests = new Plot("Requests a minute");
  readonly #tokens = new Plot("Tokens a second");
  #chosen = CHOSEN;
  #spans: Span[] = [];

  constructor() {
    const group = `bago-range-${++groups}`;
    const choices = RANGES.map(([value, name]) => {
      const radio = element("input", { type: "radio", name: group, value, checked: value === CHOSEN });
      radio.addEventListener("change", () => {
        this.#chosen = value;
        this.show(this.#spans);
      });
      return element("label", {}, radio, element("span", {}, name));
    });
    this.root = element(
      "div",
      { class: "bago-board-history" },
      element(
        "fieldset",
        { class: "bago-plot-ranges" },
        element("legend", { class: "bago-board-hidden" }, "Range of the plots"),
        ...choices,
      ),
      element("div", { class: "bago-plots" }, this.#latency.root, this.#requests.root, this.#tokens.root),
    );
  }

  show(spans: Span[]): void {
    this.#spans = spans;
    const span = spans.find((known) => known.seconds === this.#chosen);
    if (!span) return;
    const { start, step } = span;
    const range = RANGES.find(([value]) => value === this.#chosen)?.[2] ?? "";
    // Of the step that is not over: not less than a quarter, or the first request would be a peak.
    const now = Math.max(span.last, step / 4);
    const of = (name: Measure): (number | null)[] => span.points[name] ?? [];
    const each = (name: Measure, unit: number): (number | null)[] =>
      of(name).map((value, at, all) =>
        value === null ? null : (value * unit) / (at < all.length - 1 ? step : now),
      );
    this.#latency.show({
      start,
      step,
      range,
      say: seconds,
      lines: [
        { name: "p50", look: "a", values: of("p50") },
        { name: "p95", look: "b", values: of("p95") },
      ],
    });
    this.#requests.show({
      start,
      step,
      range,
      say: quantity,
      lines: [
        { name: "all", look: "a", values: each("requests", 60) },
        { name: "failed", look: "c", values: each("failed", 60) },
      ],
    });
    this.#tokens.show({
      start,
      step,
      range,
      say: quantity,
      lines: [
        { name: "all answers", look: "a", values: each("tokens", 1) },
        { name: "one answer", look: "b", values: of("speed") },
      ],
    });
  }
}
