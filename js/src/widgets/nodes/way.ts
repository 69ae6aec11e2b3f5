// Where a connection leads, and what opens it: the fields of both dialogs.
import { text } from "../dom.ts";
import { entry, SECRET } from "../form.ts";
import { KINDS } from "./kinds.ts";
import type { Typed } from "./state.ts";

/** Keys that are typed here are sent in a request, and are gone with `forget`. */
export class Way {
  readonly url = entry("URL");
  readonly access = entry("Access key");
  readonly secret = entry("Key", SECRET);
  readonly variable = entry("Or the key's environment variable", { placeholder: "MY_API_KEY" });
  readonly domain = entry("Domain", { placeholder: "default" });
  readonly version = entry("API version", { placeholder: "the usual one" });
  readonly #all = [this.url, this.access, this.secret, this.variable, this.domain, this.version];
  readonly roots = this.#all.map(({ root }) => root);
  readonly inputs = this.#all.map(({ input }) => input);

  /** Show the fields of a type of connection. */
  suit(type: string): void {
    const kind = KINDS.find((kind) => kind.type === type);
    this.url.input.placeholder = kind?.url ?? "";
    for (const { root } of [this.access, this.domain, this.version]) root.hidden = !kind?.cluster;
    text(this.secret.root.querySelector("label") as Element, kind?.cluster ? "Secret key" : "Key");
  }

  read(): Typed {
    const typed = ({ root, input }: { root: HTMLElement; input: HTMLInputElement }) =>
      root.hidden ? "" : input.value.trim();
    return {
      url: typed(this.url),
      secret: typed(this.secret),
      key_env: typed(this.variable),
      access_key: typed(this.access),
      domain: typed(this.domain),
      version: typed(this.version),
    };
  }

  forget(): void {
    for (const { input } of [this.secret, this.access]) input.value = "";
  }
}
