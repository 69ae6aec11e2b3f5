// The Add Node dialog: who announces itself, and the ways to connect: by key, by QR code, by asking.
import { patiently } from "../base.ts";
import { attribute, element, rows, text } from "../dom.ts";
import { button, enters, entry, Said, SECRET, unique } from "../form.ts";
import * as plain from "../plain.ts";
import { readKey } from "./keytext.ts";
import { Reader } from "./qr.ts";
import type { Ask, Found, Nodes, Peer, Request } from "./state.ts";

/** Seconds between two looks at who announces itself, while the dialog is open. */
const LOOK = 1;
const COLUMNS = ["Name and address", "Version", "Engines", "Models", "Accelerator", "Connection"];

export class AddNode {
  readonly #ask: Ask;
  readonly #reader: Reader;
  readonly #done: (sentence: string) => void;
  readonly #body = element("tbody");
  readonly #table: HTMLElement;
  readonly #nobody = element("p", { class: "bago-muted" });
  readonly #listen: HTMLButtonElement;
  readonly #looked = new Said();
  readonly #key = entry("Connection key", { ...SECRET, placeholder: "bago://..." });
  readonly #about = element("p", { class: "bago-muted", role: "status" });
  readonly #said = new Said();
  readonly #connect: HTMLButtonElement;
  readonly #camera: HTMLButtonElement;
  readonly #video = element("video", { muted: true, playsinline: true, "aria-label": "Camera" });
  readonly root: HTMLDialogElement;
  #view: Nodes | null = null;
  #found: Found[] = [];
  #wanted: Found | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #filming: AbortController | null = null;
  #visit = 0;

  constructor(ask: Ask, done: (sentence: string) => void) {
    this.#ask = ask;
    this.#reader = new Reader(ask);
    this.#done = done;
    const title = unique();
    this.#table = element(
      "table",
      { "aria-label": "Nodes on this network" },
      element(
        "thead",
        {},
        element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name))),
      ),
      this.#body,
    );
    this.#listen = button("Switch discovery on", this.#looked, () => ask("discovery"));
    this.#connect = button("Connect", this.#said, () => this.#pair());
    enters(this.#connect, this.#key.input);
    this.#key.input.addEventListener("input", () => this.#describe());
    const file = element("input", { type: "file", accept: "image/*", hidden: true, tabindex: -1 });
    file.addEventListener("change", () => {
      const picture = file.files?.[0];
      file.value = "";
      if (picture) void this.#said.run(() => this.#picture(picture));
    });
    const choose = element("button", { type: "button" }, "Read a picture of a QR code");
    choose.addEventListener("click", () => file.click());
    this.#camera = element("button", { type: "button", "aria-pressed": "false" }, "Use the camera");
    this.#camera.addEventListener("click", () => void this.#film());
    this.#video.hidden = true;
    this.#video.muted = true;
    const close = element("button", { type: "button" }, "Close");
    close.addEventListener("click", () => this.root.close());
    this.root = element(
      "dialog",
      { "aria-labelledby": title },
      element(
        "div",
        { class: "bago-sheet" },
        element(
          "div",
          { class: "bago-top" },
          element("h2", { id: title }, "Add node"),
          element("span", { class: "bago-end" }, close),
        ),
        element("h3", {}, "On this network"),
        this.#nobody,
        this.#listen,
        this.#looked.root,
        element(
          "div",
          { class: "bago-scroll", tabindex: 0, role: "group", "aria-label": "Found nodes" },
          this.#table,
        ),
        element("h3", {}, "By connection key"),
        element(
          "p",
          { class: "bago-muted" },
          "Generate connection key, on the other node, shows a key and its QR code. Paste either of them here.",
        ),
        this.#key.root,
        this.#about,
        element("div", { class: "bago-acts" }, this.#connect, choose, file, this.#camera),
        this.#video,
        this.#said.root,
      ),
    );
    this.root.addEventListener("close", () => this.#leave());
    this.root.addEventListener("paste", (event) => this.#pasted(event));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => this.#dropped(event));
  }

  open(): void {
    this.#said.say("");
    this.#looked.say("");
    this.#want(null);
    this.#draw();
    this.#visit += 1;
    this.root.showModal();
    void this.#look();
  }

  show(view: Nodes): void {
    this.#view = view;
    if (this.root.open) this.#draw();
  }

  close(): void {
    this.root.close();
    this.#leave();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#filming?.abort();
    this.#key.input.value = "";
    this.#describe();
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.root.open) return;
    try {
      if (!document.hidden && this.#view?.discovery) {
        const found = patiently(this.#ask("discovered"), (waits) => this.#looked.say(waits));
        this.#found = (await found) as Found[];
        this.#looked.say("");
      }
    } catch (error) {
      this.#looked.say((error as Error).message, true);
    }
    if (!this.root.open) return;
    this.#draw();
    this.#timer = setTimeout(() => void this.#look(), LOOK * 1000);
  }

  #draw(): void {
    const on = this.#view?.discovery !== false;
    const found = on ? this.#found : [];
    this.#table.hidden = found.length === 0;
    (this.#table.parentElement as HTMLElement).hidden = found.length === 0;
    this.#nobody.hidden = found.length > 0;
    this.#listen.hidden = on;
    text(
      this.#nobody,
      on
        ? "Listening; nobody announces itself yet. Switch advertising on there; both must be in one subnet with UDP port 5353 open. Elsewhere, a key works."
        : "Discovery is off on this node, so nobody can be listed; a key works all the same.",
    );
    rows(
      this.#body,
      found,
      (node) => node.fingerprint,
      (node) => this.#row(node),
      (row, node) => this.#fill(row, node),
    );
  }

  #row(node: Found): HTMLElement {
    const name = element("bdi", { class: "bago-name" });
    const address = element("span", { class: "bago-muted bago-small" });
    const pick = element(
      "button",
      { type: "button", "aria-label": `Connect ${node.name} by key` },
      "Connect",
    );
    pick.addEventListener("click", () => {
      this.#want(node);
      this.#key.input.focus();
    });
    const said = new Said();
    const ask = button(
      "Ask",
      said,
      async () => {
        const leave = this.#leaver();
        const request = (await this.#ask("ask", { node: node.fingerprint })) as Request;
        leave();
        this.#done(`Asked ${request.name}. Match code: ${request.code}.`);
      },
      `Ask ${node.name} to connect`,
    );
    const cells = [0, 1, 2, 3].map(() => element("td"));
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, name, element("br"), address),
      ...cells,
      element("td", {}, element("span"), element("div", { class: "bago-acts" }, pick, ask), said.root),
    );
  }

  #fill(row: HTMLElement, node: Found): void {
    const [first, version, engines, models, accelerator, last] = [...row.children] as HTMLElement[] &
      Record<0 | 1 | 2 | 3 | 4 | 5, HTMLElement>;
    text(first.querySelector("bdi") as Element, node.name);
    text(first.querySelector("span") as Element, node.addresses[0] ?? "");
    attribute(first, "title", `${node.fingerprint}\n${node.addresses.join("\n")}`);
    text(version, node.version ?? "");
    text(engines, node.engines?.join(", ") ?? "");
    text(models, node.model_count === null ? "" : String(node.model_count));
    text(accelerator, node.accelerator ?? "");
    const asked = this.#view?.requests.find(
      (request) => request.fingerprint === node.fingerprint && request.direction === "outgoing",
    );
    text(
      last.querySelector("span") as Element,
      node.paired ? "connected" : asked ? `asked, code ${asked.code}` : "",
    );
    (last.querySelector(".bago-acts") as HTMLElement).hidden = node.paired;
    attribute(row, "data-wanted", this.#wanted?.fingerprint === node.fingerprint);
  }

  #want(node: Found | null): void {
    this.#wanted = node;
    this.#describe();
    this.#draw();
  }

  #describe(): void {
    const facts = readKey(this.#key.input.value);
    const wanted = this.#wanted;
    if (facts === null) {
      text(this.#about, wanted ? `Give the key of ${wanted.name}.` : "");
      return;
    }
    const left = facts.expires - Date.now() / 1000;
    const other = wanted && wanted.fingerprint !== facts.fingerprint ? `, not of ${wanted.name}` : "";
    const until = left > 0 ? `expires in ${plain.duration(left)}` : "expired";
    text(this.#about, `Key of ${facts.name} (${plain.short(facts.fingerprint)})${other}, ${until}.`);
  }

  async #pair(): Promise<void> {
    const key = this.#key.input.value;
    if (!key.trim()) throw new Error("Paste a connection key first, or read its QR code.");
    const leave = this.#leaver();
    const peer = (await this.#ask("connect", { key })) as Peer;
    leave();
    this.#done(`Connected with ${peer.name} (${plain.short(peer.fingerprint)}).`);
  }

  /** Closes the dialog, unless somebody has opened it anew or begun another key meanwhile. */
  #leaver(): () => void {
    const [visit, key] = [this.#visit, this.#key.input.value];
    return () => {
      if (visit === this.#visit && key === this.#key.input.value) this.root.close();
    };
  }

  #take(code: string): string {
    if (!this.root.open) return ""; // closed meanwhile, and a key is not to stay there
    if (!code.startsWith("bago://")) throw new Error("This QR code is no connection key.");
    this.#key.input.value = code;
    this.#describe();
    this.#connect.focus();
    return "The QR code is read; press Connect.";
  }

  async #picture(file: Blob): Promise<string> {
    return this.#take(await this.#reader.picture(file));
  }

  async #film(): Promise<void> {
    if (this.#filming) {
      this.#filming.abort();
      return;
    }
    const filming = new AbortController();
    this.#filming = filming;
    attribute(this.#camera, "aria-pressed", "true");
    text(this.#camera, "Stop the camera");
    this.#video.hidden = false;
    await this.#said.run(async () => {
      const code = await this.#reader.camera(this.#video, filming.signal);
      return code === null ? "" : this.#take(code);
    });
    this.#video.hidden = true;
    this.#filming = null;
    attribute(this.#camera, "aria-pressed", "false");
    text(this.#camera, "Use the camera");
  }

  #pasted(event: ClipboardEvent): void {
    const picture = [...(event.clipboardData?.files ?? [])].find(isPicture);
    if (!picture) return;
    event.preventDefault();
    void this.#said.run(() => this.#picture(picture));
  }

  #dropped(event: DragEvent): void {
    event.preventDefault();
    const picture = [...(event.dataTransfer?.files ?? [])].find(isPicture);
    if (picture) void this.#said.run(() => this.#picture(picture));
  }
}

function isPicture(file: File): boolean {
  return file.type.startsWith("image/");
}
