// A table whose rows stay the same elements while their values change.
import { attribute, element, rows, text } from "../dom.ts";

export interface Column {
  head: string;
  /** Numbers stand at the right. */
  number?: boolean;
}

export interface Row {
  key: string;
  cells: (string | Cell)[];
}

/** A cell with more than text; `fill` brings the element of the last time up to date. */
export interface Cell {
  fill(cell: HTMLElement): void;
}

export class Table {
  readonly #head = element("tr");
  readonly #body = element("tbody");
  readonly #empty: HTMLElement;
  readonly root: HTMLElement;
  readonly #table: HTMLElement;

  /** `empty` is said in place of a table without rows; with `named` the caption is seen, not only heard. */
  constructor(caption: string, empty: string, named = false) {
    this.#empty = element("p", { class: "bago-muted" }, empty);
    this.#table = element(
      "table",
      {},
      element("caption", { class: named ? null : "bago-board-hidden" }, caption),
      element("thead", {}, this.#head),
      this.#body,
    );
    // Scrolls sideways where it is wider than its cell, by keyboard too.
    this.root = element(
      "div",
      { class: "bago-board-scroll", role: "region", tabindex: 0, "aria-label": caption },
      this.#table,
      this.#empty,
    );
  }

  show(columns: Column[], shown: Row[]): void {
    this.#empty.hidden = shown.length > 0;
    this.#table.hidden = shown.length === 0;
    rows(
      this.#head,
      columns.map((column, at) => ({ ...column, key: `${at} ${column.head}` })),
      (column) => column.key,
      () => element("th", { scope: "col" }),
      (head, column) => {
        text(head, column.head);
        attribute(head, "class", column.number ? "bago-board-number" : null);
      },
    );
    rows(
      this.#body,
      shown,
      (row) => row.key,
      () => element("tr"),
      (line, row) => fill(line, row.cells, columns),
    );
  }
}

function fill(line: HTMLElement, cells: (string | Cell)[], columns: Column[]): void {
  while (line.children.length > cells.length) line.lastElementChild?.remove();
  for (const [at, cell] of cells.entries()) {
    let place = line.children[at] as HTMLElement | undefined;
    if (!place) {
      place = at === 0 ? element("th", { scope: "row" }) : element("td");
      line.append(place);
    }
    attribute(place, "class", columns[at]?.number ? "bago-board-number" : null);
    if (typeof cell === "string") text(place, cell);
    else cell.fill(place);
  }
}

/** A state as a word in its colour, with its reason beside it. */
export function chip(word: string, state: string, reason: string | null = null): Cell {
  return {
    fill(cell) {
      let [mark, why] = [...cell.children];
      if (!mark || !why) {
        cell.textContent = "";
        mark = element("span", { class: "bago-chip" });
        why = element("span", { class: "bago-muted bago-board-why" });
        cell.append(mark, why);
      }
      text(mark, word);
      attribute(mark, "data-state", state);
      text(why, reason ?? "");
    },
  };
}

export interface Gauge {
  label: string;
  /** 0 to 1. */
  share: number | null;
  /** The same in words. */
  words: string;
}

/** Bars that are full at 1. */
export function gauges(all: Gauge[]): Cell {
  return {
    fill(cell) {
      if (cell.firstElementChild === null) cell.textContent = "";
      rows(cell, all, (gauge) => gauge.label, makeGauge, updateGauge);
      if (all.length === 0) text(cell, "–");
    },
  };
}

function makeGauge(): HTMLElement {
  const bar = element(
    "div",
    { class: "bago-gauge-bar", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 },
    element("div"),
  );
  return element("div", { class: "bago-gauge" }, bar, element("span", { class: "bago-muted" }));
}

function updateGauge(row: HTMLElement, gauge: Gauge): void {
  const [bar, words] = [...row.children] as [HTMLElement, HTMLElement];
  const share = Math.min(1, Math.max(0, gauge.share ?? 0));
  attribute(bar, "aria-label", gauge.label);
  attribute(bar, "aria-valuenow", Math.round(share * 100));
  attribute(bar, "aria-valuetext", gauge.words);
  attribute(bar, "data-level", share > 0.9 ? "high" : share > 0.75 ? "raised" : null);
  (bar.firstElementChild as HTMLElement).style.width = `${share * 100}%`;
  text(words, gauge.words);
}
