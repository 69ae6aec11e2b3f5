import assert from "node:assert/strict";
import { test } from "node:test";
import { readKey } from "../src/widgets/nodes/keytext.ts";

const DIGEST = Buffer.from(Uint8Array.from({ length: 32 }, (_, at) => 255 - at)).toString("base64url");
const KEY = `bago://10.0.0.2:8080/pair?v=1&n=attic%20%3Ci%3E&f=${DIGEST}&a=&i=abc&s=secret&e=1795278111&c=x`;

test("a pasted key tells its name, fingerprint and end", () => {
  const facts = readKey(KEY);
  assert.equal(facts?.name, "attic <i>");
  assert.match(facts?.fingerprint ?? "", /^fp_fffefd[0-9a-f]{58}$/);
  assert.equal(facts?.expires, 1795278111);
  assert.deepEqual(readKey(` "${KEY.slice(0, 40)}\n ${KEY.slice(40)}`), facts);
  assert.deepEqual(readKey(KEY.replaceAll("&", "&amp;")), facts);
});

test("what is no key tells nothing", () => {
  for (const text of [
    "",
    "hello",
    "bago://x",
    KEY.replace(DIGEST, "short"),
    KEY.replace("e=1", "e=x"),
    KEY.replace("%20", "%"),
    "https://host/pair?f=1",
  ]) {
    assert.equal(readKey(text), null, text);
  }
});
