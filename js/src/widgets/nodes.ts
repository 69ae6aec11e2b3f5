// The nodes view: peers, requests, connection keys, connections. Mirrors bago_jupyter/widgets/nodes.py.
import type { AnyModel } from "@anywidget/types";
import { element } from "./dom.ts";
import { Said } from "./form.ts";
import { Frame } from "./frame.ts";
import { AddNode } from "./nodes/add.ts";
import { Connections } from "./nodes/connections.ts";
import { KeyMaker } from "./nodes/key.ts";
import { Peers } from "./nodes/peers.ts";
import { Requests } from "./nodes/requests.ts";
import type { Nodes } from "./nodes/state.ts";
import "./status.css";
import "./key.css";

class View {
  readonly #frame: Frame<Nodes>;
  readonly #note = new Said();
  readonly #key: KeyMaker;
  readonly #connections: Connections;
  readonly #add: AddNode;

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    this.#frame = new Frame<Nodes>(el, "nodes", (view) => (view ? `Nodes of ${view.name}` : "Nodes"));
    const { ask, fields } = this.#frame;
    const peers = new Peers(ask, this.#note);
    const requests = new Requests(ask, this.#note);
    this.#key = new KeyMaker(ask);
    this.#connections = new Connections(ask);
    this.#add = new AddNode(ask, (sentence) => this.#note.say(sentence));
    const add = element("button", { type: "button", "aria-haspopup": "dialog" }, "Add node");
    add.addEventListener("click", () => this.#add.open());
    peers.root.append(element("div", { class: "bago-acts" }, add));
    fields.append(
      this.#note.root,
      requests.root,
      peers.root,
      this.#key.root,
      this.#connections.root,
      this.#add.root,
    );
    const parts = [requests, peers, this.#key, this.#connections, this.#add];
    this.#frame.follow(model, (view) => {
      for (const part of parts) part.show(view);
    });
  }

  close(): void {
    this.#key.close();
    this.#connections.close();
    this.#add.close();
    this.#frame.close();
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
