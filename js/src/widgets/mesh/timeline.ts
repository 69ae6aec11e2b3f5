// What is on show: now, or a moment of the last ten minutes, or a replay of them.
import type { Topology } from "../../wire.ts";
import { Flow, type Happening } from "./flow.ts";
import { History } from "./history.ts";
import { now } from "./scrubber.ts";

/** Milliseconds between two looks during a replay, and its speed. */
const STEP = 50;
const SPEED = 4;
/** Seconds of the past with which a replay begins where none was chosen. */
const BACK = 60;

/** The live picture and its past. Particles live on the clock of `performance`, history on the page's. */
export class Timeline {
  readonly #history = new History();
  readonly #live = new Flow();
  readonly #past = new Flow();
  #newest: Topology = { at: 0, nodes: [], edges: [] };
  #at: number | null = null;
  #shown: Topology = this.#newest;
  #timer: ReturnType<typeof setInterval> | undefined;
  #moving = true;
  /** Called with the picture whenever another one is to be shown. */
  changed: (topology: Topology) => void = () => {};
  /** Called when something begins to flow. */
  stirred: () => void = () => {};

  /** The moment on show, `null` for now. */
  get at(): number | null {
    return this.#at;
  }

  get shown(): Topology {
    return this.#shown;
  }

  get flow(): Flow {
    return this.#at === null ? this.#live : this.#past;
  }

  get earliest(): number | undefined {
    return this.#history.earliest;
  }

  get playing(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether particles may move. */
  allow(motion: boolean): void {
    this.#moving = motion;
    this.#live.motion = motion;
    this.#past.motion = motion && this.playing;
  }

  arrived(topology: Topology, live: boolean): void {
    this.#newest = topology;
    if (live) this.#history.record(topology, now());
    if (live) {
      const router = topology.nodes.find((node) => node.rank === "router");
      this.#live.reconcile(router?.in_flight ?? 0, performance.now());
    } else this.#live.clear();
    if (this.#at === null) this.#turn(topology);
  }

  happened(whats: Happening[]): void {
    this.#history.happened(whats, now());
    for (const what of whats) this.#live.happened(what, performance.now());
    if (this.#at === null) this.stirred();
  }

  /** Forget what flows, as its end may have been missed. */
  forget(): void {
    this.#live.clear();
  }

  /** Show the picture as it was `at`, or (`null`) as it is. */
  show(at: number | null): void {
    this.#stop();
    this.#to(at);
  }

  play(on: boolean): void {
    this.#stop();
    if (!on) return;
    const first = this.earliest ?? now();
    this.#to(Math.max(first, this.#at ?? now() - BACK));
    this.#past.motion = this.#moving;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const moment = performance.now();
      const from = this.#at ?? now();
      const to = from + ((moment - last) / 1000) * SPEED;
      last = moment;
      if (to >= now()) {
        this.show(null);
        return;
      }
      for (const { what } of this.#history.between(from, to)) this.#past.happened(what, moment);
      this.#at = to;
      this.#turn(this.#history.topology(to) ?? this.#newest, false);
      this.stirred();
    }, STEP);
  }

  close(): void {
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#past.motion = false;
  }

  #to(at: number | null): void {
    this.#at = at;
    if (at !== null) {
      this.#past.clear();
      const moment = performance.now();
      this.#past.motion = false;
      for (const { at: then, what } of this.#history.before(at)) {
        this.#past.happened(what, moment - (at - then) * 1000);
      }
    }
    this.#turn(at === null ? this.#newest : (this.#history.topology(at) ?? this.#newest), true);
    this.stirred();
  }

  #turn(topology: Topology, always = true): void {
    if (!always && topology === this.#shown) return;
    this.#shown = topology;
    this.changed(topology);
  }
}
