// Looks at the Mesh in a real JupyterLab, as a person with a mouse and one with a keyboard would:
// `node mesh.mjs '{"url", "token", "browser", "shots", "node", "release"}'`. Prints what was seen as one JSON
// object; ../../tests/browser/test_mesh.py judges it.
import { existsSync, writeFileSync } from "node:fs";
import { meshPage } from "./meshpage.mjs";
import { Person } from "./notebook.mjs";
import { topology } from "./topology.mjs";

const plan = JSON.parse(process.argv[2]);
const person = await Person.sitDown(plan);
const { page } = person;
const seen = { problems: person.problems };
const root = page.locator(".bago-mesh");
const panel = page.locator(".bago-panel");
const item = (name) => root.getByRole("treeitem", { name });
const data = (name) => root.evaluate((it, name) => it.dataset[name] ?? null, name);

/** Keep what the canvases are told: the texts, where the camera is, where particles are. */
await page.addInitScript(() => {
  const { prototype } = CanvasRenderingContext2D;
  const mine = (context) => context.canvas.closest?.(".bago-stage");
  window.painted = { texts: new Set(), pose: null, particles: [], clears: 0 };
  const spy = (name, look) => {
    const real = prototype[name];
    prototype[name] = function (...values) {
      if (mine(this)) look(this, values);
      return real.apply(this, values);
    };
  };
  spy("fillText", (_, [text]) => window.painted.texts.add(text));
  spy("transform", (_, [k, , , , x, y]) => {
    window.painted.pose = { k, x, y };
  });
  spy("clearRect", (context) => {
    if (context.canvas.className === "bago-particles") window.painted.clears++;
  });
  spy("drawImage", (context, [, x, y, size]) => {
    const at = {
      x: x + size / 2,
      y: y + size / 2,
      t: performance.now(),
      frame: window.painted.clears,
      red: Number(context.canvas.closest(".bago-mesh").dataset.red),
    };
    window.painted.particles.push(at);
  });
});
const painted = () =>
  page.evaluate(() => ({ ...window.painted, texts: [...window.painted.texts], particles: undefined }));
const particles = () => page.evaluate(() => window.painted.particles);
const forget = () =>
  page.evaluate(() => {
    window.painted.particles = [];
    window.painted.clears = 0;
    window.painted.texts.clear();
  });
const until = async (condition, seconds = 15) => {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it did not happen: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
};
const settled = async () => {
  let last = "";
  await until(async () => {
    const pose = JSON.stringify((await painted()).pose);
    await page.waitForTimeout(120);
    const same = pose === last;
    last = pose;
    return same;
  });
};

/** How many pixels of a canvas have the colour of a CSS variable, roughly. */
const pixels = (canvas, variable) =>
  root.evaluate(
    (it, [canvas, variable]) => {
      const probe = document.createElement("i");
      probe.style.color = `var(--bago-${variable})`;
      it.append(probe);
      const colour = getComputedStyle(probe).color;
      probe.remove();
      const small = document.createElement("canvas").getContext("2d");
      small.fillStyle = colour;
      small.fillRect(0, 0, 1, 1);
      const [r, g, b] = small.getImageData(0, 0, 1, 1).data;
      const on = it.querySelector(`.bago-${canvas}`);
      const found = on.getContext("2d").getImageData(0, 0, on.width, on.height).data;
      let count = 0;
      for (let at = 0; at < found.length; at += 4) {
        const away = Math.abs(found[at] - r) + Math.abs(found[at + 1] - g) + Math.abs(found[at + 2] - b);
        if (found[at + 3] > 100 && away < 24) count++;
      }
      return count;
    },
    [canvas, variable],
  );

async function fields() {
  return panel.evaluate((it) => ({
    name: it.querySelector("h3").textContent,
    badge: it.querySelector(".bago-badge").textContent,
    rows: Object.fromEntries(
      [...it.querySelectorAll("dl > div")].map((row) => [...row.children].map((part) => part.textContent)),
    ),
    paths: it.querySelector(".bago-paths").textContent,
    focus: it.contains(document.activeElement),
  }));
}

async function ask(model, stream = false) {
  const response = await fetch(`${plan.node}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      stream,
      max_tokens: 60,
      messages: [{ role: "user", content: "Count to twenty." }],
    }),
  });
  await response.text();
  return response.status;
}

const focused = () =>
  page.evaluate(() => ({
    role: document.activeElement.getAttribute("role"),
    text: document.activeElement.textContent,
    label: document.activeElement.getAttribute("aria-label"),
  }));

try {
  await person.open();
  await person.run(0);
  await page.locator('.bago-mesh[data-state="up"]').waitFor({ timeout: 60_000 });
  await item(/backend broken/).waitFor({ state: "attached" });
  await until(() => item(/backend attic, healthy/).count());
  await until(() => item(/backend cellar, healthy/).count());
  await root.scrollIntoViewIfNeeded();
  await settled();

  // What stands where.
  seen.tree = await root
    .getByRole("treeitem")
    .evaluateAll((items) =>
      items.map((it) => ({ id: it.dataset.key, text: it.textContent, level: Number(it.ariaLevel) })),
    );
  seen.colours = {};
  for (const variable of ["good", "bad", "muted"]) seen.colours[variable] = await pixels("graph", variable);
  seen.texts = (await painted()).texts;
  seen.faults = await person.faults(".bago-mesh");
  await person.shoot(root, "mesh-light");

  // Walk it by keyboard.
  await root.getByRole("treeitem").first().focus();
  seen.walk = [await focused()];
  for (const key of [
    "ArrowRight",
    "ArrowRight",
    "ArrowDown",
    "ArrowDown",
    "ArrowUp",
    "ArrowRight",
    "ArrowLeft",
    "Home",
    "b",
  ]) {
    await page.keyboard.press(key);
    seen.walk.push({ key, ...(await focused()) });
  }
  seen.places = {};
  for (const [name, which] of [
    ["user", /^You/],
    ["router", /^router/],
    ["backend", /backend attic/],
    ["model", /model smol/],
  ]) {
    await item(which).first().focus();
    seen.places[name] = await page.locator(".bago-tip").evaluate((tip) => {
      const [x, y] = tip.style.transform.match(/-?[\d.]+/g).map(Number);
      return { x, y, text: tip.innerText };
    });
  }

  // Select with the keyboard, each rank.
  seen.panels = {};
  for (const [name, which] of [
    ["user", /^You/],
    ["router", /^router/],
    ["backend", /backend broken/],
    ["peer", /backend attic/],
    ["model", /model smol/],
  ]) {
    await item(which).first().focus();
    await page.keyboard.press("Enter");
    await panel.waitFor();
    seen.panels[name] = { ...(await fields()), lit: Number(await data("lit")) };
    if (name === "peer") {
      await settled();
      await person.shoot(root, "mesh-selected");
      seen.panelFaults = await person.faults(".bago-mesh");
      await panel.getByRole("button", { name: "Check now" }).click();
      await panel.getByText("It answers.").waitFor();
      seen.checked = await panel.innerText();
      await panel.getByRole("button", { name: "Close details" }).focus();
    }
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "hidden" });
    seen.panels[name].back = (await focused()).text;
    seen.panels[name].litAfter = Number(await data("lit"));
  }
  await item(/backend broken/).focus();
  await page.keyboard.press("Enter");
  await panel.getByRole("button", { name: "Check now" }).click();
  await panel.locator(".bago-note[data-bad]").waitFor();
  seen.broken = await panel.locator(".bago-note").innerText();
  await panel.getByRole("button", { name: "Close details" }).click();
  seen.closed = await panel.isHidden();

  // The mouse: hover, click, pan, wheel, buttons.
  await settled();
  const box = await page.locator(".bago-stage").boundingBox();
  const user = seen.places.user;
  const spot = [box.x + user.x - 14, box.y + user.y - 14];
  await page.mouse.move(...spot);
  await page.locator(".bago-tip:not([hidden])").waitFor();
  seen.tip = await page.locator(".bago-tip").innerText();
  await page.mouse.click(...spot);
  await panel.waitFor();
  seen.clicked = await fields();
  await page.keyboard.press("Escape");
  seen.poses = {};
  const pose = async (name) => {
    await settled();
    seen.poses[name] = (await painted()).pose;
  };
  await pose("first");
  await page.mouse.move(box.x + 30, box.y + 30);
  await page.waitForTimeout(400); // a wheel that was turned elsewhere still belongs to the page
  await page.mouse.wheel(0, -240);
  await pose("wheel");
  await page.mouse.down();
  await page.mouse.move(box.x + 90, box.y + 70, { steps: 4 });
  await page.mouse.up();
  await pose("dragged");
  for (const [name, label] of [
    ["in", "Zoom in"],
    ["out", "Zoom out"],
    ["fit", "Show the whole mesh"],
  ]) {
    await root.getByRole("button", { name: label }).click();
    await pose(name);
  }

  // Legend, search, group.
  await root.getByRole("button", { name: /What shapes/ }).click();
  seen.legend = await page.locator(".bago-legend").innerText();
  seen.legendFaults = await person.faults(".bago-mesh");
  await person.shoot(root, "mesh-legend");
  await root.getByRole("button", { name: /What shapes/ }).click();
  const find = root.getByRole("combobox", { name: "Find a node" });
  await find.fill("many-07");
  seen.found = await root.getByRole("option").allInnerTexts();
  await page.keyboard.press("Enter");
  await panel.waitFor();
  seen.searched = await fields();
  seen.opened = await item(/many-/).count();
  await settled();
  await person.shoot(root, "mesh-open");
  await page.keyboard.press("Escape");
  await item(/models, opened/).focus();
  await page.keyboard.press("ArrowLeft");
  seen.folded = await item(/many-/).count();
  await root.getByRole("button", { name: "Show the whole mesh" }).click();
  await settled();

  // A real request over the mesh, streamed by another node.
  await forget();
  const peer = ask("attic/smol", true);
  await until(async () => Number(await data("active")) > 0);
  seen.flying = { active: Number(await data("active")), moving: await data("moving") };
  seen.peer = await peer;
  await until(async () => (await data("moving")) === null);
  seen.still = { active: Number(await data("active")), particles: Number(await data("particles")) };
  await forget();
  await page.waitForTimeout(1500);
  seen.still.frames = (await painted()).clears;

  // One that streams, looked at more closely; then one that fails.
  const slow = ask("slow", true);
  await until(async () => (await particles()).length > 12);
  await until(async () => (await particles()).at(-1).t - (await particles())[0].t > 3500);
  seen.stream = await particles();
  seen.glow = await pixels("particles", "good");
  await person.shoot(root, "mesh-flowing");
  writeFileSync(`${plan.release}-slow`, "");
  seen.slow = await slow;
  await until(async () => (await data("moving")) === null);
  await forget();
  const fails = ask("fails");
  await until(async () => Number(await data("red")) > 0);
  await person.shoot(root, "mesh-failing");
  seen.red = Number(await data("red"));
  seen.redPixels = await pixels("particles", "bad");
  seen.fails = await fails;

  // What no event tells comes with the next look, five seconds later at the most.
  const asked = Date.now();
  await until(() => item(/^router.* 3 requests, 2 ok, 1 failed/).count(), 8);
  seen.refreshed = (Date.now() - asked) / 1000;
  const refresh = root.getByRole("button", { name: /Check the health/ });
  await refresh.click();
  await root.getByText(/connections? healthy/).waitFor({ timeout: 30_000 });
  seen.refresh = await root.locator("header .bago-note").innerText();

  // Something happens in the mesh: it is on show at once.
  await person.run(1);
  await person.prompt(1).filter({ hasText: /\d/ }).waitFor();
  const added = Date.now();
  await until(() => item(/backend late/).count(), 8);
  seen.event = (Date.now() - added) / 1000;

  // A cell that blocks for twenty seconds.
  const begun = Date.now();
  await person.run(2);
  await person.prompt(2).filter({ hasText: "*" }).waitFor();
  await root.scrollIntoViewIfNeeded();
  await item(/backend attic/).focus();
  await page.keyboard.press("Enter");
  await panel.waitFor();
  await panel.getByRole("button", { name: "Check now" }).click();
  await panel.getByText("It answers.").waitFor();
  await page.keyboard.press("Escape");
  seen.blockedFlow = await ask("fast");
  await until(async () => (await data("moving")) === "");
  await refresh.click();
  await root.getByText(/connections? healthy/).waitFor({ timeout: 15_000 });
  seen.blocked = {
    prompt: await person.prompt(2).innerText(),
    after: (Date.now() - begun) / 1000,
    panel: await panel.isHidden(),
  };
  writeFileSync(plan.release, "");
  await person.prompt(2).filter({ hasText: /\d/ }).waitFor({ timeout: 30_000 });

  // The past.
  const slider = root.getByRole("slider");
  await slider.focus();
  await page.keyboard.press("Home");
  seen.past = {
    state: await root.locator(".bago-uptime").innerText(),
    late: await item(/backend late/).count(),
    stage: await data("past"),
  };
  await person.shoot(root, "mesh-past");
  seen.pastFaults = await person.faults(".bago-mesh");
  await root.getByRole("button", { name: "Replay" }).click();
  await until(async () => Number(await data("particles")) > 0, 25);
  seen.replayed = true;
  await root.getByRole("button", { name: "Live" }).click();
  seen.now = { late: await item(/backend late/).count(), stage: await data("past") };

  // The theme changes while it is on show.
  const light = await pixels("graph", "ground");
  await page.getByRole("menuitem", { name: "Settings" }).click();
  await page.getByText("Theme", { exact: true }).hover();
  await page.getByText("JupyterLab Dark", { exact: true }).click();
  await page.locator('body[data-jp-theme-light="false"]').waitFor({ state: "attached" });
  await until(async () => (await pixels("graph", "ground")) > 300);
  seen.dark = {
    light,
    ground: await root.evaluate((it) => getComputedStyle(it).backgroundColor),
    scheme: await root.evaluate((it) => getComputedStyle(it).colorScheme),
  };
  await settled();
  seen.darkFaults = await person.faults(".bago-mesh");
  await person.shoot(root, "mesh-dark");
  await item(/backend broken/).focus();
  await page.keyboard.press("Enter");
  await settled();
  await person.shoot(root, "mesh-dark-selected");
  await page.keyboard.press("Escape");

  // Reduced motion.
  await page.emulateMedia({ reducedMotion: "reduce" });
  // A page hears of it in the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await forget();
  await ask("fast");
  await page.waitForTimeout(300);
  seen.reduced = (await particles()).length;

  await person.save();
  seen.html = await root.evaluate((it) => it.outerHTML);
} catch (error) {
  seen.failed = String(error.stack ?? error);
  await page.screenshot({ path: `${plan.shots}/mesh-failed.png` });
  if (!existsSync(plan.release)) writeFileSync(plan.release, "");
  writeFileSync(`${plan.release}-slow`, "");
} finally {
  await person.browser.close();
}

// A saved notebook without a kernel: the last state, and everything that needs no kernel.
const alone = await meshPage(plan.browser, {}, "#alone");
try {
  const hostile = topology(3, 2);
  const named = (id) => hostile.nodes.find((node) => node.id === id);
  named("backend:b0").label = `<b>${"x".repeat(10_000)}`;
  named("backend:b1").label = "backend-1 \u202eevil <script>alert(1)</script>";
  await alone.page.evaluate((view) => begin(view), hostile);
  await alone.page.locator('.bago-mesh[data-state="stale"]').waitFor();
  seen.alone = {
    text: await alone.page.locator(".bago-mesh").innerText(),
    refresh: await alone.page.getByRole("button", { name: /Check the health/ }).getAttribute("aria-disabled"),
    slider: await alone.page.getByRole("slider").isDisabled(),
    problems: alone.problems,
  };
  await alone.page.getByRole("treeitem", { name: /^backend backend-1/ }).focus();
  await alone.page.keyboard.press("Enter");
  seen.alone.html = await alone.page.locator(".bago-mesh").evaluate((it) => it.outerHTML);
  seen.alone.panel = await alone.page.locator(".bago-panel h3").innerText();
} catch (error) {
  seen.failed ??= String(error.stack ?? error);
} finally {
  await alone.close();
}
console.log(JSON.stringify(seen));
