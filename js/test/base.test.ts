import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import type { AnyModel } from "@anywidget/types";
import { Link, patiently } from "../src/widgets/base.ts";

type Sent = { kind: string; id?: number; view: string };

/** A model whose kernel is played. */
class Played {
  readonly listeners = new Map<string, Set<(message?: unknown) => void>>();
  readonly sent: Sent[] = [];
  dead = false;

  get(): unknown {
    return "state";
  }

  on(name: string, listener: () => void): void {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
  }

  off(name: string, listener: () => void): void {
    this.listeners.get(name)?.delete(listener);
  }

  send(content: Sent): void {
    if (this.dead) throw new Error("Cannot send");
    this.sent.push(content);
  }

  /** What the kernel, or for another `event` the notebook, says. */
  say(message?: unknown, event = "msg:custom"): void {
    for (const listener of this.listeners.get(event) ?? []) listener(message);
  }

  /** The last message of `kind`. */
  last(kind: string): Sent {
    const found = this.sent.filter((message) => message.kind === kind).at(-1);
    assert.ok(found, `no ${kind} was sent`);
    return found;
  }
}

function begin(): { model: Played; link: Link<string>; shown: boolean[] } {
  const model = new Played();
  const shown: boolean[] = [];
  const made = model as unknown as AnyModel<{ snapshot: unknown }>;
  const link = new Link<string>(made, (_state, live) => shown.push(live));
  model.say({ kind: "hello", view: model.last("hello").view });
  return { model, link, shown };
}

let now = 0;

function pass(seconds: number): void {
  for (let step = 0; step < seconds * 2; step++) {
    now += 500;
    mock.timers.tick(500);
  }
}

beforeEach(() => {
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => now);
  Object.assign(globalThis, {
    document: { hidden: false, addEventListener: () => undefined, removeEventListener: () => undefined },
  });
});

test("an answer is taken however late it comes, and is asked for once", async () => {
  const { model, link } = begin();
  const said: string[] = [];
  const answer = patiently(link.request("make_key"), (sentence) => said.push(sentence));
  pass(3600);
  assert.match(said.at(-1) ?? "", /kernel is busy/);
  const asked = model.sent.filter(({ kind }) => kind === "make_key");
  assert.equal(asked.length, 1);
  model.say({ kind: "taken", request: asked[0]?.id });
  pass(1);
  assert.equal(said.at(-1), "", "it is at work now");
  model.say({ id: asked[0]?.id, ok: "the key" });
  assert.equal(await answer, "the key");
});

test("a kernel that has taken a request is not called busy, however long it works", async () => {
  const { model, link } = begin();
  const said: string[] = [];
  const answer = patiently(link.request("test"), (sentence) => said.push(sentence));
  const { id } = model.last("test");
  model.say({ kind: "taken", request: id });
  pass(60);
  model.say({ id, error: "Not today." });
  await assert.rejects(answer, { message: "Not today." });
  assert.deepEqual(said, []);
});

test("a restart ends what waits, and the view is as one without a kernel", async () => {
  const { model, link, shown } = begin();
  const answer = link.request("make_key");
  assert.equal(shown.at(-1), true);
  model.say(undefined, "comm_live_update");
  await assert.rejects(answer, /restarted/);
  assert.equal(shown.at(-1), false);
  assert.equal(link.answered, false);
  const said = model.sent.length;
  pass(600);
  assert.equal(model.sent.length, said, "a kernel that does not know the view is left alone");
});

test("a line that is dead is found when it is used", async () => {
  const { model, link, shown } = begin();
  model.dead = true;
  await assert.rejects(link.request("make_key"), /restarted or ended/);
  assert.equal(shown.at(-1), false);
});

test("a request of a view that is closed makes no other one wait", async () => {
  const one = begin();
  const lost = one.link.request("make_key");
  one.link.close();
  await assert.rejects(lost, "whoever waits for it would do so for ever");
  const two = begin();
  const said: string[] = [];
  const answer = patiently(two.link.request("ping"), (sentence) => said.push(sentence));
  const { id } = two.model.last("ping");
  two.model.say({ kind: "taken", request: id });
  pass(10);
  two.model.say({ id, ok: null });
  await answer;
  assert.deepEqual(said, []);
});
