// What flows right now: requests to the right, answers back. Fed by events alone; pure but for its clock's argument.
import type { Outcome } from "../../wire.ts";
import { edgeId } from "./graph.ts";

/** What the kernel tells of a request; see `MeshView.passing` in widgets/mesh.py. */
export interface Happening {
  event: "started" | "moved" | "ended";
  id: string;
  /** The ids of the nodes of the backend and the model, where one was asked. */
  backend: string | null;
  model: string | null;
  /** Of `moved`: `null` where the answer begins, else how that backend is out of it. Of `ended`: how it went. */
  outcome: Outcome | null;
  /** The failure in a sentence. */
  detail: string | null;
  /** Of `ended`: whether the answer was a success. */
  ok: boolean | null;
}

/** A particle on its way over one or several edges; milliseconds. */
export interface Trip {
  edges: readonly string[];
  back: boolean;
  bad: boolean;
  start: number;
}

/** Where a particle is: on which edge, how far along it from left to right. */
export interface Spot {
  edge: string;
  t: number;
  bad: boolean;
}

interface Flight {
  begun: number;
  legs: Map<string, { edges: string[]; answering: boolean; pulsed: number }>;
}

/** Milliseconds for one edge. */
export const LEG = 480;
/** Milliseconds between the particles of an answer that streams. */
export const PULSE = 420;
/** Milliseconds for which an edge glows red after a failure. */
export const FLASH = 1500;
const MOST = 1500;
/** Milliseconds after which a flight that the node does not know of any more is forgotten. */
const LOST = 2000;
const HARMLESS: ReadonlySet<Outcome | null> = new Set<Outcome | null>(["cancelled", "overtaken"]);

export class Flow {
  readonly #flights = new Map<string, Flight>();
  readonly #active = new Map<string, number>();
  readonly #flashes = new Map<string, number>();
  #trips: Trip[] = [];
  /** Whether particles may move; the glow of active edges does not need it. */
  motion = true;

  static readonly entry = edgeId("user", "router");

  happened(what: Happening, now: number): void {
    const path = edges(what);
    if (what.event === "started") {
      let flight = this.#flights.get(what.id);
      if (!flight) {
        flight = { begun: now, legs: new Map() };
        this.#flights.set(what.id, flight);
        this.#count(Flow.entry, 1);
        this.#travel([Flow.entry, ...path], false, false, now);
      } else if (!flight.legs.has(path.join("\n"))) this.#travel(path, false, false, now);
      this.#leg(flight, path);
    } else if (what.event === "moved") {
      const leg = this.#flights.get(what.id)?.legs.get(path.join("\n"));
      if (!leg) return;
      if (what.outcome === null) {
        leg.answering = true;
        leg.pulsed = now;
        this.#travel([Flow.entry, ...path], true, false, now);
      } else {
        this.#drop(what.id, path);
        if (!HARMLESS.has(what.outcome)) this.#failed(path, now);
      }
    } else this.#ended(what, path, now);
  }

  /** Forget flights that the node no longer knows of; `inFlight` is how many it has. */
  reconcile(inFlight: number, now: number): void {
    if (inFlight > 0) return;
    for (const [id, flight] of this.#flights) if (now - flight.begun > LOST) this.#forget(id);
  }

  /** Forget everything, as when the events of a while were missed. */
  clear(): void {
    this.#flights.clear();
    this.#active.clear();
    this.#flashes.clear();
    this.#trips = [];
  }

  /** Let answers that stream send their particles, and those that have arrived go. */
  advance(now: number): void {
    this.#trips = this.#trips.filter((trip) => now < trip.start + trip.edges.length * LEG);
    for (const [edge, until] of this.#flashes) if (now >= until) this.#flashes.delete(edge);
    for (const flight of this.#flights.values()) {
      for (const leg of flight.legs.values()) {
        if (!leg.answering || now - leg.pulsed < PULSE) continue;
        leg.pulsed = now;
        this.#travel([Flow.entry, ...leg.edges], true, false, now);
      }
    }
  }

  /** How many requests are on their way over each edge. */
  get active(): ReadonlyMap<string, number> {
    return this.#active;
  }

  /** The edges over which something failed a moment ago. */
  get flashes(): ReadonlyMap<string, number> {
    return this.#flashes;
  }

  /** Whether anything moves, so that a next frame differs from this one. */
  get moving(): boolean {
    if (this.#trips.length || this.#flashes.size) return true;
    if (!this.motion) return false;
    for (const flight of this.#flights.values()) {
      for (const leg of flight.legs.values()) if (leg.answering) return true;
    }
    return false;
  }

  get flights(): number {
    return this.#flights.size;
  }

  /** Where every particle is. */
  *spots(now: number): Generator<Spot> {
    for (const { edges, back, bad, start } of this.#trips) {
      const gone = (now - start) / LEG;
      if (gone < 0 || gone >= edges.length) continue;
      const at = Math.floor(gone);
      const t = gone - at;
      const edge = edges[back ? edges.length - 1 - at : at] as string;
      yield { edge, t: back ? 1 - t : t, bad };
    }
  }

  #ended(what: Happening, path: string[], now: number): void {
    const flight = this.#flights.get(what.id);
    const bad = what.ok === false && !HARMLESS.has(what.outcome);
    const last = flight?.legs.get(path.join("\n"));
    if (bad) this.#failed(last ? [Flow.entry, ...path] : [Flow.entry], now);
    else if (what.ok && !(last && now - last.pulsed < PULSE))
      this.#travel([Flow.entry, ...path], true, false, now);
    this.#forget(what.id);
  }

  #failed(path: readonly string[], now: number): void {
    for (const edge of path) this.#flashes.set(edge, now + FLASH);
    this.#travel(path, true, true, now);
  }

  #travel(path: readonly string[], back: boolean, bad: boolean, now: number): void {
    if (!this.motion || !path.length || this.#trips.length >= MOST) return;
    this.#trips.push({ edges: path, back, bad, start: now });
  }

  #leg(flight: Flight, path: string[]): void {
    const key = path.join("\n");
    if (!path.length || flight.legs.has(key)) return;
    flight.legs.set(key, { edges: path, answering: false, pulsed: 0 });
    for (const edge of path) this.#count(edge, 1);
  }

  #drop(id: string, path: string[]): void {
    if (this.#flights.get(id)?.legs.delete(path.join("\n"))) for (const edge of path) this.#count(edge, -1);
  }

  #forget(id: string): void {
    const flight = this.#flights.get(id);
    if (!flight) return;
    for (const leg of flight.legs.values()) for (const edge of leg.edges) this.#count(edge, -1);
    this.#count(Flow.entry, -1);
    this.#flights.delete(id);
  }

  #count(edge: string, by: number): void {
    const next = (this.#active.get(edge) ?? 0) + by;
    if (next > 0) this.#active.set(edge, next);
    else this.#active.delete(edge);
  }
}

function edges({ backend, model }: Happening): string[] {
  if (!backend) return [];
  const found = [edgeId("router", backend)];
  if (model) found.push(edgeId(backend, model));
  return found;
}
