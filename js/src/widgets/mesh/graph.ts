// The picture as a graph: what is connected with what, and by which paths.
import type { Rank, Topology, TopologyEdge, TopologyNode } from "../../wire.ts";

export const RANKS: readonly Rank[] = ["user", "router", "backend", "model"];

/** The identity of an edge. */
export const edgeId = (source: string, target: string): string => `${source}\n${target}`;

/** A topology that can be walked. */
export class Graph {
  readonly at: number;
  /** Seconds from when this was so to the moment on show. */
  age = 0;
  readonly nodes = new Map<string, TopologyNode>();
  readonly edges = new Map<string, TopologyEdge>();
  readonly #after = new Map<string, TopologyEdge[]>();
  readonly #before = new Map<string, TopologyEdge[]>();

  constructor(topology: Topology) {
    this.at = topology.at;
    for (const node of topology.nodes) this.nodes.set(node.id, node);
    for (const edge of topology.edges) {
      if (!this.nodes.has(edge.source) || !this.nodes.has(edge.target)) continue;
      this.edges.set(edgeId(edge.source, edge.target), edge);
      push(this.#after, edge.source, edge);
      push(this.#before, edge.target, edge);
    }
  }

  /** The edges to the right of a node. */
  after(id: string): readonly TopologyEdge[] {
    return this.#after.get(id) ?? [];
  }

  /** The edges to the left of a node. */
  before(id: string): readonly TopologyEdge[] {
    return this.#before.get(id) ?? [];
  }

  /** How many edges link to a node. */
  degree(id: string): number {
    return this.after(id).length + this.before(id).length;
  }

  /** The ids of every edge on a way through `id`: back to its origins, and on to everything it leads to. */
  paths(id: string): Set<string> {
    const found = new Set<string>();
    const walk = (step: (id: string) => readonly TopologyEdge[], next: (edge: TopologyEdge) => string) => {
      const seen = new Set([id]);
      const open = [id];
      for (let at = open.pop(); at !== undefined; at = open.pop()) {
        for (const edge of step(at)) {
          found.add(edgeId(edge.source, edge.target));
          const to = next(edge);
          if (seen.has(to)) continue;
          seen.add(to);
          open.push(to);
        }
      }
    };
    walk(
      (at) => this.before(at),
      (edge) => edge.source,
    );
    walk(
      (at) => this.after(at),
      (edge) => edge.target,
    );
    return found;
  }

  /** The nodes on `edges`. */
  ends(edges: Iterable<string>): Set<string> {
    const found = new Set<string>();
    for (const id of edges) {
      const edge = this.edges.get(id);
      if (edge) found.add(edge.source).add(edge.target);
    }
    return found;
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}
