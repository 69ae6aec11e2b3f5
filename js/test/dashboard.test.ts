import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, nice, percent, quantity, seconds } from "../src/widgets/dashboard/figures.ts";
import { type Chart, describe, trace } from "../src/widgets/dashboard/plot.ts";

test("durations keep two or three digits", () => {
  const expected: [number | null, string][] = [
    [null, "–"],
    [0.00034, "0.34 ms"],
    [0.012, "12 ms"],
    [0.1234, "123 ms"],
    [0.9996, "1 s"],
    [12.34, "12.3 s"],
  ];
  for (const [value, shown] of expected) assert.equal(seconds(value), shown);
});

test("large numbers are short", () => {
  assert.deepEqual([0, 7.25, 999.4, 999.6, 123_456, 4.5e9].map(quantity), [
    "0",
    "7.25",
    "999",
    "1k",
    "123k",
    "4.5G",
  ]);
  assert.equal(bytes(3 * 2 ** 30), "3 GiB");
  assert.equal(percent(0.375), "38 %");
});

test("an axis ends at a round number that nothing exceeds", () => {
  const found = [0, 0.07, 1, 1.1, 2.0000000001, 4.9, 7, 1234].map(nice);
  assert.deepEqual(found, [1, 0.08, 1, 1.5, 2, 5, 8, 1500]);
});

test("a line breaks where nothing is known, and a lone point stays visible", () => {
  assert.equal(trace([0, 5, 10], 10, 3), "M0 100L50 50L100 0");
  assert.equal(trace([null, 5, null], 10, 3), "M50 50h0");
  assert.equal(trace([1, null, null, 2, 4], 10, 5), "M0 90h0M75 80L100 60");
  assert.equal(trace([null], 10, 1), "");
  assert.equal(trace([5], 10, 1), "M50 50h0");
});

test("a chart is told in a sentence", () => {
  const chart: Chart = {
    start: 0,
    step: 60,
    range: "last hour",
    say: seconds,
    lines: [
      { name: "p50", look: "a", values: [null, 0.2, 0.1] },
      { name: "p95", look: "b", values: [null, null, null] },
    ],
  };
  assert.equal(
    describe("Latency", chart),
    "Latency, last hour. p50 between 100 ms and 200 ms, 100 ms at last; p95: nothing.",
  );
});
