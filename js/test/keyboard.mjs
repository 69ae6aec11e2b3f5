// All views in one notebook of a real JupyterLab, by keyboard: `node keyboard.mjs '{...}'`.
// Prints what a person would find as one JSON object; ../../tests/browser/test_keyboard.py judges it.
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);
const [NODES, SETTINGS, MODELS, PLAYGROUND, MESH, DASHBOARD] = [0, 1, 2, 3, 4, 5];

await Person.tell(plan, "keyboard", work, { viewport: { width: 1500, height: 1000 } });

async function work(person, seen) {
  const { page } = person;
  const view = (cell) => page.locator(".jp-CodeCell").nth(cell).locator(".bago-status");
  const named = (within, name) => within.getByRole("button", { name, exact: true });
  const focused = () =>
    page.evaluate(() => {
      const at = document.activeElement;
      const name = at.getAttribute("aria-label") ?? at.textContent;
      return at === document.body ? "nowhere" : at.checkVisibility() ? name.trim() : `unseen ${name}`;
    });
  const focusComes = async (to) => {
    await to.and(page.locator(":focus")).waitFor();
    return focused();
  };
  const press = async (button) => {
    await button.focus();
    await page.keyboard.press("Enter");
  };
  const down = async (list) => {
    await list.focus();
    const before = await list.inputValue();
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(
      ([of, old]) => of.value !== old || document.activeElement !== of,
      [await list.elementHandle(), before],
    );
    return {
      moved: (await list.inputValue()) !== before,
      stayed: await list.and(page.locator(":focus")).count(),
    };
  };

  await person.open();
  for (const cell of [NODES, SETTINGS, MODELS, PLAYGROUND, MESH, DASHBOARD]) await person.run(cell);
  for (const cell of [NODES, SETTINGS, MODELS, PLAYGROUND])
    await view(cell).locator("> fieldset:not([disabled])").waitFor();
  await view(DASHBOARD).locator("tbody tr").first().waitFor();

  // Beside each other, each view is as wide as it is alone.
  seen.widths = {};
  for (const cell of [NODES, MESH, DASHBOARD, MODELS])
    seen.widths[cell] = await view(cell).evaluate((root) => root.offsetWidth);

  // The focus stays where one goes on, though the buttons change.
  const nodes = view(NODES);
  const key = nodes.locator("code.bago-secret");
  await press(named(nodes, "Generate connection key"));
  await nodes.locator("code.bago-secret:not(:empty)").waitFor();
  seen.generated = await focusComes(named(nodes, "Copy key"));
  const first = await key.textContent();
  await press(named(nodes, "New key instead"));
  await page.waitForFunction(
    (old) => ![old, ""].includes(document.querySelector("code.bago-secret").textContent),
    first,
  );
  seen.replaced = await focusComes(named(nodes, "Copy key"));
  await press(named(nodes, "Revoke this key"));
  seen.revoked = await focusComes(named(nodes, "Generate connection key"));

  // Arrows walk lists and sliders instead of the notebook's cells.
  seen.arrows = {
    policy: await down(view(SETTINGS).getByLabel("Policy")),
    into: await down(view(PLAYGROUND).getByLabel("Model")),
    slider: await (async () => {
      const slider = view(MESH).getByRole("slider");
      await slider.focus();
      await page.keyboard.press("ArrowLeft");
      await view(MESH).locator(".bago-when").getByText("ago").waitFor();
      await page.keyboard.press("ArrowUp");
      const stayed = await slider.and(page.locator(":focus")).count();
      await page.keyboard.press("End");
      return { moved: true, stayed };
    })(),
  };

  // A node that goes while its details are open takes neither the panel nor the focus with it.
  const mesh = view(MESH);
  await mesh.locator("[role=treeitem]", { hasText: "backend far" }).press("Enter");
  await named(mesh, "Close details").and(page.locator(":focus")).waitFor();
  await named(nodes, "Remove connection far").evaluate((button) => button.click());
  await named(mesh, "Close details").evaluate((button) => button.focus());
  await nodes.locator(".bago-ask:not([hidden]) .bago-danger").evaluate((button) => button.click());
  await mesh.locator(".bago-panel").waitFor({ state: "hidden" });
  seen.panel = await focused();

  // A question is edited once, however often one asks for it.
  const playground = view(PLAYGROUND);
  const question = playground.getByPlaceholder("Ask something");
  await question.fill("Say one word.");
  await question.press("Enter");
  await playground.locator('article.bago-assistant:not([data-state="streaming"])').waitFor();
  await named(playground, "Edit").dblclick();
  seen.edits = await playground.locator(".bago-edit").count();
  seen.editing = await focused();

  // Many models are found, not scrolled through.
  const models = view(MODELS);
  const many = models.locator('section[data-node="many"]');
  await many.locator("li").first().waitFor();
  seen.listed = await many.locator("li").count();
  seen.rest = await many.locator("> p").innerText();
  await models.getByLabel("Filter models").fill("m-149");
  seen.found = await many.locator("li").count();
  await models.getByLabel("Filter models").fill("nothing like that");
  seen.nothing = await many.locator("> p").innerText();

  // Where the person has colours of their own, the canvas has them too.
  const colours = () =>
    mesh.locator(".bago-probes i").evaluateAll((all) => all.map((one) => getComputedStyle(one).color));
  await page.emulateMedia({ forcedColors: "active" });
  await page.waitForFunction(() => matchMedia("(forced-colors: active)").matches);
  const [text, , ground] = await colours();
  seen.forced = { text, ground };
  await page.emulateMedia({ forcedColors: "none" });

  // On a narrow screen nothing sticks out.
  await page.setViewportSize({ width: 700, height: 900 }); // less the file browser and the prompts
  seen.narrow = {};
  for (const cell of [NODES, SETTINGS, MODELS, PLAYGROUND, DASHBOARD])
    seen.narrow[cell] = await view(cell).evaluate((root) => [root.clientWidth, root.scrollWidth]);
}
