// Chats in a real JupyterLab: `node playground.mjs '{...}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_playground.py judges it.
import { readFileSync, writeFileSync } from "node:fs";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

await Person.tell(
  plan,
  "playground",
  async (person, seen) => {
    const { page } = person;
    const asked = [];
    page.context().on("request", (request) => asked.push(request.url()));
    const view = page.locator(".bago-playground");
    const model = view.getByLabel("Model", { exact: true });
    const question = view.getByRole("textbox", { name: "Question" });
    const answer = view.locator(".bago-assistant").last();
    const ended = (state) => answer.and(page.locator(`[data-state="${state}"]`)).waitFor();
    const press = (within, name) => within.getByRole("button", { name, exact: true }).click();
    const ready = () => view.locator("> fieldset:not([disabled])").waitFor();
    const ask = async (text) => {
      await question.fill(text);
      await question.press("Enter");
      await view.locator(".bago-user").filter({ hasText: text }).last().waitFor();
    };

    await person.open();
    await person.run(0);
    await ready();
    await model.locator(`optgroup[label="cloud"] option`).first().waitFor({ state: "attached" });
    seen.groups = await model
      .locator("optgroup")
      .evaluateAll((all) =>
        all.map((group) => [
          group.label,
          [...group.children].slice(0, 2).map((option) => option.textContent),
        ]),
      );

    // A real model, by the keyboard alone.
    await model.selectOption("there/smol");
    await view.locator("summary", { hasText: "Parameters" }).click();
    await view.getByLabel("Max tokens").fill("12");
    await view.getByLabel("Temperature").fill("9");
    await question.fill("Say hello.");
    await question.press("Enter");
    await view.locator(".bago-said[data-bad]", { hasText: "temperature" }).first().waitFor();
    seen.kept = await question.inputValue();
    await view.getByLabel("Temperature").fill("0");
    await view.getByLabel("System prompt").fill("You are brief.");
    // The parameters were refused as well, perhaps before the question: until then Enter would be in vain.
    await view.locator("button:not([aria-disabled])").getByText("Send", { exact: true }).waitFor();
    await question.press("Enter");
    await ended("done");
    seen.focus = await question.evaluate((area) => area === document.activeElement && area.value === "");
    seen.real = await answer.innerText();
    await answer.locator("summary", { hasText: "Why there?" }).click();
    await answer.locator(".bago-why table").waitFor();
    seen.why = await answer.locator(".bago-why").innerText();
    await press(answer, "Copy the answer");
    await answer.getByText("Copied.").waitFor();
    seen.copied = await page.evaluate(() => navigator.clipboard.readText());
    await answer.getByRole("button", { name: "Ask for another answer" }).click();
    await page.waitForFunction(
      () => document.querySelectorAll(".bago-assistant .bago-why table").length === 0,
    );
    await ended("done");
    await press(view.locator(".bago-user").last(), "Edit");
    await view.getByRole("textbox", { name: "The question" }).fill("Say goodbye.");
    await press(view.locator(".bago-user").last(), "Ask");
    await view.locator(".bago-user").filter({ hasText: "Say goodbye." }).waitFor();
    await ended("done");
    seen.turns = await view.locator(".bago-turn").count();
    await person.shoot(view, "playground-real-light");

    // A model that means harm.
    await view.getByLabel("Max tokens").fill("");
    await model.selectOption("cloud/plain");
    await ask("hostile, please");
    await ended("done");
    seen.hostile = await answer.locator(".bago-text").innerText();
    seen.tags = await answer
      .locator(".bago-text")
      .evaluate((root) => [...new Set([...root.querySelectorAll("*")].map((one) => one.localName))].sort());
    seen.links = await answer
      .locator("a")
      .evaluateAll((all) =>
        all.map((one) => [one.textContent, one.title, one.hasAttribute("href"), one.rel, one.target]),
      );
    seen.handlers = await view.evaluate((root) =>
      [...root.querySelectorAll("*")].flatMap((one) =>
        one.getAttributeNames().filter((name) => /^on/.test(name)),
      ),
    );
    const good = answer.getByRole("link", { name: "good" });
    await good.focus();
    seen.armed = await good.getAttribute("href");
    await page.waitForTimeout(300); // for what a browser would load by itself
    seen.pwned = await page.evaluate(() => globalThis.pwned ?? null);
    await answer.locator(".bago-block").first().scrollIntoViewIfNeeded();
    await person.shoot(view, "playground-hostile-light");
    await answer.getByRole("button", { name: "Copy code in html" }).click();
    seen.code = await page.evaluate(() => navigator.clipboard.readText());
    seen.faults = await person.faults(".bago-playground");
    await ask("think first");
    await ended("done");
    await answer.locator("summary", { hasText: "Thoughts" }).click();
    seen.thought = await answer.locator(".bago-thought").innerText();
    await ask("refuse");
    await ended("failed");
    await answer.locator("summary", { hasText: /^Why\?$/ }).click();
    await answer.locator(".bago-why table").waitFor();
    seen.refused = await answer.innerText();
    await press(answer, "Ask for another answer");
    await ended("failed");

    // Saved with the notebook: in its static picture, which JupyterLab stores without the state of widgets.
    const save = view.getByLabel("Save conversation with the notebook");
    const picture = page.locator("[data-bago-twin]");
    const kept = picture.filter({ hasText: "hostile, please" });
    await save.check();
    await kept.waitFor({ state: "attached" });
    await person.save();
    seen.hidden = await picture.isHidden();
    seen.record = await kept.textContent();
    seen.recordTags = await kept.evaluate((root) => [
      ...new Set(
        [...root.querySelectorAll("p, pre, script, img, a, i").values()].map((one) => one.localName),
      ),
    ]);
    seen.saved = readFileSync(plan.file, "utf8");
    await save.uncheck();
    await kept.waitFor({ state: "detached" });

    // While a cell blocks: an answer goes on, and can be stopped.
    await person.run(1);
    await person.prompt(1).filter({ hasText: "*" }).waitFor();
    await ask("endless");
    const written = async () =>
      Number((await answer.locator(".bago-text").innerText()).trim().split(/\s+/).at(-1));
    await page.waitForFunction(() =>
      /\b20\b/.test([...document.querySelectorAll(".bago-assistant")].at(-1)?.innerText),
    );
    seen.first = await written();
    await page.waitForFunction(() =>
      /\b60\b/.test([...document.querySelectorAll(".bago-assistant")].at(-1)?.innerText),
    );
    seen.second = await written();
    await person.shoot(view, "playground-streaming-light");
    seen.streamingFaults = await person.faults(".bago-playground");
    await press(view, "Stop");
    await ended("stopped");
    seen.stopped = await answer.innerText();
    seen.promptWhileServed = await person.prompt(1).innerText();
    writeFileSync(plan.release, "");
    await person.prompt(1).filter({ hasText: "2" }).waitFor();

    // Reloaded and dark: the conversation is in the kernel, not in the file.
    await person.save();
    seen.before = await view.locator(".bago-turn").count();
    await person.dark();
    await ready();
    await view
      .locator(".bago-turn")
      .nth(seen.before - 1)
      .waitFor();
    seen.chosen = await model.inputValue();
    await view.locator(".bago-block").first().scrollIntoViewIfNeeded();
    await person.shoot(view, "playground-dark");
    seen.darkFaults = await person.faults(".bago-playground");

    await press(view, "Clear");
    await press(view, "Clear");
    await view.locator(".bago-turn").first().waitFor({ state: "detached" });
    seen.elsewhere = asked.filter((url) => !url.startsWith(plan.url) && !/^(data|blob):/.test(url));
    await person.run(2);
    await view.and(page.locator('[data-state="down"]')).waitFor();
    seen.down = await view.innerText();
  },
  { permissions: ["clipboard-read", "clipboard-write"] },
);
