// Looks at the dashboard in a real JupyterLab: `node dashboard.mjs '{"url", "token", "browser", "shots", "release"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/ judges it.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const plan = JSON.parse(process.argv[2]);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: plan.browser,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ],
});
const page = await browser.newPage({ viewport: { width: 1400, height: 1500 } });
page.setDefaultTimeout(40_000);
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error" && /bago|anywidget/i.test(message.text())) problems.push(message.text());
});
const seen = { problems };
const board = page.locator(".bago-dashboard");

async function open() {
  await page.goto(`${plan.url}/lab/tree/card.ipynb?token=${plan.token}`);
  await page.locator(".jp-Notebook").waitFor();
  await page.getByText(/\| Idle/).waitFor(); // a cell that is run before is dropped
}

async function run(cell) {
  await page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click();
  await page.keyboard.press("Shift+Enter");
}

const inState = (state) => page.locator(`.bago-dashboard[data-state="${state}"]`).waitFor();
const tile = (name) => board.locator(".bago-board-tiles li", { hasText: name }).locator("b");

async function look(name) {
  // On a machine that is too busy for probes the other node is doubted for a while.
  await board.locator('.bago-chip[data-state="available"]').waitFor();
  await board.screenshot({ path: join(plan.shots, `dashboard-${name}.png`) });
  await page.evaluate(axe);
  seen[name] = {
    text: await board.innerText(),
    html: await board.evaluate((root) => root.outerHTML),
    violations: await board.evaluate(async (root) => {
      const found = await globalThis.axe.run(root, { resultTypes: ["violations"] });
      return found.violations.map((one) => [one.id, ...one.nodes.slice(0, 3).map((node) => node.html)]);
    }),
  };
}

const focused = () =>
  page.evaluate(() => document.activeElement?.closest("label, summary")?.textContent ?? "");
const lines = () =>
  board.locator(".bago-plot path").evaluateAll((all) => all.map((path) => path.getAttribute("d")));
const pictures = () =>
  board
    .locator('.bago-plot [role="img"]')
    .evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));

try {
  await open();
  await run(0);
  await inState("up");
  await board.locator(".bago-gauge-bar").nth(1).waitFor();
  await board
    .locator("tr", { hasText: "attic" })
    .locator('.bago-chip[data-state="healthy"]')
    .first()
    .waitFor();
  await board.locator("tr", { hasText: "attic" }).locator(".bago-gauge-bar").first().waitFor();
  seen.meters = await board
    .locator('[role="meter"]')
    .evaluateAll((all) =>
      all.map((bar) => [bar.getAttribute("aria-label"), bar.getAttribute("aria-valuetext")]),
    );
  await look("light");
  seen.hour = { lines: await lines(), pictures: await pictures() };

  // By keyboard alone: the range, then the table of the first plot.
  await board.locator('input[value="3600"]').focus();
  await page.keyboard.press("ArrowRight");
  seen.chosen = await focused();
  seen.day = { lines: await lines(), pictures: await pictures() };
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  seen.quarter = { chosen: await focused(), pictures: await pictures() };
  await page.keyboard.press("Tab");
  seen.next = await focused();
  await page.keyboard.press("Enter");
  const table = board.locator(".bago-plot table").first();
  await table.locator("tbody tr").first().waitFor();
  seen.table = await table.locator("tr").evaluateAll((all) => all.map((row) => row.innerText.split("\t")));
  await page.keyboard.press("Enter");

  const area = board.locator(".bago-plot-area").first();
  await area.scrollIntoViewIfNeeded();
  await area.hover();
  seen.pointed = await board.locator(".bago-plot-legend").first().innerText();

  // What happens while a cell blocks reaches the page.
  const prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(1);
  seen.before = await tile("requests").innerText();
  await run(1);
  await page.waitForFunction(
    (before) => document.querySelector(".bago-board-tiles b")?.textContent !== before,
    seen.before,
  );
  seen.after = await tile("requests").innerText();
  seen.promptMeanwhile = await prompt.innerText();
  await writeFile(plan.release, "");
  await prompt.filter({ hasText: "2" }).waitFor();

  await page.keyboard.press("Control+s");
  await page.request.put(`${plan.url}/lab/api/settings/@jupyterlab/apputils-extension:themes`, {
    headers: { authorization: `token ${plan.token}` },
    data: { raw: '{"theme": "JupyterLab Dark"}' },
  });
  await page.locator(".jp-mod-dirty").waitFor({ state: "detached" });
  await open();
  await page.locator('body[data-jp-theme-light="false"]').waitFor({ state: "attached" });
  await inState("up");
  await look("dark");
  await run(2);
  await inState("down");
  seen.down = await board.innerText();
} catch (error) {
  seen.failed = String(error);
  await page.screenshot({ path: join(plan.shots, "dashboard-failed.png") });
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(seen));
