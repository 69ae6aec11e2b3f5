// Who this node is, who finds it, and who may use it from outside.
import { element, text } from "../dom.ts";
import { button, confirmed, enters, entry, Field, part, Said, SECRET, spend } from "../form.ts";
import type { Ask, Settings } from "./state.ts";

/** Name, advertising, discovery. */
export class Network {
  readonly #print = element("code", { class: "bago-print" });
  readonly #name: Field;
  readonly #advertise: Field;
  readonly #discovery: Field;
  readonly #port: Field;
  readonly root: HTMLElement;

  constructor(ask: Ask) {
    const set = (name: string) => (value: never) => ask("configure", { changes: { [name]: value } });
    this.#name = new Field(
      "Node name",
      { type: "text", attributes: { maxlength: 63 }, hint: "As others see this node." },
      set("name"),
    );
    this.#advertise = new Field("Advertise on the local network", { type: "checkbox" }, set("advertise"));
    this.#discovery = new Field(
      "Node discovery",
      { type: "checkbox", hint: "Listen for nodes that advertise." },
      set("discovery"),
    );
    this.#port = new Field(
      "API port",
      { type: "number", attributes: { min: 0, max: 65535, step: 1 } },
      set("port"),
    );
    this.root = part(
      "Node information",
      this.#name.root,
      this.#advertise.root,
      this.#discovery.root,
      this.#port.root,
      element("div", { class: "bago-muted bago-small" }, "Fingerprint ", this.#print),
    );
  }

  show({ node, settings }: Settings): void {
    this.#name.show(settings.name ?? "");
    this.#advertise.show(settings.advertise);
    this.#advertise.disabled = settings.name === null;
    this.#advertise.hint =
      settings.name === null
        ? "Give the node a name first."
        : "Others on this network see it (Bonjour/mDNS); connecting still needs a key or an approval.";
    this.#discovery.show(settings.discovery);
    this.#port.show(settings.port);
    this.#port.hint = `In use: ${node.port}. Another one counts from the node's next start.`;
    text(this.#print, node.fingerprint);
  }
}

/** What is not written to a file of settings, since the API key that it needs is not. */
const KEPT = "It holds until this node stops; BAGO_EXTERNAL=true, beside BAGO_API_KEY, sets it for good.";

/** External access and its API key, the team key. */
export class Access {
  readonly #external: Field;
  readonly #api: SecretSetting;
  readonly #team: SecretSetting;
  readonly root: HTMLElement;

  constructor(ask: Ask) {
    this.#external = new Field("Allow external connections", { type: "checkbox" }, (external) =>
      ask("configure", { changes: { external } }),
    );
    const set = (name: string) => (value: string | null) => ask("configure", { changes: { [name]: value } });
    this.#api = new SecretSetting("API key", set("api_key"), {
      set: "Set API key",
      unset: "Remove API key",
      question: "Remove the API key?",
      yes: "The API key is set until this node stops; BAGO_API_KEY sets it for good.",
    });
    this.#team = new SecretSetting("Team key", set("cluster_key"), {
      set: "Join team",
      unset: "Leave team",
      question: "Leave the team? The nodes that it brought are removed.",
      yes: "The team key is set until this node stops; BAGO_CLUSTER_KEY sets it for good.",
    });
    this.root = element(
      "div",
      { class: "bago-form" },
      part("External access", this.#api.root, this.#external.root),
      part(
        "Team",
        element("p", { class: "bago-muted bago-small" }, "Nodes with the same team key connect on sight."),
        this.#team.root,
      ),
    );
  }

  show({ settings, node }: Settings): void {
    this.#api.show(settings.api_key);
    this.#team.show(settings.cluster_key);
    this.#external.show(settings.external);
    this.#external.disabled = !settings.api_key && !settings.external;
    this.#external.hint = settings.api_key
      ? `Clients of other machines may use http://<this machine>:${node.port}/v1 with an API key. It is plain HTTP: key and texts can be read on the way. ${KEPT}`
      : "Set an API key first.";
  }
}

/** A secret of the node: it can be set, unseen, and taken away; only whether there is one is shown. */
class SecretSetting {
  readonly #state = element("span", { class: "bago-muted" });
  readonly #unset: HTMLElement;
  readonly #said = new Said();
  readonly root: HTMLElement;

  constructor(
    label: string,
    save: (value: string | null) => Promise<unknown>,
    words: { set: string; unset: string; question: string; yes: string },
  ) {
    const { root, input } = entry(label, SECRET);
    const set = button(words.set, this.#said, async () => {
      if (!input.value.trim()) throw new Error(`Type the ${label} first.`);
      await spend([input], () => save(input.value.trim()));
      return words.yes;
    });
    enters(set, input);
    this.#unset = confirmed(words.unset, words.question, this.#said, () => save(null));
    root.append(this.#state);
    this.root = element(
      "div",
      { class: "bago-items" },
      root,
      element("div", { class: "bago-acts" }, set, this.#unset),
      this.#said.root,
    );
  }

  show(there: boolean): void {
    text(this.#state, there ? "set" : "not set");
    this.#unset.hidden = !there;
  }
}
