// The dialog that adds a connection. Its keys are sent in the request and kept nowhere here.
import { element, text } from "../dom.ts";
import { button, enters, entry, Said, SECRET, spend, unique } from "../form.ts";
import { KINDS } from "./kinds.ts";
import type { Ask } from "./state.ts";
import { hopList, showHops } from "./words.ts";

export class AddConnection {
  readonly #type = element("select", { id: unique() });
  readonly #what = element("span", { class: "bago-muted bago-hint" });
  readonly #name = entry("Name", { maxlength: 63, required: true });
  readonly #url = entry("URL");
  readonly #access = entry("Access key");
  readonly #secret = entry("Key", SECRET);
  readonly #variable = entry("Or the key's environment variable", { placeholder: "MY_API_KEY" });
  readonly #domain = entry("Domain", { placeholder: "default" });
  readonly #force = element("input", { id: unique(), type: "checkbox" });
  readonly #said = new Said();
  readonly #hops = hopList();
  readonly root: HTMLDialogElement;

  constructor(ask: Ask, over: Said) {
    const title = unique();
    for (const kind of KINDS) this.#type.append(element("option", { value: kind.type }, kind.name));
    this.#type.addEventListener("change", () => this.#suit());
    const add = button("Add", this.#said, async () => {
      showHops(this.#hops, []);
      const wanted = this.#wanted();
      await spend([this.#name.input, this.#url.input], () => ask("add_connection", { wanted }));
      over.say(`${wanted.name} is added.`);
      this.root.close();
    });
    const inputs = [this.#name, this.#url, this.#access, this.#secret, this.#variable, this.#domain];
    enters(add, ...inputs.map(({ input }) => input));
    const close = element("button", { type: "button" }, "Cancel");
    close.addEventListener("click", () => this.root.close());
    this.root = element(
      "dialog",
      { "aria-labelledby": title },
      element(
        "div",
        { class: "bago-sheet" },
        element("h2", { id: title }, "Add connection"),
        element(
          "div",
          { class: "bago-field" },
          element("label", { for: this.#type.id }, "Type"),
          this.#type,
          this.#what,
        ),
        ...inputs.map(({ root }) => root),
        element(
          "div",
          { class: "bago-field bago-checkbox" },
          element("label", { for: this.#force.id }, "Add even if its test fails (force)"),
          this.#force,
        ),
        this.#said.root,
        this.#hops,
        element("div", { class: "bago-acts" }, add, close),
      ),
    );
    this.root.addEventListener("close", () => this.#forget());
    this.#suit();
  }

  open(): void {
    this.#said.say("");
    showHops(this.#hops, []);
    this.root.showModal();
  }

  close(): void {
    this.root.close();
    this.#forget();
  }

  #suit(): void {
    const kind = KINDS.find(({ type }) => type === this.#type.value);
    this.#url.input.placeholder = kind?.url ?? "";
    text(this.#what, kind?.what ?? "");
    this.#access.root.hidden = this.#domain.root.hidden = !kind?.cluster;
    text(this.#secret.root.querySelector("label") as Element, kind?.cluster ? "Secret key" : "Key");
  }

  #wanted(): Record<string, string | boolean> {
    const cluster = !this.#access.root.hidden;
    return {
      name: this.#name.input.value.trim(),
      type: this.#type.value,
      url: this.#url.input.value.trim(),
      secret: this.#secret.input.value.trim(),
      key_env: this.#variable.input.value.trim(),
      ...(cluster && {
        access_key: this.#access.input.value.trim(),
        domain: this.#domain.input.value.trim(),
      }),
      ...(this.#force.checked && { force: true }),
    };
  }

  #forget(): void {
    for (const { input } of [this.#secret, this.#access]) input.value = "";
  }
}
