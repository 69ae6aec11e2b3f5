// The models of every node, by the node that has them. Mirrors bago_jupyter/widgets/models.py.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { attribute, element, keepArrows, rows, text } from "./dom.ts";
import { button, enters, entry, Said, spend, unique } from "./form.ts";
import { showJobs } from "./models/jobs.ts";
import { makeRow, moveRow, updateRow } from "./models/row.ts";
import type { Group, Job, Route, Runner, State } from "./models/state.ts";
import { shown, size } from "./names.ts";
import { grouped } from "./plain.ts";
import "./status.css";
import "./models.css";

/** Models of one node that are listed at once; the filter finds the others. */
const MOST = 100;
const FILTER_FROM = 13;
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
  readonly #filter = element("input", {
    type: "search",
    placeholder: "Filter models",
    "aria-label": "Filter models",
    hidden: true,
  });
  readonly #groups = element("div", { class: "bago-groups" });
  readonly #routes = element("ul", { class: "bago-items", "aria-label": "Routes" });
  readonly #routing = element("section", { class: "bago-part" }, element("h3", {}, "Routes"), this.#routes);
  readonly #down = element("p", { class: "bago-down-line", role: "status" });
  readonly #form: HTMLFieldSetElement;
  readonly #root: HTMLElement;
  #catalogue: Group[] = [];

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
      this.#filter,
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
    this.#filter.addEventListener("input", () => this.#showGroups());
    keepArrows(this.#root);
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
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    text(this.#down, live ? (down ?? "") : "This is the last known state; it changes when its kernel runs.");
    // A node that is down may be back at the next try, and what is being typed stays.
    this.#form.disabled = link?.answered !== true;
    if (!view) return;
    const count = view.groups.reduce((sum, group) => sum + group.models.length, 0);
    text(this.#of, `${count} on ${shown(view.name)} and its mesh`);
    this.#fillStarters(view.starters);
    this.#fillInto(view.groups);
    showJobs(this.#jobs, state.jobs ?? [], this.#ask);
    this.#filter.hidden = count < FILTER_FROM;
    this.#catalogue = view.groups;
    this.#showGroups();
    this.#showRoutes(view.routes);
  }

  #showGroups(): void {
    const wanted = this.#filter.hidden ? "" : this.#filter.value.trim().toLowerCase();
    rows(
      this.#groups,
      this.#catalogue,
      (group) => `${group.kind} ${group.id}`,
      (group) => this.#makeGroup(group),
      (section, group) => this.#updateGroup(section, group, wanted),
    );
  }

  #received = (message: unknown): void => {
    const push = message as {
      kind?: string;
      jobs?: Job[];
      note?: string;
      events?: { runner?: Runner }[];
    };
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

  #updateGroup(section: HTMLElement, group: Group, wanted: string): void {
    const [top, list, none] = section.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    text(top.firstElementChild as Element, shown(group.name));
    const reason = group.state !== "online" && group.reason ? `: ${shown(group.reason)}` : "";
    text(top.lastElementChild as Element, `${KINDS[group.kind]} · ${group.state}${reason}`);
    attribute(list, "aria-label", `Models of ${shown(group.name)}`);
    const found = group.models.filter((model) => model.id.toLowerCase().includes(wanted));
    rows(
      list,
      found.slice(0, MOST),
      (model) => model.id,
      (model) => makeRow(model, group, this.#ask),
      updateRow,
    );
    list.hidden = found.length === 0;
    text(none, rest(group, found.length));
    none.hidden = none.textContent === "";
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

/** What is said below the models of a group, of which `found` are called as was asked. */
function rest(group: Group, found: number): string {
  if (found > MOST) return `${grouped(found - MOST)} more; filter to find them.`;
  if (found > 0) return "";
  if (group.models.length > 0) return "No model here is called that.";
  return group.kind === "own" ? "No models yet. Pull smollm2 for a small one." : "It shares no models.";
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
