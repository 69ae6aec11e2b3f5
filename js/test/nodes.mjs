// Connects nodes in a real JupyterLab, from the views of three of them: `node nodes.mjs '{...}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_nodes.py judges it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);
const [STUDY, ATTIC, CELLAR] = plan.names;

await Person.tell(plan, "nodes", work, {
  permissions: ["camera"],
  args: [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-video-capture=${plan.film}`,
  ],
});

async function work(person, seen) {
  const { page } = person;
  const view = (name) => page.locator(".bago-nodes").filter({ hasText: `Nodes of ${name}` });
  const [study, attic, cellar] = [view(STUDY), view(ATTIC), view(CELLAR)];
  const dialog = study.locator("dialog[open]");
  const peer = (of, name) => of.locator('ul[aria-label="Connected nodes"] > li').filter({ hasText: name });
  const online = (of, name) =>
    of
      .locator('ul[aria-label="Connected nodes"] > li[data-state="online"]')
      .filter({ hasText: name })
      .waitFor();
  const press = (within, name) => within.getByRole("button", { name, exact: true }).click();
  const key = (of) => of.locator("code.bago-secret:not(:empty)");

  async function makeKey(of) {
    await press(of, "Generate connection key");
    await key(of).waitFor();
    return key(of).textContent();
  }

  async function remove(of, name) {
    await press(peer(of, name), `Remove ${name}`);
    await press(peer(of, name), "Remove");
    await peer(of, name).waitFor({ state: "detached" });
  }

  await person.open();
  for (const cell of [0, 1, 2]) await person.run(cell);
  for (const each of [study, attic, cellar]) await each.locator("fieldset:not([disabled])").waitFor();

  // Discovered, with the seed's columns; connected by a pasted key.
  await press(study, "Add node");
  const row = (name) => dialog.locator("tbody tr").filter({ hasText: name });
  await row(ATTIC).waitFor();
  await row(CELLAR).waitFor();
  seen.columns = await dialog.locator("thead").innerText();
  seen.row = await row(ATTIC).innerText();
  await person.shoot(page, "nodes-dialog-light");
  seen.dialogFaults = await person.faults(".bago-nodes dialog[open]");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  seen.focusReturned = await page.evaluate(() => document.activeElement?.textContent);
  seen.keyText = await makeKey(attic);
  seen.keyPanel = await attic.innerText();
  await person.shoot(attic, "nodes-key-light");
  await press(study, "Add node");
  await press(row(CELLAR), `Connect ${CELLAR} by key`);
  await dialog.getByRole("textbox", { name: "Connection key" }).fill("bago://nonsense");
  await press(dialog, "Connect");
  await dialog.locator(".bago-said[data-bad]:not(:empty)").last().waitFor();
  seen.badKey = await dialog.locator(".bago-said[data-bad]").last().innerText();
  seen.badKeyKept = await dialog.getByRole("textbox", { name: "Connection key" }).inputValue();
  await dialog.getByRole("textbox", { name: "Connection key" }).fill(seen.keyText);
  seen.about = await dialog.locator("p[role=status]").innerText();
  await dialog.getByRole("textbox", { name: "Connection key" }).press("Enter");
  await online(study, ATTIC);
  await online(attic, STUDY);
  await attic.getByText(`The key is used by ${STUDY}.`).waitFor();
  seen.afterUse = await attic.innerHTML();

  // Used in place.
  const of = peer(study, ATTIC);
  await press(of, `Ping ${ATTIC}`);
  await of.getByText(/Answered in/).waitFor();
  await press(of, `Test ${ATTIC}`);
  await of.locator(".bago-hops li").nth(1).waitFor();
  await of.locator(".bago-said[data-bad]:not(:empty)").waitFor();
  seen.test = await of.innerText();
  await of.locator("summary").click();
  for (const [label, value] of [
    ["Priority", "5"],
    ["Weight", "2.5"],
    ["Max load, %", "50"],
  ]) {
    await of.getByLabel(label).focus();
    await page.keyboard.press("Control+a");
    await page.keyboard.type(value);
    await of.getByLabel(label).press("Enter");
    await of.getByLabel(label).and(page.locator(":not([aria-busy])")).waitFor();
  }
  await of.getByLabel("In routing").focus();
  await page.keyboard.press("Space");
  await of.getByLabel("Allow control").check();
  await of.getByLabel("Priority").fill("7.5");
  await of.getByLabel("Priority").press("Enter");
  await of.locator('[aria-invalid="true"]').waitFor();
  seen.badPriority = await of.locator(".bago-field .bago-said[data-bad]").innerText();
  seen.badPriorityKept = await of.getByLabel("Priority").inputValue();
  await of.getByLabel("Priority").press("Escape");
  seen.priorityAgain = await of.getByLabel("Priority").inputValue();
  await page.waitForFunction(() => !document.querySelector(".bago-nodes [aria-busy]"));
  await person.shoot(study, "nodes-light");
  seen.faults = await person.faults(".bago-nodes");
  const fields = of.locator(".bago-field input");
  seen.settings = await fields.evaluateAll((all) =>
    all.map((one) => (one.type === "checkbox" ? one.checked : one.value)),
  );

  // Removed, after a question that can be taken back.
  await press(of, `Remove ${ATTIC}`);
  seen.question = await of.locator(".bago-ask").innerText();
  await page.keyboard.press("Escape");
  seen.stillThere = await of.count();
  await remove(study, ATTIC);
  await peer(attic, STUDY).waitFor({ state: "detached" });

  // By a picture of the QR code, as PNG and as SVG.
  seen.pngKey = await makeKey(attic);
  const png = join(plan.scratch, "qr.png");
  await attic.locator("img.bago-qr").screenshot({ path: png });
  seen.svgKey = await makeKey(cellar);
  const svg = join(plan.scratch, "qr.svg");
  const source = await cellar.locator("img.bago-qr").getAttribute("src");
  writeFileSync(svg, decodeURIComponent(source.slice(source.indexOf(",") + 1)));
  for (const [file, name] of [
    [png, ATTIC],
    [svg, CELLAR],
  ]) {
    await press(study, "Add node");
    await dialog.locator("input[type=file]").setInputFiles(file);
    await dialog.getByText("The QR code is read; press Connect.").waitFor();
    seen[`qr of ${name}`] = await dialog.locator("p[role=status]").innerText();
    await page.keyboard.press("Enter"); // Connect has the focus
    await online(study, name);
  }
  await remove(study, ATTIC);
  await remove(study, CELLAR);

  // By the camera.
  await press(study, "Add node");
  await press(dialog, "Use the camera");
  await dialog.getByText("The QR code is read; press Connect.").waitFor();
  seen.film = await dialog.locator("p[role=status]").innerText();
  seen.cameraOff = await dialog.locator("video").evaluate((video) => video.srcObject === null);
  await press(dialog, "Connect");
  await online(study, CELLAR);

  // By asking; both owners see the same code.
  await press(study, "Add node");
  await press(row(ATTIC), `Ask ${ATTIC} to connect`);
  await study.locator('ul[aria-label="Requests for a connection"] li').waitFor();
  seen.asked = await study.locator(".bago-code").innerText();
  await attic.locator(".bago-code").waitFor();
  seen.asks = await attic.locator(".bago-code").innerText();
  await person.shoot(attic, "nodes-request-light");
  await press(attic, `Approve ${STUDY}`);
  await press(study, `Confirm ${ATTIC}`);
  await online(study, ATTIC);
  await online(attic, STUDY);

  // A connection beyond the mesh.
  await press(study, "Add connection");
  await dialog.getByLabel("Name").fill("cloud");
  await dialog.getByLabel("URL").fill("http://127.0.0.1:9/v1");
  await dialog.getByLabel("Key", { exact: true }).fill(plan.cloudKey);
  await press(dialog, "Add");
  await dialog.locator(".bago-said[data-bad]:not(:empty)").waitFor();
  seen.badConnection = await dialog.locator(".bago-said[data-bad]").innerText();
  seen.connectionKept = await dialog.getByLabel("URL").inputValue();
  const anyway = (act) => dialog.getByRole("button", { name: `${act} even if its test fails` });
  seen.forceOffered = await anyway("Add").isVisible();
  await person.shoot(page, "nodes-connection-light");
  seen.connectionFaults = await person.faults(".bago-nodes dialog[open]");
  await dialog.getByLabel("URL").fill(plan.cloud);
  await dialog.getByLabel("Key", { exact: true }).press("Enter");
  const connection = (name) =>
    study
      .locator('ul[aria-label="Connections"] > li')
      .filter({ has: page.getByRole("button", { name: `Check ${name}`, exact: true }) });
  const cloud = connection("cloud");
  await cloud.and(page.locator('[data-state="healthy"]')).waitFor();
  seen.cloud = await cloud.innerText();
  await press(cloud, "Check cloud");
  await cloud.getByText("The test passed.").waitFor();
  seen.hops = await cloud.locator(".bago-hops").innerText();

  // Changed: a test that fails changes nothing unless that is wanted.
  const said = dialog.locator(".bago-said:not(:empty)");
  const refused = async (act) => {
    await press(dialog, act);
    await dialog.locator(".bago-said[data-bad]:not(:empty)").waitFor();
    return said.innerText();
  };
  const left = () => dialog.waitFor({ state: "detached" });
  await press(cloud, "Change cloud");
  seen.changing = await dialog.innerText();
  seen.unchanged = await refused("Change");
  await dialog.getByLabel("URL").fill("http://localhost:9/v1");
  seen.otherPlace = await refused("Change");
  seen.notOffered = await anyway("Change").isVisible();
  await dialog.getByLabel("URL").fill(plan.cloud);
  await dialog.getByLabel("Forget its key").check();
  seen.keyless = await refused("Change");
  await anyway("Change").click();
  await left();
  await cloud.and(page.locator('[data-state="unhealthy"]')).waitFor();
  seen.forced = await cloud.innerText();
  await press(cloud, "Change cloud");
  seen.noKeyToForget = await dialog.getByLabel("Forget its key").isVisible();
  await dialog.getByLabel("Key", { exact: true }).fill(plan.cloudKey);
  await dialog.getByLabel("Key", { exact: true }).press("Enter");
  await left();
  await cloud.and(page.locator('[data-state="healthy"]')).waitFor();
  seen.keyed = await cloud.innerText();

  // A cluster, its key pair, and some of its models.
  await press(study, "Add connection");
  await dialog.getByLabel("Type").selectOption("backend_ai_cluster");
  await dialog.getByLabel("Name").fill("lab");
  await dialog.getByLabel("URL").fill(plan.manager);
  seen.keyPair = await refused("Add");
  await dialog.getByLabel("Access key").fill(plan.accessKey);
  await dialog.getByLabel("Secret key").fill("wrong-and-long-enough");
  seen.mixedUp = await refused("Add");
  await dialog.getByLabel("Secret key").fill(plan.secretKey);
  await person.shoot(page, "nodes-cluster-light");
  await press(dialog, "Add");
  await left();
  const lab = connection("lab");
  await lab.and(page.locator('[data-state="healthy"]')).waitFor();
  seen.lab = await lab.innerText();
  await lab.locator("summary", { hasText: "Choose models" }).click();
  const model = (name) => lab.getByRole("checkbox", { name, exact: true });
  await model("alpha").waitFor();
  seen.allOfThem = [await model("alpha").isChecked(), await model("alpha").isDisabled()];
  await lab.getByLabel("All, also what it lists later").focus();
  await page.keyboard.press("Space");
  for (const name of ["alpha", plan.oddModel]) await model(name).uncheck();
  await person.shoot(lab, "nodes-models-light");
  seen.choiceFaults = await person.faults('.bago-nodes ul[aria-label="Connections"]');
  await press(lab, "Use these");
  await lab.getByText("1 of 3 models are used.").waitFor();
  seen.chosen = await lab.innerText();
  await model("beta").uncheck();
  await press(lab, "Use these");
  await lab.getByText("Choose a model at least").waitFor();
  await press(lab, "Change lab");
  await dialog.getByLabel("Domain").fill("physics");
  await press(dialog, "Change");
  await left();
  await lab.and(page.locator('[data-state="healthy"]')).waitFor();
  seen.moved = await study.getByText("lab is changed.").innerText();
  await press(lab, "Remove connection lab");
  await press(lab, "Remove");
  await lab.waitFor({ state: "detached" });
  await cloud.getByLabel("Enable cloud").uncheck();
  await cloud.and(page.locator('[data-state="disabled"]')).waitFor();

  // While a cell blocks, and with a key for longer.
  await study.getByLabel("good for").selectOption("1 hour");
  await study.getByLabel("More about new connection keys").click();
  await study.getByLabel("Network interface").fill("no-such");
  await press(study, "Generate connection key");
  await study.getByText("There is no address on an interface").waitFor();
  await study.getByLabel("Network interface").fill("");
  await person.run(3);
  await person.prompt(3).filter({ hasText: "*" }).waitFor();
  await press(of, `Ping ${ATTIC}`);
  await of.getByText(/Answered in/).waitFor();
  seen.openKey = await makeKey(study);
  seen.longKey = await study.locator(".bago-shown").innerText();
  seen.promptWhileServed = await person.prompt(3).innerText();
  writeFileSync(plan.release, "");
  await person.prompt(3).filter({ hasText: "4" }).waitFor();

  // Saved with a key on show; after a reload it is gone, and can still be revoked.
  await person.save();
  await person.dark();
  await study.locator("fieldset:not([disabled])").waitFor();
  seen.reloaded = await page.content();
  await study.getByText(/is open until/).waitFor();
  await person.shoot(study, "nodes-dark");
  seen.darkFaults = await person.faults(".bago-nodes");
  seen.newKey = await makeKey(study);
  await press(study, "New key instead");
  await key(study).filter({ hasNotText: seen.newKey }).waitFor();
  seen.newerKey = await key(study).textContent();
  await press(study, "Revoke this key");
  await key(study).waitFor({ state: "detached" });
  seen.revoked = await study.innerHTML();
  seen.lateKey = await makeKey(study);
  await page.evaluate(() => {
    // Runs fast instead of jumping: the key may be told a moment after it is seen.
    const now = performance.now.bind(performance);
    const start = now();
    performance.now = () => start + (now() - start) * 1000;
  });
  await study.getByText("The key has expired.").waitFor();
  seen.expired = await study.innerHTML();
  await press(cloud, "Remove connection cloud");
  await press(cloud, "Remove");
  await cloud.waitFor({ state: "detached" });
}
