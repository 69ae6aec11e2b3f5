// Named API keys. A new one is in the page from the answer that makes it until it is put away, and nowhere else.
import { element, rows, text } from "../dom.ts";
import { button, confirmed, copier, enters, entry, part, Said, spend } from "../form.ts";
import type { ApiKey, Ask, Settings } from "./state.ts";

export class ApiKeys {
  readonly #ask: Ask;
  readonly #said = new Said();
  readonly #list = element("ul", { class: "bago-items", "aria-label": "API keys" });
  readonly #words = element("span");
  readonly #key = element("code", { class: "bago-secret" });
  readonly #shown: HTMLElement;
  readonly root: HTMLElement;

  constructor(ask: Ask) {
    this.#ask = ask;
    const name = entry("Name of a new key", { maxlength: 63, placeholder: "laptop" });
    const add = button("Add API key", this.#said, async () => {
      const made = (await spend([name.input], () => ask("add_api_key", { name: name.input.value }))) as {
        name: string;
        key: string;
      };
      text(this.#words, `API key ${made.name}; it is shown only now:`);
      text(this.#key, made.key);
      this.#shown.hidden = false;
    });
    enters(add, name.input);
    const done = element("button", { type: "button" }, "Done");
    done.addEventListener("click", () => {
      this.close();
      name.input.focus();
    });
    this.#shown = element(
      "div",
      { class: "bago-item" },
      this.#words,
      this.#key,
      element(
        "div",
        { class: "bago-acts" },
        copier("Copy API key", this.#said, () => this.#key.textContent ?? ""),
        done,
      ),
    );
    this.#shown.hidden = true;
    this.root = part(
      "API keys",
      element("p", { class: "bago-muted bago-small" }, "One for each program or person that uses this node."),
      this.#list,
      name.root,
      element("div", { class: "bago-acts" }, add),
      this.#shown,
      this.#said.root,
    );
  }

  show({ api_keys }: Settings): void {
    rows(
      this.#list,
      api_keys,
      (key) => key.name,
      (key) => this.#row(key),
      (row, key) => {
        const used =
          key.last_used === null ? "not used since the node started" : `used ${when(key.last_used)}`;
        text(row.querySelector(".bago-muted") as Element, `made ${when(key.created)}, ${used}`);
      },
    );
  }

  /** Forget the key on show. */
  close(): void {
    text(this.#key, "");
    this.#shown.hidden = true;
  }

  #row(key: ApiKey): HTMLElement {
    const remove = () =>
      this.#ask("remove_api_key", { name: key.name }).then(() => `${key.name} is removed.`);
    return element(
      "li",
      { class: "bago-item" },
      element(
        "div",
        { class: "bago-top" },
        element("bdi", { class: "bago-name" }, key.name),
        element("span", { class: "bago-muted bago-small" }),
        confirmed("Remove", `Remove ${key.name}?`, this.#said, remove, `Remove API key ${key.name}`),
      ),
    );
  }
}

function when(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString();
}
