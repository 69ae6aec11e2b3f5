// The dashboard: models, machines, requests and health of the mesh. Mirrors bago_jupyter/widgets/dashboard.py.
import type { AnyModel } from "@anywidget/types";
import type { Counts } from "../wire.ts";
import { Link } from "./base.ts";
import type { AskedRow, Board, ModelRow, NodeRow } from "./dashboard/board.ts";
import { bytes, percent, quantity, seconds } from "./dashboard/figures.ts";
import { History } from "./dashboard/history.ts";
import { type Column, chip, type Gauge, gauges, Table } from "./dashboard/table.ts";
import { attribute, element, keepArrows, rows, text } from "./dom.ts";
import * as plain from "./plain.ts";
import "./status.css";
import "./dashboard.css";

interface State {
  view: Board | null;
  down: string | null;
}

/** Models that are listed at once; the filter finds the others. */
const MOST = 200;
const FILTER_FROM = 9;
const NODES: Column[] = [
  { head: "Node" },
  { head: "Health" },
  { head: "Latency", number: true },
  { head: "CPU" },
  { head: "Memory" },
  { head: "GPU" },
  { head: "In flight", number: true },
];

class View {
  readonly #link: Link<State>;
  #state: State = { view: null, down: null };
  #live = false;

  readonly #since = element("span", { class: "bago-muted bago-uptime" });
  readonly #down = element("p", { class: "bago-board-down", role: "status" });
  readonly #counts = element("ul", {
    class: "bago-board-tiles",
    "aria-label": "Requests since the node started",
  });
  readonly #nodes = new Table("Nodes: health and resources", "No node can be asked.");
  readonly #models = new Table(
    "Models: where they are",
    "There is no model yet; %bago pull smollm2 gets a small one.",
  );
  readonly #filter = element("input", {
    type: "search",
    placeholder: "Filter models",
    "aria-label": "Filter models",
  });
  readonly #more = element("p", { class: "bago-muted", role: "status" });
  readonly #byNode = new Table("Requests by node, last 24 h", "Nothing was asked in the last 24 h.", true);
  readonly #byModel = new Table("Requests by model, last 24 h", "Nothing was asked in the last 24 h.", true);
  readonly #history = new History();
  readonly #body = element(
    "div",
    { class: "bago-board" },
    this.#counts,
    section("Nodes", this.#nodes.root),
    section("Models", this.#filter, this.#models.root, this.#more),
    section("Requests", this.#byNode.root, this.#byModel.root),
    section("Over time", this.#history.root),
  );
  readonly #root = element(
    "section",
    {
      class: "bago-status bago-dashboard",
      tabindex: -1,
      "data-lm-suppress-shortcuts": "true",
      "aria-label": "Dashboard",
    },
    element("header", {}, element("h2", { class: "bago-name" }, "Dashboard"), this.#since),
    this.#down,
    this.#body,
  );

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    el.append(this.#root);
    keepArrows(this.#root);
    this.#filter.addEventListener("input", () => this.#fill());
    // The link shows the last known state while it is made.
    let link: Link<State> | undefined;
    link = new Link<State>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
    this.#show(this.#state, this.#live, link);
  }

  close(): void {
    this.#link.close();
  }

  #show(state: State, live: boolean, link: Link<State> | undefined): void {
    this.#state = state;
    this.#live = live;
    if (link) link.restless = state.down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : state.down !== null ? "down" : "up");
    text(this.#since, !live ? "last known state" : state.down !== null ? "down" : (state.view?.name ?? ""));
    text(this.#down, state.down ?? "");
    this.#fill();
  }

  #fill(): void {
    const board = this.#state.view;
    this.#body.hidden = board === null;
    if (!board) return;
    showCounts(this.#counts, board.counts);
    this.#nodes.show(NODES, board.nodes.map(nodeRow));
    this.#fillModels(board);
    this.#byNode.show(asked("Node"), board.by_node.map(askedRow("nobody")));
    this.#byModel.show(asked("Model"), board.by_model.map(askedRow("none")));
    this.#history.show(board.spans);
  }

  #fillModels(board: Board): void {
    this.#filter.hidden = board.models.length < FILTER_FROM;
    const wanted = this.#filter.hidden ? "" : this.#filter.value.trim().toLowerCase();
    const found = board.models.filter((model) => model.id.toLowerCase().includes(wanted));
    const nodes = board.nodes.filter((node) => found.some((model) => node.id in model.places));
    const columns = [{ head: "Model" }, ...nodes.map((node) => ({ head: node.name }))];
    this.#models.show(
      columns,
      found.slice(0, MOST).map((model) => modelRow(model, nodes)),
    );
    const left = found.length - MOST;
    if (left > 0) text(this.#more, `${plain.grouped(left)} more; filter to find them.`);
    else text(this.#more, wanted && found.length === 0 ? "No model is called that." : "");
  }
}

function section(title: string, ...children: HTMLElement[]): HTMLElement {
  return element("section", { "aria-label": title }, element("h3", {}, title), ...children);
}

function showCounts(list: HTMLElement, counts: Counts): void {
  const tiles: [string, number][] = [
    ["requests", counts.total],
    ["ok", counts.ok],
    ["failed", counts.failed],
    ["cancelled", counts.cancelled],
    ["in flight", counts.in_flight],
    ["tokens", counts.prompt_tokens + counts.completion_tokens],
  ];
  rows(
    list,
    tiles,
    ([name]) => name,
    ([name]) => element("li", {}, element("b"), ` ${name}`),
    (tile, [name, count]) => {
      text(tile.firstElementChild as Element, plain.grouped(count));
      attribute(tile, "data-bad", name === "failed" && count > 0);
    },
  );
}

function nodeRow(node: NodeRow): { key: string; cells: (string | ReturnType<typeof gauges>)[] } {
  const found = node.resources;
  const cpu: Gauge[] =
    found?.cpu == null
      ? []
      : [
          {
            label: `CPU of ${node.name}`,
            share: found.cpu,
            words: `${percent(found.cpu)} of ${found.cores ?? "?"} cores`,
          },
        ];
  const memory = gauge(`Memory of ${node.name}`, found?.memory_used ?? null, found?.memory_total ?? null);
  const gpus = (found?.gpus ?? []).flatMap((gpu, at): Gauge[] => {
    const name = `${gpu.name} (${at}) of ${node.name}`;
    const load =
      gpu.load === null ? [] : [{ label: name, share: gpu.load, words: `${gpu.name} ${percent(gpu.load)}` }];
    return [...load, ...gauge(`Memory of ${name}`, gpu.memory_used, gpu.memory_total)];
  });
  const kind = [node.kind, node.version].filter(Boolean).join(" ");
  return {
    key: node.id,
    cells: [
      named(node.name, kind),
      chip(node.state, node.state, node.reason),
      seconds(node.latency),
      gauges(cpu),
      gauges(memory),
      gauges(gpus),
      String(node.in_flight ?? 0),
    ],
  };
}

function gauge(label: string, used: number | null, total: number | null): Gauge[] {
  if (used === null || !total) return [];
  return [{ label, share: used / total, words: `${bytes(used)} of ${bytes(total)}` }];
}

function named(name: string, more: string): { fill(cell: HTMLElement): void } {
  return {
    fill(cell) {
      if (cell.children.length === 0)
        cell.append(
          element("span", { class: "bago-model" }),
          element("span", { class: "bago-muted bago-board-why" }),
        );
      text(cell.children[0] as Element, name);
      text(cell.children[1] as Element, more);
    },
  };
}

function modelRow(
  model: ModelRow,
  nodes: NodeRow[],
): { key: string; cells: (string | ReturnType<typeof chip>)[] } {
  const places = nodes.map((node) => {
    const place = model.places[node.id];
    if (!place) return chip("–", "none");
    const well = place.state === "healthy";
    return chip(
      well ? (place.model_state ?? "ready") : place.state,
      well ? (place.model_state ?? "ready") : place.state,
      place.reason,
    );
  });
  return { key: model.id, cells: [named(model.id, ""), ...places] };
}

function asked(what: string): Column[] {
  const numbers = ["Requests", "Ok", "Failed", "Cancelled", "Tokens", "p50", "p95"];
  return [{ head: what }, ...numbers.map((head) => ({ head, number: true }))];
}

function askedRow(
  nobody: string,
): (row: AskedRow) => { key: string; cells: (string | ReturnType<typeof named>)[] } {
  return (row) => ({
    key: row.name,
    cells: [
      named(row.name || nobody, ""),
      ...[row.requests, row.ok, row.failed, row.cancelled].map(plain.grouped),
      quantity(row.tokens),
      seconds(row.p50),
      seconds(row.p95),
    ],
  });
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
