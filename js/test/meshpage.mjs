// The Mesh's bundle on a bare page, with a kernel that is played: for what a real mesh of three nodes cannot show.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const STATIC = fileURLToPath(new URL("../../bago_jupyter/widgets/static/", import.meta.url));
const PAGE = `<!doctype html><html lang="en"><title>Mesh</title><link rel="stylesheet" href="mesh.css">
<style>body{margin:12px;background:light-dark(#fff,#111)}:root{color-scheme:light dark}</style>
<main><h1 style="font:600 16px sans-serif">Mesh</h1><div id="el"></div></main><script type="module">
import widget from "./mesh.js";
const listeners = { "change:snapshot": new Set(), "msg:custom": new Set() };
let snapshot = { view: null, down: null };
const say = (content) => { for (const listener of listeners["msg:custom"]) listener(content); };
const model = {
  get: () => snapshot,
  on: (name, listener) => listeners[name]?.add(listener),
  off: (name, listener) => listeners[name]?.delete(listener),
  send: (content) => {
    window.sent.push(content);
    if (window.mute) return;
    if (content.kind === "hello") setTimeout(() => say({ kind: "hello", view: content.view }));
    else if (content.id) setTimeout(() => say({ id: content.id, ok: { checked: 1, failed: [] } }));
  },
};
window.sent = [];
window.mute = location.hash === "#alone";
window.put = (view, down = null) => {
  snapshot = { view, down };
  for (const listener of listeners["change:snapshot"]) listener();
};
window.tell = (events) => say({ kind: "events", events });
window.begin = (view) => { snapshot = { view, down: null }; widget.render({ model, el: document.getElementById("el") }); };
window.ready = true;
</script></html>`;

const TYPES = { js: "text/javascript", css: "text/css", html: "text/html; charset=utf-8" };

/** A browser with the page; `close` ends both. */
export async function meshPage(executablePath, options = {}, hash = "") {
  const server = createServer((request, response) => {
    const name = request.url.split(/[?#]/)[0].slice(1);
    response.setHeader("content-type", TYPES[name.split(".").at(-1)] ?? TYPES.html);
    if (name && !/^mesh\.(js|css)$/.test(name)) response.writeHead(404).end();
    else response.end(name ? readFileSync(STATIC + name) : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, ...options });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error.stack)));
  await page.goto(`http://127.0.0.1:${server.address().port}/${hash}`);
  await page.waitForFunction("window.ready");
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { page, problems, close };
}
