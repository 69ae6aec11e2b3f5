import assert from "node:assert/strict";
import { test } from "node:test";
import { between, Camera, FARTHEST, NEAREST } from "../src/widgets/mesh/camera.ts";
import { Flow, type Happening, LEG } from "../src/widgets/mesh/flow.ts";
import { edgeId, Graph } from "../src/widgets/mesh/graph.ts";
import { Grid } from "../src/widgets/mesh/grid.ts";
import { History, MOST_EVENTS, MOST_SNAPSHOTS, SPAN } from "../src/widgets/mesh/history.ts";
import { along, groupId, layout, MANY, ordered, WIDTH, worst } from "../src/widgets/mesh/layout.ts";
import { ahead, search } from "../src/widgets/mesh/search.ts";
import { clean, details, latency, spoken } from "../src/widgets/mesh/words.ts";
import type { Topology, TopologyNode } from "../src/wire.ts";
import { edge, node } from "./topology.mjs";

/** A user, a router, and one backend with that many models for each number. */
function mesh(...models: number[]): Topology {
  const nodes = [node("user", "user"), node("router", "router")];
  const edges = [edge("user", "router")];
  models.forEach((amount, at) => {
    const backend = `backend:${at}`;
    nodes.push(node(backend, "backend", { models: amount }));
    edges.push(edge("router", backend));
    for (let m = 0; m < amount; m++) {
      nodes.push(node(`model:${at}/${m}`, "model", { backend }));
      edges.push(edge(backend, `model:${at}/${m}`));
    }
  });
  return { at: 0, nodes, edges };
}

const none = new Set<string>();

test("the four ranks stand from left to right", () => {
  const { nodes } = layout(new Graph(mesh(2, 3)), none);
  const x = (id: string) => nodes.get(id)?.x ?? Number.NaN;
  assert.ok(x("user") < x("router"));
  assert.ok(x("router") < x("backend:0"));
  assert.equal(x("backend:0"), x("backend:1"));
  assert.ok(x("backend:1") + WIDTH < x("model:1/0"));
});

test("no two nodes cover each other, however many there are", () => {
  for (const sizes of [[1], [0, 0, 3], [8, 1, 0, 5], Array<number>(40).fill(49)]) {
    const graph = new Graph(mesh(...sizes));
    const all = new Set([...graph.nodes.keys()].filter((id) => id.startsWith("backend:")));
    const placed = [...layout(graph, all).nodes.values()].sort((a, b) => a.x - b.x || a.y - b.y);
    for (const [at, one] of placed.entries()) {
      const next = placed[at + 1];
      if (next && next.x === one.x) assert.ok(next.y - one.y >= (next.height + one.height) / 2);
      else if (next) assert.ok(next.x - one.x >= WIDTH);
    }
  }
});

test("a backend stands beside its models", () => {
  const { nodes } = layout(new Graph(mesh(3, 4)), none);
  for (const at of [0, 1]) {
    const own = [...nodes.values()]
      .filter((placed) => placed.id.startsWith(`model:${at}/`))
      .map(({ y }) => y);
    const y = nodes.get(`backend:${at}`)?.y ?? Number.NaN;
    assert.ok(Math.min(...own) <= y && y <= Math.max(...own));
  }
});

test("neighbours in common stand together", () => {
  const topology = mesh(0, 0, 0);
  for (const [model, backend] of [
    ["a", 2],
    ["b", 0],
    ["c", 2],
    ["d", 1],
  ] as const) {
    topology.nodes.push(node(`model:${model}`, "model", { backend: `backend:${backend}` }));
    topology.edges.push(edge(`backend:${backend}`, `model:${model}`));
  }
  const order = ordered(new Graph(topology));
  const owners = order.model.map((id) => topology.nodes.find((known) => known.id === id)?.backend);
  assert.deepEqual(
    owners,
    [...owners].sort((a, b) => order.backend.indexOf(a ?? "") - order.backend.indexOf(b ?? "")),
  );
});

test("many models of a backend are one node until it is opened", () => {
  const graph = new Graph(mesh(MANY + 1, 2));
  const closed = layout(graph, none);
  const group = groupId("backend:0");
  assert.equal(closed.nodes.get(group)?.members?.length, MANY + 1);
  assert.equal(closed.nodes.has("model:0/0"), false);
  assert.equal(closed.shown("model:0/0"), group);
  assert.equal(closed.curve(edgeId("backend:0", "model:0/3"))?.target, group);
  const opened = layout(graph, new Set(["backend:0"]));
  assert.equal(opened.shown("model:0/0"), "model:0/0");
  assert.ok(opened.nodes.get(group)?.open);
  assert.ok(opened.curves.has(edgeId("backend:0", group)));
  assert.ok(closed.nodes.has("model:1/0"), "few models stand for themselves");
});

test("a group and its edge show the worst of what they stand for", () => {
  const topology = mesh(MANY + 1);
  (topology.nodes.find(({ id }) => id === "model:0/4") as TopologyNode).state = "unhealthy";
  (topology.edges.find(({ target }) => target === "model:0/4") as { state: string }).state = "unhealthy";
  const { nodes, curves } = layout(new Graph(topology), none);
  assert.equal(nodes.get(groupId("backend:0"))?.state, "unhealthy");
  assert.equal(curves.get(edgeId("backend:0", groupId("backend:0")))?.state, "unhealthy");
  assert.equal(worst([]), "unknown");
});

test("2,000 nodes are laid out in less than a frame of a second", () => {
  const graph = new Graph(mesh(...Array<number>(40).fill(49)));
  const all = new Set([...graph.nodes.keys()]);
  const start = performance.now();
  const { nodes, box } = layout(graph, all);
  assert.ok(performance.now() - start < 1000);
  assert.ok(nodes.size > 2000);
  assert.ok(box.height < 3 * box.width, "models stand in several columns");
});

test("a curve begins at its source and ends at its target", () => {
  const { curves, nodes } = layout(new Graph(mesh(2)), none);
  const curve = curves.get(edgeId("router", "backend:0"));
  assert.ok(curve);
  assert.deepEqual(along(curve, 0), [(nodes.get("router")?.x ?? 0) + WIDTH / 2, nodes.get("router")?.y]);
  assert.deepEqual(along(curve, 1), [
    (nodes.get("backend:0")?.x ?? 0) - WIDTH / 2,
    nodes.get("backend:0")?.y,
  ]);
});

test("an edge to nowhere is left out", () => {
  const topology = mesh(1);
  topology.edges.push(edge("router", "gone"));
  assert.equal(new Graph(topology).edges.size, 3);
});

test("the paths of a node lead back to the user and on to every model", () => {
  const graph = new Graph(mesh(2, 3));
  const ids = (id: string) => [...graph.paths(id)].sort();
  assert.deepEqual(ids("model:0/1"), [
    edgeId("backend:0", "model:0/1"),
    edgeId("router", "backend:0"),
    edgeId("user", "router"),
  ]);
  assert.equal(graph.paths("backend:1").size, 5);
  assert.equal(graph.paths("user").size, graph.edges.size);
  assert.equal(graph.degree("backend:1"), 4);
  assert.equal(graph.degree("user"), 1);
  assert.ok(graph.ends(graph.paths("backend:0")).has("user"));
});

test("paths end in a circle, too", () => {
  const topology = mesh(1);
  topology.edges.push(edge("model:0/0", "router"));
  assert.equal(new Graph(topology).paths("router").size, 4);
});

test("what is under the pointer stays there while zooming", () => {
  const camera = new Camera();
  [camera.width, camera.height] = [800, 400];
  camera.pan(30, -20);
  const before = camera.toPicture(123, 234);
  camera.zoom(1.7, 123, 234);
  const [x, y] = camera.toPicture(123, 234);
  assert.ok(Math.abs(x - before[0]) < 1e-9 && Math.abs(y - before[1]) < 1e-9);
  assert.deepEqual(camera.toScreen(x, y).map(Math.round), [123, 234]);
});

test("zooming has its bounds", () => {
  const camera = new Camera();
  for (let turn = 0; turn < 100; turn++) camera.zoom(2);
  assert.equal(camera.pose.k, NEAREST);
  for (let turn = 0; turn < 100; turn++) camera.zoom(0.5);
  assert.equal(camera.pose.k, FARTHEST);
});

test("fitting shows all of it, left of the panel", () => {
  const camera = new Camera();
  [camera.width, camera.height] = [800, 400];
  const box = { x: -95, y: 0, width: 1400, height: 900 };
  camera.pose = camera.fitting(box, 200);
  const [left, top] = camera.toScreen(box.x, box.y);
  const [right, bottom] = camera.toScreen(box.x + box.width, box.y + box.height);
  assert.ok(left >= 0 && top >= 0 && right <= 600 && bottom <= 400);
});

test("revealing moves no more than it must", () => {
  const camera = new Camera();
  [camera.width, camera.height] = [800, 400];
  assert.deepEqual(camera.revealing(400, 200), camera.pose);
  const { x } = camera.revealing(2000, 200);
  assert.equal(x, 800 - 110 - 2000);
  assert.deepEqual(between({ x: 0, y: 0, k: 1 }, { x: 8, y: 4, k: 2 }, 1), { x: 8, y: 4, k: 2 });
});

test("a point finds its node, and a near miss as well", () => {
  const placed = layout(new Graph(mesh(2, 30)), new Set(["backend:1"]));
  const grid = new Grid(placed);
  for (const one of placed.nodes.values()) {
    assert.equal(grid.at(one.x, one.y)?.id, one.id);
    assert.equal(grid.at(one.x - WIDTH / 2 - 3, one.y, 4)?.id, one.id);
  }
  assert.equal(grid.at(-500, -500), undefined);
});

test("search prefers names that begin like that, and reads types and owners", () => {
  const topology = mesh(2, 2);
  const change = (id: string, more: Partial<TopologyNode>) =>
    Object.assign(topology.nodes.find((known) => known.id === id) as TopologyNode, more);
  change("backend:0", { label: "attic", kind: "peer" });
  change("backend:1", { label: "Köln", kind: "backend_ai_cluster" });
  change("model:0/0", { label: "smol-attic" });
  change("model:1/0", { label: "xattic" });
  const found = (query: string) => search(new Graph(topology), query).map(({ label }) => label);
  assert.deepEqual(found("attic").slice(0, 3), ["attic", "smol-attic", "xattic"]);
  assert.deepEqual(found("koln")[0], "Köln");
  assert.deepEqual(found("cluster"), ["Köln"]);
  assert.deepEqual(found("smol attic"), ["smol-attic"]);
  assert.deepEqual(found("   "), []);
  assert.deepEqual(found("no such"), []);
});

test("typing ahead goes round, and a longer word stays where it fits", () => {
  const labels = ["alpha", "beta", "alpine"];
  assert.equal(ahead(labels, "a", 0), 2);
  assert.equal(ahead(labels, "a", 2), 0);
  assert.equal(ahead(labels, "alpi", 0), 2);
  assert.equal(ahead(labels, "alp", 2), 2);
  assert.equal(ahead(labels, "z", 0), -1);
});

const tell = (event: Happening["event"], id: string, more: Partial<Happening> = {}): Happening => ({
  event,
  id,
  backend: "backend:0",
  model: "model:0/0",
  outcome: null,
  detail: null,
  ok: null,
  ...more,
});
const WAY = [edgeId("user", "router"), edgeId("router", "backend:0"), edgeId("backend:0", "model:0/0")];

test("a request runs to the right and its answer back", () => {
  const flow = new Flow();
  flow.happened(tell("started", "1"), 0);
  assert.deepEqual([...flow.active.keys()], WAY);
  const at = (now: number) => [...flow.spots(now)].map(({ edge, t }) => [edge, Math.round(t * 100)]);
  assert.deepEqual(at(LEG / 4), [[WAY[0], 25]]);
  assert.deepEqual(at(LEG * 2.5), [[WAY[2], 50]]);
  flow.advance(4 * LEG);
  assert.equal(flow.moving, false, "a request that is not answered yet moves nothing");
  flow.happened(tell("moved", "1"), 10_000);
  assert.deepEqual(at(10_000 + LEG / 4), [[WAY[2], 75]]);
  assert.deepEqual(at(10_000 + LEG * 2.75), [[WAY[0], 25]]);
  flow.happened(tell("ended", "1", { outcome: "ok", ok: true }), 10_001);
  assert.equal(flow.active.size, 0);
  flow.advance(20_000);
  assert.equal(flow.moving, false);
  assert.equal(at(20_000).length, 0);
});

test("an answer that streams keeps sending until it ends", () => {
  const flow = new Flow();
  flow.happened(tell("started", "1"), 0);
  flow.happened(tell("moved", "1"), 0);
  for (let now = 0; now < 60_000; now += 16) flow.advance(now);
  assert.ok([...flow.spots(60_000)].length >= 2);
  flow.happened(tell("ended", "1", { outcome: "cancelled", ok: false }), 60_000);
  for (let now = 60_000; now < 70_000; now += 16) flow.advance(now);
  assert.equal(flow.moving, false);
});

test("a failure comes back red, and the way to the next backend is green", () => {
  const flow = new Flow();
  flow.happened(tell("started", "1"), 0);
  flow.advance(10_000);
  flow.happened(tell("moved", "1", { outcome: "failed", detail: "connection refused" }), 10_000);
  const spots = [...flow.spots(10_100)].map(({ edge, bad }) => [edge, bad]);
  assert.deepEqual(spots, [[WAY[2], true]]);
  assert.deepEqual([...flow.flashes.keys()], WAY.slice(1));
  flow.happened(tell("started", "1", { backend: "backend:1", model: "model:1/0" }), 10_100);
  assert.deepEqual(
    [...flow.active.keys()],
    [WAY[0], edgeId("router", "backend:1"), edgeId("backend:1", "model:1/0")],
  );
  assert.ok([...flow.spots(10_110)].some(({ edge, bad }) => edge === edgeId("router", "backend:1") && !bad));
});

test("an attempt that was overtaken is no failure", () => {
  const flow = new Flow();
  flow.happened(tell("started", "1"), 0);
  flow.happened(tell("moved", "1", { outcome: "overtaken" }), 1);
  assert.equal(flow.flashes.size, 0);
});

test("under reduced motion active edges shine and nothing moves", () => {
  const flow = new Flow();
  flow.motion = false;
  flow.happened(tell("started", "1"), 0);
  flow.happened(tell("moved", "1"), 1);
  assert.equal(flow.active.size, 3);
  assert.equal(flow.moving, false);
  assert.equal([...flow.spots(2)].length, 0);
});

test("a flight whose end was missed is forgotten when the node knows of none", () => {
  const flow = new Flow();
  flow.happened(tell("started", "1"), 0);
  flow.reconcile(0, 100);
  assert.equal(flow.flights, 1, "the news may be older than the request");
  flow.reconcile(1, 60_000);
  assert.equal(flow.flights, 1);
  flow.reconcile(0, 60_000);
  assert.equal(flow.flights, 0);
  assert.equal(flow.active.size, 0);
});

test("a flood of requests stays bounded", () => {
  const flow = new Flow();
  for (let n = 0; n < 10_000; n++) flow.happened(tell("started", `${n}`), 0);
  assert.ok([...flow.spots(1)].length <= 1500);
});

test("history gives the picture of any moment of the last ten minutes", () => {
  const history = new History();
  for (let at = 0; at <= 2 * SPAN; at += 5) history.record({ ...mesh(1 + (at % 4)), at }, at);
  const earliest = history.earliest ?? 0;
  assert.ok(earliest <= SPAN && earliest >= SPAN - 5);
  assert.equal(history.topology(2 * SPAN - 3)?.at, 2 * SPAN - 5);
  assert.equal(history.topology(0)?.at, earliest, "what is too long ago shows the first there is");
});

test("a mesh that stays the same is kept once, and nodes that do are shared", () => {
  const history = new History();
  history.record(mesh(3), 0);
  history.record(mesh(3), 5);
  assert.equal(history.size.snapshots, 1);
  const changed = mesh(3);
  (changed.nodes[1] as TopologyNode).uptime = 7;
  history.record(changed, 10);
  const [first, second] = [history.topology(0), history.topology(10)];
  assert.equal(first?.nodes[2], second?.nodes[2]);
  assert.notEqual(first?.nodes[1], second?.nodes[1]);
});

test("history stays bounded, however much happens", () => {
  const history = new History();
  for (let n = 0; n < 3 * MOST_SNAPSHOTS; n++) history.record(mesh(1 + (n % 3)), n / 10);
  for (let n = 0; n < 2 * MOST_EVENTS; n++) history.happened([tell("started", `${n}`)], 80);
  assert.ok(history.size.snapshots <= MOST_SNAPSHOTS);
  assert.ok(history.size.events <= MOST_EVENTS);
});

test("events come back in their span, and old ones are gone", () => {
  const history = new History();
  for (let at = 0; at <= 700; at += 10) history.happened([tell("started", `${at}`)], at);
  assert.deepEqual(
    history.between(600, 620).map(({ what }) => what.id),
    ["610", "620"],
  );
  assert.equal(history.between(0, 100).length, 0);
  assert.equal(history.before(700).length, 12);
});

test("foreign text is text, of one line and bounded", () => {
  assert.equal(clean("a\u202eb\u0007"), "a\ufffdb\ufffd");
  assert.equal(clean("x".repeat(10_000)).length, 401);
});

test("a latency is told in milliseconds", () => {
  assert.deepEqual([0.00001, 0.0007, 0.0123, 1.5].map(latency), [
    "<0.1 ms",
    "0.7 ms",
    "12 ms",
    "1\u2009500 ms",
  ]);
});

test("the panel tells what the manual names for each rank", () => {
  const topology = mesh(2);
  const rank = (id: string, more: Partial<TopologyNode>) => {
    const found = topology.nodes.find((known) => known.id === id) as TopologyNode;
    Object.assign(found, more);
    return Object.fromEntries(details(found, new Graph(topology)));
  };
  assert.equal(rank("user", {}).Connections, "1 connection");
  const router = rank("router", { uptime: 61, total: 9, ok: 7, failed: 2 });
  assert.deepEqual(
    ["Status", "Uptime", "Total requests", "Successful", "Failed"].map((name) => router[name]),
    ["Running", "1 min 1 s", "9", "7", "2"],
  );
  const backend = rank("backend:0", {
    kind: "peer",
    url: "https://10.0.0.2:8080",
    state: "unhealthy",
    enabled: true,
    latency: 0.012,
    models: 2,
    reason: "refused",
  });
  assert.deepEqual(
    ["Type", "URL", "Health", "Enabled", "Latency", "Models", "Error"].map((name) => backend[name]),
    ["Backend.AI GO peer", "https://10.0.0.2:8080", "Unhealthy", "Yes", "12 ms", "2", "refused"],
  );
  const model = rank("model:0/1", { label: "smol" });
  assert.deepEqual([model["Model ID"], model.Backend], ["smol", "0"]);
});

test("a node reads aloud with what its card shows", () => {
  const topology = mesh(1);
  Object.assign(topology.nodes[2] as TopologyNode, { kind: "local", latency: 0.003 });
  const graph = new Graph(topology);
  const placed = layout(graph, none).nodes.get("backend:0");
  assert.ok(placed);
  assert.equal(spoken(placed, graph), "backend 0, healthy, Local, 3 ms, 1 model");
});
