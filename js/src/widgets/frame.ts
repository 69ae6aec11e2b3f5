// The frame of a view that is a form: its head, why it is down, and controls that are off without a kernel.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { attribute, element, text } from "./dom.ts";
import { shield } from "./form.ts";

interface Snapshot<T> {
  view: T | null;
  down: string | null;
}

export class Frame<T> {
  readonly #title: HTMLElement;
  readonly #age = element("span", { class: "bago-muted bago-uptime" });
  readonly #down = element("p", { class: "bago-said", "data-bad": true, role: "alert" });
  readonly #root: HTMLElement;
  readonly #titled: (view: T | null) => string;
  #link: Link<Snapshot<T>> | undefined;
  /** What the view is filled with. */
  readonly fields = element("fieldset", { class: "bago-form", disabled: true });

  /** `kind` is the last part of the view's class; `titled` gives the title, also of a view without a state. */
  constructor(el: HTMLElement, kind: string, titled: (view: T | null) => string) {
    this.#titled = titled;
    this.#title = element("h2", { class: "bago-name" }, titled(null));
    this.#root = element(
      "section",
      // JupyterLab's own shortcuts (Enter, Space, arrows) must not fire while a control has the focus.
      { class: `bago-status bago-${kind}`, tabindex: -1, "data-lm-suppress-shortcuts": "true" },
      element(
        "header",
        {},
        element("span", { class: "bago-dot", "aria-hidden": "true" }),
        this.#title,
        this.#age,
      ),
      this.#down,
      this.fields,
    );
    shield(this.#root);
    el.append(this.#root);
  }

  /** From now on `show` is called with the view's state, first with the last known one. */
  follow(model: AnyModel<{ snapshot: unknown }>, show: (view: T) => void): void {
    this.#link = new Link<Snapshot<T>>(model, (state, live) => {
      this.#frame(state, live);
      if (state.view !== null) show(state.view);
    });
  }

  /** Ask the kernel for `kind`; see `Link.request`. */
  readonly ask: Link<Snapshot<T>>["request"] = (kind, fields) =>
    (this.#link as Link<Snapshot<T>>).request(kind, fields);

  close(): void {
    this.#link?.close();
  }

  #frame({ view, down }: Snapshot<T>, live: boolean): void {
    if (this.#link) this.#link.restless = down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    text(this.#title, this.#titled(view));
    attribute(this.#root, "aria-label", this.#title.textContent);
    text(this.#age, live ? (down === null ? "" : "down") : "last known state; run the cell to change things");
    text(this.#down, down ?? "");
    // Without a kernel nothing can be changed; a node that is down may be back at the next try.
    this.fields.disabled = !live || view === null;
  }
}
