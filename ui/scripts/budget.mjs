/**
 * Fails if the first load of a page exceeds its budget, gzip: 250 kB of JavaScript, 40 kB of CSS.
 *
 * The first load of a page is what index.html loads, and the chunks of the page's route and its parents with all their
 * static imports. Chunks that a page loads later, such as an editor, do not count.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const DIST = new URL("../../src/stepiq/server/ui/dist/", import.meta.url);
const LIMITS = { js: 250_000, css: 40_000 };

const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", DIST), "utf8"));
const sizes = new Map();

function gzipSize(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(new URL(file, DIST))).length);
  return sizes.get(file);
}

function addFiles(key, files, seen = new Set()) {
  if (seen.has(key)) return;
  seen.add(key);
  const chunk = manifest[key];
  files.js.add(chunk.file);
  for (const sheet of chunk.css ?? []) files.css.add(sheet);
  for (const imported of chunk.imports ?? []) addFiles(imported, files, seen);
}

/** The route files above one: "src/routes/_app/runs/index.tsx" has the parent "src/routes/_app.tsx". */
function withParents(route) {
  const parts = route.replace(/^src\/routes\//, "").split("/");
  const parents = parts.slice(0, -1).flatMap((_, index) => {
    const folder = `src/routes/${parts.slice(0, index + 1).join("/")}`;
    return [`${folder}.tsx`, `${folder}/route.tsx`];
  });
  return [...parents, route];
}

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const lazyChunks = Object.keys(manifest).filter((key) => key.startsWith("src/routes/"));
const routes = new Set(lazyChunks.map((key) => key.replace(/\?.*$/, "")));
let failed = routes.size === 0;
if (failed) console.error("The manifest contains no routes. Run `npm run build` first.");

for (const route of [...routes].sort()) {
  const files = { js: new Set(), css: new Set() };
  addFiles(entry, files);
  const own = withParents(route);
  for (const key of lazyChunks) {
    if (own.includes(key.replace(/\?.*$/, ""))) addFiles(key, files);
  }
  const totals = Object.entries(files).map(([kind, names]) => {
    const total = [...names].reduce((sum, name) => sum + gzipSize(name), 0);
    const isOver = total > LIMITS[kind];
    failed ||= isOver;
    return `${kind} ${(total / 1000).toFixed(1)} kB${isOver ? ` > ${LIMITS[kind] / 1000} kB` : ""}`;
  });
  console.log(`${route.replace("src/routes/", "")}: ${totals.join(", ")}`);
}
if (failed) {
  console.error(
    "A page exceeds its budget. Load what it does not show at first with `lazy` or `import()`.",
  );
  process.exit(1);
}
