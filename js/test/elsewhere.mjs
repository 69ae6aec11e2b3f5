// Looks at the widgets in places other than a running JupyterLab: `node elsewhere.mjs '{"place", "url", ...}'`
// with "notebook" (Notebook 7), "marimo", "export" (a page of nbconvert without a network) or "saved"
// (a saved notebook without a kernel). Prints what was seen; ../../tests/browser/test_elsewhere.py judges it.
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);
const LONG = { timeout: 60_000 };
const HERE = /^(https?|wss?):\/\/(127\.0\.0\.1|localhost)[:/]/;

/** Whether the card and the Mesh live: what they show, an answer to a click, a change from elsewhere. */
async function live(page, seen) {
  const card = page.locator('.bago-status:not([class*=" "])');
  const mesh = page.locator(".bago-mesh").first();
  for (const [name, view] of Object.entries({ card, mesh })) {
    await view.and(page.locator('[data-state="up"]')).waitFor(LONG);
    await view.scrollIntoViewIfNeeded();
    seen[name] = await view.innerText();
  }
  seen.tree = await mesh.getByRole("treeitem").allTextContents();
  await mesh.locator("button", { hasText: "Refresh" }).click();
  await mesh.locator("header .bago-note, .bago-note", { hasText: "healthy" }).first().waitFor();
  seen.refreshed = true;
  const url = (await card.innerText()).match(/http:\S+\/v1/)[0];
  const refused = await page.request.post(`${url}/chat/completions`, {
    data: { model: "nothing", messages: [{ role: "user", content: "hello" }] },
  });
  seen.refused = refused.status();
  await card.filter({ hasText: "1 requests" }).waitFor();
  seen.told = true;
}

/** The Mesh's static picture: whether it can be drawn, how wide it is, and the SVG itself. */
async function drawing(page) {
  const image = page.locator('img[alt^="Drawing of the mesh"]').first();
  await image.scrollIntoViewIfNeeded();
  return await image.evaluate(async (image) => {
    await image.decode();
    const encoded = Uint8Array.from(atob(image.src.split(",")[1]), (char) => char.charCodeAt(0));
    return { width: image.width, natural: image.naturalWidth, text: new TextDecoder().decode(encoded) };
  });
}

const places = {
  async notebook(person, seen) {
    const { page } = person;
    await page.goto(`${plan.url}/notebooks/card.ipynb?token=${plan.token}`, LONG);
    await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor(LONG);
    // A cell that is run before the kernel is connected is dropped, its star too; nothing tells when it is.
    const prompt = async () => (await person.prompt(0).innerText()).trim();
    while (!/\d/.test(await prompt())) {
      if (!(await prompt()).includes("*")) await person.run(0);
      await page.waitForTimeout(1000);
    }
    await live(page, seen);
  },

  async marimo(person, seen) {
    const { page } = person;
    await page.goto(plan.url, LONG);
    if (plan.mode === "edit") {
      // Nothing on the page tells when its kernel is connected; a click before that is dropped.
      const run = page.getByTestId("run-button").last(); // of the notebook; each cell has one too
      await run.waitFor(LONG);
      while ((await page.locator(".bago-mesh").count()) === 0) {
        if (await run.isEnabled()) await run.click();
        await page.waitForTimeout(1000);
      }
    }
    await live(page, seen);
    const chat = page.locator(".bago-playground").first();
    await chat.locator("> fieldset:not([disabled])").waitFor();
    await chat.getByRole("textbox", { name: "Question" }).fill("Hello?");
    await chat.getByRole("textbox", { name: "Question" }).press("Enter");
    await chat.locator(".bago-said[data-bad]").first().waitFor();
    seen.chat = await chat.innerText();
    const tabs = page.getByRole("tab").filter({ hasText: /^[A-Z]/ });
    seen.tabs = await tabs.allInnerTexts();
    await tabs.filter({ hasText: "Settings" }).click();
    const settings = page.locator('.bago-settings[data-state="up"]');
    await settings.waitFor();
    await settings.scrollIntoViewIfNeeded();
    seen.settings = await settings.innerText();
  },

  async export(person, seen) {
    const { page } = person;
    await page.goto(plan.url, { waitUntil: "domcontentloaded" });
    seen.cells = await page
      .locator(".jp-Cell")
      .evaluateAll((cells) =>
        cells.map((cell) =>
          [...cell.querySelectorAll(".jp-OutputArea-output")].map((output) => output.innerText).join("\n"),
        ),
      );
    seen.drawing = await drawing(page);
    seen.markup = await page.locator(".jp-OutputArea-output i").count();
  },

  async saved(person, seen) {
    const { page } = person;
    const kernels = async () => {
      const answer = await page.request.get(`${plan.url}/api/sessions?token=${plan.token}`);
      return (await answer.json()).filter((session) => session.path === "saved.ipynb");
    };
    const mesh = page.locator(".bago-mesh").first();
    const look = async () => {
      await mesh.scrollIntoViewIfNeeded();
      const tree = await mesh.getByRole("treeitem").allTextContents();
      return [await mesh.getAttribute("data-state"), await mesh.innerText(), tree];
    };
    const menu = async (name, entry) => {
      await page.getByRole("menuitem", { name, exact: true }).click();
      await page.getByRole("menuitem", { name: entry }).click();
    };
    const twin = page.locator("[data-bago-twin], .jp-OutputArea-output:has(img)").first();
    const open = async (name) => {
      await page.goto(`${plan.url}/lab/tree/${name}.ipynb?token=${plan.token}`, LONG);
      await page.getByText(/\| Idle/).waitFor(LONG);
    };
    await open("saved");
    seen.untrusted = await page.locator(".jp-OutputArea").last().innerText();
    seen.drawing = await drawing(page);
    await page.screenshot({ path: `${plan.shots}/elsewhere-untrusted.png` });
    await page.keyboard.press("Control+Shift+C");
    await page.locator(".lm-CommandPalette-input").locator("visible=true").first().fill("Trust Notebook");
    await page.keyboard.press("Enter");
    await page.locator(".jp-Dialog .jp-mod-accept").click();
    await mesh.waitFor(LONG);
    await twin.waitFor({ state: "hidden" });
    seen.fresh = await look();
    await menu("Kernel", "Shut Down Kernel");
    await page
      .getByText(/No Kernel/)
      .first()
      .waitFor();
    seen.over = await look();
    seen.left = await kernels();

    // What JupyterLab saves by itself has no state of widgets; it is trusted where it was made.
    await open("bare");
    const panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)");
    await panel.getByText("model not found").waitFor({ state: "attached" });
    const image = panel.locator("img[alt^='Drawing of the mesh']");
    await image.click({ trial: true }); // once it has a height
    seen.bare = await panel.locator(".jp-OutputArea").last().innerText();
    await page.screenshot({ path: `${plan.shots}/elsewhere-bare.png` });
  },
};

await Person.tell(plan, plan.place, async (person, seen) => {
  const { page } = person;
  seen.elsewhere = [];
  await page.route(
    (url) => url.protocol.startsWith("http") && !HERE.test(url.href),
    (route) => {
      seen.elsewhere.push(route.request().url());
      return route.abort();
    },
  );
  try {
    await places[plan.place](person, seen);
  } finally {
    await page.screenshot({
      path: `${plan.shots}/elsewhere-${plan.place}${plan.mode ?? ""}.png`,
      fullPage: true,
    });
  }
});
