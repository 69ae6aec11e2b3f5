// Mirrors bago_jupyter/widgets/base.py: the browser's end of the hello and request protocols.
import type { AnyModel } from "@anywidget/types";

/** Seconds after which a view says hello again, so that the kernel can tell a live view from a lost one. */
const RENEW = 240;
/** Seconds between two hellos while the node is down or the kernel has not answered yet. */
const RETRY = [2, 4, 8, 16, 30];
/** Seconds after which whoever waits for a request that the kernel has not taken is told why. */
const PATIENCE = 2;
const BUSY = "The kernel is busy, probably with a cell; it does this as soon as it is free.";
const GONE = "The kernel was restarted or ended before it answered; run the cell again.";
/** The requests of this page that their kernel has not taken yet, and since when. */
const untaken = new Map<number, number>();

type Snapshot = { snapshot: unknown };
type Reply = { ok: unknown } | { error: string; code?: string };

/** What the kernel, or the node behind it, has against a request. */
export class Refusal extends Error {
  /** The node's name for what is wrong. */
  readonly code: string | undefined;

  constructor(sentence: string, code?: string) {
    super(sentence);
    this.code = code;
  }
}

/** What `deed` comes to; `tell` gets a sentence while it waits for a busy kernel, and "" once that is over. */
export async function patiently<T>(deed: Promise<T>, tell: (sentence: string) => void): Promise<T> {
  let told = false;
  const watch = setInterval(() => {
    const late = performance.now() - PATIENCE * 1000;
    const waits = [...untaken.values()].some((since) => since < late);
    if (waits || told) tell(waits ? BUSY : "");
    told = waits;
  }, 500);
  try {
    return await deed;
  } finally {
    clearInterval(watch);
  }
}

/** A view's line to its widget in the kernel. */
export class Link<T> {
  readonly #model: AnyModel<Snapshot>;
  readonly #view = crypto.getRandomValues(new Uint32Array(2)).join("-");
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #onState: (state: T, live: boolean) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #answered = false;
  #fresh = false;
  #restless = false;
  /** Called with what the widget pushes as events (`LiveView.passing`), a frame's worth at a time. */
  onEvents: ((events: unknown[]) => void) | null = null;

  /** `onState` is called with the last known state at once, and with every new one. */
  constructor(model: AnyModel<Snapshot>, onState: (state: T, live: boolean) => void) {
    this.#model = model;
    this.#onState = onState;
    model.on("change:snapshot", this.#changed);
    model.on("msg:custom", this.#received);
    model.on("comm_live_update", this.#cut);
    document.addEventListener("visibilitychange", this.#visibility);
    this.#show();
    this.#visibility();
  }

  /** Whether the kernel has answered this view: before that it may be busy, or gone. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Say hello more often, as while the node is down and only a hello can bring the pump back. */
  set restless(value: boolean) {
    if (value === this.#restless) return;
    this.#restless = value;
    this.#tries = 0;
    if (!document.hidden) this.#schedule();
  }

  /**
   * Ask the widget for `kind`; rejects with the kernel's sentence, or when the kernel is gone. A kernel that is
   * busy takes the request later, however late: giving up would lose its answer, and have people ask twice.
   */
  request(kind: string, fields: Record<string, unknown> = {}): Promise<unknown> {
    // A number, since ipykernel 7.4 keeps a route for ever for each string id that it sends.
    const id = crypto.getRandomValues(new Uint32Array(1))[0] as number;
    return new Promise((resolve, reject) => {
      untaken.set(id, performance.now());
      this.#waiting.set(id, (reply) => {
        untaken.delete(id);
        this.#waiting.delete(id);
        if ("error" in reply) reject(new Refusal(reply.error, reply.code));
        else resolve(reply.ok);
      });
      try {
        this.#model.send({ ...fields, id, kind, view: this.#view });
      } catch {
        this.#cut();
      }
    });
  }

  /** Say bye and let go of the model. */
  close(): void {
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#model.off("change:snapshot", this.#changed);
    this.#model.off("msg:custom", this.#received);
    this.#model.off("comm_live_update", this.#cut);
    for (const settle of [...this.#waiting.values()]) settle({ error: GONE });
    this.#say("bye");
  }

  #say(kind: "hello" | "bye"): boolean {
    try {
      this.#model.send({ kind, view: this.#view });
      return true;
    } catch {
      return false; // a model without a kernel cannot send
    }
  }

  #hello = (): void => {
    if (!this.#say("hello")) this.#cut();
    this.#schedule();
  };

  #schedule(): void {
    clearTimeout(this.#timer);
    const soon = RETRY[Math.min(this.#tries++, RETRY.length - 1)] as number;
    const calm = this.#answered && !this.#restless;
    this.#timer = setTimeout(this.#hello, (calm ? RENEW : soon) * 1000);
  }

  // A hidden page costs the node nothing.
  #visibility = (): void => {
    clearTimeout(this.#timer);
    this.#tries = 0;
    if (document.hidden) this.#say("bye");
    else this.#hello();
  };

  #changed = (): void => {
    this.#fresh = true;
    this.#show();
  };

  // JupyterLab says so when it restarts the kernel: nothing comes back from there.
  #cut = (): void => {
    clearTimeout(this.#timer);
    this.#answered = false;
    this.#fresh = false;
    for (const settle of [...this.#waiting.values()]) settle({ error: GONE });
    this.#show();
  };

  #received = (message: unknown): void => {
    if (typeof message !== "object" || message === null) return;
    if ("kind" in message && message.kind === "hello" && "view" in message && message.view === this.#view) {
      this.#answered = true;
      this.#fresh = true;
      this.#schedule();
      this.#show();
    } else if ("kind" in message && message.kind === "events" && "events" in message) {
      if (Array.isArray(message.events)) this.onEvents?.(message.events);
    } else if ("kind" in message && message.kind === "taken" && "request" in message) {
      untaken.delete(message.request as number);
    } else if ("id" in message && typeof message.id === "number") {
      this.#waiting.get(message.id)?.(message as Reply & { id: number });
    }
  };

  #show(): void {
    this.#onState(this.#model.get("snapshot") as T, this.#fresh);
  }
}
