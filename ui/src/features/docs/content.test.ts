// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { readDocs, searchDocs } from "./content";

const HTML = `<!doctype html><title>x</title><nav>links</nav><main><h1>API</h1><p>About</p>
<h2 id="tag-runs">Runs</h2>
<article id="get-api-runs"><h3><span class="method get">GET</span> <code>/api/runs</code> <a href="#x">#</a></h3>
<p>List runs.</p></article>
<article id="gone"><h3><code>gone</code></h3><p>First.</p></article>
<h2 id="headers">Headers</h2><table><tr><td>x</td></tr></table>
<h2 id="more">More</h2><article><h3><code>gone</code></h3><p>Second.</p></article>
</main>`;

test("a page has an introduction, and sections with entries", () => {
  const { introduction, sections } = readDocs(HTML, "All");

  expect(introduction.map((node) => node.textContent)).toEqual(["About"]);
  expect(sections.map(({ title, entries }) => [title, entries.map(({ id }) => id)])).toEqual([
    ["Runs", ["get-api-runs", "gone"]],
    ["Headers", ["headers"]],
    ["More", []],
  ]);
  expect(sections[0]?.entries[0]).toMatchObject({ method: "GET", title: "/api/runs" });
});

test("a code that is explained twice is one entry", () => {
  const gone = readDocs(HTML, "All").sections[0]?.entries[1];

  expect(gone?.nodes.map((node) => node.textContent)).toEqual(["First.", "Second."]);
});

test("articles without a section get one", () => {
  const { sections } = readDocs("<main><article id=a><h2>a</h2></article></main>", "All");

  expect(sections).toMatchObject([{ title: "All", entries: [{ id: "a", title: "a" }] }]);
});

test("a search finds entries that contain each word", () => {
  const { sections } = readDocs(HTML, "All");
  const found = (query: string) =>
    searchDocs(sections, query).flatMap(({ entries }) => entries.map(({ id }) => id));

  expect(found("get RUNS")).toEqual(["get-api-runs"]);
  expect(found("list")).toEqual(["get-api-runs"]);
  expect(found("nothing")).toEqual([]);
  expect(found("")).toHaveLength(3);
});
