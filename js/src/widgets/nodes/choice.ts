// Which of the models that a connection lists are used.
import { element, rows, text } from "../dom.ts";
import { button, entry, Said, unique } from "../form.ts";
import { shown } from "../names.ts";
import type { Ask } from "./state.ts";

/** Models that are drawn at once; the others are found by a part of their name. */
const DRAWN = 100;
/** Models from which on there is something to find them by. */
const MANY = 12;

interface Listed {
  all: boolean;
  models: [id: string, selected: boolean][];
}

export class ModelChoice {
  readonly #all = element("input", { id: unique(), type: "checkbox" });
  readonly #find = entry("Find", { type: "search" });
  readonly #list = element("ul", { class: "bago-items bago-choice" });
  readonly #more = element("p", { class: "bago-muted bago-small" });
  readonly #said = new Said();
  readonly #body: HTMLElement;
  readonly root: HTMLDetailsElement;
  #ids: string[] = [];
  #chosen = new Set<string>();

  constructor(ask: Ask, name: string) {
    this.#list.ariaLabel = `Models of ${name}`;
    const use = button("Use these", this.#said, async () => {
      const models = this.#all.checked ? null : this.#ids.filter((id) => this.#chosen.has(id));
      if (models?.length === 0) throw new Error("Choose a model at least, or all of them.");
      const made = (await ask("select_models", { name, models })) as { used: number; of: number };
      return `${made.used} of ${made.of} models are used.`;
    });
    this.#body = element(
      "div",
      { class: "bago-items" },
      element(
        "div",
        { class: "bago-field bago-checkbox" },
        element("label", { for: this.#all.id }, "All, also what it lists later"),
        this.#all,
      ),
      this.#find.root,
      this.#list,
      this.#more,
      element("div", { class: "bago-acts" }, use),
    );
    this.root = element(
      "details",
      {},
      element("summary", { "aria-label": `Choose models of ${name}` }, "Choose models"),
      this.#body,
      this.#said.root,
    );
    this.#all.addEventListener("change", () => this.#draw());
    this.#find.input.addEventListener("input", () => this.#draw());
    this.root.addEventListener("toggle", () => {
      if (!this.root.open) return;
      this.#body.hidden = true;
      void this.#said.run(async () => this.#take((await ask("connection_models", { name })) as Listed));
    });
  }

  #take({ all, models }: Listed): string {
    this.#all.checked = all;
    this.#ids = models.map(([id]) => id);
    this.#chosen = new Set(models.filter(([, selected]) => selected).map(([id]) => id));
    this.#find.input.value = "";
    this.#find.root.hidden = models.length < MANY;
    this.#body.hidden = models.length === 0;
    this.#draw();
    return models.length === 0 ? "It lists no models; Check says why." : "";
  }

  #draw(): void {
    const part = this.#find.input.value.trim().toLowerCase();
    const found = this.#ids.filter((id) => id.toLowerCase().includes(part));
    rows(
      this.#list,
      found.slice(0, DRAWN),
      (id) => id,
      (id) => this.#row(id),
      (row, id) => {
        const box = row.querySelector("input") as HTMLInputElement;
        box.disabled = this.#all.checked;
        box.checked = this.#all.checked || this.#chosen.has(id);
      },
    );
    const left = found.length - DRAWN;
    text(
      this.#more,
      left > 0 ? `and ${left} more; a part of a name finds them` : found.length ? "" : "None.",
    );
  }

  #row(id: string): HTMLElement {
    const box = element("input", { id: unique(), type: "checkbox" });
    box.addEventListener("change", () => {
      if (box.checked) this.#chosen.add(id);
      else this.#chosen.delete(id);
    });
    return element("li", {}, box, element("label", { for: box.id, dir: "auto" }, shown(id)));
  }
}
