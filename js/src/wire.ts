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
}
