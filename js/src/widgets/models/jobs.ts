// Pulls and loads: how far each is, and what to do about one that did not end well.
import { adrift, attribute, element, rows, settle, text } from "../dom.ts";
import { button, Said } from "../form.ts";
import { shown, size } from "../names.ts";
import type { Ask, Job } from "./state.ts";

const PARTS = new WeakMap<HTMLElement, JobRow>();

/** Make `list` show `jobs`. */
export function showJobs(list: HTMLElement, jobs: Job[], ask: Ask): void {
  rows(
    list,
    jobs,
    (job) => String(job.id),
    (job) => new JobRow(job, ask).root,
    (row, job) => PARTS.get(row)?.update(job),
  );
}

/** How far a job is, in words. */
export function progress(job: Job): string {
  const parts = [job.stage ?? "beginning"];
  if (job.unit === "B" && job.done > 0) {
    parts.push(job.total ? `${size(job.done)} of ${size(job.total)}` : size(job.done));
  }
  if (job.total) parts.push(`${Math.floor(Math.min(1, job.done / job.total) * 100)} %`);
  if (job.message) parts.push(shown(job.message));
  return parts.join(" · ");
}

/** Who began a pull, in words; nothing where that is this view. */
export function begun(by: string | null): string {
  if (by === null) return "";
  const [, kind, name] = /^(notebook|peer|key):(.*)$/s.exec(by) ?? [];
  if (kind === "notebook") return `, begun by ${shown(name as string)}`;
  if (kind === "peer") return `, begun by the node ${shown(name as string)}`;
  return `, begun by ${by === "cli" ? "the command line" : "another program"}`;
}

class JobRow {
  readonly #name = element("span", { class: "bago-model" });
  readonly #chip = element("span", { class: "bago-chip" });
  readonly #bar = element("progress", { max: 1 });
  readonly #words = element("span", { class: "bago-muted bago-detail" });
  readonly #said = new Said();
  readonly #cancel: HTMLElement;
  readonly #again: HTMLElement;
  readonly #dismiss: HTMLElement;
  readonly root: HTMLElement;

  constructor(job: Job, ask: Ask) {
    const what = `${job.kind === "pull" ? "pull" : "load"} of ${shown(job.what)}`;
    const act = (label: string, kind: string) =>
      button(label, this.#said, () => ask(kind, { job: job.id }), `${label}: ${what}`);
    this.#cancel = act("Cancel", "cancel");
    this.#again = act(job.kind === "pull" ? "Resume" : "Try again", "again");
    this.#dismiss = act("Dismiss", "dismiss");
    attribute(this.#bar, "aria-label", `Progress of the ${what}`);
    const top = element("div", { class: "bago-top" }, this.#name, this.#chip, this.#bar, this.#words);
    const acts = element(
      "div",
      { class: "bago-acts" },
      this.#cancel,
      this.#again,
      this.#dismiss,
      this.#said.root,
    );
    this.root = element("li", { class: "bago-item", "data-job": job.kind }, top, acts);
    PARTS.set(this.root, this);
  }

  update(job: Job): void {
    const running = job.state === "running";
    const verb = job.kind === "pull" ? "Pull" : "Load";
    const where = `${job.kind === "pull" ? "into" : "on"} ${shown(job.node)}`;
    text(this.#name, `${verb} ${shown(job.what)} ${where}${begun(job.by)}`);
    text(this.#chip, job.state);
    attribute(this.#chip, "data-state", job.state);
    this.#bar.hidden = !running;
    attribute(this.#bar, "value", job.total ? Math.min(1, job.done / job.total) : null);
    const kept = job.kind === "pull" ? "What arrived is kept; it goes on from there." : "";
    text(this.#words, running ? progress(job) : shown(job.error ?? kept));
    const held = this.root.contains(document.activeElement);
    this.#cancel.hidden = !running;
    this.#again.hidden = running;
    this.#dismiss.hidden = running;
    if (held && adrift()) settle(this.root);
  }
}
