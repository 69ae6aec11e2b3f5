// Mirrors bago_jupyter/wire.py: the messages that reach a browser. Same fields, same order.

export type Place = "thread" | "kernel" | "process" | "headless";

export type RunnerState = "starting" | "loading" | "ready" | "backoff" | "stopping" | "failed";

export interface EngineInfo {
  name: string;
  version: string | null;
  available: boolean;
  reason: string | null;
}

export interface RunnerInfo {
  model: string;
  task: string;
  state: RunnerState;
  engine: string;
  pid: number | null;
  url: string | null;
  slots: number;
  context_length: number;
  progress: number | null;
  restarts: number;
  error: string | null;
  loaded_at: number | null;
}

export interface Counts {
  total: number;
  ok: number;
  failed: number;
  cancelled: number;
  in_flight: number;
  prompt_tokens: number;
  completion_tokens: number;
}

export interface Status {
  name: string;
  fingerprint: string;
  version: string;
  pid: number;
  place: Place;
  started_at: number;
  uptime: number;
  home: string;
  url: string;
  port: number;
  loop: string;
  api_key_required: boolean;
  engines: EngineInfo[];
  accelerator: string | null;
  library: number;
  runners: RunnerInfo[];
  requests: Counts;
  draining: boolean;
  notices: string[];
  resources: Resources | null;
}

export interface GpuInfo {
  name: string;
  load: number | null;
  memory_used: number | null;
  memory_total: number | null;
}

export interface Resources {
  cpu: number | null;
  cores: number | null;
  memory_used: number | null;
  memory_total: number | null;
  gpus: GpuInfo[] | null;
}

export type Rank = "user" | "router" | "backend" | "model";

export type Condition = "healthy" | "warming" | "unhealthy" | "disabled" | "unknown";

export interface TopologyNode {
  id: string;
  rank: Rank;
  label: string;
  state: Condition;
  reason: string | null;
  kind: string | null;
  url: string | null;
  enabled: boolean | null;
  latency: number | null;
  models: number | null;
  backend: string | null;
  model_state: string | null;
  context_length: number | null;
  quantization: string | null;
  digest: string | null;
  fingerprint: string | null;
  uptime: number | null;
  total: number | null;
  ok: number | null;
  failed: number | null;
  in_flight: number | null;
  speed: number | null;
}

export interface TopologyEdge {
  source: string;
  target: string;
  state: Condition;
  latency: number | null;
  in_flight: number;
}

export interface Topology {
  at: number;
  nodes: TopologyNode[];
  edges: TopologyEdge[];
}

export interface Rejection {
  backend: string;
  node: string;
  gate: string;
  reason: string;
}

export interface Candidate {
  backend: string;
  node: string;
  model: string;
  rank: number;
  score: number;
  state: string;
  in_flight: number;
  slots: number;
  full: boolean;
  suspect: boolean;
  tight: boolean;
  speed: number;
  latency: number;
  warm: number;
  priority: number;
  weight: number;
}

export type Outcome = "open" | "ok" | "failed" | "cancelled" | "overtaken";

export type Cause =
  | "refused"
  | "frozen"
  | "broken"
  | "error"
  | "limit"
  | "late"
  | "key"
  | "forbidden"
  | "gone"
  | "unsupported"
  | "context"
  | "request";

export interface Attempt {
  backend: string;
  node: string;
  model: string;
  started: number;
  headers: number | null;
  first_byte: number | null;
  ended: number | null;
  status: number | null;
  hedge: boolean;
  outcome: Outcome;
  detail: string | null;
  cause: Cause | null;
}

export interface Decision {
  id: string;
  at: number;
  model: string;
  dialect: string;
  stream: boolean;
  caller: string;
  policy: string;
  queued: number | null;
  candidates: Candidate[];
  rejections: Rejection[];
  attempts: Attempt[];
  prompt_tokens: number | null;
  completion_tokens: number | null;
  status: number | null;
  outcome: Outcome;
  detail: string | null;
  cause: Cause | null;
  seconds: number | null;
  verdict: "ok" | "failed" | "cancelled" | null;
  replayed: boolean | null;
}
