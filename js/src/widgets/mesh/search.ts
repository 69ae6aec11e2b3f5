// Finding nodes by what people remember of them.
import type { TopologyNode } from "../../wire.ts";
import type { Graph } from "./graph.ts";
import { kindName } from "./words.ts";

/** The nodes that `query` means, the best first: labels that begin with it, then words, then any part. */
export function search(graph: Graph, query: string, most = 8): TopologyNode[] {
  const words = folded(query).split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found: { node: TopologyNode; score: number }[] = [];
  for (const node of graph.nodes.values()) {
    const label = folded(node.label.slice(0, 1000));
    const owner = node.backend ? (graph.nodes.get(node.backend)?.label ?? "") : kindName(node.kind);
    const rest = folded(`${node.rank} ${owner} ${node.state} ${node.url ?? ""} ${node.fingerprint ?? ""}`);
    let score = 0;
    for (const word of words) {
      const at = label.indexOf(word);
      if (at === 0) score += 4;
      else if (at > 0) score += /[\s/:._-]/.test(label[at - 1] ?? "") ? 3 : 2;
      else if (rest.includes(word)) score += 1;
      else score = Number.NEGATIVE_INFINITY;
    }
    if (score > 0) found.push({ node, score: score - label.length / 10_000 });
  }
  found.sort((a, b) => b.score - a.score);
  return found.slice(0, most).map(({ node }) => node);
}

/** The first of `labels` after place `at` that begins with `typed`, going round; -1 without one. */
export function ahead(labels: readonly string[], typed: string, at: number): number {
  const wanted = folded(typed);
  for (let step = typed.length > 1 ? 0 : 1; step <= labels.length; step++) {
    const place = (at + step) % labels.length;
    if (folded(labels[place] ?? "").startsWith(wanted)) return place;
  }
  return -1;
}

const folded = (value: string): string => value.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
