// Drives one notebook in a real JupyterLab: `node lab.mjs '{"url", "token", "browser", "shots", "release"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_card.py judges it.
import { writeFileSync } from "node:fs";
import { Person } from "./notebook.mjs";

const plan = JSON.parse(process.argv[2]);

await Person.tell(plan, "lab", work, { viewport: { width: 1200, height: 800 } });

async function work(person, seen) {
  const { page } = person;
  const card = page.locator(".bago-status");
  const inState = (state) => page.locator(`.bago-status[data-state="${state}"]`).waitFor();

  async function look(name) {
    await person.shoot(card, `card-${name}`);
    await person.shoot(page, `lab-${name}`);
    seen[name] = await card.evaluate((root) => ({
      text: root.innerText,
      html: root.outerHTML,
      role: root.getAttribute("aria-label"),
      ground: getComputedStyle(root).backgroundColor,
      color: getComputedStyle(root).color,
      scheme: getComputedStyle(root).colorScheme,
      buttons: [...root.querySelectorAll("button")].map((button) => button.ariaLabel ?? button.textContent),
    }));
  }

  await person.open();
  await person.run(0);
  await inState("up");
  await page.locator('.bago-chip[data-state="ready"]').waitFor();
  await page.locator(".bago-models button:not([aria-disabled])").waitFor();
  await look("light");
  await card.getByRole("button", { name: "Copy URL" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".bago-note:not(:empty)").waitFor();
  await look("copied");

  const prompt = person.prompt(1);
  await person.run(1);
  await prompt.filter({ hasText: "*" }).waitFor();
  await card.getByRole("button", { name: "Unload" }).click();
  await page.locator(".bago-note", { hasText: "is unloaded" }).waitFor();
  seen.promptWhileUnloaded = await prompt.innerText();
  await page.locator(".bago-models li").waitFor({ state: "detached" });
  writeFileSync(plan.release, "");
  await prompt.filter({ hasText: "2" }).waitFor();

  await person.save();
  await person.dark();
  await inState("up");
  await look("dark");
  await person.run(2);
  await inState("down");
  await look("down");
}
