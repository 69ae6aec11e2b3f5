import assert from "node:assert/strict";
import { test } from "node:test";
import type { Turn } from "../src/widgets/playground/state.ts";
import { facts } from "../src/widgets/playground/turn.ts";
import { explained, seconds, summary } from "../src/widgets/playground/why.ts";
import type { Attempt, Candidate, Decision } from "../src/wire.ts";

const turn: Turn = {
  id: 1,
  role: "assistant",
  text: "Hi",
  thought: "",
  state: "done",
  error: null,
  model: "smol",
  node: "attic",
  request: "req_1",
  attempts: 1,
  first: 0.1294,
  seconds: 2,
  tokens: 12,
  speed: 66.4,
  cut: false,
  pieces: 0,
};

const attempt: Attempt = {
  backend: "local",
  node: "attic",
  model: "smol",
  started: 0,
  headers: 0.1,
  first_byte: 0.1,
  ended: 1,
  status: 200,
  hedge: false,
  outcome: "ok",
  detail: null,
  cause: null,
};

const candidate: Candidate = {
  backend: "local",
  node: "attic",
  model: "smol",
  rank: 0,
  score: 1.5,
  state: "ready",
  in_flight: 1,
  slots: 4,
  full: false,
  suspect: false,
  tight: false,
  speed: 66.4,
  latency: 0,
  warm: 0,
  priority: 0,
  weight: 1,
};

const decision: Decision = {
  id: "req_1",
  at: 0,
  model: "smol",
  dialect: "chat",
  stream: true,
  caller: "nb",
  policy: "balanced",
  queued: null,
  candidates: [
    candidate,
    { ...candidate, backend: "peer", node: "there", latency: 0.002, suspect: true, rank: 1 },
  ],
  rejections: [{ backend: "x", node: "cloud", gate: "health", reason: "it is down" }],
  attempts: [attempt],
  prompt_tokens: 1,
  completion_tokens: 2,
  status: 200,
  outcome: "ok",
  detail: null,
  cause: null,
  seconds: 1,
  verdict: "ok",
  replayed: true,
};

test("who answered, how fast and how it ended", () => {
  assert.equal(facts(turn), "smol · on attic · first token in 129 ms · 66 tokens/s · 12 tokens");
  const slow = { ...turn, attempts: 2, first: 12.4, speed: 0.5, cut: true, state: "stopped" as const };
  assert.equal(
    facts(slow),
    "smol · on attic · after 2 attempts · first token in 12 s · 0.5 tokens/s · 12 tokens · cut at max tokens · stopped",
  );
  const none = {
    ...turn,
    node: null,
    attempts: null,
    first: null,
    speed: null,
    tokens: null,
    model: "a\u202eb",
  };
  assert.equal(facts(none), "a\ufffdb");
});

test("seconds have two digits that mean something", () => {
  assert.deepEqual([0.0004, 0.9994, 0.9996, 9.94, 9.96, 1234].map(seconds), [
    "0 ms",
    "999 ms",
    "1.0 s",
    "9.9 s",
    "10 s",
    "1\u2009234 s",
  ]);
});

test("of a failure the sentence is shown", () => {
  const failed = { outcome: "failed", detail: "attic answered 503.", cause: "error", status: 503 } as const;
  assert.match(summary({ ...decision, ...failed }), /balanced · attic answered 503\.$/);
  const [row] = explained({ ...decision, attempts: [{ ...attempt, ...failed }] });
  assert.equal(row?.[2], "attic answered 503. 503");
});

test("why an answer came from there", () => {
  assert.equal(
    summary({ ...decision, queued: 0.5 }),
    "req_1 · policy balanced · ok · waited 500 ms for a slot",
  );
  assert.deepEqual(explained(decision), [
    ["attic", "smol", "ok 200", "done in 1.5 s, 1 on 4 slots, 66 tokens/s"],
    [
      "there",
      "smol",
      "not tried",
      "done in 1.5 s, 1 on 4 slots, 66 tokens/s, 2 ms away, failed lately, choice 2 of the route",
    ],
    ["cloud", "", "ruled out", "health: it is down"],
  ]);
  const raced = [
    { ...attempt, outcome: "overtaken" as const, status: null },
    { ...attempt, node: "late", hedge: true },
  ];
  assert.deepEqual(
    explained({ ...decision, attempts: raced }).map(([node, , verdict]) => [node, verdict]),
    [
      ["attic", "overtaken"],
      ["there", "not tried"],
      ["late", "ok 200 (beside)"],
      ["cloud", "ruled out"],
    ],
  );
});
