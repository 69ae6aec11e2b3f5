// Shows one connection key in a real JupyterLab: `node key.mjs '{"url", "token", "browser", "shots"}'`.
// Prints what a person would see as one JSON object; ../../tests/browser/test_key.py judges it.
import { Person } from "./notebook.mjs";

await Person.tell(JSON.parse(process.argv[2]), "key", work, { viewport: { width: 1200, height: 800 } });

async function work(person, seen) {
  const { page } = person;
  const card = page.locator(".bago-key");
  const key = card.locator(".bago-url:not(:empty)");

  await person.open();
  await person.run(0);
  await key.waitFor();
  seen.key = await key.textContent();
  seen.qr = await page.locator(".bago-qr").evaluate((image) => image.decode().then(() => image.naturalWidth));
  seen.text = await card.innerText();
  await person.shoot(card, "key");
  await page.getByRole("button", { name: "Copy key" }).click();
  seen.copied = await card.innerText();
  await person.save();
  await person.open();
  await key.waitFor();
  seen.again = await key.textContent();
  await person.run(1);
  await page.locator('.bago-key[data-key="revoked"]').waitFor();
  seen.over = await card.innerText();
  seen.html = await page.content();

  // One that expires while its node is away, so that nobody says so.
  await person.run(2);
  await key.waitFor();
  seen.late = await key.textContent();
  await person.run(3);
  await page.evaluate((seconds) => {
    const real = performance.now.bind(performance);
    performance.now = () => real() + seconds * 1000;
  }, 700);
  await card.getByText("has expired").waitFor();
  seen.lateText = await card.last().innerText();
  seen.lateHtml = await page.content();
}
