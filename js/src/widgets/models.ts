// The models of every node, by the node that has them. Mirrors bago_jupyter/widgets/models.py.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { attribute, element, rows, text } from "./dom.ts";
import { button, enters, entry, Said, spend, unique } from "./form.ts";
import { showJobs } from "./models/jobs.ts";
import { makeRow, moveRow, updateRow } from "./models/row.ts";
import type { Group, Job, Route, Runner, State } from "./models/state.ts";
import { shown, size } from "./names.ts";
import "./status.css";
import "./models.css";

const KINDS = { own: "this node", peer: "peer", connection: "connection" };

class View {
  readonly #model: AnyModel<{ snapshot: unknown }>;
  readonly #link: Link<State>;
  readonly #title = element("h2", { class: "bago-name" }, "Models");
  readonly #of = element("span", { class: "bago-muted" });
  readonly #said = new Said();
  readonly #source = entry("Source", { placeholder: "smollm2, hf:org/repo/file.gguf, a URL or a path" });
  readonly #name = entry("Name (optional)", { placeholder: "the file's own" });
  readonly #into = element("select", { id: unique() });
  readonly #starters = element("div", { class: "bago-acts" });
  readonly #jobs = element("ul", { class: "bago-items bago-jobs", "aria-label": "Pulls and loads" });
  readonly #groups = element("div", { class: "bago-groups" });
  readonly #routes = element("ul", { class: "bago-items", "aria-label": "Routes" });
  readonly #routing = element("section", { class: "bago-part" }, element("h3", {}, "Routes"), this.#routes);
  readonly #down = element("p", { class: "bago-down-line", role: "status" });
  readonly #form: HTMLFieldSetElement;
  readonly #root: HTMLElement;

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    this.#model = model;
    const pull = button("Pull", this.#said, () => this.#pull());
    enters(pull, this.#source.input, this.#name.input);
    const into = element("label", { for: this.#into.id }, "Into");
    this.#form = element(
      "fieldset",
      { class: "bago-form" },
      element(
        "section",
        { class: "bago-part", "aria-label": "Pull a model" },
        this.#source.root,
        this.#name.root,
        element("div", { class: "bago-field" }, into, this.#into),
        element("div", { class: "bago-acts" }, pull, this.#starters, this.#said.root),
        this.#jobs,
      ),
      this.#groups,
      this.#routing,
    );
    this.#root = element(
      "section",
      {
        class: "bago-status bago-library",
        tabindex: -1,
        "aria-label": "Models",
        "data-lm-suppress-shortcuts": "true",
      },
      element("header", {}, this.#title, this.#of),
      this.#down,
      this.#form,
    );
    el.append(this.#root);
    model.on("msg:custom", this.#received);
    let link: Link<State> | undefined;
    link = new Link<State>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
  }

  close(): void {
    this.#model.off("msg:custom", this.#received);
    this.#link.close();
  }

  #ask = (kind: string, fields: Record<string, unknown> = {}): Promise<unknown> =>
    this.#link.request(kind, fields);

  #show(state: State, live: boolean, link: Link<State> | undefined): void {
    const { view, down } = state;
    if (link) link.restless = down !== null;
    const served = link?.answered === true && down === null;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    text(this.#down, live ? (down ?? "") : "This is the last known state; it changes when its kernel runs.");
    this.#form.disabled = !served;
    if (!view) return;
    const count = view.groups.reduce((sum, group) => sum + group.models.length, 0);
    text(this.#of, `${count} on ${shown(view.name)} and its mesh`);
    this.#fillStarters(view.starters);
    this.#fillInto(view.groups);
    showJobs(this.#jobs, state.jobs ?? [], this.#ask);
    rows(
      this.#groups,
      view.groups,
      (group) => `${group.kind} ${group.id}`,
      (group) => this.#makeGroup(group),
      (section, group) => this.#updateGroup(section, group),
    );
    this.#showRoutes(view.routes);
  }

  #received = (message: unknown): void => {
    const push = message as { kind?: string; jobs?: Job[]; note?: string; events?: { runner?: Runner }[] };
    if (push?.kind === "jobs" && push.jobs) showJobs(this.#jobs, push.jobs, this.#ask);
    else if (push?.kind === "note") this.#said.say(shown(push.note ?? ""));
    else if (push?.kind === "events") {
      for (const { runner } of push.events ?? []) {
        const own = this.#groups.firstElementChild;
        if (runner) for (const row of own?.querySelectorAll("li") ?? []) moveRow(row, runner);
      }
    }
  };

  async #pull(): Promise<void> {
    const source = this.#source.input.value.trim();
    if (!source) throw new Error("Name what to pull: a starter, hf:org/repo/file.gguf, a URL or a path.");
    const [name, on] = [this.#name.input.value.trim(), this.#into.value];
    await spend([this.#source.input, this.#name.input], () => this.#ask("pull", { source, name, on }));
  }

  #fillStarters(starters: { name: string; size: number; note: string }[]): void {
    rows(
      this.#starters,
      starters,
      (starter) => starter.name,
      (starter) => {
        const deed = () => this.#ask("pull", { source: starter.name, on: this.#into.value });
        const label = `${starter.name}, ${size(starter.size)}`;
        const made = button(
          label,
          this.#said,
          deed,
          `Pull ${starter.name}: ${starter.note}, ${size(starter.size)}`,
        );
        attribute(made, "title", starter.note);
        return made;
      },
      () => undefined,
    );
  }

  #fillInto(groups: Group[]): void {
    const nodes = groups.filter(
      (group) => group.kind === "own" || (group.kind === "peer" && group.state === "online"),
    );
    rows(
      this.#into,
      nodes,
      (group) => group.id || "own",
      (group) => element("option", { value: group.id }),
      (option, group) => text(option, shown(group.name) + (group.kind === "own" ? " (this node)" : "")),
    );
  }

  #makeGroup(group: Group): HTMLElement {
    const title = element("h3", { id: unique() });
    return element(
      "section",
      { class: "bago-part", "data-node": group.name, "aria-labelledby": title.id },
      element("div", { class: "bago-top" }, title, element("span", { class: "bago-muted" })),
      element("ul", { class: "bago-items" }),
      element("p", { class: "bago-muted" }),
    );
  }

  #updateGroup(section: HTMLElement, group: Group): void {
    const [top, list, none] = section.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    text(top.firstElementChild as Element, shown(group.name));
    const reason = group.state !== "online" && group.reason ? `: ${shown(group.reason)}` : "";
    text(top.lastElementChild as Element, `${KINDS[group.kind]} · ${group.state}${reason}`);
    attribute(list, "aria-label", `Models of ${shown(group.name)}`);
    rows(
      list,
      group.models,
      (model) => model.id,
      (model) => makeRow(model, group, this.#ask),
      updateRow,
    );
    list.hidden = group.models.length === 0;
    none.hidden = !list.hidden;
    text(
      none,
      group.kind === "own" ? "No models yet. Pull smollm2 for a small one." : "It shares no models.",
    );
  }

  #showRoutes(routes: Route[]): void {
    this.#routing.hidden = routes.length === 0;
    rows(
      this.#routes,
      routes,
      (route) => route.name,
      () => element("li", { class: "bago-item" }, element("span", { class: "bago-model" }), element("span")),
      (row, route) => {
        text(row.firstElementChild as Element, shown(route.name));
        const missing = route.missing.length ? ` (missing: ${route.missing.join(", ")})` : "";
        text(row.lastElementChild as Element, shown(`tries ${route.targets.join(", then ")}${missing}`));
      },
    );
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
