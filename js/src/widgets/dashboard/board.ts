// What the dashboard shows. Mirrors gather() of bago_jupyter/widgets/dashboard.py.
import type { Condition, Counts, Resources } from "../../wire.ts";

export interface NodeRow {
  id: string;
  name: string;
  kind: string | null;
  state: Condition;
  reason: string | null;
  latency: number | null;
  version: string | null;
  models: number | null;
  in_flight: number | null;
  resources: Resources | null;
}

export interface Place {
  model_state: string | null;
  state: Condition;
  reason: string | null;
}

export interface ModelRow {
  id: string;
  places: Record<string, Place>;
}

export interface AskedRow {
  name: string;
  requests: number;
  ok: number;
  failed: number;
  cancelled: number;
  tokens: number;
  p50: number | null;
  p95: number | null;
}

/** What was asked within `seconds`: one value for each step of `step` seconds from `start` on; the last step
 * has had `last` of them. */
export interface Span {
  seconds: number;
  start: number;
  step: number;
  last: number;
  points: Partial<Record<Measure, (number | null)[]>>;
}

export type Measure = "requests" | "failed" | "tokens" | "speed" | "p50" | "p95";

export interface Board {
  name: string;
  nodes: NodeRow[];
  models: ModelRow[];
  counts: Counts;
  by_node: AskedRow[];
  by_model: AskedRow[];
  spans: Span[];
}
