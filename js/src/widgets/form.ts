// Controls that speak to the kernel: what they said stands beside them, and a failure loses nothing.
import { patiently } from "./base.ts";
import { adrift, attribute, copy, element, keepArrows, settle, text } from "./dom.ts";
import "./form.css";

/** Does something in the kernel; a sentence that it resolves to is shown, as is the one it rejects with. */
export type Deed = () => Promise<unknown>;

/** An id that no other element of the page has. */
export function unique(): string {
  return `bago-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
}

/** A place beside a control for what the kernel says about it. */
export class Said {
  readonly root = element("span", { class: "bago-said", role: "status", id: unique() });

  say(sentence: string, bad = false): void {
    attribute(this.root, "data-bad", bad);
    text(this.root, sentence);
  }

  /** Run `deed` and show what came of it; whether it succeeded. */
  async run(deed: Deed): Promise<boolean> {
    this.say("");
    try {
      const sentence = await patiently(deed(), (waits) => this.say(waits));
      this.say(typeof sentence === "string" ? sentence : "");
      return true;
    } catch (error) {
      this.say((error as Error).message, true);
      return false;
    }
  }
}

/** Run `deed` once at a time on behalf of `button`, which keeps its focus meanwhile. */
export async function busy(button: HTMLElement, said: Said, deed: Deed): Promise<boolean> {
  if (button.ariaDisabled === "true") return false;
  const homes = [".bago-acts", ".bago-item", ".bago-part", "fieldset"].map((home) => button.closest(home));
  const focused = button.contains(document.activeElement);
  attribute(button, "aria-disabled", "true");
  try {
    return await said.run(deed);
  } finally {
    attribute(button, "aria-disabled", null);
    // What was done may have taken the button away.
    if (focused && adrift()) settle(button, ...homes);
  }
}

/** A button that does `deed`. */
export function button(label: string, said: Said, deed: Deed, name?: string): HTMLButtonElement {
  const made = element("button", { type: "button", "aria-label": name ?? null }, label);
  made.addEventListener("click", () => void busy(made, said, deed));
  return made;
}

/** A button that asks in its own place before it does `deed`. */
export function confirmed(
  label: string,
  question: string,
  said: Said,
  deed: Deed,
  name?: string,
): HTMLSpanElement {
  const ask = element("button", { type: "button", "aria-label": name ?? null }, label);
  const yes = element("button", { type: "button", class: "bago-danger" }, label);
  const no = element("button", { type: "button" }, "Cancel");
  const group = element(
    "span",
    { class: "bago-ask", role: "group", "aria-label": question },
    question,
    yes,
    no,
  );
  group.hidden = true;
  const turn = (asking: boolean, focus = true): void => {
    group.hidden = !asking;
    ask.hidden = asking;
    if (focus) (asking ? no : ask).focus();
  };
  ask.addEventListener("click", () => turn(true));
  no.addEventListener("click", () => turn(false));
  yes.addEventListener("click", async () => {
    await busy(yes, said, deed);
    const elsewhere = !adrift() && !group.contains(document.activeElement);
    if (group.isConnected) turn(false, !elsewhere);
  });
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    turn(false);
  });
  return element("span", { class: "bago-confirm" }, ask, group);
}

type Value = string | number | boolean;

interface Kind {
  type: "text" | "number" | "checkbox" | "select";
  options?: [value: string, label: string][];
  attributes?: Record<string, string | number | boolean | null>;
  hint?: string;
}

/** A control bound to a value of the kernel. What was typed stays until the kernel has taken it. */
export class Field {
  readonly root: HTMLElement;
  readonly said = new Said();
  readonly input: HTMLInputElement | HTMLSelectElement;
  readonly #kind: Kind;
  readonly #save: (value: never) => Promise<unknown>;
  readonly #hint: HTMLElement;
  #value: Value = "";
  #edited = false;
  #busy = false;

  constructor(label: string, kind: Kind, save: (value: never) => Promise<unknown>) {
    this.#kind = kind;
    this.#save = save;
    const id = unique();
    this.#hint = element("span", { class: "bago-muted bago-hint", id: unique() }, kind.hint ?? "");
    const describedby = `${this.#hint.id} ${this.said.root.id}`;
    this.input =
      kind.type === "select"
        ? element("select", { id, "aria-describedby": describedby })
        : element("input", { id, type: kind.type, autocomplete: "off", "aria-describedby": describedby });
    for (const [name, value] of Object.entries(kind.attributes ?? {})) attribute(this.input, name, value);
    for (const [value, words] of kind.options ?? []) this.input.append(element("option", { value }, words));
    this.root = element(
      "div",
      { class: `bago-field bago-${kind.type}` },
      element("label", { for: id }, label),
      this.input,
      this.#hint,
      this.said.root,
    );
    this.input.addEventListener("input", () => {
      this.#edited = true;
    });
    this.input.addEventListener("change", () => void this.#commit());
    this.input.addEventListener("keydown", (event) => this.#key(event as KeyboardEvent));
  }

  /** The kernel's value; it does not replace what somebody is typing. */
  show(value: Value): void {
    this.#value = value;
    if (!this.#edited && !this.#busy) this.#fill();
  }

  set hint(words: string) {
    text(this.#hint, words);
  }

  set disabled(value: boolean) {
    this.input.disabled = value;
  }

  #fill(): void {
    if (this.input instanceof HTMLInputElement && this.#kind.type === "checkbox")
      this.input.checked = this.#value === true;
    else if (this.input.value !== String(this.#value)) this.input.value = String(this.#value);
  }

  #read(): Value {
    if (!(this.input instanceof HTMLInputElement)) return this.input.value;
    if (this.#kind.type === "checkbox") return this.input.checked;
    if (this.#kind.type !== "number") return this.input.value;
    if (Number.isNaN(this.input.valueAsNumber)) throw new Error("Give a number.");
    return this.input.valueAsNumber;
  }

  #differs(saved: Value | null): boolean {
    try {
      return this.#read() !== saved;
    } catch {
      return false;
    }
  }

  async #commit(): Promise<void> {
    // What is there when the kernel has answered is saved next.
    if (this.#busy || !this.#edited) return;
    this.#busy = true;
    attribute(this.input, "aria-busy", "true");
    let saved: Value | null = null;
    let done: boolean;
    do {
      done = await this.said.run(async () => {
        saved = this.#read();
        return this.#save(saved as never);
      });
    } while (done && this.#differs(saved));
    this.#busy = false;
    attribute(this.input, "aria-busy", null);
    attribute(this.input, "aria-invalid", done ? null : "true");
    // What was typed stays for another try; a switch shows what holds.
    const typed = this.#kind.type === "text" || this.#kind.type === "number";
    this.#edited = typed && !done;
    if (!this.#edited) this.#fill();
  }

  #key(event: KeyboardEvent): void {
    // Enter makes no change event where JupyterLab cancels line breaks.
    if (event.key === "Enter") void this.#commit();
    if (event.key !== "Escape" || !this.#edited) return;
    event.preventDefault();
    event.stopPropagation();
    this.#edited = false;
    this.said.say("");
    attribute(this.input, "aria-invalid", null);
    this.#fill();
  }
}

/** A labelled input that is read when a button is pressed. */
export function entry(
  label: string,
  attributes: Record<string, string | number | boolean | null> = {},
): { root: HTMLElement; input: HTMLInputElement } {
  const id = unique();
  const input = element("input", {
    id,
    type: "text",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    ...attributes,
  });
  return {
    root: element("div", { class: "bago-field" }, element("label", { for: id }, label), input),
    input,
  };
}

/** The attributes of an input for a secret: unseen, and offered to no password manager as a login. */
export const SECRET = { type: "password", autocomplete: "new-password", "data-1p-ignore": true } as const;

/** Press `to` when Enter is pressed in one of `inputs`. */
export function enters(to: HTMLButtonElement, ...inputs: HTMLElement[]): void {
  for (const input of inputs) {
    input.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key !== "Enter") return;
      event.preventDefault();
      to.click();
    });
  }
}

/** Let line breaks be typed in `root`, and lists be walked by arrow keys: JupyterLab cancels line breaks, by a
 * listener on the control, in every cell, and takes the arrows. */
export function shield(root: HTMLElement): void {
  root.addEventListener("beforeinput", (event) => event.stopPropagation(), true);
  keepArrows(root);
}

/** What `deed` answers; `inputs` are emptied then, unless somebody wrote in them again while it was at work. */
export async function spend<T>(
  inputs: (HTMLInputElement | HTMLTextAreaElement)[],
  deed: () => Promise<T>,
): Promise<T> {
  let touched = false;
  const touch = (): void => {
    touched = true;
  };
  for (const input of inputs) input.addEventListener("input", touch);
  try {
    const answer = await deed();
    if (!touched) for (const input of inputs) input.value = "";
    return answer;
  } finally {
    for (const input of inputs) input.removeEventListener("input", touch);
  }
}

/** Write `value` into `input` on somebody's behalf, as if it was typed. */
export function write(input: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

/** A titled part of a view. */
export function part(title: string, ...children: (Node | string)[]): HTMLElement {
  const id = unique();
  return element(
    "div",
    { class: "bago-part", role: "group", "aria-labelledby": id },
    element("h3", { id }, title),
    ...children,
  );
}

/** A button that copies what `value` gives. */
export function copier(label: string, said: Said, value: () => string): HTMLButtonElement {
  return button(label, said, async () => {
    if (!(await copy(value())))
      throw new Error("The browser did not allow copying; select the text instead.");
    return "Copied.";
  });
}
