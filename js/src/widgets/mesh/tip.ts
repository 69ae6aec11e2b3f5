// The quick word on what the pointer is over.
import { element, text } from "../dom.ts";
import type { Graph } from "./graph.ts";
import type { Placed } from "./layout.ts";
import { clean, kindName, lines } from "./words.ts";

const AWAY = 14;

export class Tip {
  readonly #name = element("b");
  readonly #facts = element("span");
  readonly #reason = element("span", { class: "bago-muted" });
  // Not for screen readers: the tree says the same.
  readonly root = element(
    "div",
    { class: "bago-tip", role: "tooltip", hidden: true },
    this.#name,
    this.#facts,
    this.#reason,
  );

  show(placed: Placed, graph: Graph, [x, y]: [number, number], width: number, height: number): void {
    const { node } = placed;
    const kind = node?.rank === "backend" ? `${kindName(node.kind)} · ` : "";
    text(this.#name, clean(placed.label, 300));
    text(this.#facts, kind + lines(placed, graph).join(" · "));
    text(this.#reason, node?.reason ? clean(node.reason, 300) : "");
    this.root.hidden = false;
    const left = Math.min(x + AWAY, Math.max(0, width - this.root.offsetWidth - 4));
    const below = y + AWAY + this.root.offsetHeight < height;
    const top = below ? y + AWAY : Math.max(0, y - AWAY - this.root.offsetHeight);
    this.root.style.transform = `translate(${left}px, ${top}px)`;
  }

  hide(): void {
    this.root.hidden = true;
  }
}
