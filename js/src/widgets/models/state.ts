// What the view of models shows. Mirrors `gather` and `_content` of bago_jupyter/widgets/models.py.
import type { RunnerInfo } from "../../wire.ts";

export type Runner = Omit<RunnerInfo, "url" | "pid">;

export interface Model {
  id: string;
  state: "available" | "loading" | "ready" | "failed" | "unsupported";
  engine: string | null;
  format: string | null;
  architecture: string | null;
  parameters: number | null;
  quantization: string | null;
  context_length: number | null;
  size: number | null;
  license: string | null;
  tasks: string[];
  /** Whether it was made to chat. */
  chat: boolean;
  error: string | null;
  other?: string | null;
  runners: Runner[];
  shared?: boolean | null;
}

export interface Group {
  kind: "own" | "peer" | "connection";
  id: string;
  name: string;
  state: string;
  reason: string | null;
  models: Model[];
}

export interface Route {
  name: string;
  targets: string[];
  missing: string[];
}

/** A pull or a load of this view, or a pull that somebody else began. */
export interface Job {
  /** A pull of the node has a text. */
  id: number | string;
  kind: "pull" | "load";
  what: string;
  on: string;
  node: string;
  state: "running" | "failed" | "cancelled";
  stage: string | null;
  done: number;
  total: number | null;
  unit: string;
  message: string | null;
  error: string | null;
  /** Who began it, where that is not this view: a caller as a decision names it. */
  by: string | null;
}

export interface Catalogue {
  name: string;
  groups: Group[];
  routes: Route[];
  starters: { name: string; size: number; note: string }[];
}

export interface State {
  view: Catalogue | null;
  down: string | null;
  jobs?: Job[];
}

/** Asks the kernel; resolves with its answer. */
export type Ask = (kind: string, fields?: Record<string, unknown>) => Promise<unknown>;
