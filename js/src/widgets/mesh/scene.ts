// What the painters paint: the graph in its places, and what of it is pointed out.

import type { Topology } from "../../wire.ts";
import { Graph } from "./graph.ts";
import { Grid } from "./grid.ts";
import { type Layout, layout } from "./layout.ts";

export interface Marks {
  selected: string | null;
  hovered: string | null;
  focused: string | null;
}

/** A graph with its layout, and the paths through the selected node. */
export class Scene {
  readonly graph: Graph;
  readonly layout: Layout;
  readonly grid: Grid;
  readonly marks: Marks;
  /** The ids of the curves on the selected node's paths, and of the nodes on them. */
  readonly lit = new Set<string>();
  readonly near = new Set<string>();

  constructor(topology: Topology, open: ReadonlySet<string>, marks: Marks) {
    this.graph = new Graph(topology);
    this.layout = layout(this.graph, open);
    this.grid = new Grid(this.layout);
    this.marks = marks;
    this.light();
  }

  /** Find the paths of what is selected. */
  light(): void {
    this.lit.clear();
    this.near.clear();
    const { selected } = this.marks;
    if (selected === null) return;
    const members = this.layout.nodes.get(selected)?.members ?? [selected];
    for (const id of members) {
      this.near.add(this.layout.shown(id) ?? id);
      for (const edge of this.graph.paths(id)) {
        const curve = this.layout.curve(edge);
        if (!curve) continue;
        this.lit.add(curve.id);
        this.near.add(curve.source).add(curve.target);
      }
    }
    this.near.add(selected);
  }
}
