// How nodes and edges read: on their cards, in tooltips, in the panel, and aloud in the tree.
import type { Condition, TopologyNode } from "../../wire.ts";
import { shown } from "../names.ts";
import { duration, grouped, short } from "../plain.ts";
import type { Graph } from "./graph.ts";
import type { Placed } from "./layout.ts";

const LONGEST = 400;
/** Foreign text made fit for one line. */
export function clean(value: string, longest = LONGEST): string {
  const cut = value.length > longest ? `${value.slice(0, longest)}…` : value;
  return shown(cut);
}

const KINDS: Record<string, string> = {
  local: "Local",
  peer: "Backend.AI GO peer",
  backend_ai_go: "Backend.AI GO",
  continuum_router: "Continuum Router",
  backend_ai_cluster: "Backend.AI Cluster",
  openai: "OpenAI compatible",
  anthropic: "Anthropic",
  gemini: "Gemini",
};

/** The type of a backend, as people say it. */
export const kindName = (kind: string | null): string => (kind ? (KINDS[kind] ?? clean(kind)) : "Backend");

/** How long a node has been up by now. */
const uptime = (node: TopologyNode, graph: Graph): string | null =>
  node.uptime === null ? null : duration(node.uptime + graph.age);

/** A round trip in milliseconds. */
export function latency(seconds: number): string {
  const ms = seconds * 1000;
  if (ms < 0.1) return "<0.1 ms";
  return `${ms < 10 ? Number(ms.toFixed(1)) : grouped(Math.round(ms))} ms`;
}

export const CONDITIONS: Record<Condition, string> = {
  healthy: "Healthy",
  warming: "Warming up",
  unhealthy: "Unhealthy",
  disabled: "Disabled",
  unknown: "Unknown",
};

export const count = (amount: number, noun: string): string =>
  `${grouped(amount)} ${noun}${amount === 1 ? "" : "s"}`;

/** What a card says below its name. */
export function lines(placed: Placed, graph: Graph): string[] {
  const node = placed.node;
  if (!node) return [placed.open ? "shown below" : "click to open"];
  const said = facts(node, graph, false);
  const cuts = { user: [], router: node.uptime === null ? [1, 2] : [2, 3], backend: [2], model: [] }[
    node.rank
  ];
  return [0, ...cuts].map((from, at) => said.slice(from, cuts[at]).join(" · ")).filter(Boolean);
}

/** A node in one sentence, with all that its card shows. */
export function spoken(placed: Placed, graph: Graph): string {
  const node = placed.node;
  if (!node) return `${placed.label}, ${placed.open ? "opened" : "closed"}`;
  const name = { user: "", router: "router ", backend: "backend ", model: "model " }[node.rank];
  return [`${name}${clean(node.label)}`, ...facts(node, graph, true)].join(", ");
}

function facts(node: TopologyNode, graph: Graph, aloud: boolean): string[] {
  const said: (string | null)[] = [];
  const flying = node.in_flight ? `${grouped(node.in_flight)} in flight` : null;
  switch (node.rank) {
    case "user":
      said.push(count(graph.after(node.id).length, "connection"));
      break;
    case "router":
      said.push(node.state === "healthy" ? "running" : CONDITIONS[node.state].toLowerCase());
      // A card has room for the larger unit.
      if (node.uptime !== null)
        said.push(
          `up ${uptime(node, graph)
            ?.split(" ", aloud ? 4 : 2)
            .join(" ")}`,
        );
      said.push(
        count(node.total ?? 0, "request"),
        `${grouped(node.ok ?? 0)} ok`,
        `${grouped(node.failed ?? 0)} failed`,
      );
      if (aloud) said.push(flying);
      break;
    case "backend":
      said.push(CONDITIONS[node.state].toLowerCase());
      if (aloud) said.push(kindName(node.kind));
      if (node.latency !== null) said.push(latency(node.latency));
      if (node.models !== null) said.push(count(node.models, "model"));
      said.push(flying);
      if (aloud && node.reason) said.push(clean(node.reason));
      break;
    case "model":
      said.push((node.state === "healthy" && node.model_state) || CONDITIONS[node.state].toLowerCase());
      if (node.context_length) said.push(`${grouped(node.context_length)} context`);
      if (node.quantization) said.push(clean(node.quantization, 24));
      said.push(flying);
  }
  return said.filter((part): part is string => part !== null);
}

/** What the panel says of a node, row by row. */
export function details(node: TopologyNode, graph: Graph): [string, string][] {
  const rows: [string, string | null][] = [];
  const number = (value: number | null) => (value === null ? null : grouped(value));
  const requests = (): [string, string | null][] => [
    ["Total requests", number(node.total)],
    ["Successful", number(node.ok)],
    ["Failed", number(node.failed)],
    ["In flight", number(node.in_flight)],
  ];
  const wait = node.latency === null ? null : latency(node.latency);
  const speed = node.speed ? `${node.speed.toFixed(node.speed < 10 ? 1 : 0)} tokens/s` : null;
  switch (node.rank) {
    case "user":
      rows.push(["Connections", count(graph.after(node.id).length, "connection")], ...requests());
      break;
    case "router":
      rows.push(
        ["Status", node.state === "healthy" ? "Running" : CONDITIONS[node.state]],
        ["Uptime", uptime(node, graph)],
        ...requests(),
        ["URL", node.url],
        ["Fingerprint", node.fingerprint && short(node.fingerprint)],
      );
      break;
    case "backend":
      rows.push(
        ["Type", kindName(node.kind)],
        ["URL", node.url],
        ["Health", CONDITIONS[node.state]],
        ["Enabled", node.enabled === null ? null : node.enabled ? "Yes" : "No"],
        ["Latency", wait ?? "not measured"],
        ["Models", number(node.models)],
        [node.state === "unhealthy" ? "Error" : "Reason", node.reason],
        ...requests(),
        ["Speed", speed],
        ["Fingerprint", node.fingerprint && short(node.fingerprint)],
      );
      break;
    case "model":
      rows.push(
        ["Model ID", node.label],
        ["Backend", graph.nodes.get(node.backend ?? "")?.label ?? null],
        ["State", node.model_state ?? CONDITIONS[node.state]],
        ["Context", node.context_length === null ? null : `${grouped(node.context_length)} tokens`],
        ["Quantisation", node.quantization],
        ["Digest", node.digest?.slice(0, 19) ?? null],
        [node.state === "unhealthy" ? "Error" : "Reason", node.reason],
        ...requests(),
        ["Speed", speed],
      );
  }
  return rows.flatMap(([name, value]) => (value === null ? [] : [[name, clean(value, 12_000)]]));
}
