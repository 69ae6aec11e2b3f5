// The details of the selected node, at the right side of the picture.
import type { TopologyNode } from "../../wire.ts";
import { attribute, element, rows, text } from "../dom.ts";
import type { Scene } from "./scene.ts";
import { CONDITIONS, clean, count, details } from "./words.ts";

const RANKS = { user: "User", router: "Router", backend: "Backend", model: "Model" };

export interface PanelWishes {
  close(): void;
  /** Test the way to a backend now. */
  check(node: TopologyNode): Promise<void>;
  select(id: string): void;
}

export class Panel {
  readonly #rank = element("span", { class: "bago-muted" });
  readonly #name = element("h3", { class: "bago-name" });
  readonly #badge = element("span", { class: "bago-badge" });
  readonly #close = element("button", { type: "button", "aria-label": "Close details" }, "×");
  readonly #fields = element("dl", {});
  readonly #paths = element("p", { class: "bago-paths" });
  readonly #check = element("button", { type: "button" }, "Check now");
  readonly #owner = element("button", { type: "button" }, "Show backend");
  readonly #note = element("p", { class: "bago-note", role: "status" });
  readonly root = element(
    "div",
    { class: "bago-panel", role: "dialog", "aria-modal": "false", hidden: true },
    element("header", {}, element("div", {}, this.#rank, this.#name, this.#badge), this.#close),
    this.#fields,
    this.#paths,
    element("div", { class: "bago-line" }, this.#check, this.#owner),
    this.#note,
  );
  #node: TopologyNode | null = null;

  constructor(wishes: PanelWishes) {
    this.#close.addEventListener("click", () => wishes.close());
    this.#owner.addEventListener("click", () => this.#node?.backend && wishes.select(this.#node.backend));
    this.#check.addEventListener("click", async () => {
      const node = this.#node;
      if (!node || this.#check.ariaDisabled === "true") return;
      attribute(this.#check, "data-busy", true);
      attribute(this.#check, "aria-disabled", "true");
      this.say("Checking…");
      try {
        await wishes.check(node);
      } finally {
        attribute(this.#check, "data-busy", null);
        attribute(this.#check, "aria-disabled", null);
      }
    });
  }

  get open(): boolean {
    return !this.root.hidden;
  }

  /** How much of the picture's width it covers. */
  get width(): number {
    return this.open ? this.root.offsetWidth : 0;
  }

  focus(): void {
    this.#close.focus({ preventScroll: true });
  }

  /** Show the node `id` of `scene`, or nothing. */
  show(scene: Scene, id: string | null, served: boolean): void {
    const placed = id === null ? undefined : scene.layout.nodes.get(id);
    const node = id === null ? undefined : scene.graph.nodes.get(id);
    this.root.hidden = !placed && !node;
    if (this.#node?.id !== node?.id) this.say("");
    this.#node = node ?? null;
    const rank = node?.rank ?? "model";
    const state = node?.state ?? placed?.state ?? "unknown";
    const label = clean(node?.label ?? placed?.label ?? "", 10_000);
    text(this.#rank, node ? RANKS[rank] : "Models of one backend");
    text(this.#name, label);
    attribute(this.root, "aria-label", `Details of ${clean(label, 120)}`);
    text(this.#badge, CONDITIONS[state]);
    attribute(this.#badge, "data-state", state);
    rows(
      this.#fields,
      node ? details(node, scene.graph) : ([["Models", placed?.label ?? ""]] as [string, string][]),
      ([name]) => name,
      ([name]) => element("div", {}, element("dt", {}, name), element("dd")),
      (row, [name, value]) => {
        text(row.lastElementChild as Element, value);
        attribute(row, "data-bad", name === "Error");
      },
    );
    const links = id === null ? 0 : node ? scene.graph.degree(id) : (placed?.members?.length ?? 0);
    const all = scene.lit.size;
    text(this.#paths, `Connected paths: ${links}${all > links ? ` (${count(all, "edge")} lit up)` : ""}`);
    this.#check.hidden = rank !== "backend" || !node;
    if (!this.#check.hasAttribute("data-busy")) {
      attribute(this.#check, "aria-disabled", served ? null : "true");
      attribute(this.#check, "title", served ? null : "Needs a running kernel and the live picture.");
    }
    this.#owner.hidden = !node?.backend;
  }

  say(note: string, bad = false): void {
    text(this.#note, note);
    attribute(this.#note, "data-bad", bad);
  }
}
