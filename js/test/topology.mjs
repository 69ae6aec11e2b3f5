// Topologies for the tests of the Mesh.

/** @typedef {import("../src/wire.ts").TopologyNode} TopologyNode */
/** @typedef {import("../src/wire.ts").TopologyEdge} TopologyEdge */

/**
 * A healthy node of which nothing else is known.
 * @param {string} id
 * @param {import("../src/wire.ts").Rank} rank
 * @param {Partial<TopologyNode>} more
 * @returns {TopologyNode}
 */
export function node(id, rank, more = {}) {
  return {
    id,
    rank,
    label: id.replace(/^\w+:/, ""),
    state: "healthy",
    reason: null,
    kind: null,
    url: null,
    enabled: null,
    latency: null,
    models: null,
    backend: null,
    model_state: null,
    context_length: null,
    quantization: null,
    digest: null,
    fingerprint: null,
    uptime: null,
    total: null,
    ok: null,
    failed: null,
    in_flight: null,
    speed: null,
    ...more,
  };
}

/**
 * A healthy edge without traffic.
 * @param {string} source
 * @param {string} target
 * @param {Partial<TopologyEdge>} more
 * @returns {TopologyEdge}
 */
export function edge(source, target, more = {}) {
  return { source, target, state: "healthy", latency: null, in_flight: 0, ...more };
}

const KINDS = ["local", "peer", "openai", "backend_ai_cluster", "continuum_router", "anthropic"];

/**
 * A topology of `backends` backends with `models` models each; `more` says more of a backend.
 * @param {number} backends
 * @param {number} models
 * @param {(backend: number) => Partial<TopologyNode>} more
 * @returns {import("../src/wire.ts").Topology}
 */
export function topology(backends, models, more = () => ({})) {
  const figures = { uptime: 100, total: 9, ok: 8, failed: 1, in_flight: 0 };
  const nodes = [
    node("user", "user", { label: "You" }),
    node("router", "router", { label: "attic", ...figures }),
  ];
  const edges = [edge("user", "router")];
  for (let b = 0; b < backends; b++) {
    const backend = node(`backend:b${b}`, "backend", {
      label: `backend-${b}`,
      url: `http://10.0.0.${b}:8080`,
      kind: KINDS[b % KINDS.length],
      enabled: true,
      latency: 0.0007 * (b + 1) ** 3,
      models,
      ...more(b),
    });
    const { id, state, latency } = backend;
    nodes.push(backend);
    edges.push(edge("router", id, { state, latency }));
    for (let m = 0; m < models; m++) {
      const model = `model:b${b}/m${m}`;
      const known = { backend: id, state, model_state: "ready", context_length: 8192 };
      nodes.push(node(model, "model", { label: `model-${b}-${m}`, ...known }));
      edges.push(edge(id, model, { state }));
    }
  }
  return { at: Date.now() / 1000, nodes, edges };
}
