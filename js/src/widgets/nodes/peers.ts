// The paired nodes: how they are, and how they are used.
import { attribute, element, list, text } from "../dom.ts";
import { button, confirmed, Field, part, Said } from "../form.ts";
import * as plain from "../plain.ts";
import type { Ask, Hop, Nodes, Peer } from "./state.ts";
import { few, head, hopList, milliseconds, showHops, verdict } from "./words.ts";

const TONES = { online: "good", offline: "bad", unknown: "off" };

export class Peers {
  readonly #list = element("ul", { class: "bago-items", "aria-label": "Connected nodes" });
  readonly #none = element("p", { class: "bago-muted" }, "No node is connected yet.");
  readonly #show: (nodes: Peer[]) => void;
  readonly root = part("Connected nodes", this.#none, this.#list);

  /** What becomes of a node that is removed is said in `over`, which outlives its row. */
  constructor(ask: Ask, over: Said) {
    this.#show = list(
      this.#list,
      (node) => node.fingerprint,
      (node) => new Row(node, ask, over),
    );
  }

  show({ nodes }: Nodes): void {
    this.#none.hidden = nodes.length > 0;
    this.#show(nodes);
  }
}

class Row {
  readonly #print = element("code", { class: "bago-print" });
  readonly #head = head(this.#print);
  readonly #facts = element("div", { class: "bago-muted bago-small" });
  readonly #models = element("div", { class: "bago-small" });
  readonly #said = new Said();
  readonly #hops = hopList();
  readonly #fields: [keyof Peer, Field][];
  readonly root: HTMLElement;

  constructor(peer: Peer, ask: Ask, over: Said) {
    const node = peer.fingerprint;
    const set = (name: string) => (value: never) => ask("change_node", { node, changes: { [name]: value } });
    const number = (min: number, max: number, step: number) => ({
      type: "number" as const,
      attributes: { min, max, step },
    });
    this.#fields = [
      ["priority", new Field("Priority", number(-100, 100, 1), set("priority"))],
      ["weight", new Field("Weight", number(0, 100, 0.1), set("weight"))],
      ["max_load_percent", new Field("Max load, %", number(0, 100, 1), set("max_load_percent"))],
      ["in_routing", new Field("In routing", { type: "checkbox" }, set("in_routing"))],
      [
        "allow_control",
        new Field(
          "Allow control",
          { type: "checkbox", hint: "It may load, unload and pull models here." },
          set("allow_control"),
        ),
      ],
    ];
    const ping = async () => {
      const { latency, address } = (await ask("ping", { node })) as { latency: number; address: string };
      return `Answered in ${milliseconds(latency)} at ${address}.`;
    };
    const test = async () => {
      showHops(this.#hops, []);
      const hops = (await ask("test", { node })) as Hop[];
      showHops(this.#hops, hops);
      return verdict(hops);
    };
    const remove = async () => {
      await ask("remove_node", { node });
      over.say(`${peer.name} is removed.`);
    };
    this.root = element(
      "li",
      { class: "bago-item" },
      this.#head.root,
      this.#facts,
      this.#models,
      element(
        "div",
        { class: "bago-acts" },
        button("Ping", this.#said, ping, `Ping ${peer.name}`),
        button("Test", this.#said, test, `Test ${peer.name}`),
        confirmed(
          "Remove",
          `Remove ${peer.name}? It is told, and cut off.`,
          this.#said,
          remove,
          `Remove ${peer.name}`,
        ),
      ),
      this.#said.root,
      this.#hops,
      element(
        "details",
        {},
        element("summary", { "aria-label": `Routing of ${peer.name}` }, "Routing"),
        ...this.#fields.map(([, field]) => field.root),
      ),
    );
  }

  show(peer: Peer): void {
    const { dot, name, state, end } = this.#head;
    attribute(dot, "data-tone", TONES[peer.state]);
    attribute(this.root, "data-state", peer.state);
    text(name, peer.name);
    text(this.#print, plain.short(peer.fingerprint));
    attribute(this.#print, "title", peer.fingerprint);
    text(state, peer.state + (peer.reason ? `: ${peer.reason}` : ""));
    text(end, peer.state === "online" ? milliseconds(peer.latency) : "");
    const facts = [
      peer.addresses[0],
      peer.version,
      peer.engines?.join(", "),
      peer.accelerator,
      ...peer.hardware,
      peer.via && `paired by ${peer.via}`,
    ];
    text(this.#facts, facts.filter(Boolean).join(" · "));
    attribute(this.#facts, "title", peer.addresses.join("\n"));
    const names = peer.models.map((model) => (model.state === "ready" ? `${model.id} (loaded)` : model.id));
    text(this.#models, `Models: ${few(names, peer.model_count)}`);
    attribute(this.#models, "title", peer.models.map((model) => model.id).join("\n"));
    for (const [key, field] of this.#fields) field.show(peer[key] as number | boolean);
  }
}
