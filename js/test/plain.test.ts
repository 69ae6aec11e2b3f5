import assert from "node:assert/strict";
import { test } from "node:test";
import * as plain from "../src/widgets/plain.ts";
import type { RunnerInfo } from "../src/wire.ts";

const runner: RunnerInfo = {
  model: "smollm2",
  task: "generate",
  state: "ready",
  engine: "llama.cpp",
  pid: 1,
  url: null,
  slots: 4,
  context_length: 8192,
  progress: null,
  restarts: 0,
  error: null,
  loaded_at: null,
};

test("durations show the two largest units", () => {
  const expected: [number, string][] = [
    [-1, "0 s"],
    [0.9, "0 s"],
    [42, "42 s"],
    [60, "1 min"],
    [185, "3 min 5 s"],
    [3600, "1 h"],
    [8045, "2 h 14 min"],
    [86_400 * 3 + 4 * 3600, "3 d 4 h"],
  ];
  for (const [seconds, shown] of expected) assert.equal(plain.duration(seconds), shown);
});

test("a fingerprint is shown by its first 8 digits", () => {
  assert.equal(plain.short("fp_0123456789abcdef"), "01234567");
});

test("numbers are grouped by thousands", () => {
  assert.equal(plain.grouped(999), "999");
  assert.equal(plain.grouped(1234567), "1\u2009234\u2009567");
});

test("a runner tells its progress until it is ready", () => {
  assert.equal(plain.state({ ...runner, state: "loading", progress: 0.421 }), "loading 42 %");
  assert.equal(plain.state({ ...runner, state: "loading" }), "loading");
  assert.equal(plain.state({ ...runner, progress: 1 }), "ready");
});

test("a runner's detail is what it offers, or its error", () => {
  assert.equal(plain.detail(runner), "llama.cpp · 4 slots · 8\u2009192 context");
  assert.equal(
    plain.detail({ ...runner, task: "embed", slots: 1, restarts: 2 }),
    "embed · llama.cpp · 1 slot · 8\u2009192 context · 2 restarts",
  );
  assert.equal(plain.detail({ ...runner, error: "out of memory" }), "out of memory");
});

test("counters that a calm node has at zero are left out", () => {
  const none = {
    total: 0,
    ok: 0,
    failed: 0,
    cancelled: 0,
    in_flight: 0,
    prompt_tokens: 0,
    completion_tokens: 0,
  };
  assert.deepEqual(
    plain.requests(none).map(([name]) => name),
    ["requests", "ok", "failed", "in flight"],
  );
  assert.deepEqual(
    plain.requests({ ...none, cancelled: 1, prompt_tokens: 2, completion_tokens: 3 }).slice(3),
    [
      ["cancelled", 1],
      ["in flight", 0],
      ["tokens", 5],
    ],
  );
});
