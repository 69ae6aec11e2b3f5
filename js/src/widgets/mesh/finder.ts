// The field that finds a node by its name.
import type { TopologyNode } from "../../wire.ts";
import { attribute, element, rows, text } from "../dom.ts";
import type { Graph } from "./graph.ts";
import { search } from "./search.ts";
import { clean } from "./words.ts";

let made = 0;

export class Finder {
  readonly #list: HTMLUListElement;
  readonly input: HTMLInputElement;
  readonly root: HTMLElement;
  readonly #id = `bago-find-${made++}-${Math.random().toString(36).slice(2, 8)}`;
  readonly #graph: () => Graph | undefined;
  readonly #chosen: (id: string) => void;
  #found: TopologyNode[] = [];
  #at = 0;

  constructor(graph: () => Graph | undefined, chosen: (id: string) => void) {
    this.#graph = graph;
    this.#chosen = chosen;
    this.input = element("input", {
      type: "search",
      role: "combobox",
      placeholder: "Find a node",
      "aria-label": "Find a node",
      "aria-expanded": "false",
      "aria-controls": this.#id,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.#list = element("ul", { id: this.#id, role: "listbox", "aria-label": "Nodes found", hidden: true });
    this.root = element("div", { class: "bago-find" }, this.input, this.#list);
    this.input.addEventListener("input", () => this.#search());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => this.close());
    this.#list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus until the choice is made
      const row = (event.target as Element).closest<HTMLElement>("[data-key]");
      if (row?.dataset.key !== undefined) this.#choose(row.dataset.key);
    });
  }

  /** Hide what was found; whether anything was on show. */
  close(): boolean {
    const open = !this.#list.hidden;
    this.#list.hidden = true;
    attribute(this.input, "aria-expanded", "false");
    attribute(this.input, "aria-activedescendant", null);
    return open;
  }

  #search(): void {
    const graph = this.#graph();
    const asked = this.input.value.trim() !== "";
    this.#found = graph ? search(graph, this.input.value) : [];
    this.#at = 0;
    this.#list.hidden = !asked;
    attribute(this.input, "aria-expanded", String(asked));
    this.#show(graph);
  }

  #show(graph: Graph | undefined): void {
    const none = { id: "", label: "No node is called like that." };
    rows(
      this.#list,
      this.#found.length ? this.#found : [none as TopologyNode],
      (node) => node.id,
      () => element("li", { role: "option" }, element("span"), element("span", { class: "bago-muted" })),
      (row, node) => {
        const at = this.#found.indexOf(node);
        const owner = node.backend ? (graph?.nodes.get(node.backend)?.label ?? "") : (node.rank ?? "");
        text(row.firstElementChild as Element, clean(node.label, 80));
        text(row.lastElementChild as Element, clean(owner, 40));
        attribute(row, "id", `${this.#id}-${at}`);
        attribute(row, "aria-selected", at === this.#at ? "true" : "false");
        attribute(row, "aria-disabled", at < 0 ? "true" : null);
      },
    );
    attribute(this.input, "aria-activedescendant", this.#found.length ? `${this.#id}-${this.#at}` : null);
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#found.length) {
      this.#at = (this.#at + step + this.#found.length) % this.#found.length;
      this.#show(this.#graph());
    } else if (event.key === "Enter") {
      const node = this.#found[this.#at];
      if (node) this.#choose(node.id);
    } else return;
    event.preventDefault();
  }

  #choose(id: string): void {
    if (id === "") return;
    this.input.value = "";
    this.#found = [];
    this.close();
    this.#chosen(id);
  }
}
