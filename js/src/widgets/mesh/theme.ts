// The colours of the page's theme for the canvases, which do not follow CSS by themselves.
import { element } from "../dom.ts";

const NAMES = ["text", "muted", "ground", "raised", "line", "good", "wait", "bad", "brand"] as const;

export type Colours = Record<(typeof NAMES)[number], string> & { font: string };

/** Follows the theme: `changed` is called whenever a colour differs from before. */
export class Theme {
  readonly #probes: Record<string, HTMLElement>;
  readonly #root = element("div", { class: "bago-probes", "aria-hidden": "true" });
  colours: Colours;

  constructor(parent: HTMLElement, changed: () => void) {
    // Variables may hold `light-dark()` or other variables; only a computed colour is a colour. A
    // transition on it ends whenever it changed, however the theme was loaded.
    this.#probes = Object.fromEntries(
      NAMES.map((name) => [name, element("i", { style: `color:var(--bago-${name})` })]),
    );
    this.#root.append(...Object.values(this.#probes));
    parent.append(this.#root);
    this.colours = this.#read();
    this.#root.addEventListener("transitionend", () => {
      const before = JSON.stringify(this.colours);
      this.colours = this.#read();
      if (JSON.stringify(this.colours) !== before) changed();
    });
  }

  /** Read anew: the first time, the element was not in the page yet. */
  refresh(): void {
    this.colours = this.#read();
  }

  #read(): Colours {
    const found = NAMES.map((name) => [name, getComputedStyle(this.#probes[name] as Element).color]);
    return { ...Object.fromEntries(found), font: getComputedStyle(this.#root).fontFamily || "sans-serif" };
  }
}
