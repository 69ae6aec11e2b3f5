// How the model is asked: the selector, grouped by node, and the parameters of sampling.
import { attribute, element } from "../dom.ts";
import { unique } from "../form.ts";
import { shown } from "../names.ts";
import type { Choices, Parameters } from "./state.ts";

const NUMBERS = [
  ["temperature", "Temperature", { min: 0, max: 5, step: "any", placeholder: "the model's" }],
  ["max_tokens", "Max tokens", { min: 1, step: 1, placeholder: "no bound" }],
  ["top_p", "Top p", { min: 0, max: 1, step: "any", placeholder: "the model's" }],
  ["seed", "Seed", { step: 1, placeholder: "random" }],
] as const;

/** The controls; `changed` is called when somebody has changed one. */
export class ParametersForm {
  readonly select = element("select", { id: unique() });
  readonly details: HTMLElement;
  readonly #system = element("textarea", { id: unique(), rows: 3, dir: "auto" });
  readonly #stop = element("textarea", { id: unique(), rows: 2, placeholder: "one a line" });
  readonly #numbers = new Map(NUMBERS.map(([name, , attributes]) => [name, numeric(attributes)]));
  #known = "";

  constructor(changed: () => void) {
    const numbers = NUMBERS.map(([name, label]) => field(label, this.#numbers.get(name) as HTMLInputElement));
    this.details = element(
      "details",
      { class: "bago-parameters" },
      element("summary", {}, "Parameters"),
      field("System prompt", this.#system),
      ...numbers,
      field("Stop texts", this.#stop),
    );
    this.select.addEventListener("change", changed);
    this.details.addEventListener("change", changed);
  }

  /** What the controls say. Throws an error with a sentence. */
  read(): Parameters {
    const number = (name: string): number | null => {
      const input = this.#numbers.get(name as "seed") as HTMLInputElement;
      if (input.validity.badInput) throw new Error(`${input.title} is a number.`);
      return input.value === "" ? null : Number(input.value);
    };
    return {
      model: this.select.value,
      system: this.#system.value,
      temperature: number("temperature"),
      max_tokens: number("max_tokens"),
      top_p: number("top_p"),
      seed: number("seed"),
      stop: this.#stop.value.split("\n").filter(Boolean),
    };
  }

  /** Show `parameters` in the controls. */
  fill(parameters: Parameters): void {
    // What somebody is writing now is told with its change event.
    const put = (input: HTMLInputElement | HTMLTextAreaElement, value: string) => {
      if (!input.matches(":focus")) input.value = value;
    };
    this.#choose(parameters.model);
    put(this.#system, parameters.system);
    put(this.#stop, parameters.stop.join("\n"));
    for (const [name, input] of this.#numbers) put(input, String(parameters[name] ?? ""));
  }

  /** Offer `groups` to choose from; what was chosen stays, even where it is gone. */
  offer(groups: Choices[]): void {
    const key = JSON.stringify(groups);
    if (key === this.#known) return;
    this.#known = key;
    const chosen = this.select.value;
    const made = groups.map((group) => {
      const options = group.options.map((option) => {
        const note =
          option.state === "ready" ? " · loaded" : option.state === "available" ? "" : ` · ${option.state}`;
        const completes = option.chat ? "" : " · completes text only";
        const where = group.kind === "best" ? "" : ` on ${shown(group.label)}`;
        return element("option", { value: option.value }, shown(option.label) + where + completes + note);
      });
      return element("optgroup", { label: shown(group.label) }, ...options);
    });
    this.select.replaceChildren(element("option", { value: "" }, "Automatic"), ...made);
    this.#choose(chosen);
  }

  #choose(model: string): void {
    this.select.querySelector("option[data-gone]")?.remove();
    if (![...this.select.options].some((option) => option.value === model)) {
      this.select.append(
        element("option", { value: model, "data-gone": true }, `${shown(model)} · not there now`),
      );
    }
    this.select.value = model;
  }
}

function numeric(attributes: Record<string, string | number>): HTMLInputElement {
  return element("input", { id: unique(), type: "number", autocomplete: "off", ...attributes });
}

function field(label: string, input: HTMLElement): HTMLElement {
  attribute(input, "title", label);
  return element("div", { class: "bago-field" }, element("label", { for: input.id }, label), input);
}
