// One minified ESM bundle (and its CSS) per file of src/widgets/ that has a default export;
// with --test, the unit tests for node's own runner.
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const tests = process.argv.includes("--test");
const from = join(here, tests ? "test" : "src/widgets");
const outdir = join(here, tests ? "node_modules/.cache/test" : "../bago_jupyter/widgets/static");

const entryPoints = [];
for (const name of (await readdir(from)).sort()) {
  const path = join(from, name);
  if (tests ? name.endsWith(".test.ts") : name.endsWith(".ts")) {
    if (tests || /^export default /m.test(await readFile(path, "utf8"))) entryPoints.push(path);
  }
}

await rm(outdir, { recursive: true, force: true });
await mkdir(outdir, { recursive: true });
await build({
  entryPoints,
  outdir,
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: tests ? "node" : "browser",
  minify: !tests,
  charset: "utf8",
  legalComments: "none",
  logLevel: tests ? "warning" : "info",
  outExtension: tests ? { ".js": ".mjs" } : {},
});
