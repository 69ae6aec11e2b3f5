// What the settings view shows. Mirrors bago_jupyter/widgets/settings.py.
import type { Link } from "../base.ts";

export interface Values {
  name: string | null;
  port: number;
  advertise: boolean;
  discovery: boolean;
  external: boolean;
  /** Only whether there is one. */
  api_key: boolean;
  cluster_key: boolean;
  policy: string;
}

export interface ApiKey {
  name: string;
  created: number;
  last_used: number | null;
}

export interface Route {
  name: string;
  targets: string[];
  missing: string[];
}

export interface Shared {
  model: string;
  shared: boolean;
}

export interface Settings {
  node: { name: string; fingerprint: string; port: number; draining: boolean };
  settings: Values;
  policies: string[];
  api_keys: ApiKey[];
  routes: Route[];
  sharing: Shared[];
  targets: string[];
}

/** The synced state. */
export interface Snapshot {
  view: Settings | null;
  down: string | null;
}

/** How a part of the view asks the kernel. */
export type Ask = Link<Snapshot>["request"];
