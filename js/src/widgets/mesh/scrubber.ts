// The bar that goes back in time.
import { attribute, element, text } from "../dom.ts";
import { duration } from "../plain.ts";
import { SPAN } from "./history.ts";

export interface ScrubberWishes {
  /** Show the picture as it was `at` (seconds of the page's clock), or the newest. */
  show(at: number | null): void;
  play(on: boolean): void;
}

export class Scrubber {
  readonly #slider = element("input", {
    type: "range",
    min: -SPAN,
    max: 0,
    step: 1,
    value: "0",
    "aria-label": "Moment of the last ten minutes",
  });
  readonly #when = element("span", { class: "bago-when bago-muted" });
  readonly #play = element("button", { type: "button" }, "Replay");
  readonly #newest = element("button", { type: "button" }, "Live");
  readonly root = element(
    "div",
    { class: "bago-scrub", role: "group", "aria-label": "History" },
    this.#play,
    this.#slider,
    this.#when,
    this.#newest,
  );

  constructor(wishes: ScrubberWishes) {
    this.#slider.addEventListener("input", () => {
      const back = Number(this.#slider.value);
      wishes.show(back >= 0 ? null : now() + back);
    });
    this.#newest.addEventListener("click", () => wishes.show(null));
    this.#play.addEventListener("click", () => wishes.play(this.#play.dataset.playing === undefined));
  }

  /** `at` is the moment on show, `null` the newest, which is called `present`; `earliest` the first that there is. */
  show(at: number | null, earliest: number | undefined, playing: boolean, present: string): void {
    const reach = earliest === undefined ? 0 : Math.min(SPAN, Math.max(0, now() - earliest));
    const back = at === null ? 0 : Math.max(0, now() - at);
    const min = String(-Math.max(10, Math.ceil(reach)));
    attribute(this.#slider, "min", min);
    const value = String(-Math.round(back));
    if (this.#slider.value !== value) this.#slider.value = value;
    const words = at === null ? present : `${duration(back)} ago`;
    text(this.#when, words);
    attribute(this.#slider, "aria-valuetext", words);
    text(this.#newest, present === "live" ? "Live" : "Latest");
    attribute(this.#newest, "aria-pressed", at === null ? "true" : "false");
    text(this.#play, playing ? "Pause" : "Replay");
    attribute(this.#play, "data-playing", playing);
    this.#slider.disabled = this.#play.disabled = this.#newest.disabled = earliest === undefined;
  }
}

/** The page's clock in seconds. */
export const now = (): number => Date.now() / 1000;
