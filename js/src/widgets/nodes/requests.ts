// Requests for a connection: of other nodes, and of this one.
import { element, list, text } from "../dom.ts";
import { button, part, Said } from "../form.ts";
import * as plain from "../plain.ts";
import type { Ask, Nodes, Request } from "./state.ts";

export class Requests {
  readonly #list = element("ul", { class: "bago-items", "aria-label": "Requests for a connection" });
  readonly #show: (requests: Request[]) => void;
  readonly root = part("Requests", this.#list);

  /** What becomes of a decision is said in `over`, which outlives its row. */
  constructor(ask: Ask, over: Said) {
    this.#show = list(
      this.#list,
      (request) => `${request.direction} ${request.id}`,
      (request) => new Row(request, ask, over),
    );
  }

  show({ requests }: Nodes): void {
    const open = requests.filter((request) => !["refused", "cancelled", "expired"].includes(request.state));
    const over = requests.filter((request) => !open.includes(request) && request.direction === "outgoing");
    const listed = [...open, ...over];
    this.root.hidden = listed.length === 0;
    this.#show(listed);
  }
}

class Row {
  readonly #words = element("span");
  readonly #code = element("span", { class: "bago-code" });
  readonly #next = element("span", { class: "bago-muted bago-small" });
  readonly #said = new Said();
  readonly #yes: HTMLButtonElement;
  readonly #no: HTMLButtonElement;
  readonly root: HTMLElement;

  constructor(request: Request, ask: Ask, over: Said) {
    const incoming = request.direction === "incoming";
    const decide = (decision: string, done: string) => async () => {
      await ask("decide", { request: request.id, decision });
      over.say(done);
    };
    const name = request.name;
    this.#yes = incoming
      ? button(
          "Approve",
          this.#said,
          decide(
            "approve",
            `${name} is approved; it is connected once its owner confirms the code ${request.code}.`,
          ),
          `Approve ${name}`,
        )
      : button("Confirm", this.#said, decide("confirm", `Connected with ${name}.`), `Confirm ${name}`);
    this.#no = incoming
      ? button("Refuse", this.#said, decide("refuse", `${name} is refused.`), `Refuse ${name}`)
      : button(
          "Cancel",
          this.#said,
          decide("cancel", `The request to ${name} is withdrawn.`),
          `Cancel request to ${name}`,
        );
    this.root = element(
      "li",
      { class: "bago-item" },
      element("div", { class: "bago-top" }, this.#words, this.#code),
      this.#next,
      element("div", { class: "bago-acts" }, this.#yes, this.#no),
      this.#said.root,
    );
  }

  show(request: Request): void {
    const who = `${request.name} (${plain.short(request.fingerprint)})`;
    const from = request.address ? ` from ${request.address}` : "";
    const incoming = request.direction === "incoming";
    text(this.#words, incoming ? `${who}${from} asks to connect. Match code:` : `Asked ${who}. Match code:`);
    text(this.#code, request.code);
    const approved = request.state === "approved";
    const waits = incoming
      ? "Compare the code with the one on that node, then approve. If it differs, refuse."
      : "Its owner must see the same code and approve.";
    const over: Record<string, string> = {
      approved: "Approved there. Confirm if its owner saw the same code.",
      refused: "Its owner refused.",
      expired: "Nobody answered in time.",
    };
    text(this.#next, request.state === "waiting" ? waits : (over[request.state] ?? request.state));
    this.#yes.hidden = incoming ? request.state !== "waiting" : !approved;
    text(
      this.#no,
      !incoming && over[request.state] && !approved ? "Dismiss" : incoming ? "Refuse" : "Cancel",
    );
  }
}
