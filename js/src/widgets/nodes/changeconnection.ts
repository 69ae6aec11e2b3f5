// The dialog that changes where a connection leads, and what opens it.
import { element, text } from "../dom.ts";
import { type Said, unique } from "../form.ts";
import { changed } from "./changes.ts";
import { nameOf } from "./kinds.ts";
import type { Ask, Connection } from "./state.ts";
import { TryDialog } from "./trydialog.ts";
import { Way } from "./way.ts";

export class ChangeConnection {
  readonly #way = new Way();
  readonly #what = element("p", { class: "bago-muted bago-small" });
  readonly #without = element("input", { id: unique(), type: "checkbox" });
  readonly #keyless = element(
    "div",
    { class: "bago-field bago-checkbox" },
    element("label", { for: this.#without.id }, "Forget its key"),
    this.#without,
  );
  readonly #dialog: TryDialog;
  readonly root: HTMLDialogElement;
  #entry: Connection | null = null;

  /** What became of it is said in `over`, which outlives the dialog. */
  constructor(ask: Ask, over: Said) {
    this.#dialog = new TryDialog({
      act: "Change",
      fields: [this.#what, ...this.#way.roots, this.#keyless],
      inputs: this.#way.inputs,
      deed: async (force) => {
        const entry = this.#entry as Connection;
        const changes = changed(entry, this.#way.read(), this.#without.checked);
        if (Object.keys(changes).length === 0) throw new Error("Nothing is different yet.");
        await ask("change_connection", {
          name: entry.name,
          changes: { ...changes, ...(force && { force }) },
        });
        over.say(`${entry.name} is changed.`);
      },
      left: () => this.#way.forget(),
    });
    this.root = this.#dialog.root;
  }

  open(entry: Connection): void {
    this.#entry = entry;
    this.#way.suit(entry.type);
    this.#way.forget();
    this.#way.url.input.value = entry.url;
    this.#way.variable.input.value = entry.key_env ?? "";
    this.#way.domain.input.value = entry.domain ?? "";
    this.#way.version.input.value = entry.version ?? "";
    this.#way.secret.input.placeholder = entry.key === "none" ? "" : "as it is";
    this.#way.access.input.placeholder = "as it is";
    this.#without.checked = false;
    this.#keyless.hidden = entry.key === "none" || !this.#way.access.root.hidden;
    text(this.#what, `${nameOf(entry.type)} · key: ${entry.key}`);
    this.#dialog.open(`Change ${entry.name}`);
  }

  close(): void {
    this.#dialog.close();
  }
}
