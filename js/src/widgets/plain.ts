// Mirrors bago_jupyter/widgets/plain.py: how values read, in a browser as in a terminal.
import type { Counts, RunnerInfo, Status } from "../wire.ts";

/** The first 8 digits of a fingerprint. */
export function short(fingerprint: string): string {
  return fingerprint.replace(/^fp_/, "").slice(0, 8);
}

/** Seconds as the two largest units: `42 s`, `3 min 5 s`, `2 h 14 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown
    .filter(([count], at) => at === 0 || count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** A whole number with thin spaces between thousands. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** What runs the node: place, loop, accelerator. */
export function place(status: Status): string {
  return [`${status.place} on ${status.loop}`, status.accelerator].filter(Boolean).join(", ");
}

/** The engines that can run here, or why none can. */
export function engines(status: Status): string {
  const usable = status.engines.filter((engine) => engine.available);
  const shown = usable.map((engine) => [engine.name, engine.version].filter(Boolean).join(" "));
  const reason = status.engines.find((engine) => engine.reason)?.reason;
  return shown.join(", ") || `none${reason ? `: ${reason}` : ""}`;
}

/** A runner's state with its progress. */
export function state(runner: RunnerInfo): string {
  if (runner.state === "ready" || runner.progress === null) return runner.state;
  return `${runner.state} ${Math.round(runner.progress * 100)} %`;
}

/** What a runner offers, or what went wrong with it. */
export function detail(runner: RunnerInfo): string {
  if (runner.error) return runner.error;
  const parts = [runner.engine];
  if (runner.task !== "generate") parts.unshift(runner.task);
  if (runner.slots) parts.push(`${runner.slots} ${runner.slots === 1 ? "slot" : "slots"}`);
  if (runner.context_length) parts.push(`${grouped(runner.context_length)} context`);
  if (runner.restarts) parts.push(`${runner.restarts} ${runner.restarts === 1 ? "restart" : "restarts"}`);
  return parts.join(" · ");
}

/** The request counters; those that a calm node has at zero are left out. */
export function requests(counts: Counts): [string, number][] {
  const all: [string, number][] = [
    ["requests", counts.total],
    ["ok", counts.ok],
    ["failed", counts.failed],
    ["cancelled", counts.cancelled],
    ["in flight", counts.in_flight],
    ["tokens", counts.prompt_tokens + counts.completion_tokens],
  ];
  return all.filter(([name, count]) => count > 0 || !["cancelled", "tokens"].includes(name));
}

/** How many models there are. */
export function models(status: Status): string {
  const loaded = new Set(status.runners.map((runner) => runner.model)).size;
  return `${loaded} loaded, ${status.library} in the library`;
}
