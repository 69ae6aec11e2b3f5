// Views beside a kernel that is busy, restarted, or on show in two tabs: `node busy.mjs '{...}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_busy.py judges it.
import { writeFileSync } from "node:fs";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);
const [SLEEPS, COMPUTES, RESTARTED, SHARED] = [2, 3, 4, 5];

await Person.tell(plan, `busy-${plan.version}`, work, { viewport: { width: 1200, height: 1400 } });

/** The two views in one tab. */
function viewsIn(page) {
  const card = page.locator(".bago-status:has(.bago-counts)");
  const nodes = page.locator(".bago-nodes");
  return {
    card,
    nodes,
    counts: card.locator(".bago-counts"),
    part: nodes.locator(".bago-part").filter({ hasText: "Connection key" }),
    key: nodes.locator("code.bago-secret:not(:empty)"),
    open: nodes.locator('ul[aria-label="Open connection keys"] > li'),
    make: nodes.getByRole("button", { name: "Generate connection key" }),
    live: async () => {
      await page.locator('.bago-nodes[data-state="up"]').waitFor();
      await page.locator('.bago-status[data-state="up"] .bago-counts').waitFor();
    },
  };
}

async function work(person, seen) {
  const { page } = person;
  const press = (of, name) => of.nodes.getByRole("button", { name, exact: true }).click();
  const mine = viewsIn(page);
  const { card, counts, part, key, open, make } = mine;

  async function show() {
    await person.run(0);
    await person.run(1);
    await mine.live();
  }

  async function block(cell) {
    await person.run(cell);
    await person.prompt(cell).filter({ hasText: "*" }).waitFor();
  }

  await person.open();
  await show();
  seen.said = await page.locator(".jp-OutputArea-output pre").first().innerText();

  /** A request to the node itself, past the kernel's queue; it is counted whatever becomes of it. */
  async function ask() {
    const url = await card.locator(".bago-url").innerText();
    await fetch(`${url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "none", messages: [{ role: "user", content: "x" }] }),
    });
  }

  async function walk(cell, release) {
    const found = {};
    const prompt = person.prompt(cell);
    await block(cell);
    const before = await counts.innerText();
    await ask();
    await page.waitForFunction((old) => document.querySelector(".bago-counts").innerText !== old, before);
    found.counts = [before, await counts.innerText()];
    found.promptAtCounts = await prompt.innerText();

    await make.click();
    if (plan.subshells) {
      await key.waitFor();
      found.promptAtKey = await prompt.innerText();
      await person.shoot(page, `busy-${plan.version}-${cell}`);
      writeFileSync(release, "");
    } else {
      const sentence = part.locator(".bago-said").filter({ hasText: "busy" });
      await sentence.waitFor();
      found.sentence = await sentence.innerText();
      found.promptAtSentence = await prompt.innerText();
      await make.click({ force: true }); // as somebody would who waits; it asks for no second key
      await person.shoot(page, `busy-${plan.version}-${cell}`);
      writeFileSync(release, "");
      await key.waitFor();
      await sentence.waitFor({ state: "detached" });
      found.sentenceAfter = await part.innerText();
    }
    found.key = await key.textContent();
    await prompt.filter({ hasText: /\d/ }).waitFor();
    found.openKeys = await open.count();
    await press(mine, "Revoke this key");
    await make.waitFor();
    return found;
  }

  seen.sleeps = await walk(SLEEPS, plan.released[0]);
  seen.computes = await walk(COMPUTES, plan.released[1]);

  // A restart while the views are on show, and, where the kernel cannot serve it, while a click waits.
  await block(RESTARTED);
  if (!plan.subshells) {
    await make.click();
    await part.locator(".bago-said").filter({ hasText: "busy" }).waitFor();
  }
  await page.getByRole("menuitem", { name: "Kernel", exact: true }).click();
  await page
    .locator(".lm-Menu-itemLabel")
    .filter({ hasText: /^Restart Kernel…$/ })
    .click();
  await page.getByRole("button", { name: "Confirm Kernel Restart" }).click();
  await page.locator('.bago-nodes[data-state="stale"]').waitFor();
  await page.locator('.bago-status[data-state="stale"] .bago-counts').waitFor();
  seen.restarted = {
    nodes: await mine.nodes.innerText(),
    card: await card.innerText(),
    disabled: await make.isDisabled(),
  };
  await page.getByText(/\| Idle/).waitFor();
  await person.shoot(page, `busy-${plan.version}-restarted`);
  await show();
  await make.click();
  seen.restarted.key = await key.textContent();
  await press(mine, "Revoke this key");
  await make.waitFor();

  // The same notebook in a second tab of the browser.
  await person.save();
  const tab = await page.context().newPage();
  tab.setDefaultTimeout(40_000);
  const theirs = viewsIn(tab);
  const arrive = async (tries) => {
    await tab.goto(`${plan.url}/lab/tree/card.ipynb?token=${plan.token}`, { timeout: 60_000 });
    const live = theirs.live();
    await (tries === 1 ? live : live.catch(() => arrive(tries - 1))); // ipykernel 7.3 may drop what JupyterLab asks
  };
  await arrive(3);
  await theirs.make.click();
  seen.tabs = { key: await theirs.key.textContent() };
  const id = new URL(seen.tabs.key).searchParams.get("i");
  await open.filter({ hasText: `Key ${id} ` }).waitFor();
  seen.tabs.mine = await mine.nodes.evaluate((root) => root.outerHTML);
  await block(SHARED);
  await press(theirs, "Revoke this key");
  await make.click();
  if (!plan.subshells) {
    for (const { part: waits } of [mine, theirs])
      await waits.locator(".bago-said").filter({ hasText: "busy" }).waitFor();
    writeFileSync(plan.released[2], "");
  }
  await theirs.make.waitFor();
  await key.waitFor();
  seen.tabs.prompt = await person.prompt(SHARED).textContent(); // in a tab behind, nothing is drawn
  await person.shoot(tab, `busy-${plan.version}-tab`);
  writeFileSync(plan.released[2], "");
  seen.tabs.other = await key.textContent();
  await tab.close();
  await press(mine, "Revoke this key");
  await make.waitFor();
}
