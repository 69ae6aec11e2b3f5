// A notebook in a real JupyterLab, for the scripts that drive a view.
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
];

/** A person at `card.ipynb` of the plan's JupyterLab. */
export class Person {
  problems = [];

  static async sitDown(plan, options = {}) {
    const person = new Person();
    person.plan = plan;
    person.browser = await chromium.launch({
      executablePath: plan.browser,
      args: [...ARGUMENTS, ...(options.args ?? [])],
    });
    const context = await person.browser.newContext({
      viewport: options.viewport ?? { width: 1200, height: 1000 },
      permissions: options.permissions ?? [],
    });
    person.page = await context.newPage();
    person.page.setDefaultTimeout(40_000);
    person.page.on("pageerror", (error) => person.problems.push(String(error)));
    person.page.on("console", (message) => {
      if (message.type() === "error" && /bago|anywidget/i.test(message.text()))
        person.problems.push(message.text());
    });
    return person;
  }

  async open(tries = 3) {
    await this.page.goto(`${this.plan.url}/lab/tree/card.ipynb?token=${this.plan.token}`, {
      timeout: 60_000,
    });
    await this.page.locator(".jp-Notebook").waitFor({ timeout: 60_000 });
    // A cell that is run before is dropped. ipykernel 7.3 may drop what it is asked while it starts, too.
    const idle = this.page.getByText(/\| Idle/).waitFor({ timeout: 60_000 / tries });
    await (tries === 1 ? idle : idle.catch(() => this.open(tries - 1)));
  }

  async run(cell) {
    await this.page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click();
    await this.page.keyboard.press("Shift+Enter");
  }

  prompt(cell) {
    return this.page.locator(".jp-CodeCell .jp-InputPrompt").nth(cell);
  }

  async save() {
    const { page } = this;
    const saved = page.waitForResponse(
      (r) => r.request().method() === "PUT" && r.url().includes("card.ipynb"),
    );
    await page.locator(".jp-CodeCell .jp-InputArea-editor").nth(0).click();
    await page.keyboard.press("Control+s");
    await saved;
  }

  async dark() {
    await this.page.request.put(`${this.plan.url}/lab/api/settings/@jupyterlab/apputils-extension:themes`, {
      headers: { authorization: `token ${this.plan.token}` },
      data: { raw: '{"theme": "JupyterLab Dark"}' },
    });
    await this.open();
    await this.page.locator('body[data-jp-theme-light="false"]').waitFor({ state: "attached" });
  }

  async shoot(what, name) {
    await what.screenshot({ path: join(this.plan.shots, `${name}.png`) });
  }

  /** What axe-core objects to within `selector`, as sentences. */
  async faults(selector) {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate((within) => globalThis.axe.run(within), selector);
    return violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${rule.help}: ${node.html} ${node.any[0]?.message ?? ""}`),
    );
  }

  /** Do `steps`, and print what was `seen`. */
  static async tell(plan, name, steps, options) {
    const person = await Person.sitDown(plan, options);
    const seen = { problems: person.problems };
    try {
      await steps(person, seen);
    } catch (error) {
      seen.failed = `${error.stack ?? error} ${person.problems.join("; ")}`;
      for (const [at, page] of person.page.context().pages().entries())
        await page.screenshot({ path: join(plan.shots, `${name}-failed${at || ""}.png`) });
    } finally {
      await person.browser.close();
    }
    process.stdout.write(JSON.stringify(seen));
  }
}
