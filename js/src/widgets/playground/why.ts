// Why an answer came from where it came: the candidates of its decision, as a table.
import type { Attempt, Candidate, Decision } from "../../wire.ts";
import { element } from "../dom.ts";
import { shown } from "../names.ts";
import { grouped } from "../plain.ts";

const HEADINGS = ["Node", "Model", "Verdict", "Why"];

/** The decision as elements. */
export function explain(decision: Decision): HTMLElement {
  const rows = explained(decision).map((row) => {
    const cells = row.map((cell) => element("td", { dir: "auto" }, shown(cell)));
    return element("tr", {}, ...cells);
  });
  const line = element("p", {}, shown(summary(decision)));
  if (rows.length === 0) return element("div", {}, line); // nobody was there to choose from
  const head = element("tr", {}, ...HEADINGS.map((name) => element("th", { scope: "col" }, name)));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const scroll = { class: "bago-wide", tabindex: 0, role: "region", "aria-label": "Candidates" };
  return element("div", {}, line, element("div", scroll, table));
}

/** One line about the decision. */
export function summary(decision: Decision): string {
  const facts = [
    decision.id,
    `policy ${decision.policy}`,
    decision.detail ?? decision.outcome,
    decision.queued === null ? "" : `waited ${seconds(decision.queued)} for a slot`,
  ];
  return facts.filter(Boolean).join(" · ");
}

/** Rows of node, model, verdict and reason: those that were tried, those that were not, those ruled out. */
export function explained(decision: Decision): string[][] {
  const left = new Set(decision.attempts);
  const rows = decision.candidates.map((candidate) => {
    const made = decision.attempts.filter((attempt) => same(attempt, candidate));
    for (const attempt of made) left.delete(attempt);
    const verdict = made.map(tried).join(", ") || "not tried";
    return [candidate.node, candidate.model, verdict, reason(decision.policy, candidate)];
  });
  for (const attempt of left) rows.push([attempt.node, attempt.model, tried(attempt), ""]);
  for (const { node, gate, reason } of decision.rejections)
    rows.push([node, "", "ruled out", `${gate}: ${reason}`]);
  return rows;
}

/** Seconds with two digits that mean something. */
export function seconds(value: number): string {
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  return value < 9.95 ? `${value.toFixed(1)} s` : `${grouped(Math.round(value))} s`;
}

function same(attempt: Attempt, candidate: Candidate): boolean {
  return (
    attempt.backend === candidate.backend &&
    attempt.node === candidate.node &&
    attempt.model === candidate.model
  );
}

function tried(attempt: Attempt): string {
  return [attempt.detail ?? attempt.outcome, attempt.status, attempt.hedge ? "(beside)" : ""]
    .filter(Boolean)
    .join(" ");
}

function reason(policy: string, candidate: Candidate): string {
  const scores: Record<string, string> = {
    balanced: `done in ${seconds(candidate.score)}`,
    "least-loaded": `${Math.round(candidate.score * 100)} % of its slots taken`,
    fastest: `alone in ${seconds(candidate.score)}`,
    priority: `priority ${candidate.priority}`,
    weighted: `weight ${candidate.weight}`,
  };
  const facts = [
    scores[policy] ?? "",
    `${candidate.in_flight} on ${candidate.slots} slots`,
    candidate.full ? "full" : "",
    `${Math.round(candidate.speed)} tokens/s`,
    candidate.latency ? `${seconds(candidate.latency)} away` : "",
    candidate.warm ? `${candidate.warm} tokens read before` : "",
    candidate.state === "ready" ? "" : candidate.state,
    candidate.suspect ? "failed lately" : "",
    candidate.tight ? "probably too short a context" : "",
    candidate.rank ? `choice ${candidate.rank + 1} of the route` : "",
  ];
  return facts.filter(Boolean).join(", ");
}
