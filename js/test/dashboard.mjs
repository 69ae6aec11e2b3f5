// Looks at the dashboard in a real JupyterLab: `node dashboard.mjs '{"url", "token", "browser", "shots", "release"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_dashboard.py judges it.
import { writeFile } from "node:fs/promises";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

await Person.tell(plan, "dashboard", work, { viewport: { width: 1400, height: 1500 } });

async function work(person, seen) {
  const { page } = person;
  const board = page.locator(".bago-dashboard");
  const inState = (state) => page.locator(`.bago-dashboard[data-state="${state}"]`).waitFor();
  const tile = (name) => board.locator(".bago-board-tiles li", { hasText: name }).locator("b");
  const focused = () =>
    page.evaluate(() => document.activeElement?.closest("label, summary")?.textContent ?? "");
  const lines = () =>
    board.locator(".bago-plot path").evaluateAll((all) => all.map((path) => path.getAttribute("d")));
  const pictures = () =>
    board
      .locator('.bago-plot [role="img"]')
      .evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));

  async function look(name) {
    // On a machine that is too busy for probes the other node is doubted for a while; it may load the model, too.
    await board.locator('.bago-chip:is([data-state="available"], [data-state="ready"])').nth(1).waitFor();
    await person.shoot(board, `dashboard-${name}`);
    seen[name] = {
      text: await board.innerText(),
      html: await board.evaluate((root) => root.outerHTML),
      violations: await person.faults(".bago-dashboard"),
    };
  }

  await person.open();
  await person.run(0);
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
  const prompt = person.prompt(1);
  seen.before = await tile("requests").innerText();
  await person.run(1);
  await page.waitForFunction(
    (before) => document.querySelector(".bago-board-tiles b")?.textContent !== before,
    seen.before,
  );
  seen.after = await tile("requests").innerText();
  seen.promptMeanwhile = await prompt.innerText();
  await writeFile(plan.release, "");
  await prompt.filter({ hasText: "2" }).waitFor();

  await person.save();
  await person.dark();
  await inState("up");
  await look("dark");
  await person.run(2);
  await inState("down");
  seen.down = await board.innerText();
}
