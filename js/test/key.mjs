// Shows one connection key in a real JupyterLab: `node key.mjs '{"url", "token", "browser", "shots"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/ judges it.
import { join } from "node:path";
import { chromium } from "playwright-core";

const plan = JSON.parse(process.argv[2]);
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
page.setDefaultTimeout(40_000);
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
const seen = { problems };
const card = page.locator(".bago-key");

async function open() {
  await page.goto(`${plan.url}/lab/tree/card.ipynb?token=${plan.token}`);
  await page.locator(".jp-Notebook").waitFor();
  await page.getByText(/\| Idle/).waitFor(); // a cell that is run before is dropped
}

async function run(cell) {
  await page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click();
  await page.keyboard.press("Shift+Enter");
}

async function save() {
  const saved = page.waitForResponse((r) => r.request().method() === "PUT" && r.url().includes("card.ipynb"));
  await page.locator(".jp-CodeCell .jp-InputArea-editor").nth(0).click();
  await page.keyboard.press("Control+s");
  await saved;
}

try {
  await open();
  await run(0);
  await page.locator(".bago-key .bago-url:not(:empty)").waitFor();
  seen.key = await page.locator(".bago-key .bago-url").textContent();
  seen.qr = await page.locator(".bago-qr").evaluate((image) => image.decode().then(() => image.naturalWidth));
  seen.text = await card.innerText();
  await card.screenshot({ path: join(plan.shots, "key.png") });
  await page.getByRole("button", { name: "Copy key" }).click();
  seen.copied = await card.innerText();
  await save();
  await page.reload();
  await page.getByText(/\| Idle/).waitFor();
  await page.locator(".bago-key .bago-url:not(:empty)").waitFor();
  seen.again = await page.locator(".bago-key .bago-url").textContent();
  await run(1);
  await page.locator('.bago-key[data-key="revoked"]').waitFor();
  seen.over = await card.innerText();
  seen.html = await page.content();
} catch (error) {
  seen.failed = String(error);
  await page.screenshot({ path: join(plan.shots, "key-failed.png") });
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(seen));
