// What an open Mesh costs its kernel, and how soon it shows a request, in a real JupyterLab:
// `node mesh-live.mjs '{"url", "token", "browser", "shots", "node", "model", "rounds", "slices", "seconds"}'`.
// Cell 0 starts the node and prints its kernel's pid, cell 1 shows the Mesh. Prints one JSON object:
// `without` and `with`, the kernel's CPU in % of a core, a number a slice, without and with the Mesh open;
// `told`, `drawn`, `shown`, milliseconds from the sending of each request until the page was told of it, until
// the first particle or light of it was drawn, and until that frame was handed to the compositor.
import { readdirSync, readFileSync } from "node:fs";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

/** Keep when the page was told of a request, and when it drew and had shown something of it; wall clock. */
function watch() {
  const seen = { told: null, drawn: null, shown: null };
  window.first = seen;
  const words = new TextDecoder("latin1");
  window.WebSocket = class extends WebSocket {
    constructor(...values) {
      super(...values);
      this.addEventListener("message", ({ data }) => {
        if (seen.told !== null || data instanceof Blob) return;
        const said = typeof data === "string" ? data : words.decode(data);
        if (/"event": ?"started"/.test(said)) seen.told = Date.now();
      });
    }
  };
  const { prototype } = CanvasRenderingContext2D;
  for (const name of ["drawImage", "stroke"]) {
    const real = prototype[name];
    prototype[name] = function (...values) {
      real.apply(this, values);
      if (seen.drawn !== null || this.canvas.className !== "bago-particles") return;
      seen.drawn = Date.now();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        seen.shown = Date.now(); // a task of its own comes after the frame of the callback that painted
      };
      port2.postMessage(null);
    };
  }
}

/** Seconds of CPU that the threads of a process and of its living children have used: finer than its ticks. */
function used(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const at = `/proc/${pid}/task/${task}`;
    const own = Number(readFileSync(`${at}/schedstat`, "utf8").split(" ")[0]) / 1e9;
    const children = readFileSync(`${at}/children`, "utf8").split(" ").filter(Boolean);
    return children.reduce((all, child) => all + used(child), sum + own);
  }, 0);
}

await Person.tell(plan, "mesh-live", async (person, seen) => {
  const { page } = person;
  const slices = async (pid) => {
    await page.waitForTimeout(3000);
    const found = [];
    for (let slice = 0; slice < plan.slices; slice++) {
      const [before, begun] = [used(pid), performance.now()];
      await page.waitForTimeout(plan.seconds * 1000);
      found.push(((used(pid) - before) / (performance.now() - begun)) * 100_000);
    }
    return found;
  };
  await page.addInitScript(watch);
  await person.open();
  await person.run(0);
  const output = page.locator(".jp-OutputArea-output").first();
  await output.waitFor({ timeout: 60_000 });
  const said = await output.innerText();
  const pid = said.match(/^pid (\d+)/)?.[1];
  if (!pid) throw new Error(said);
  seen.without = await slices(pid);

  await person.run(1);
  const mesh = page.locator('.bago-mesh[data-state="up"]');
  await mesh.waitFor({ timeout: 60_000 });
  await mesh.getByRole("treeitem", { name: /backend mock, healthy/ }).waitFor({ state: "attached" });
  await mesh.scrollIntoViewIfNeeded();
  seen.with = await slices(pid);

  for (const what of ["told", "drawn", "shown"]) seen[what] = [];
  for (let round = 0; round < plan.rounds; round++) {
    await page.locator('.bago-mesh[data-moving="false"], .bago-mesh:not([data-moving])').waitFor();
    await page.waitForTimeout(150 + 200 * Math.random()); // at no certain moment of the pump's beat
    await page.evaluate(() => Object.assign(window.first, { told: null, drawn: null, shown: null }));
    const sent = Date.now();
    const response = await fetch(`${plan.node}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: plan.model, messages: [{ role: "user", content: "Hello." }] }),
    });
    await response.text();
    if (!response.ok) throw new Error(`the node answered HTTP ${response.status}`);
    await page.waitForFunction(() => window.first.shown !== null && window.first.told !== null);
    const first = await page.evaluate(() => window.first);
    for (const what of ["told", "drawn", "shown"]) seen[what].push(first[what] - sent);
  }
});
