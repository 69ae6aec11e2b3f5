// Makes connection keys. A key reaches the page in the answer to a request, and leaves it when it is over.
import { attribute, element, rows, text } from "../dom.ts";
import { busy, button, confirmed, copier, entry, part, Said, unique } from "../form.ts";
import * as plain from "../plain.ts";
import type { Ask, Key, Nodes } from "./state.ts";

interface Secret {
  id: string;
  name: string;
  text: string;
  svg: string;
  left: number;
}

/** How long a key may be good, in seconds; the first is the node's default. */
const LIVES: [seconds: number, words: string][] = [
  [600, "10 minutes"],
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "7 days"],
];

export class KeyMaker {
  readonly #ask: Ask;
  readonly #life = element("select", { id: unique() });
  readonly #name = entry("Name in it", { maxlength: 63, placeholder: "this node's" });
  readonly #interface = entry("Network interface", { placeholder: "all" });
  readonly #said = new Said();
  readonly #clock: ReturnType<typeof setInterval>;
  readonly #qr = element("img", { class: "bago-qr", alt: "QR code of the connection key" });
  readonly #key = element("code", { class: "bago-secret" });
  readonly #left = element("span", { class: "bago-muted" });
  readonly #open = element("ul", { class: "bago-items", "aria-label": "Open connection keys" });
  readonly #make: HTMLButtonElement;
  readonly #maker: HTMLElement;
  readonly #shown: HTMLElement;
  readonly root: HTMLElement;
  #secret: Secret | null = null;
  #since = 0;
  #keys: Key[] = [];
  #names = new Map<string, string>();

  constructor(ask: Ask) {
    this.#ask = ask;
    this.#make = button("Generate connection key", this.#said, () => this.#generate());
    const again = element("button", { type: "button" }, "New key instead");
    again.addEventListener("click", () => {
      const old = this.#secret?.id;
      this.#forget(""); // so that nobody copies or revokes a key that is being replaced
      void busy(this.#make, this.#said, () => this.#generate(old));
    });
    const revoke = button(
      "Revoke",
      this.#said,
      () => this.#revoke(this.#secret?.id ?? ""),
      "Revoke this key",
    );
    this.#shown = element(
      "div",
      { class: "bago-shown" },
      this.#qr,
      element(
        "div",
        { class: "bago-words" },
        element(
          "p",
          {},
          "On the other node: Add node, then paste this key or read its QR code. It works once.",
        ),
        this.#key,
        this.#left,
        element(
          "div",
          { class: "bago-acts" },
          copier("Copy key", this.#said, () => this.#secret?.text ?? ""),
          again,
          revoke,
        ),
      ),
    );
    this.#shown.hidden = true;
    for (const [seconds, words] of LIVES) this.#life.append(element("option", { value: seconds }, words));
    const details = element(
      "details",
      {},
      element("summary", { "aria-label": "More about new connection keys" }, "More"),
      this.#name.root,
      this.#interface.root,
    );
    const life = element("label", { for: this.#life.id }, "good for");
    this.#maker = element(
      "div",
      { class: "bago-items" },
      element("div", { class: "bago-acts" }, this.#make, life, this.#life),
      details,
    );
    this.root = part("Connection key", this.#maker, this.#shown, this.#said.root, this.#open);
    this.#clock = setInterval(() => this.#tick(), 500);
  }

  show({ keys, nodes }: Nodes): void {
    this.#keys = keys;
    this.#names = new Map(nodes.map((node) => [node.fingerprint, node.name]));
    this.#judge();
    this.#list();
  }

  /** Put the key away once it is over. */
  #judge(): void {
    const mine = this.#keys.find((key) => key.id === this.#secret?.id);
    if (!this.#secret || !mine || mine.state === "open") return;
    const by = mine.used_by && (this.#names.get(mine.used_by) ?? plain.short(mine.used_by));
    this.#forget(`The key is ${mine.state}${by ? ` by ${by}` : ""}.`);
  }

  close(): void {
    clearInterval(this.#clock);
    this.#forget("");
  }

  async #generate(old?: string): Promise<void> {
    const made = (await this.#ask("make_key", {
      ...(old && { instead_of: old }),
      ttl: Number(this.#life.value),
      name: this.#name.input.value.trim(),
      interface: this.#interface.input.value.trim(),
    })) as Secret;
    this.#secret = made;
    this.#since = performance.now();
    text(this.#key, made.text);
    // As an image, an SVG cannot run anything in the page.
    attribute(this.#qr, "src", `data:image/svg+xml;utf8,${encodeURIComponent(made.svg)}`);
    this.#shown.hidden = false;
    this.#maker.hidden = true;
    this.#tick();
    this.#judge(); // the state may have come before the answer
    this.#list();
  }

  async #revoke(key: string): Promise<string> {
    await this.#ask("revoke_key", { key });
    if (key === this.#secret?.id) this.#forget("");
    return "The key is revoked.";
  }

  #tick(): void {
    if (!this.#secret) return;
    const left = this.#secret.left - (performance.now() - this.#since) / 1000;
    if (left <= 0) this.#forget("The key has expired.");
    else text(this.#left, `Key of ${this.#secret.name}, expires in ${plain.duration(left)}`);
  }

  #forget(why: string): void {
    this.#secret = null;
    const within = this.#shown.contains(document.activeElement);
    this.#shown.hidden = true;
    this.#maker.hidden = false;
    if (within) this.#make.focus();
    text(this.#key, "");
    text(this.#left, "");
    attribute(this.#qr, "src", null);
    if (why) this.#said.say(why);
  }

  #list(): void {
    rows(
      this.#open,
      this.#keys.filter((key) => key.state === "open" && key.id !== this.#secret?.id),
      (key) => key.id,
      (key) =>
        element(
          "li",
          { class: "bago-item" },
          element(
            "div",
            { class: "bago-top" },
            element("span", {}),
            confirmed(
              "Revoke",
              "Revoke this key?",
              this.#said,
              () => this.#revoke(key.id),
              `Revoke key ${key.id}`,
            ),
          ),
        ),
      (row, key) => {
        const until = new Date(key.expires * 1000).toLocaleTimeString();
        text(row.querySelector("span") as Element, `Key ${key.id} of ${key.name} is open until ${until}.`);
      },
    );
  }
}
