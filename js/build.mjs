// One minified ESM bundle (and its CSS) per file of src/widgets/ that has a default export;
// with --test, the unit tests for node's own runner.
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
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

await mkdir(outdir, { recursive: true });
const { metafile } = await build({
  entryPoints,
  outdir,
  bundle: true,
  metafile: true,
  format: "esm",
  target: "es2022",
  platform: tests ? "node" : "browser",
  minify: !tests,
  charset: "utf8",
  legalComments: "none",
  logLevel: tests ? "warning" : "info",
  outExtension: tests ? { ".js": ".mjs" } : {},
});

// Afterwards, so that whoever uses the files meanwhile finds all of them.
const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
for (const name of await readdir(outdir)) {
  if (!made.has(name)) await rm(join(outdir, name), { recursive: true });
}
