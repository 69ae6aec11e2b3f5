// One model: what it is, how it is, and what can be done with it.
import { adrift, attribute, element, settle, text } from "../dom.ts";
import { button, confirmed, Said, unique } from "../form.ts";
import { quantity, shown, size } from "../names.ts";
import { grouped } from "../plain.ts";
import type { Ask, Group, Model, Runner } from "./state.ts";

const PARTS = new WeakMap<HTMLElement, ModelRow>();

/** The element of a model's row. */
export function makeRow(model: Model, group: Group, ask: Ask): HTMLElement {
  return new ModelRow(model, group, ask).root;
}

/** Bring a row up to date. */
export function updateRow(row: HTMLElement, model: Model): void {
  PARTS.get(row)?.update(model);
}

/** Show the news of one runner in its model's row. */
export function moveRow(row: HTMLElement, runner: Runner): void {
  PARTS.get(row)?.move(runner);
}

/** What a model is, in words. */
export function facts(model: Model): string {
  const loaded = Math.max(0, ...model.runners.map((runner) => runner.context_length));
  const trained = model.context_length;
  const context = loaded && trained && loaded !== trained ? `${grouped(loaded)} of ${grouped(trained)}` : "";
  const parts = [
    model.format,
    model.architecture,
    model.quantization,
    model.parameters === null ? null : `${quantity(model.parameters)} parameters`,
    model.size === null ? null : size(model.size),
    context || trained ? `${context || grouped(trained as number)} context` : null,
    model.tasks
      .map((task) => (task !== "generate" ? task : model.chat ? "chat" : "completes text only"))
      .join(", ") || null,
    model.engine,
    model.license,
  ];
  return parts
    .filter((part) => part !== null)
    .map((part) => shown(part))
    .join(" · ");
}

class ModelRow {
  readonly #name = element("span", { class: "bago-model" });
  readonly #chip = element("span", { class: "bago-chip" });
  readonly #bar = element("progress", { max: 1 });
  readonly #facts = element("span", { class: "bago-muted bago-detail" });
  readonly #error = element("span", { class: "bago-failed" });
  readonly #said = new Said();
  readonly #shared = element("input", { type: "checkbox", role: "switch", id: unique() });
  readonly #sharing = element("span", { class: "bago-share" });
  readonly #load: HTMLElement;
  readonly #unload: HTMLElement;
  readonly #remove: HTMLElement;
  readonly #acts = element("div", { class: "bago-acts" });
  readonly root: HTMLElement;
  readonly #id: string;

  constructor(model: Model, group: Group, ask: Ask) {
    this.#id = model.id;
    const on = group.id;
    const name = shown(model.id);
    const where = group.kind === "own" ? "" : ` on ${shown(group.name)}`;
    this.#load = button(
      "Load",
      this.#said,
      () => ask("load", { model: model.id, on }),
      `Load ${name}${where}`,
    );
    this.#unload = button(
      "Unload",
      this.#said,
      () => ask("unload", { model: model.id, on }).then(() => `${name} is unloaded.`),
      `Unload ${name}${where}`,
    );
    const weight = model.size === null ? "" : ` (${size(model.size)})`;
    this.#remove = confirmed(
      "Delete",
      `Delete ${name}${weight} from the disk?`,
      this.#said,
      () => ask("remove", { model: model.id }),
      `Delete ${name}`,
    );
    this.#shared.addEventListener("change", () => {
      const shared = this.#shared.checked;
      void this.#said
        .run(() => ask("share", { model: model.id, shared }))
        .then((done) => {
          if (!done) this.#shared.checked = !shared;
        });
    });
    attribute(this.#shared, "aria-label", `Share ${name} with peers`);
    this.#sharing.append(this.#shared, element("label", { for: this.#shared.id }, "shared with peers"));
    attribute(this.#bar, "aria-label", `Loading ${name}`);
    if (group.kind !== "connection") this.#acts.append(this.#load, this.#unload);
    if (group.kind === "own") this.#acts.append(this.#sharing, this.#remove);
    this.#acts.append(this.#said.root);
    text(this.#name, name);
    const top = element("div", { class: "bago-top" }, this.#name, this.#chip, this.#bar, this.#facts);
    this.root = element("li", { class: "bago-item", "data-model": model.id }, top, this.#error, this.#acts);
    PARTS.set(this.root, this);
  }

  update(model: Model): void {
    const loading = model.runners.find((runner) => ["starting", "loading"].includes(runner.state));
    this.#state(model.state, loading?.progress ?? null);
    text(this.#facts, facts(model));
    text(this.#error, shown(model.error ?? model.other ?? ""));
    const useless = model.state === "failed" || model.state === "unsupported";
    const broken = useless && model.runners.length === 0;
    const loaded = model.state === "ready" || model.state === "loading";
    const held = this.#acts.contains(document.activeElement);
    this.#load.hidden = loaded || broken;
    this.#unload.hidden = !loaded;
    if (held && adrift()) settle(this.#acts);
    this.#sharing.hidden = broken || model.shared === null || model.shared === undefined;
    if (!this.#shared.matches(":focus") || !this.#said.root.textContent)
      this.#shared.checked = model.shared === true;
  }

  move(runner: Runner): void {
    if (runner.model === this.#id) this.#state("loading", runner.progress);
  }

  #state(state: Model["state"], progress: number | null): void {
    const share = progress === null || state !== "loading" ? "" : ` ${Math.round(progress * 100)} %`;
    text(this.#chip, state + share);
    attribute(this.#chip, "data-state", state);
    this.#bar.hidden = state !== "loading";
    attribute(this.#bar, "value", progress);
  }
}
