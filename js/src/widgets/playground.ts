// Chat with the models of the mesh. Mirrors bago_jupyter/widgets/playground.py.
import type { AnyModel } from "@anywidget/types";
import { Link } from "./base.ts";
import { adrift, attribute, element, text } from "./dom.ts";
import { button, confirmed, copier, Said, shield, unique } from "./form.ts";
import { shown } from "./names.ts";
import { ParametersForm } from "./playground/parameters.ts";
import { followLinks } from "./playground/render.ts";
import type { Push, State, Turn, Whole } from "./playground/state.ts";
import { TurnRow } from "./playground/turn.ts";
import "./status.css";
import "./playground.css";

/** Pixels from the end within which the log follows what is written. */
const NEAR = 40;

class View {
  readonly #model: AnyModel<{ snapshot: unknown }>;
  readonly #link: Link<State>;
  readonly #of = element("span", { class: "bago-muted" });
  readonly #down = element("p", { class: "bago-down-line", role: "status" });
  readonly #parameters = new ParametersForm(() => void this.#set());
  readonly #log = element("div", {
    class: "bago-log",
    role: "region",
    "aria-label": "Conversation",
    tabindex: 0,
  });
  readonly #news = element("div", { class: "bago-hidden", role: "status" });
  readonly #text = element("textarea", { id: unique(), rows: 3, dir: "auto", placeholder: "Ask something" });
  readonly #said = new Said();
  readonly #send = button("Send", this.#said, () => this.#submit());
  readonly #stop = button("Stop", this.#said, () => this.#halt());
  readonly #save = element("input", { type: "checkbox", role: "switch", id: unique() });
  readonly #form: HTMLFieldSetElement;
  readonly #root: HTMLElement;
  readonly #rows: TurnRow[] = [];
  #opened = false;
  #opening = false;
  #frame = 0;

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    this.#model = model;
    const clear = confirmed("Clear", "Forget the conversation?", this.#said, () => this.#ask("clear"));
    const copies = copier("Copy all", this.#said, () => this.#written());
    const saving = element("label", { for: this.#save.id }, "Save conversation with the notebook");
    this.#form = element(
      "fieldset",
      { class: "bago-form" },
      element(
        "div",
        { class: "bago-field" },
        element("label", { for: this.#parameters.select.id }, "Model"),
        this.#parameters.select,
      ),
      this.#parameters.details,
      this.#log,
      element("label", { for: this.#text.id, class: "bago-hidden" }, "Question"),
      this.#text,
      element(
        "div",
        { class: "bago-acts" },
        this.#send,
        this.#stop,
        clear,
        copies,
        element("span", { class: "bago-share bago-end" }, this.#save, saving),
      ),
      this.#said.root,
    );
    this.#root = element(
      "section",
      {
        class: "bago-status bago-playground",
        tabindex: -1,
        "aria-label": "Playground",
        "data-lm-suppress-shortcuts": "true",
      },
      element("header", {}, element("h2", { class: "bago-name" }, "Playground"), this.#of),
      this.#down,
      this.#form,
      this.#news,
    );
    followLinks(this.#log);
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#send.hidden) this.#send.click();
    });
    this.#save.addEventListener("change", async () => {
      const save = this.#save.checked;
      // What is not so must not look so.
      if (!(await this.#said.run(() => this.#ask("save", { save })))) this.#save.checked = !save;
    });
    shield(this.#root);
    el.append(this.#root);
    model.on("msg:custom", this.#received);
    let link: Link<State> | undefined;
    link = new Link<State>(model, (state, live) => this.#show(state, live, link));
    this.#link = link;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#model.off("msg:custom", this.#received);
    this.#link.close();
  }

  // -- what the kernel says

  #show(state: State, live: boolean, link: Link<State> | undefined): void {
    const { view, down } = state;
    if (link) link.restless = down !== null;
    attribute(this.#root, "data-state", !live ? "stale" : down !== null ? "down" : "up");
    const stale = state.saved
      ? "This is the conversation as it was saved; it goes on when its kernel runs."
      : "The conversation is not saved with the notebook; a playground works while its kernel runs.";
    text(this.#down, live ? (down ?? "") : stale);
    this.#form.disabled = link?.answered !== true;
    this.#save.checked = state.save === true;
    text(this.#of, view ? shown(view.name) : "");
    if (view) this.#parameters.offer(view.groups);
    if (link?.answered && !this.#opened) void this.#open(link);
    else if (!live && state.saved) this.#whole(state.saved);
  }

  async #open(link: Link<State>): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      this.#whole((await link.request("open")) as Whole);
      this.#opened = true;
    } catch (error) {
      this.#said.say((error as Error).message, true);
    } finally {
      this.#opening = false;
    }
  }

  #received = (message: unknown): void => {
    if (!this.#opened || typeof message !== "object" || message === null || !("kind" in message)) return;
    const push = message as Push;
    if (push.kind === "turns") this.#whole(push);
    else if (push.kind === "turn") this.#turn(push.turn);
    else if (push.kind === "piece") this.#piece(push);
  };

  #whole({ turns, parameters }: Whole): void {
    const old = new Map(this.#rows.splice(0).map((row) => [row.turn.id, row]));
    for (const turn of turns) {
      const known = old.get(turn.id);
      if (known) known.turn = turn;
      const row =
        known ?? new TurnRow(turn, { ask: this.#ask, repeat: (text, of) => this.#repeat(text, of) });
      this.#rows.push(row);
      old.delete(turn.id);
    }
    for (const row of old.values()) row.root.remove();
    this.#log.append(...this.#rows.filter((row) => !row.root.isConnected).map((row) => row.root));
    this.#parameters.fill(parameters);
    this.#draw(true);
  }

  #turn(turn: Turn): void {
    const row = this.#rows.find((row) => row.turn.id === turn.id);
    if (!row) return;
    if (row.turn.state === "streaming" && turn.state !== "streaming") {
      text(this.#news, turn.state === "done" ? "The answer is complete." : `The answer has ${turn.state}.`);
    }
    row.turn = turn;
    this.#soon();
  }

  #piece(push: Push & { kind: "piece" }): void {
    const row = this.#rows.find((row) => row.turn.id === push.of);
    if (row?.turn.pieces !== push.at) {
      void this.#open(this.#link); // something was missed, as while the page slept
      return;
    }
    row.turn.pieces += 1;
    row.turn.text += push.text;
    row.turn.thought += push.thought;
    this.#soon();
  }

  // -- the page

  #soon(): void {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw(false));
  }

  #draw(end: boolean): void {
    this.#frame = 0;
    const log = this.#log;
    const follows = end || log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    const busy = this.#rows.at(-1)?.turn.state === "streaming";
    const count = this.#rows.length;
    this.#rows.forEach((row, at) => {
      row.show(at >= count - 2, !busy);
    });
    log.hidden = count === 0;
    const focused = this.#send.matches(":focus") || this.#stop.matches(":focus");
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    if (focused) (busy ? this.#stop : this.#send).focus();
    if (follows) log.scrollTop = log.scrollHeight;
  }

  #written(): string {
    const said = this.#rows.map(({ turn }) => {
      const who = turn.role === "user" ? "You" : (turn.node ?? turn.model ?? "Model");
      return `**${who}:**\n\n${turn.text || turn.error || ""}`;
    });
    return said.join("\n\n");
  }

  // -- what a person does

  #ask = (kind: string, fields: Record<string, unknown> = {}): Promise<unknown> =>
    this.#link.request(kind, fields);

  async #submit(): Promise<void> {
    const question = this.#text.value;
    if (question.trim() === "") throw new Error("What should the model be asked?");
    await this.#ask("send", { text: question, parameters: this.#parameters.read() });
    if (this.#text.value === question) this.#text.value = "";
    this.#return();
  }

  /** Back to the question, unless the person has gone elsewhere. */
  #return(): void {
    if (adrift() || this.#send.matches(":focus") || this.#stop.matches(":focus")) this.#text.focus();
  }

  #repeat(question?: string, of?: number): Promise<unknown> {
    const parameters = this.#parameters.read();
    if (question === undefined) return this.#ask("again", { parameters });
    return this.#ask("edit", { text: question, of, parameters });
  }

  async #halt(): Promise<void> {
    await this.#ask("stop");
    this.#return();
  }

  #set(): void {
    void this.#said.run(() => this.#ask("set", { parameters: this.#parameters.read() }));
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
