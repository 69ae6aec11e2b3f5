// Pulls, loads, shares and deletes models in a real JupyterLab: `node models.mjs '{...}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_models.py judges it.
import { writeFileSync } from "node:fs";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

await Person.tell(plan, "models", async (person, seen) => {
  const { page } = person;
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const view = page.locator(".bago-library");
  const group = (name) =>
    view.locator(".bago-groups > section").filter({ has: page.getByRole("heading", { name }) });
  const model = (of, name) => group(of).locator(`li[data-model="${name}"]`);
  const job = (what) => view.locator(".bago-jobs > li").filter({ hasText: what });
  const chip = (of, state) => of.locator(`.bago-chip[data-state="${state}"]`).waitFor();
  const press = (within, name) => within.getByRole("button", { name, exact: true }).click();
  const ready = () => view.locator("> fieldset:not([disabled])").waitFor();

  await person.open();
  await person.run(0);
  await ready();
  await group(plan.own).getByText("No models yet").waitFor();

  // A pull: seen while it runs, cancelled, resumed.
  const source = view.getByRole("textbox", { name: "Source" });
  await source.fill(plan.source);
  await view.getByRole("textbox", { name: "Name" }).fill("tiny");
  await source.press("Enter");
  await page.waitForFunction(() => document.querySelector(".bago-jobs progress")?.value > 0.45);
  seen.pulling = await job("slow.gguf").innerText();
  await person.shoot(view, "models-pull-light");
  await press(job("slow.gguf"), `Cancel: pull of ${plan.source}`);
  await chip(job("slow.gguf"), "cancelled");
  seen.cancelled = await job("slow.gguf").innerText();
  await press(job("slow.gguf"), `Resume: pull of ${plan.source}`);
  await chip(model(plan.own, "tiny"), "available");
  await job("slow.gguf").waitFor({ state: "detached" });
  seen.pulled = await model(plan.own, "tiny").innerText();

  // One that cannot be.
  await source.fill(plan.hostile);
  await press(view, "Pull");
  await chip(job("onerror"), "failed");
  seen.refused = await job("onerror").innerText();
  await job("onerror")
    .getByRole("button", { name: /^Dismiss/ })
    .click();
  await job("onerror").waitFor({ state: "detached" });

  // One that somebody else began: seen, and ended here.
  writeFileSync(plan.begin, "");
  const foreign = job("begun by the command line");
  await foreign.waitFor();
  await page.waitForFunction(() => document.querySelector(".bago-jobs progress")?.value > 0.45);
  seen.foreign = await foreign.innerText();
  await person.shoot(view, "models-foreign-light");
  seen.foreignFaults = await person.faults(".bago-library");
  await press(foreign, `Cancel: pull of ${plan.source}`);
  await foreign.waitFor({ state: "detached" });

  // Loaded here by the keyboard alone, and on a peer.
  await model(plan.own, "tiny").getByRole("button", { name: "Load tiny" }).focus();
  await page.keyboard.press("Enter");
  await chip(model(plan.own, "tiny"), "ready");
  await press(model("there", "smol"), "Load smol on there");
  await chip(model("there", "smol"), "ready");
  const sharing = model(plan.own, "tiny").getByRole("switch", { name: "Share tiny with peers" });
  seen.sharedFirst = await sharing.isChecked();
  await sharing.focus();
  await page.keyboard.press("Space");
  writeFileSync(plan.broken, "GGUF, or is it?");
  await model(plan.own, "broken")
    .getByText(/truncated/)
    .waitFor();
  seen.groups = await view
    .locator(".bago-groups > section")
    .evaluateAll((all) => all.map((one) => one.dataset.node));
  seen.text = await view.innerText();
  await person.shoot(view, "models-light");
  seen.faults = await person.faults(".bago-library");
  seen.lightGround = await view.evaluate((root) => getComputedStyle(root).backgroundColor);

  // While a cell blocks.
  await person.run(1);
  await person.prompt(1).filter({ hasText: "*" }).waitFor();
  await press(model("there", "smol"), "Unload smol on there");
  await press(model(plan.own, "tiny"), "Unload tiny");
  await chip(model("there", "smol"), "available");
  await chip(model(plan.own, "tiny"), "available");
  seen.promptWhileServed = await person.prompt(1).innerText();
  writeFileSync(plan.release, "");
  await person.prompt(1).filter({ hasText: "2" }).waitFor();

  // Dark, and after a reload of the page.
  await person.save();
  await person.dark();
  await ready();
  await chip(model(plan.own, "tiny"), "available");
  await person.shoot(view, "models-dark");
  seen.darkFaults = await person.faults(".bago-library");
  seen.sharedLast = await sharing.isChecked();

  // Deleted, after a question that can be taken back.
  await press(model(plan.own, "tiny"), "Delete tiny");
  seen.question = await model(plan.own, "tiny").locator(".bago-ask").innerText();
  await page.keyboard.press("Escape");
  seen.stillThere = await model(plan.own, "tiny").count();
  await press(model(plan.own, "tiny"), "Delete tiny");
  await press(model(plan.own, "tiny"), "Delete");
  await model(plan.own, "tiny").waitFor({ state: "detached" });
  seen.pwned = await page.evaluate(() => globalThis.pwned ?? null);
  seen.images = await view.locator("img, script, iframe").count();
  seen.elsewhere = asked.filter((url) => !url.startsWith(plan.url) && !/^(data|blob):/.test(url));

  // Without its node.
  await person.run(2);
  await view.and(page.locator('[data-state="down"]')).waitFor();
  seen.down = await view.innerText();
});
