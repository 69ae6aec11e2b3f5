// The dialog that adds a connection.
import { element, text } from "../dom.ts";
import { entry, type Said, spend, unique } from "../form.ts";
import { KINDS } from "./kinds.ts";
import type { Ask } from "./state.ts";
import { TryDialog } from "./trydialog.ts";
import { Way } from "./way.ts";

export class AddConnection {
  readonly #type = element("select", { id: unique() });
  readonly #what = element("span", { class: "bago-muted bago-hint" });
  readonly #name = entry("Name", { maxlength: 63, required: true });
  readonly #only = entry("Only these models", { placeholder: "all that it lists; else names with commas" });
  readonly #way = new Way();
  readonly #dialog: TryDialog;
  readonly root: HTMLDialogElement;

  /** What became of it is said in `over`, which outlives the dialog. */
  constructor(ask: Ask, over: Said) {
    for (const kind of KINDS) this.#type.append(element("option", { value: kind.type }, kind.name));
    this.#type.addEventListener("change", () => this.#suit());
    this.#dialog = new TryDialog({
      act: "Add",
      fields: [
        element(
          "div",
          { class: "bago-field" },
          element("label", { for: this.#type.id }, "Type"),
          this.#type,
          this.#what,
        ),
        this.#name.root,
        ...this.#way.roots,
        this.#only.root,
      ],
      inputs: [this.#name.input, ...this.#way.inputs, this.#only.input],
      deed: async (force) => {
        const wanted = { ...this.#wanted(), ...(force && { force }) };
        const inputs = [this.#name, this.#way.url, this.#only].map(({ input }) => input);
        await spend(inputs, () => ask("add_connection", { wanted }));
        over.say(`${wanted.name} is added.`);
      },
      left: () => this.#way.forget(),
    });
    this.root = this.#dialog.root;
    this.#suit();
  }

  open(): void {
    this.#dialog.open("Add connection");
  }

  close(): void {
    this.#dialog.close();
  }

  #suit(): void {
    this.#way.suit(this.#type.value);
    text(this.#what, KINDS.find(({ type }) => type === this.#type.value)?.what ?? "");
  }

  #wanted() {
    const models = this.#only.input.value.split(",").map((name) => name.trim());
    return {
      name: this.#name.input.value.trim(),
      type: this.#type.value,
      ...this.#way.read(),
      models: models.filter(Boolean),
    };
  }
}
