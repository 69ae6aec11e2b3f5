// The last ten minutes, kept in the page: what the picture was, and what happened in it.
import type { Topology } from "../../wire.ts";
import type { Happening } from "./flow.ts";

/** Seconds that are kept. */
export const SPAN = 600;
export const MOST_EVENTS = 20_000;
/** One each 5 s is 120; beyond that every second one of the older half goes. */
export const MOST_SNAPSHOTS = 240;
/** Seconds of events before a moment that tell what was in flight then. */
const BEFORE = 120;

interface Snapshot {
  at: number;
  topology: Topology;
}

export interface Moment {
  at: number;
  what: Happening;
}

/** Times are seconds of the page's own clock. */
export class History {
  #snapshots: Snapshot[] = [];
  #moments: Moment[] = [];

  record(topology: Topology, at: number): void {
    const last = this.#snapshots.at(-1);
    const shared = last ? sharing(last.topology, topology) : topology;
    if (last && shared === last.topology) return;
    this.#snapshots.push({ at, topology: shared });
    if (this.#snapshots.length > MOST_SNAPSHOTS) {
      const half = this.#snapshots.length >> 1;
      this.#snapshots = this.#snapshots.filter((_, index) => index >= half || index % 2 === 0);
    }
    this.#forget(at);
  }

  happened(whats: readonly Happening[], at: number): void {
    for (const what of whats) this.#moments.push({ at, what });
    if (this.#moments.length > MOST_EVENTS) this.#moments = this.#moments.slice(-MOST_EVENTS * 0.9);
    this.#forget(at);
  }

  /** The earliest moment that can be shown. */
  get earliest(): number | undefined {
    return this.#snapshots[0]?.at;
  }

  get size(): { snapshots: number; events: number } {
    return { snapshots: this.#snapshots.length, events: this.#moments.length };
  }

  /** The picture as it was at `at`; the first one where that is too long ago. */
  topology(at: number): Topology | undefined {
    let found = this.#snapshots[0];
    for (const snapshot of this.#snapshots) {
      if (snapshot.at > at) break;
      found = snapshot;
    }
    return found?.topology;
  }

  /** What happened after `from`, up to `to`. */
  between(from: number, to: number): Moment[] {
    return this.#moments.filter(({ at }) => at > from && at <= to);
  }

  /** What led to the state of affairs at `at`. */
  before(at: number): Moment[] {
    return this.between(at - BEFORE, at);
  }

  #forget(now: number): void {
    const oldest = now - SPAN;
    // The last one before the span is what the span begins with.
    while ((this.#snapshots[1]?.at ?? now) <= oldest) this.#snapshots.shift();
    const first = this.#moments.findIndex(({ at }) => at > oldest);
    if (first > 0) this.#moments.splice(0, first);
    else if (first < 0) this.#moments = [];
  }
}

/** `next` with the nodes of `last` that are the same, so that a calm mesh costs next to nothing; `last` if all are. */
function sharing(last: Topology, next: Topology): Topology {
  const known = new Map(last.nodes.map((node) => [node.id, node]));
  const links = new Map(last.edges.map((edge) => [`${edge.source}\n${edge.target}`, edge]));
  const nodes = next.nodes.map((node) => same(known.get(node.id), node));
  const edges = next.edges.map((edge) => same(links.get(`${edge.source}\n${edge.target}`), edge));
  const calm = (before: readonly unknown[], after: readonly unknown[]) =>
    before.length === after.length && after.every((item, at) => item === before[at]);
  return calm(last.nodes, nodes) && calm(last.edges, edges) ? last : { at: next.at, nodes, edges };
}

function same<T extends object>(old: T | undefined, fresh: T): T {
  if (!old) return fresh;
  for (const key of Object.keys(fresh) as (keyof T)[]) if (old[key] !== fresh[key]) return fresh;
  return old;
}
