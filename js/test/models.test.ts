import assert from "node:assert/strict";
import { test } from "node:test";
import { begun, progress } from "../src/widgets/models/jobs.ts";
import { facts } from "../src/widgets/models/row.ts";
import type { Job, Model } from "../src/widgets/models/state.ts";
import { quantity, shown, size, unturned } from "../src/widgets/names.ts";

const model: Model = {
  id: "smol",
  state: "available",
  engine: "llama.cpp",
  format: "gguf",
  architecture: "llama",
  parameters: 134_515_008,
  quantization: "Q4_1",
  context_length: 8192,
  size: 98_362_432,
  license: "apache-2.0",
  tasks: ["generate", "embed"],
  chat: true,
  error: null,
  runners: [],
};

const job: Job = {
  id: 1,
  kind: "pull",
  what: "m",
  on: "",
  node: "attic",
  state: "running",
  stage: "downloading",
  done: 49_181_216,
  total: 98_362_432,
  unit: "B",
  message: null,
  error: null,
  by: null,
};

test("sizes and counts have three digits", () => {
  assert.deepEqual([0, 999, 999.6, 1000, 98_362_432, 5e13, 7e15].map(size), [
    "0 B",
    "999 B",
    "1 kB",
    "1 kB",
    "98.4 MB",
    "50 TB",
    "7000 TB",
  ]);
  assert.deepEqual([7, 134_515_008, 70e9].map(quantity), ["7", "135 M", "70 G"]);
});

test("what a model is", () => {
  assert.equal(
    facts(model),
    "gguf · llama · Q4_1 · 135 M parameters · 98.4 MB · 8\u2009192 context · chat, embed · llama.cpp · apache-2.0",
  );
  const runner = {
    model: "smol",
    task: "generate",
    state: "ready",
    engine: "llama.cpp",
    context_length: 512,
  };
  const loaded = {
    ...model,
    runners: [{ ...runner, slots: 1, progress: null, restarts: 0, error: null, loaded_at: 1 }],
  };
  assert.match(facts(loaded as Model), /512 of 8\u2009192 context/);
  const bare = {
    architecture: null,
    parameters: null,
    size: null,
    license: null,
    engine: null,
    context_length: null,
  };
  assert.equal(facts({ ...model, ...bare, tasks: [] }), "gguf · Q4_1");
});

test("how far a job is", () => {
  assert.equal(progress(job), "downloading · 49.2 MB of 98.4 MB · 50 %");
  assert.equal(progress({ ...job, total: null }), "downloading · 49.2 MB");
  assert.equal(progress({ ...job, stage: null, done: 0, total: null }), "beginning");
  assert.equal(progress({ ...job, stage: "loading", unit: "", done: 0.5, total: 1 }), "loading · 50 %");
  assert.equal(
    progress({ ...job, done: 2, total: 1, message: "a\u202eb" }),
    "downloading · 2 B of 1 B · 100 % · a\ufffdb",
  );
});

test("who began a pull", () => {
  assert.deepEqual(
    [null, "notebook:a:b.ipynb", "peer:attic", "cli", "local", "address:10.0.0.1"].map(begun),
    [
      "",
      ", begun by a:b.ipynb",
      ", begun by the node attic",
      ", begun by the command line",
      ", begun by another program",
      ", begun by another program",
    ],
  );
  assert.equal(begun("peer:a\u202eb\nc"), ", begun by the node a\ufffdb\nc");
});

test("names cannot turn what stands around them", () => {
  assert.equal(shown("a\u202eb\u2066\u200f\u0000\u001b[2J\n\t"), "a\ufffdb\ufffd\ufffd\ufffd\ufffd[2J\n\t");
  assert.equal(unturned("\u202eab\u202c \u05e9\u200f!"), "\ufffdab\ufffd \u05e9\u200f!");
});
