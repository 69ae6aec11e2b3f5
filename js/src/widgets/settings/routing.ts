// How requests find a model: the policy, names that lead to chains of models, sharing, drain.
import { attribute, element, rows, text } from "../dom.ts";
import { button, confirmed, entry, Field, part, Said, spend, unique, write } from "../form.ts";
import type { Ask, Route, Settings, Shared } from "./state.ts";

/** The routing policy, and whether this node takes requests. */
export class Routing {
  readonly #policy: Field;
  readonly #drain: Field;
  readonly root: HTMLElement;

  constructor(ask: Ask, policies: string[]) {
    this.#policy = new Field(
      "Policy",
      {
        type: "select",
        options: policies.map((name) => [name, name]),
        hint: "How a backend is chosen among several that have the model.",
      },
      (policy) => ask("configure", { changes: { policy } }),
    );
    this.#drain = new Field(
      "Drain",
      {
        type: "checkbox",
        hint: "Take no new requests for the models of this node; those at work are finished.",
      },
      (on) => ask("drain", { on }),
    );
    this.root = part("Routing", this.#policy.root, this.#drain.root);
  }

  show({ settings, node }: Settings): void {
    this.#policy.show(settings.policy);
    this.#drain.show(node.draining);
  }
}

/** Names that lead to a model, or to several that are tried in turn. */
export class Routes {
  readonly #ask: Ask;
  readonly #said = new Said();
  readonly #list = element("ul", { class: "bago-items", "aria-label": "Routes" });
  readonly #name = entry("Name", { maxlength: 200, placeholder: "fast" });
  readonly #targets = element("textarea", {
    id: unique(),
    rows: 3,
    spellcheck: "false",
    autocomplete: "off",
  });
  readonly #known = element("select", { "aria-label": "Append a model that is there" });
  readonly root: HTMLElement;
  #offered = "";

  constructor(ask: Ask) {
    this.#ask = ask;
    this.#known.addEventListener("change", () => {
      const typed = this.#targets.value.trimEnd();
      if (this.#known.value)
        write(this.#targets, typed ? `${typed}\n${this.#known.value}` : this.#known.value);
      this.#known.value = "";
    });
    const save = button("Save route", this.#said, async () => {
      const name = this.#name.input.value;
      const targets = this.#targets.value.split("\n").map((line) => line.trim());
      await spend([this.#name.input, this.#targets], () =>
        ask("set_route", { name, targets: targets.filter(Boolean) }),
      );
      return `${name} is set.`;
    });
    this.root = part(
      "Routes",
      element(
        "p",
        { class: "bago-muted bago-small" },
        "A name for a model, or for several that are tried in turn.",
      ),
      this.#list,
      this.#name.root,
      element(
        "div",
        { class: "bago-field" },
        element("label", { for: this.#targets.id }, "Leads to, one a line"),
        this.#targets,
        this.#known,
      ),
      element("div", { class: "bago-acts" }, save),
      this.#said.root,
    );
  }

  show({ routes, targets }: Settings): void {
    rows(
      this.#list,
      routes,
      (route) => route.name,
      (route) => this.#row(route),
      (row, route) => {
        text(row.querySelector(".bago-chain") as Element, route.targets.join(" → "));
        const missing = route.missing.length ? `Nobody offers ${route.missing.join(", ")} now.` : "";
        text(row.querySelector(".bago-muted") as Element, missing);
        row.dataset.targets = route.targets.join("\n");
      },
    );
    if (targets.join("\n") === this.#offered) return;
    this.#offered = targets.join("\n");
    this.#known.replaceChildren(
      element("option", { value: "" }, "Append…"),
      ...targets.map((name) => element("option", { value: name }, name)),
    );
  }

  #row(route: Route): HTMLElement {
    const name = route.name;
    const remove = () => this.#ask("remove_route", { name }).then(() => `${name} is removed.`);
    const edit = element("button", { type: "button", "aria-label": `Edit route ${name}` }, "Edit");
    const row = element(
      "li",
      { class: "bago-item" },
      element(
        "div",
        { class: "bago-top" },
        element("bdi", { class: "bago-name" }, name),
        element("span", { class: "bago-chain" }),
        element(
          "span",
          { class: "bago-acts bago-end" },
          edit,
          confirmed("Remove", `Remove ${name}?`, this.#said, remove, `Remove route ${name}`),
        ),
      ),
      element("span", { class: "bago-muted bago-small" }),
    );
    edit.addEventListener("click", () => {
      write(this.#name.input, name);
      write(this.#targets, row.dataset.targets ?? "");
      this.#targets.focus();
    });
    return row;
  }
}

/** Which models peers may use. */
export class Sharing {
  readonly #ask: Ask;
  readonly #list = element("ul", { class: "bago-items", "aria-label": "Models and whether they are shared" });
  readonly #none = element("p", { class: "bago-muted" }, "There is no model in the library yet.");
  readonly #fields = new WeakMap<HTMLElement, Field>();
  readonly root = part(
    "Sharing",
    element("p", { class: "bago-muted bago-small" }, "Models that connected nodes may use."),
    this.#none,
    this.#list,
  );

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  show({ sharing }: Settings): void {
    this.#none.hidden = sharing.length > 0;
    rows(
      this.#list,
      sharing,
      ({ model }) => model,
      (entry) => this.#row(entry),
      (row, { shared }) => this.#fields.get(row)?.show(shared),
    );
  }

  #row({ model }: Shared): HTMLElement {
    const field = new Field(model, { type: "checkbox" }, (shared) => this.#ask("share", { model, shared }));
    attribute(field.input, "aria-label", `Share ${model}`);
    const row = element("li", {}, field.root);
    this.#fields.set(row, field);
    return row;
  }
}
