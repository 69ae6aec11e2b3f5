// The key card: a connection key that reaches the page in a custom message only, so that no saved
// notebook holds it. Mirrors bago_jupyter/widgets/key.py.
import type { AnyModel } from "@anywidget/types";
import { Link, patiently } from "./base.ts";
import { attribute, copy, element, text } from "./dom.ts";
import * as plain from "./plain.ts";
import "./status.css";
import "./key.css";

/** The synced state. */
interface Card {
  id?: string;
  name?: string;
  expires?: number;
  state?: "open" | "used" | "revoked" | "expired";
  used_by?: string | null;
}

interface Secret {
  text: string;
  svg: string;
  left: number;
}

/** Seconds between two looks whether the key was used. */
const CHECK = 2;
const NOTE_SECONDS = 6;

class View {
  readonly #link: Link<Card>;
  readonly #clock: ReturnType<typeof setInterval>;
  #card: Card = {};
  #secret: Secret | null = null;
  #since = 0;
  #asking = false;
  #checking = false;
  #over = false;
  #ticks = 0;
  #noteTimer: ReturnType<typeof setTimeout> | undefined;

  readonly #title = element("span", { class: "bago-name" });
  readonly #left = element("span", { class: "bago-muted bago-uptime" });
  readonly #qr = element("img", { class: "bago-qr", alt: "QR code of the connection key" });
  readonly #key = element("code", { class: "bago-url" });
  readonly #copy = element("button", { type: "button" }, "Copy key");
  readonly #shown = element(
    "div",
    { class: "bago-shown" },
    this.#qr,
    element(
      "div",
      { class: "bago-words" },
      element("p", {}, "On the other node: %bago connect, then paste this key. It works once."),
      this.#key,
      this.#copy,
    ),
  );
  readonly #what = element("div", { role: "status" });
  readonly #note = element("div", { class: "bago-note", role: "status" });
  readonly #root = element(
    "section",
    { class: "bago-status bago-key", tabindex: -1, "data-lm-suppress-shortcuts": "true" },
    element("header", {}, this.#title, this.#left),
    this.#shown,
    this.#what,
    this.#note,
  );

  constructor(model: AnyModel<{ snapshot: unknown }>, el: HTMLElement) {
    el.append(this.#root);
    this.#copy.addEventListener("click", () => void this.#copyKey());
    this.#clock = setInterval(() => this.#tick(), 1000);
    // The link shows the last known state while it is made.
    let link: Link<Card> | undefined;
    link = new Link<Card>(model, (card) => this.#show(card, link));
    this.#link = link;
    this.#show(this.#card, link);
  }

  close(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#noteTimer);
    this.#forget();
    this.#link.close();
  }

  #show(card: Card, link: Link<Card> | undefined): void {
    if (card.id) this.#card = card;
    text(this.#title, `Connection key of ${this.#card.name ?? ""}`);
    attribute(this.#root, "aria-label", `Connection key ${this.#card.id ?? ""}`);
    attribute(this.#root, "data-key", this.#card.state ?? null);
    if (this.#card.state !== "open") this.#forget();
    this.#tell();
    if (link?.answered && this.#card.state === "open" && !this.#secret && !this.#over)
      void this.#reveal(link);
  }

  async #reveal(link: Link<Card>): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#secret = (await patiently(link.request("reveal"), (waits) => this.#say(waits))) as Secret;
      this.#since = performance.now();
      text(this.#key, this.#secret.text);
      // As an image, an SVG cannot run anything in the page.
      attribute(this.#qr, "src", `data:image/svg+xml;utf8,${encodeURIComponent(this.#secret.svg)}`);
    } catch (error) {
      this.#say((error as Error).message, true);
    } finally {
      this.#asking = false;
      this.#tell();
    }
  }

  #tell(): void {
    const { id, state, used_by: by } = this.#card;
    const left = this.#secret ? this.#secret.left - (performance.now() - this.#since) / 1000 : 0;
    if (this.#secret && left <= 0) {
      this.#over = true; // whether or not there is still a kernel to say so
      this.#forget();
    }
    this.#shown.hidden = this.#secret === null;
    text(this.#left, this.#secret ? `expires in ${plain.duration(left)}` : "");
    if (this.#secret) text(this.#what, "");
    else if (state === "open" && this.#over) text(this.#what, `Key ${id ?? ""} has expired.`);
    else if (state === "open")
      text(this.#what, `Key ${id} is not stored in the notebook; run %bago key for a new one.`);
    else text(this.#what, `Key ${id ?? ""} is ${state ?? "gone"}${by ? ` by ${by}` : ""}.`);
  }

  #tick(): void {
    this.#tell();
    if (
      this.#card.state === "open" &&
      this.#link.answered &&
      !document.hidden &&
      !this.#checking &&
      ++this.#ticks % CHECK === 0
    ) {
      this.#checking = true; // a busy kernel is not asked again and again
      const done = () => {
        this.#checking = false;
      };
      this.#link.request("check").then(done, done);
    }
  }

  #forget(): void {
    this.#secret = null;
    text(this.#key, "");
    attribute(this.#qr, "src", null);
  }

  async #copyKey(): Promise<void> {
    const done = await copy(this.#secret?.text ?? "");
    this.#say(done ? "Key copied." : "The browser did not allow copying; select the key instead.");
  }

  #say(note: string, bad = false): void {
    clearTimeout(this.#noteTimer);
    text(this.#note, note);
    attribute(this.#note, "data-bad", bad);
    this.#noteTimer = setTimeout(() => text(this.#note, ""), NOTE_SECONDS * 1000);
  }
}

export default {
  render({ model, el }: { model: AnyModel<{ snapshot: unknown }>; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => view.close();
  },
};
