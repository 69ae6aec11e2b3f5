// How the values of the nodes view read.
import { attribute, element, rows, text } from "../dom.ts";
import type { Hop } from "./state.ts";

/** A latency: `3.2 ms`, or nothing. */
export function milliseconds(seconds: number | null): string {
  return seconds === null ? "" : `${(seconds * 1000).toFixed(1)} ms`;
}

/** The first names, and how many more there are. */
export function few(names: string[], count: number, shown = 4): string {
  if (count === 0) return "none";
  const more = count - Math.min(names.length, shown);
  return names.slice(0, shown).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** A list of steps of a test. */
export function hopList(): HTMLOListElement {
  return element("ol", { class: "bago-hops", "aria-label": "Steps of the test" });
}

/** Show the steps as they went. */
export function showHops(list: HTMLOListElement, hops: Hop[]): void {
  rows(
    list,
    hops,
    (hop) => hop.name,
    () => element("li"),
    (row, hop) => {
      const took = hop.seconds > 0 ? milliseconds(hop.seconds) : "";
      const words = [`${hop.name}: ${hop.ok ? "ok" : "failed"}`, took, hop.said].filter(Boolean);
      text(row, words.join(", "));
      attribute(row, "data-bad", !hop.ok);
    },
  );
}

/** The sentence after a test. */
export function verdict(hops: Hop[]): string {
  if (hops.some((hop) => !hop.ok)) throw new Error("The test failed:");
  return "The test passed.";
}

/** The head of a row: a dot with its meaning in words, a name, and what follows. */
export function head(...more: (Node | string)[]): {
  root: HTMLElement;
  dot: HTMLElement;
  name: HTMLElement;
  state: HTMLElement;
  end: HTMLElement;
} {
  const dot = element("span", { class: "bago-dot", "aria-hidden": "true" });
  const name = element("bdi", { class: "bago-name" });
  const state = element("span");
  const end = element("span", { class: "bago-muted bago-end" });
  return {
    root: element("div", { class: "bago-top" }, dot, name, ...more, state, end),
    dot,
    name,
    state,
    end,
  };
}
