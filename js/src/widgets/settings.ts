// The settings view: what the owner of a node sets, in place. Mirrors bago_jupyter/widgets/settings.py.
import type { AnyModel } from "@anywidget/types";
import { Frame } from "./frame.ts";
import { ApiKeys } from "./settings/keys.ts";
import { Access, Network } from "./settings/network.ts";
import { Routes, Routing, Sharing } from "./settings/routing.ts";
import type { Settings } from "./settings/state.ts";
import "./status.css";

interface Part {
  root: HTMLElement;
  show(view: Settings): void;
}

class View {
  readonly #frame: Frame<Settings>;
  #keys: ApiKeys | null = null;
  #parts: Part[] = [];

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    const title = (view: Settings | null) => (view ? `Settings of ${view.node.name}` : "Settings");
    this.#frame = new Frame<Settings>(el, "settings", title);
    this.#frame.follow(model, (view) => {
      if (this.#parts.length === 0) this.#fill(view);
      for (const part of this.#parts) part.show(view);
    });
  }

  close(): void {
    this.#keys?.close();
    this.#frame.close();
  }

  #fill(view: Settings): void {
    const { ask, fields } = this.#frame;
    this.#keys = new ApiKeys(ask);
    this.#parts = [
      new Network(ask),
      new Access(ask),
      this.#keys,
      new Routing(ask, view.policies),
      new Routes(ask),
      new Sharing(ask),
    ];
    fields.append(...this.#parts.map((part) => part.root));
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
