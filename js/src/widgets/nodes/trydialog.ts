// A dialog for what the node tests first; what fails its test can be done all the same.
import { Refusal } from "../base.ts";
import { element, text } from "../dom.ts";
import { busy, enters, Said, unique } from "../form.ts";

/** The code of a test that failed. */
const FAILED = "connection_failed";

interface Content {
  /** The word on the button. */
  act: string;
  fields: HTMLElement[];
  inputs: HTMLInputElement[];
  /** Does it, with `force` whatever the test says; the dialog closes after that. */
  deed: (force: boolean) => Promise<unknown>;
  /** Called when the dialog is closed, by whomever. */
  left: () => void;
}

export class TryDialog {
  readonly #said = new Said();
  readonly #title = element("h2", { id: unique() });
  readonly #act: HTMLButtonElement;
  readonly #force: HTMLButtonElement;
  readonly #deed: Content["deed"];
  readonly #left: () => void;
  readonly root: HTMLDialogElement;
  #visit = 0;

  constructor({ act, fields, inputs, deed, left }: Content) {
    this.#deed = deed;
    this.#left = left;
    this.#act = element("button", { type: "button" }, act);
    this.#force = element("button", { type: "button" }, `${act} even if its test fails`);
    this.#act.addEventListener("click", () => void this.#run(false));
    this.#force.addEventListener("click", () => void this.#run(true));
    enters(this.#act, ...inputs);
    const cancel = element("button", { type: "button" }, "Cancel");
    cancel.addEventListener("click", () => this.root.close());
    this.root = element(
      "dialog",
      { "aria-labelledby": this.#title.id },
      element(
        "div",
        { class: "bago-sheet" },
        this.#title,
        ...fields,
        this.#said.root,
        element("div", { class: "bago-acts" }, this.#act, this.#force, cancel),
      ),
    );
    this.root.addEventListener("close", left);
  }

  open(title: string): void {
    this.#visit += 1;
    text(this.#title, title);
    this.#said.say("");
    this.#force.hidden = true;
    this.root.showModal();
  }

  close(): void {
    this.root.close();
    this.#left();
  }

  async #run(force: boolean): Promise<void> {
    const visit = this.#visit;
    let offered = false;
    const done = await busy(this.#act, this.#said, async () => {
      try {
        await this.#deed(force);
      } catch (error) {
        offered = error instanceof Refusal && error.code === FAILED;
        throw error;
      }
    });
    if (visit !== this.#visit) return; // somebody has begun another one
    if (done) this.root.close();
    if (this.#force.matches(":focus") && !offered) this.#act.focus();
    this.#force.hidden = !offered;
  }
}
