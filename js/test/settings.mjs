// Sets what a node's owner sets, in a real JupyterLab: `node settings.mjs '{...}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_settings.py judges it.
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

await Person.tell(plan, "settings", async (person, seen) => {
  const { page } = person;
  const view = page.locator(".bago-settings");
  const section = (name) =>
    view.locator(".bago-part").filter({ has: page.getByRole("heading", { name, exact: true }) });
  const press = (within, name) => within.getByRole("button", { name, exact: true }).click();
  const calm = () =>
    page.waitForFunction(
      () => !document.querySelector(".bago-settings :is([aria-busy], button[aria-disabled])"),
    );
  const bad = (within) => within.locator(".bago-said[data-bad]:not(:empty)").innerText();

  await person.open();
  await person.run(0);
  await view.locator("fieldset:not([disabled])").waitFor();

  const info = section("Node information");
  const advertise = info.getByLabel("Advertise on the local network");
  seen.unnamed = { disabled: await advertise.isDisabled(), text: await info.innerText() };
  await info.getByLabel("Node name").focus();
  await page.keyboard.type("n".repeat(3));
  await page.keyboard.press("Escape");
  seen.escaped = await info.getByLabel("Node name").inputValue();
  await page.keyboard.type(plan.name);
  await page.keyboard.press("Enter");
  await advertise.and(page.locator(":enabled")).waitFor();
  await advertise.focus();
  await page.keyboard.press("Space");
  await calm();
  await info.getByLabel("Node discovery").uncheck();
  await info.getByLabel("API port").focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("99999");
  await page.keyboard.press("Enter");
  seen.badPort = await bad(info);
  seen.badPortKept = await info.getByLabel("API port").inputValue();
  await page.keyboard.press("Escape");
  await calm();
  seen.info = { advertise: await advertise.isChecked(), title: await view.locator("h2").innerText() };

  const access = section("External access");
  const external = access.getByLabel("Allow external connections");
  seen.keyless = { disabled: await external.isDisabled(), text: await access.innerText() };
  await access.getByLabel("API key", { exact: true }).fill(plan.apiKey);
  seen.unseen = await access.getByLabel("API key", { exact: true }).getAttribute("type");
  await press(access, "Set API key");
  await external.and(page.locator(":enabled")).waitFor();
  await external.check();
  await calm();
  await press(access, "Remove API key");
  await press(access.getByRole("group"), "Remove API key");
  seen.notRemoved = await bad(access);
  seen.external = await external.isChecked();
  seen.allowed = await access.innerText();
  seen.emptied = await access.getByLabel("API key", { exact: true }).inputValue();

  const team = section("Team");
  await team.getByLabel("Team key").fill("short");
  await press(team, "Join team");
  seen.badTeam = await bad(team);
  seen.badTeamKept = await team.getByLabel("Team key").inputValue();
  await team.getByLabel("Team key").fill(plan.teamKey);
  await team.getByLabel("Team key").press("Enter");
  await team.getByRole("button", { name: "Leave team" }).waitFor();
  await calm();
  seen.team = await team.innerText();
  await press(team, "Leave team");
  await press(team.getByRole("group"), "Leave team");
  await team.getByText("not set").waitFor();
  await calm();
  await team.getByLabel("Team key").fill(plan.teamKey);
  await team.getByLabel("Team key").press("Enter");
  await team.getByRole("button", { name: "Leave team" }).waitFor();

  const routing = section("Routing");
  await routing.getByLabel("Policy").selectOption("fastest");
  await calm();
  await routing.getByLabel("Drain").check();
  await calm();

  const routes = section("Routes");
  await routes.getByRole("textbox", { name: "Name" }).fill("fast");
  await routes.getByLabel("Append a model that is there").selectOption(plan.model);
  await routes.getByRole("textbox", { name: "Leads to" }).press("End");
  await page.keyboard.type("\nattic/other");
  await press(routes, "Save route");
  await routes.locator("li").waitFor();
  seen.route = await routes.locator("li").innerText();
  await press(routes, "Edit route fast");
  seen.edited = await routes.getByRole("textbox", { name: "Leads to" }).inputValue();
  await routes.getByRole("textbox", { name: "Leads to" }).fill("");
  await press(routes, "Save route");
  seen.badRoute = await bad(routes);
  seen.badRouteKept = await routes.getByRole("textbox", { name: "Name" }).inputValue();

  await view.getByLabel(`Share ${plan.model}`).uncheck();
  await calm();

  const keys = section("API keys");
  await keys.getByLabel("Name of a new key").fill(plan.keyName);
  await keys.getByLabel("Name of a new key").press("Enter");
  await keys.locator(".bago-secret:not(:empty)").waitFor();
  seen.key = await keys.locator(".bago-secret").textContent();
  seen.keys = await keys.innerText();
  seen.keysHtml = await keys.innerHTML();
  await press(keys, "Done");
  seen.done = await keys.innerHTML();
  await keys.getByLabel("Name of a new key").fill("second");
  await press(keys, "Add API key");
  await keys.locator(".bago-secret:not(:empty)").waitFor();
  seen.second = await keys.locator(".bago-secret").textContent();
  await page.setViewportSize({ width: 1200, height: 1700 });
  await person.shoot(view, "settings-light");
  seen.faults = await person.faults(".bago-settings");

  // Saved with a key on show.
  await person.save();
  await person.dark();
  await view.locator("fieldset:not([disabled])").waitFor();
  await calm();
  seen.reloaded = await view.innerHTML();
  seen.values = await view
    .locator(".bago-field > input, .bago-field > select")
    .evaluateAll((all) => all.map((one) => (one.type === "checkbox" ? one.checked : one.value)));
  await person.shoot(view, "settings-dark");
  seen.darkFaults = await person.faults(".bago-settings");
  await press(keys, "Remove API key second");
  await press(keys.getByRole("group"), "Remove");
  await keys.getByText("second is removed.").waitFor();
  await press(routes, "Remove route fast");
  await press(routes.getByRole("group"), "Remove");
  await routes.getByText("fast is removed.").waitFor();
  await person.save();

  // Without its kernel the notebook shows the last state, and says so.
  const headers = { authorization: `token ${plan.token}` };
  const sessions = await (await page.request.get(`${plan.url}/api/sessions`, { headers })).json();
  await page.goto("about:blank");
  for (const { id } of sessions) await page.request.delete(`${plan.url}/api/sessions/${id}`, { headers });
  await person.open();
  await page.locator('.bago-settings[data-state="stale"] fieldset[disabled]').waitFor();
  seen.stale = await view.innerText();
  await person.shoot(view, "settings-stale");
});
