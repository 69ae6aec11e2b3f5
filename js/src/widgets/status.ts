// The status card: what a node is, holds and does. Mirrors bago_jupyter/widgets/status.py.
import type { AnyModel } from "@anywidget/types";
import type { RunnerInfo, Status } from "../wire.ts";
import { Link, patiently } from "./base.ts";
import { attribute, copy, element, rows, text } from "./dom.ts";
import * as plain from "./plain.ts";
import "./status.css";

/** The synced state; `down` says why the node cannot be reached, and `status` is then its last word. */
interface Card {
  status: Status | null;
  down: string | null;
}

const NOTE_SECONDS = 6;

class View {
  readonly #link: Link<Card>;
  readonly #clock: ReturnType<typeof setInterval>;
  #card: Card = { status: null, down: null };
  #live = false;
  #since = 0;
  #noteTimer: ReturnType<typeof setTimeout> | undefined;

  readonly #dot = element("span", { class: "bago-dot", "aria-hidden": "true" });
  readonly #name = element("span", { class: "bago-name" });
  readonly #print = element("code", { class: "bago-print", title: "Fingerprint, first 8 digits" });
  readonly #uptime = element("span", { class: "bago-muted bago-uptime" });
  readonly #url = element("code", { class: "bago-url" });
  readonly #copy = element("button", { type: "button" }, "Copy URL");
  readonly #key = element("span", { class: "bago-muted" }, "API key required");
  readonly #facts = element("ul", { class: "bago-facts", "aria-label": "Node" });
  readonly #models = element("ul", { class: "bago-models", "aria-label": "Loaded models" });
  readonly #counts = element("ul", { class: "bago-counts", "aria-label": "Requests since the node started" });
  readonly #notices = element("ul", { class: "bago-notices", "aria-label": "Notices" });
  readonly #note = element("div", { class: "bago-note", role: "status" });
  readonly #root = element(
    "section",
    // JupyterLab's own shortcuts (Enter, Space, arrows) must not fire while a button has the focus.
    { class: "bago-status", tabindex: -1, "data-lm-suppress-shortcuts": "true" },
    element("header", {}, this.#dot, this.#name, this.#print, this.#uptime),
    element("div", { class: "bago-line" }, this.#url, this.#copy, this.#key),
    this.#facts,
    this.#models,
    this.#counts,
    this.#notices,
    this.#note,
  );

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    el.append(this.#root);
    this.#copy.addEventListener("click", () => void this.#copyUrl());
    this.#models.addEventListener("click", (event) => void this.#clicked(event));
    this.#clock = setInterval(() => this.#tick(), 1000);
    // The link shows the last known state while it is made.
    let link: Link<Card> | undefined;
    link = new Link<Card>(model, (card, live) => this.#show(card, live, link));
    this.#link = link;
    this.#show(this.#card, this.#live, link);
  }

  close(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#noteTimer);
    this.#link.close();
  }

  #show(card: Card, live: boolean, link: Link<Card> | undefined): void {
    this.#card = card;
    this.#live = live;
    this.#since = performance.now();
    if (link) link.restless = card.down !== null;
    const { status, down } = card;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    attribute(this.#root, "aria-label", status ? `Bago node ${status.name}` : "Bago node");
    text(this.#name, status?.name ?? "No node");
    for (const part of [this.#print, this.#url, this.#copy, this.#facts, this.#models, this.#counts]) {
      part.hidden = status === null;
    }
    this.#key.hidden = !status?.api_key_required;
    this.#tick();
    if (status) this.#fill(status, link?.answered === true && down === null);
    const notices = [...(down === null ? [] : [down]), ...(status?.notices ?? [])];
    rows(
      this.#notices,
      notices,
      (notice) => notice,
      () => element("li"),
      (row, notice) => {
        text(row, notice);
        attribute(row, "class", notice === down ? "bago-down" : "bago-notice");
      },
    );
  }

  #fill(status: Status, served: boolean): void {
    text(this.#print, plain.short(status.fingerprint));
    attribute(this.#print, "title", status.fingerprint);
    text(this.#url, status.url);
    const facts: [string, string][] = [
      ["Runs in", plain.place(status)],
      ["Engines", plain.engines(status)],
      ["Models", plain.models(status)],
    ];
    rows(
      this.#facts,
      facts,
      ([name]) => name,
      ([name]) => element("li", {}, element("span", { class: "bago-muted" }, name), " ", element("span")),
      (row, [, value]) => text(row.lastElementChild as Element, value),
    );
    rows(
      this.#models,
      status.runners,
      (runner) => `${runner.task} ${runner.model}`,
      modelRow,
      (row, runner) => updateModel(row, runner, served),
    );
    rows(
      this.#counts,
      plain.requests(status.requests),
      ([name]) => name,
      ([name]) => element("li", {}, element("b"), ` ${name}`),
      (row, [name, count]) => {
        text(row.firstElementChild as Element, plain.grouped(count));
        attribute(row, "class", name === "failed" && count > 0 ? "bago-bad" : null);
      },
    );
  }

  #tick(): void {
    const { status, down } = this.#card;
    const passed = (performance.now() - this.#since) / 1000;
    if (!this.#live) text(this.#uptime, "last known state");
    else if (!status) text(this.#uptime, "");
    else if (down !== null) text(this.#uptime, "down");
    else text(this.#uptime, `up ${plain.duration(status.uptime + passed)}`);
  }

  async #copyUrl(): Promise<void> {
    const url = this.#card.status?.url ?? "";
    this.#say(
      (await copy(url)) ? "URL copied." : "The browser did not allow copying; select the URL instead.",
    );
  }

  async #clicked(event: Event): Promise<void> {
    const button = (event.target as Element).closest("button");
    const model = button?.dataset.model;
    if (!button || !model || button.ariaDisabled === "true") return;
    attribute(button, "data-busy", true);
    attribute(button, "aria-disabled", "true");
    try {
      await patiently(this.#link.request("unload", { model }), (waits) => this.#say(waits));
      this.#say(`${model} is unloaded.`);
    } catch (error) {
      this.#say((error as Error).message, true);
    } finally {
      attribute(button, "data-busy", null);
      attribute(button, "aria-disabled", null);
    }
  }

  #say(note: string, bad = false): void {
    clearTimeout(this.#noteTimer);
    text(this.#note, note);
    attribute(this.#note, "data-bad", bad);
    this.#noteTimer = setTimeout(() => text(this.#note, ""), NOTE_SECONDS * 1000);
  }
}

function modelRow(runner: RunnerInfo): HTMLElement {
  const unload = element(
    "button",
    { type: "button", "data-model": runner.model, "aria-label": `Unload ${runner.model}` },
    "Unload",
  );
  return element(
    "li",
    {},
    element("span", { class: "bago-model" }, runner.model),
    element("span", { class: "bago-chip" }),
    element("progress", { max: 1, "aria-label": `Loading ${runner.model}` }),
    element("span", { class: "bago-muted bago-detail" }),
    unload,
  );
}

function updateModel(row: HTMLElement, runner: RunnerInfo, served: boolean): void {
  const [, chip, bar, detail, unload] = [...row.children] as HTMLElement[] &
    [HTMLElement, HTMLElement, HTMLProgressElement, HTMLElement, HTMLButtonElement];
  text(chip, plain.state(runner));
  attribute(chip, "data-state", runner.state);
  bar.hidden = runner.state !== "loading" && runner.state !== "starting";
  attribute(bar, "value", runner.progress);
  text(detail, plain.detail(runner));
  detail.hidden = !bar.hidden && !runner.error;
  // Not `disabled`, which would take the focus away from whoever tabs through.
  if (!unload.hasAttribute("data-busy")) attribute(unload, "aria-disabled", served ? null : "true");
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
