// Drives one notebook in a real JupyterLab: `node lab.mjs '{"url", "token", "browser", "shots", "release"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/ judges it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const plan = JSON.parse(process.argv[2]);
const PATIENCE = 40_000;
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
const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
page.setDefaultTimeout(PATIENCE);
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error" && /bago|anywidget/i.test(message.text())) problems.push(message.text());
});
const seen = { problems };

const card = page.locator(".bago-status");
const inState = (state) => page.locator(`.bago-status[data-state="${state}"]`).waitFor();

async function open() {
  await page.goto(`${plan.url}/lab/tree/card.ipynb?token=${plan.token}`);
  await page.locator(".jp-Notebook").waitFor();
}

async function run(cell) {
  await page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click();
  await page.keyboard.press("Shift+Enter");
}

async function look(name) {
  await card.screenshot({ path: join(plan.shots, `card-${name}.png`) });
  await page.screenshot({ path: join(plan.shots, `lab-${name}.png`) });
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

try {
  await open();
  await page.getByText(/\| Idle/).waitFor(); // a cell that is run before is dropped
  await run(0);
  await inState("up");
  await page.locator('.bago-chip[data-state="ready"]').waitFor();
  await page.locator(".bago-models button:not([aria-disabled])").waitFor();
  await look("light");
  await card.getByRole("button", { name: "Copy URL" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".bago-note:not(:empty)").waitFor();
  await look("copied");

  const prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(1);
  await run(1);
  await prompt.filter({ hasText: "*" }).waitFor();
  await card.getByRole("button", { name: "Unload" }).click();
  await page.locator(".bago-note", { hasText: "is unloaded" }).waitFor();
  seen.promptWhileUnloaded = await prompt.innerText();
  await page.locator(".bago-models li").waitFor({ state: "detached" });
  writeFileSync(plan.release, "");
  await prompt.filter({ hasText: "2" }).waitFor();

  await page.keyboard.press("Control+s");
  const saved = await page.request.put(`${plan.url}/lab/api/settings/@jupyterlab/apputils-extension:themes`, {
    headers: { authorization: `token ${plan.token}` },
    data: { raw: '{"theme": "JupyterLab Dark"}' },
  });
  seen.themeSaved = saved.status();
  await page.locator(".jp-mod-dirty").waitFor({ state: "detached" });
  await open();
  await page.locator('body[data-jp-theme-light="false"]').waitFor({ state: "attached" });
  await inState("up");
  await look("dark");
  await run(2);
  await inState("down");
  await look("down");
} catch (error) {
  seen.failed = String(error);
  await page.screenshot({ path: join(plan.shots, "lab-failed.png") });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
