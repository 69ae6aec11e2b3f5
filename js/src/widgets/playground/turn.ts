// One turn of the conversation on the page.
import type { Decision } from "../../wire.ts";
import { attribute, element, text } from "../dom.ts";
import { button, copier, Said } from "../form.ts";
import { shown } from "../names.ts";
import { parse } from "./markdown.ts";
import { render } from "./render.ts";
import type { Ask, Turn } from "./state.ts";
import { explain, seconds } from "./why.ts";

/** What the page does beyond the turn itself. */
export interface Deeds {
  ask: Ask;
  /** Ask the last question again, or `text` in place of the question `of`. */
  repeat(text?: string, of?: number): Promise<unknown>;
}

/** Who answered and how fast, in words. */
export function facts(turn: Turn): string {
  const words = [
    turn.model,
    turn.node ? `on ${turn.node}` : "",
    turn.attempts !== null && turn.attempts > 1 ? `after ${turn.attempts} attempts` : "",
    turn.first === null ? "" : `first token in ${seconds(turn.first)}`,
    turn.speed === null
      ? ""
      : `${turn.speed < 9.95 ? turn.speed.toFixed(1) : Math.round(turn.speed)} tokens/s`,
    turn.tokens === null ? "" : `${turn.tokens} tokens`,
    turn.cut ? "cut at max tokens" : "",
    turn.state === "stopped" ? "stopped" : "",
  ];
  return words
    .filter((word) => word)
    .map((word) => shown(word as string))
    .join(" · ");
}

/** A turn: what was said, who said it, and what can be done with it. */
export class TurnRow {
  readonly root: HTMLElement;
  turn: Turn;
  readonly #deeds: Deeds;
  readonly #said = new Said();
  readonly #body: HTMLElement;
  readonly #thought = element("div", { class: "bago-plain", dir: "auto" });
  readonly #thinking = element(
    "details",
    { class: "bago-thought" },
    element("summary", {}, "Thoughts"),
    this.#thought,
  );
  readonly #facts = element("span", { class: "bago-muted bago-small" });
  readonly #error = element("p", { class: "bago-failed", role: "alert" });
  readonly #why = element("details", { class: "bago-why" }, element("summary", {}, "Why there?"));
  readonly #acts = element("div", { class: "bago-acts" });
  readonly #last: HTMLElement;
  #drawn: [string, string] = ["", ""];
  #form: HTMLElement | null = null;

  constructor(turn: Turn, deeds: Deeds) {
    this.turn = turn;
    this.#deeds = deeds;
    const mine = turn.role === "user";
    this.#body = element("div", { class: mine ? "bago-plain" : "bago-text", dir: "auto" });
    this.#last = mine
      ? button("Edit", this.#said, async () => this.#edit())
      : button("Ask again", this.#said, () => deeds.repeat(), "Ask for another answer");
    const copies = copier("Copy", this.#said, () => this.turn.text);
    attribute(copies, "aria-label", mine ? "Copy the question" : "Copy the answer");
    this.#acts.append(this.#facts, copies, this.#last, this.#said.root);
    this.#why.addEventListener("toggle", () => void this.#explain());
    this.root = element(
      "article",
      { class: `bago-turn bago-${turn.role}`, "aria-label": mine ? "You" : "Answer" },
      this.#thinking,
      this.#body,
      this.#error,
      this.#acts,
      this.#why,
    );
  }

  /** Show `turn`; `last` is whether it can still be asked again, `idle` whether now. */
  show(last: boolean, idle: boolean): void {
    const { turn } = this;
    attribute(this.root, "data-state", turn.state);
    attribute(this.root, "aria-busy", turn.state === "streaming" ? "true" : null);
    this.#draw();
    this.#facts.hidden = turn.role === "user";
    text(this.#facts, turn.state === "streaming" ? waiting(turn) : facts(turn));
    text(this.#error, turn.error ? shown(turn.error) : "");
    text(this.#last, turn.role === "user" ? "Edit" : turn.state === "failed" ? "Try again" : "Ask again");
    this.#last.hidden = !last || !idle;
    text(this.#why.firstElementChild as Element, turn.state === "failed" ? "Why?" : "Why there?");
    this.#why.hidden = turn.request === null || turn.state === "streaming";
    this.#thinking.hidden = turn.thought === "";
  }

  #draw(): void {
    const { text: said, thought, role } = this.turn;
    if (role === "user") text(this.#body, said);
    else if (said !== this.#drawn[0]) render(this.#body, parse(said));
    if (thought !== this.#drawn[1]) text(this.#thought, thought);
    this.#drawn = [said, thought];
  }

  #edit(): void {
    if (this.#form) {
      this.#form.querySelector("textarea")?.focus();
      return;
    }
    const area = element("textarea", { rows: 3, dir: "auto", "aria-label": "The question" });
    area.value = this.turn.text;
    const send = button("Ask", this.#said, async () => {
      await this.#deeds.repeat(area.value, this.turn.id);
      stop();
    });
    const cancel = element("button", { type: "button" }, "Cancel");
    const form = element(
      "div",
      { class: "bago-edit" },
      area,
      element("div", { class: "bago-acts" }, send, cancel),
    );
    this.#form = form;
    const stop = () => {
      form.remove();
      this.#form = null;
      this.#body.hidden = false;
      this.#last.focus();
    };
    cancel.addEventListener("click", stop);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      stop();
    });
    this.#body.hidden = true;
    this.#body.after(form);
    area.focus();
  }

  async #explain(): Promise<void> {
    if (!this.#why.open) return;
    const said = new Said();
    this.#why.replaceChildren(this.#why.firstElementChild as Element, said.root);
    await said.run(async () => {
      const decision = await this.#deeds.ask("why", { request: this.turn.request });
      said.root.before(explain(decision as Decision));
    });
  }
}

function waiting(turn: Turn): string {
  if (turn.text) return turn.node ? `${shown(turn.node)} answers` : "";
  return turn.thought
    ? "Thinking"
    : turn.node
      ? `${shown(turn.node)} reads the question`
      : "Waiting for a node";
}
