// Frames per second with particles, as {nodes: {fps, p95, kernelless}}: `node mesh-bench.mjs '{"browser"}'`.
// On a machine without a GPU, as the figures in the facts were taken.
import { meshPage } from "./meshpage.mjs";
import { topology } from "./topology.mjs";

const plan = JSON.parse(process.argv[2] ?? "{}");
const SECONDS = plan.seconds ?? 5;
const found = {};

for (const [nodes, backends, models, streams] of [
  [1000, 20, 49, 12],
  [2000, 40, 49, 40],
]) {
  const { page, problems, close } = await meshPage(plan.browser ?? "/usr/bin/chromium");
  await page.evaluate((view) => begin(view), topology(backends, models));
  await page.locator(".bago-mesh [role=treeitem]").first().waitFor({ state: "attached" });
  // Open every group, so that all nodes stand in the picture.
  const opened = await page.evaluate(() => {
    const start = performance.now();
    for (const group of document.querySelectorAll("[role=treeitem][aria-expanded=false]")) {
      group.focus();
      group.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    }
    return performance.now() - start;
  });
  await page.waitForTimeout(600);
  const items = await page.locator("[role=treeitem]").count();
  const measure = (seconds, steer) =>
    page.evaluate(
      async ({ seconds, steer, backends, models, streams }) => {
        const stage = document.querySelector(".bago-particles");
        const box = stage.getBoundingClientRect();
        const frames = [];
        let particles = 0;
        let id = 0;
        const begun = performance.now();
        let last = begun;
        while (last - begun < seconds * 1000) {
          // Some 300 to 1,000 particles: streams that go on, and requests that come and go.
          for (let n = 0; n < streams / 12; n++) {
            const b = id % backends;
            const at = { id: `r${id}`, backend: `backend:b${b}`, model: `model:b${b}/m${id % models}` };
            tell([
              { ...at, event: "started", outcome: null, detail: null, ok: null },
              { ...at, event: "moved", outcome: null, detail: null, ok: null },
            ]);
            const old = { ...at, id: `r${id - streams}` };
            tell([{ ...old, event: "ended", outcome: "ok", detail: null, ok: id % 9 > 0 }]);
            id++;
          }
          if (steer) {
            const deltaY = Math.sin((last - begun) / 300) * 30;
            stage.dispatchEvent(
              new WheelEvent("wheel", {
                deltaY,
                clientX: box.x + box.width / 2,
                clientY: box.y + 200,
                bubbles: true,
                cancelable: true,
              }),
            );
          }
          const now = await new Promise(requestAnimationFrame);
          frames.push(now - last);
          last = now;
          particles = Math.max(particles, Number(document.querySelector(".bago-mesh").dataset.particles));
        }
        const sorted = frames.slice(5).sort((a, b) => a - b);
        const mean = sorted.reduce((sum, frame) => sum + frame, 0) / sorted.length;
        return {
          fps: Math.round(1000 / mean),
          p95: Math.round(sorted[Math.floor(sorted.length * 0.95)] * 10) / 10,
          particles,
        };
      },
      { seconds, steer, backends, models, streams },
    );
  found[nodes] = {
    items,
    opened: Math.round(opened),
    still: await measure(SECONDS, false),
    zooming: await measure(SECONDS, true),
    problems,
  };
  if (plan.shots) await page.screenshot({ path: `${plan.shots}/mesh-${nodes}.png` });
  await close();
}
console.log(JSON.stringify(found, null, 1));
