// Connections to servers beyond the mesh: clouds, routers, clusters.
import { attribute, element, list, text } from "../dom.ts";
import { button, confirmed, Field, part, Said } from "../form.ts";
import { AddConnection } from "./addconnection.ts";
import { ChangeConnection } from "./changeconnection.ts";
import { ModelChoice } from "./choice.ts";
import { nameOf } from "./kinds.ts";
import type { Ask, Connection, Hop, Nodes } from "./state.ts";
import { few, head, hopList, milliseconds, showHops, verdict } from "./words.ts";

const TONES = { healthy: "good", warming: "wait", unhealthy: "bad", disabled: "off", unknown: "off" };

export class Connections {
  readonly #said = new Said();
  readonly #add: AddConnection;
  readonly #change: ChangeConnection;
  readonly #list = element("ul", { class: "bago-items", "aria-label": "Connections" });
  readonly #none = element("p", { class: "bago-muted" }, "No server beyond the mesh is connected.");
  readonly #show: (connections: Connection[]) => void;
  readonly root: HTMLElement;

  constructor(ask: Ask) {
    this.#show = list(
      this.#list,
      (entry) => entry.name,
      (entry) => new Row(entry, ask, this.#said, (now) => this.#change.open(now)),
    );
    this.#add = new AddConnection(ask, this.#said);
    this.#change = new ChangeConnection(ask, this.#said);
    const open = element("button", { type: "button", "aria-haspopup": "dialog" }, "Add connection");
    open.addEventListener("click", () => this.#add.open());
    this.root = part(
      "Connections",
      this.#none,
      this.#list,
      element("div", { class: "bago-acts" }, open),
      this.#said.root,
      this.#add.root,
      this.#change.root,
    );
  }

  show({ connections }: Nodes): void {
    this.#none.hidden = connections.length > 0;
    this.#show(connections);
  }

  close(): void {
    this.#add.close();
    this.#change.close();
  }
}

class Row {
  readonly #kind = element("span", { class: "bago-muted" });
  readonly #head = head(this.#kind);
  readonly #facts = element("div", { class: "bago-muted bago-small" });
  readonly #models = element("div", { class: "bago-small" });
  readonly #said = new Said();
  readonly #hops = hopList();
  readonly #enabled: Field;
  readonly #fields: [keyof Connection, Field][];
  readonly root: HTMLElement;
  #entry: Connection;

  constructor(entry: Connection, ask: Ask, over: Said, change: (entry: Connection) => void) {
    this.#entry = entry;
    const name = entry.name;
    const set = (field: string) => (value: never) =>
      ask("change_connection", { name, changes: { [field]: value } });
    const number = (min: number, max: number, step: number) => ({
      type: "number" as const,
      attributes: { min, max, step },
    });
    this.#enabled = new Field("Enabled", { type: "checkbox" }, (on) =>
      ask("toggle_connection", { name, on }),
    );
    attribute(this.#enabled.input, "aria-label", `Enable ${name}`);
    this.#fields = [
      ["priority", new Field("Priority", number(-100, 100, 1), set("priority"))],
      ["weight", new Field("Weight", number(0, 100, 0.1), set("weight"))],
      ["slots", new Field("Slots", number(1, 1024, 1), set("slots"))],
      ["in_routing", new Field("In routing", { type: "checkbox" }, set("in_routing"))],
      [
        "share",
        new Field("Shared", { type: "checkbox", hint: "Connected nodes may use it, too." }, set("share")),
      ],
    ];
    const check = async () => {
      showHops(this.#hops, []);
      const hops = (await ask("check_connection", { name })) as Hop[];
      showHops(this.#hops, hops);
      return verdict(hops);
    };
    const remove = async () => {
      await ask("remove_connection", { name });
      over.say(`${name} is removed, and its key forgotten.`);
    };
    const edit = element(
      "button",
      { type: "button", "aria-haspopup": "dialog", "aria-label": `Change ${name}` },
      "Change",
    );
    edit.addEventListener("click", () => change(this.#entry));
    this.root = element(
      "li",
      { class: "bago-item" },
      this.#head.root,
      this.#facts,
      this.#models,
      this.#enabled.root,
      element(
        "div",
        { class: "bago-acts" },
        button("Check", this.#said, check, `Check ${name}`),
        edit,
        confirmed(
          "Remove",
          `Remove ${name}? Its key is forgotten.`,
          this.#said,
          remove,
          `Remove connection ${name}`,
        ),
      ),
      this.#said.root,
      this.#hops,
      element(
        "details",
        {},
        element("summary", { "aria-label": `Routing of ${name}` }, "Routing"),
        ...this.#fields.map(([, field]) => field.root),
      ),
      new ModelChoice(ask, name).root,
    );
  }

  show(entry: Connection): void {
    this.#entry = entry;
    const { dot, name, state, end } = this.#head;
    attribute(dot, "data-tone", TONES[entry.health]);
    attribute(this.root, "data-state", entry.health);
    text(name, entry.name);
    text(this.#kind, nameOf(entry.type));
    const why = entry.health === "healthy" ? null : (entry.error ?? entry.reason);
    text(state, entry.health + (why ? `: ${why}` : ""));
    text(end, entry.enabled ? milliseconds(entry.latency) : "");
    const slots = `${entry.slots} at once (${entry.slots_from})`;
    text(this.#facts, `${entry.url} · key: ${entry.key} · ${slots}`);
    const listed = entry.listed > entry.model_count ? ` (of ${entry.listed})` : "";
    text(this.#models, `Models: ${few(entry.models, entry.model_count)}${listed}`);
    attribute(this.#models, "title", entry.models.join("\n"));
    this.#enabled.show(entry.enabled);
    for (const [key, field] of this.#fields) field.show(entry[key] as number | boolean);
  }
}
