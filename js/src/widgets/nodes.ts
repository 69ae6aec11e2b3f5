// The nodes view: peers, requests, connection keys, connections. Mirrors bago_jupyter/widgets/nodes.py.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { attribute, element, text } from "./dom.ts";
import { Said, shield } from "./form.ts";
import { AddNode } from "./nodes/add.ts";
import { Connections } from "./nodes/connections.ts";
import { KeyMaker } from "./nodes/key.ts";
import { Peers } from "./nodes/peers.ts";
import { Requests } from "./nodes/requests.ts";
import type { Ask, Snapshot } from "./nodes/state.ts";
import "./status.css";
import "./key.css";

class View {
  readonly #link: Link<Snapshot>;
  readonly #title = element("h2", { class: "bago-name" }, "Nodes");
  readonly #age = element("span", { class: "bago-muted bago-uptime" });
  readonly #down = element("p", { class: "bago-said", "data-bad": true, role: "alert" });
  readonly #note = new Said();
  readonly #fields = element("fieldset", { class: "bago-form", disabled: true });
  readonly #root = element(
    "section",
    // JupyterLab's own shortcuts (Enter, Space, arrows) must not fire while a control has the focus.
    {
      class: "bago-status bago-nodes",
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
  readonly #peers: Peers;
  readonly #requests: Requests;
  readonly #key: KeyMaker;
  readonly #connections: Connections;
  readonly #add: AddNode;

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    const ask: Ask = (kind, fields) => this.#link.request(kind, fields);
    this.#peers = new Peers(ask, this.#note);
    this.#requests = new Requests(ask, this.#note);
    this.#key = new KeyMaker(ask);
    this.#connections = new Connections(ask);
    this.#add = new AddNode(ask, (sentence) => this.#note.say(sentence));
    const add = element("button", { type: "button", "aria-haspopup": "dialog" }, "Add node");
    add.addEventListener("click", () => this.#add.open());
    this.#peers.root.append(element("div", { class: "bago-acts" }, add));
    this.#fields.append(
      this.#note.root,
      this.#requests.root,
      this.#peers.root,
      this.#key.root,
      this.#connections.root,
      this.#add.root,
    );
    shield(this.#root);
    el.append(this.#root);
    // The link shows the last known state while it is made.
    let link: Link<Snapshot> | undefined;
    link = new Link<Snapshot>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
  }

  close(): void {
    this.#key.close();
    this.#connections.close();
    this.#add.close();
    this.#link.close();
  }

  #show({ view, down }: Snapshot, live: boolean, link: Link<Snapshot> | undefined): void {
    if (link) link.restless = down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    text(this.#title, view ? `Nodes of ${view.name}` : "Nodes");
    attribute(this.#root, "aria-label", this.#title.textContent);
    text(this.#age, live ? (down === null ? "" : "down") : "last known state; run the cell to change things");
    text(this.#down, down ?? "");
    // Without a kernel nothing can be changed; a node that is down may be back at the next try.
    this.#fields.disabled = !live || view === null;
    if (view === null) return;
    for (const part of [this.#requests, this.#peers, this.#key, this.#connections, this.#add])
      part.show(view);
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
