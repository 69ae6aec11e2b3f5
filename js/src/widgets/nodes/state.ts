// What the nodes view shows. Mirrors bago_jupyter/widgets/nodes.py.
import type { Link } from "../base.ts";

export interface Peer {
  fingerprint: string;
  name: string;
  addresses: string[];
  version: string | null;
  engines: string[] | null;
  accelerator: string | null;
  hardware: string[];
  via: string | null;
  state: "online" | "offline" | "unknown";
  reason: string | null;
  priority: number;
  weight: number;
  max_load_percent: number;
  in_routing: boolean;
  allow_control: boolean;
  latency: number | null;
  models: { id: string; state: string }[];
  model_count: number;
}

export interface Connection {
  name: string;
  type: string;
  url: string;
  enabled: boolean;
  in_routing: boolean;
  health: "healthy" | "warming" | "unhealthy" | "disabled" | "unknown";
  reason: string | null;
  error: string | null;
  listed: number;
  key: string;
  priority: number;
  weight: number;
  slots: number;
  slots_from: "set" | "measured" | "guessed";
  share: boolean;
  key_env: string | null;
  domain: string | null;
  version: string | null;
  latency: number | null;
  models: string[];
  model_count: number;
}

/** Where a connection leads and what opens it, as it was typed. */
export interface Typed {
  url: string;
  secret: string;
  key_env: string;
  access_key: string;
  domain: string;
  version: string;
}

export interface Request {
  id: string;
  direction: "incoming" | "outgoing";
  name: string;
  fingerprint: string;
  code: string;
  state: string;
  since: number;
  address: string | null;
}

export interface Key {
  id: string;
  state: "open" | "used" | "revoked" | "expired";
  expires: number;
  name: string;
  used_by: string | null;
}

export interface Nodes {
  name: string;
  discovery: boolean;
  advertise: boolean;
  nodes: Peer[];
  connections: Connection[];
  requests: Request[];
  keys: Key[];
}

/** The synced state. */
export interface Snapshot {
  view: Nodes | null;
  down: string | null;
}

/** A node that announces itself; a `NodeInfo` of the wire. */
export interface Found {
  fingerprint: string;
  name: string;
  addresses: string[];
  version: string | null;
  engines: string[] | null;
  accelerator: string | null;
  model_count: number | null;
  paired: boolean;
}

/** One step of a test. */
export interface Hop {
  name: string;
  ok: boolean;
  seconds: number;
  said: string;
}

/** How a part of the view asks the kernel. */
export type Ask = Link<Snapshot>["request"];
