// Where everything stands: four ranks from left to right, each backend beside its models. Pure.
import type { Condition, Rank, TopologyNode } from "../../wire.ts";
import { grouped } from "../plain.ts";
import { edgeId, type Graph, RANKS } from "./graph.ts";

/** Models of one backend beyond this are shown as one node until it is opened. */
export const MANY = 8;
export const WIDTH = 180;
/** Of a card, by how many lines it has to say: width is scarce in a notebook, height is not. */
export const HEIGHTS: Record<Rank, number> = { user: 50, router: 78, backend: 64, model: 50 };
const HEIGHT = HEIGHTS.model;
const GAP = 12;
const BLOCK_GAP = 20;
const RANK_GAP = 76;
const COLUMN_GAP = 14;
/** How much higher than wide the picture may get before models stand in several columns. */
const TALL = 0.5;

/** One node in its place; `x`, `y` is its centre. */
export interface Placed {
  id: string;
  rank: Rank;
  label: string;
  state: Condition;
  x: number;
  y: number;
  height: number;
  /** The node of the topology; a group has none. */
  node: TopologyNode | null;
  /** The ids of the models that a group stands for. */
  members: readonly string[] | null;
  open: boolean;
}

/** One edge as a curve from the right side of its source to the left side of its target. */
export interface Curve {
  id: string;
  source: string;
  target: string;
  state: Condition;
  latency: number | null;
  inFlight: number;
  /** One of many from an opened group, shown when there is something to it. */
  minor: boolean;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  nodes: Map<string, Placed>;
  curves: Map<string, Curve>;
  /** The ids of each rank, from top to bottom. */
  ranks: Record<Rank, string[]>;
  box: Box;
  /** The node that stands for a node of the topology: itself, or the group that hides it. */
  shown(id: string): string | undefined;
  /** The curves that stand for an edge of the topology, of which the group may hide the end. */
  curve(edge: string): Curve | undefined;
}

export const groupId = (backend: string): string => `group:${backend}`;

/** Lay out `graph`; the groups of the backends in `open` show their models. */
export function layout(graph: Graph, open: ReadonlySet<string>): Layout {
  const nodes = new Map<string, Placed>();
  const hidden = new Map<string, string>();
  const order = ordered(graph);

  const own = new Map<string, string[]>(order.backend.map((backend) => [backend, []]));
  const orphans: string[] = [];
  for (const id of order.model) (own.get(graph.nodes.get(id)?.backend ?? "") ?? orphans).push(id);
  const blocks = [...own].map(([backend, members]) => ({
    backend,
    members,
    many: members.length > MANY,
    open: open.has(backend),
  }));
  const cells = blocks.map((block) => (block.many && !block.open ? 1 : block.members.length));
  const columns = columnsFor([...cells, orphans.length]);

  let y = 0;
  const modelX = 3 * (WIDTH + RANK_GAP);
  const place = (id: string, x: number, at: number, more: Partial<Placed> = {}) => {
    const node = graph.nodes.get(id) ?? null;
    nodes.set(id, {
      id,
      rank: node?.rank ?? "model",
      label: node?.label ?? id,
      state: node?.state ?? "unknown",
      x,
      y: at,
      height: HEIGHTS[node?.rank ?? "model"],
      node,
      members: null,
      open: false,
      ...more,
    });
  };
  const stack = (ids: readonly string[], top: number) => {
    ids.forEach((id, at) => {
      const column = at % columns;
      const row = Math.floor(at / columns);
      place(id, modelX + column * (WIDTH + COLUMN_GAP), top + row * (HEIGHT + GAP) + HEIGHT / 2);
    });
  };
  for (const block of blocks) {
    const head = block.many ? 1 : 0;
    const rows = head + (block.many && !block.open ? 0 : Math.ceil(block.members.length / columns));
    const tall = Math.max(HEIGHTS.backend, rows * (HEIGHT + GAP) - GAP);
    const models = Math.max(0, rows * (HEIGHT + GAP) - GAP);
    place(block.backend, 2 * (WIDTH + RANK_GAP), y + tall / 2);
    const top = y + (tall - models) / 2;
    if (block.many) {
      const id = groupId(block.backend);
      place(id, modelX, top + HEIGHT / 2, {
        label: `${grouped(block.members.length)} models`,
        state: worst(block.members.map((member) => graph.nodes.get(member)?.state ?? "unknown")),
        members: block.members,
        open: block.open,
      });
      if (!block.open) for (const member of block.members) hidden.set(member, id);
    }
    if (!block.many || block.open) stack(block.members, top + head * (HEIGHT + GAP));
    y += tall + BLOCK_GAP;
  }
  if (orphans.length) {
    stack(orphans, y);
    y += Math.ceil(orphans.length / columns) * (HEIGHT + GAP) + BLOCK_GAP;
  }
  const height = Math.max(HEIGHTS.router, y - BLOCK_GAP);
  for (const rank of ["user", "router"] as const) {
    const x = RANKS.indexOf(rank) * (WIDTH + RANK_GAP);
    const ids = order[rank];
    ids.forEach((id, at) => {
      place(id, x, height / 2 + (at - (ids.length - 1) / 2) * (HEIGHTS.router + BLOCK_GAP));
    });
  }
  return finished(graph, nodes, hidden, columns, height);
}

function finished(
  graph: Graph,
  nodes: Map<string, Placed>,
  hidden: Map<string, string>,
  columns: number,
  height: number,
): Layout {
  const shown = (id: string) => (nodes.has(id) ? id : hidden.get(id));
  const curves = new Map<string, Curve>();
  const opened = new Set(
    [...nodes.values()].filter(({ open }) => open).map(({ id }) => id.slice(groupId("").length)),
  );
  const join = (
    source: string,
    target: string,
    state: Condition,
    latency: number | null,
    inFlight: number,
  ) => {
    const from = nodes.get(source);
    const to = nodes.get(target);
    if (!from || !to) return;
    const id = edgeId(source, target);
    const same = curves.get(id);
    if (same) {
      same.inFlight += inFlight;
      same.state = worst([same.state, state]);
      return;
    }
    const [x0, y0, x1, y1] = [from.x + WIDTH / 2, from.y, to.x - WIDTH / 2, to.y];
    const minor = opened.has(source) && to.node !== null && state !== "unhealthy";
    curves.set(id, { id, source, target, state, latency, inFlight, minor, x0, y0, x1, y1 });
  };
  for (const edge of graph.edges.values()) {
    const [source, target] = [shown(edge.source), shown(edge.target)];
    const latency = target === edge.target ? edge.latency : null;
    if (source && target) join(source, target, edge.state, latency, edge.in_flight);
  }
  for (const backend of opened) {
    const group = nodes.get(groupId(backend));
    if (group) join(backend, group.id, group.state, null, 0);
  }
  const ranks: Record<Rank, string[]> = { user: [], router: [], backend: [], model: [] };
  const sorted = [...nodes.values()].sort((a, b) => a.y - b.y || a.x - b.x);
  for (const placed of sorted) ranks[placed.rank].push(placed.id);
  const width = 3 * (WIDTH + RANK_GAP) + columns * (WIDTH + COLUMN_GAP) - COLUMN_GAP;
  const curve = (edge: string) => {
    const real = graph.edges.get(edge);
    if (!real) return curves.get(edge);
    return curves.get(edgeId(shown(real.source) ?? "", shown(real.target) ?? ""));
  };
  return { nodes, curves, ranks, box: { x: -WIDTH / 2, y: 0, width, height }, shown, curve };
}

/** The ids of each rank, those with neighbours in common beside each other (barycentre heuristic). */
export function ordered(graph: Graph): Record<Rank, string[]> {
  const ranks: Record<Rank, string[]> = { user: [], router: [], backend: [], model: [] };
  for (const node of graph.nodes.values()) ranks[node.rank].push(node.id);
  const place = new Map<string, number>();
  const number = (rank: Rank) => {
    ranks[rank].forEach((id, at) => {
      place.set(id, at);
    });
  };
  RANKS.forEach(number);
  const sweep = (order: readonly Rank[], near: (id: string) => string[]) => {
    for (const rank of order) {
      const centre = new Map<string, number>();
      for (const id of ranks[rank]) {
        const others = near(id).map((other) => place.get(other) ?? 0);
        const sum = others.reduce((total, other) => total + other, 0);
        centre.set(id, others.length ? sum / others.length : (place.get(id) ?? 0));
      }
      ranks[rank].sort((a, b) => (centre.get(a) ?? 0) - (centre.get(b) ?? 0));
      number(rank);
    }
  };
  sweep(RANKS.slice(1), (id) => graph.before(id).map((edge) => edge.source));
  sweep([...RANKS].reverse().slice(1), (id) => graph.after(id).map((edge) => edge.target));
  sweep(RANKS.slice(1), (id) => graph.before(id).map((edge) => edge.source));
  return ranks;
}

/** The fewest columns of models that keep the picture from getting too tall. */
function columnsFor(blocks: readonly number[]): number {
  for (let columns = 1; ; columns++) {
    const rows = blocks.reduce((sum, models) => sum + Math.max(1, Math.ceil(models / columns)), 0);
    const width = 3 * (WIDTH + RANK_GAP) + columns * (WIDTH + COLUMN_GAP);
    if (columns >= 24 || rows * (HEIGHT + GAP) <= Math.max(width * TALL, 9 * (HEIGHT + GAP))) return columns;
  }
}

const SEVERITY: readonly Condition[] = ["healthy", "disabled", "unknown", "warming", "unhealthy"];

/** The state that somebody should know of. */
export function worst(states: readonly Condition[]): Condition {
  return states.reduce<Condition>(
    (bad, state) => (SEVERITY.indexOf(state) > SEVERITY.indexOf(bad) ? state : bad),
    states[0] ?? "unknown",
  );
}

/** The point at `t` (0 to 1) of a curve: a cubic with level ends. */
export function along(curve: Curve, t: number): [number, number] {
  const bend = (curve.x1 - curve.x0) / 2;
  const s = 1 - t;
  const [a, b, c, d] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
  return [
    a * curve.x0 + b * (curve.x0 + bend) + c * (curve.x1 - bend) + d * curve.x1,
    a * curve.y0 + b * curve.y0 + c * curve.y1 + d * curve.y1,
  ];
}
