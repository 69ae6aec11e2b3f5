import assert from "node:assert/strict";
import { test } from "node:test";
import { changed } from "../src/widgets/nodes/changes.ts";

const entry = { url: "https://host/v1", key_env: "KEY", domain: null, version: null };
const same = { url: entry.url, secret: "", key_env: "KEY", access_key: "", domain: "", version: "" };

test("only what differs is changed", () => {
  assert.deepEqual(changed(entry, same, false), {});
  assert.deepEqual(changed(entry, { ...same, url: "" }, false), {});
  assert.deepEqual(changed(entry, { ...same, url: "https://other/v1", secret: "s" }, false), {
    url: "https://other/v1",
    secret: "s",
  });
  assert.deepEqual(changed(entry, { ...same, key_env: "" }, false), { key_env: null });
  assert.deepEqual(changed({ ...entry, domain: "lab" }, { ...same, domain: "default" }, false), {
    domain: "default",
  });
});

test("a key is forgotten, or given", () => {
  assert.deepEqual(changed(entry, same, true), { secret: null, key_env: null });
  assert.throws(() => changed(entry, { ...same, secret: "s" }, true), /not both/);
});
