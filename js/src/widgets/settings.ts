// The settings view: what the owner of a node sets, in place. Mirrors bago_jupyter/widgets/settings.py.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { attribute, element, text } from "./dom.ts";
import { shield } from "./form.ts";
import { ApiKeys } from "./settings/keys.ts";
import { Access, Network } from "./settings/network.ts";
import { Routes, Routing, Sharing } from "./settings/routing.ts";
import type { Ask, Settings, Snapshot } from "./settings/state.ts";
import "./status.css";

interface Part {
  root: HTMLElement;
  show(view: Settings): void;
}

class View {
  readonly #link: Link<Snapshot>;
  readonly #ask: Ask;
  readonly #title = element("h2", { class: "bago-name" }, "Settings");
  readonly #age = element("span", { class: "bago-muted bago-uptime" });
  readonly #down = element("p", { class: "bago-said", "data-bad": true, role: "alert" });
  readonly #fields = element("fieldset", { class: "bago-form", disabled: true });
  readonly #root = element(
    "section",
    // JupyterLab's own shortcuts (Enter, Space, arrows) must not fire while a control has the focus.
    {
      class: "bago-status bago-settings",
      tabindex: -1,
      "data-lm-suppress-shortcuts": "true",
    },
    element(
      "header",
      {},
      element("span", { class: "bago-dot", "aria-hidden": "true" }),
      this.#title,
      this.#age,
    ),
    this.#down,
    this.#fields,
  );
  #keys: ApiKeys | null = null;
  #parts: Part[] = [];

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    this.#ask = (kind, fields) => this.#link.request(kind, fields);
    shield(this.#root);
    el.append(this.#root);
    // The link shows the last known state while it is made.
    let link: Link<Snapshot> | undefined;
    link = new Link<Snapshot>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
  }

  close(): void {
    this.#keys?.close();
    this.#link.close();
  }

  #show({ view, down }: Snapshot, live: boolean, link: Link<Snapshot> | undefined): void {
    if (link) link.restless = down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    text(this.#title, view ? `Settings of ${view.node.name}` : "Settings");
    attribute(this.#root, "aria-label", this.#title.textContent);
    text(this.#age, live ? (down === null ? "" : "down") : "last known state; run the cell to change things");
    text(this.#down, down ?? "");
    // Without a kernel nothing can be changed; a node that is down may be back at the next try.
    this.#fields.disabled = !live || view === null;
    if (view === null) return;
    if (this.#parts.length === 0) this.#fill(view);
    for (const part of this.#parts) part.show(view);
  }

  #fill(view: Settings): void {
    this.#keys = new ApiKeys(this.#ask);
    this.#parts = [
      new Network(this.#ask),
      new Access(this.#ask),
      this.#keys,
      new Routing(this.#ask, view.policies),
      new Routes(this.#ask),
      new Sharing(this.#ask),
    ];
    this.#fields.append(...this.#parts.map((part) => part.root));
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
