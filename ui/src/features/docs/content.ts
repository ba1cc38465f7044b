/** Reads the documentation that the server has generated, so that this app and the pages without it show the same. */

export type DocsEntry = {
  /** Its anchor, which is the hash of the address. */
  id: string;
  title: string;
  /** Of a route: GET, POST and so on. */
  method: string | null;
  /** What it shows, without the title. */
  nodes: readonly Node[];
  /** What a search finds, in lower case. */
  text: string;
};
export type DocsSection = { id: string; title: string; entries: readonly DocsEntry[] };
export type DocsContent = {
  /** What is said before the first section. */
  introduction: readonly Node[];
  sections: readonly DocsSection[];
};

type Section = { id: string; title: string; entries: DocsEntry[] };

/** Split the HTML of a page into sections and entries. It executes nothing. */
export function readDocs(html: string, defaultTitle: string): DocsContent {
  // Only the content: the policy of this page also refuses the style of a page that is parsed.
  const content = html.slice(html.indexOf("<main"), html.lastIndexOf("</main>"));
  const main = new DOMParser().parseFromString(content, "text/html").querySelector("main");
  const introduction: Node[] = [];
  const sections: Section[] = [];
  let loose: Node[] = introduction;
  for (const element of main?.children ?? []) {
    if (element.tagName === "H1") continue;
    if (element.tagName === "H2") {
      const section = { id: element.id, title: textOf(element), entries: [] };
      sections.push(section);
      loose = [];
      startEntry(section, loose);
    } else if (element.tagName === "ARTICLE") {
      addArticle(sections, element, defaultTitle);
    } else {
      loose.push(element);
    }
  }
  for (const section of sections) {
    section.entries = section.entries.filter(
      ({ id, nodes }) => id !== section.id || nodes.length > 0,
    );
  }
  return { introduction, sections };
}

/** The entries whose texts contain each word. */
export function searchDocs(sections: readonly DocsSection[], query: string): DocsSection[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return sections
    .map((section) => ({
      ...section,
      entries: section.entries.filter(({ text }) => words.every((word) => text.includes(word))),
    }))
    .filter(({ entries }) => entries.length > 0);
}

/** A section without articles is its own entry. */
function startEntry({ id, title, entries }: Section, nodes: Node[]): void {
  entries.push({ id, title, method: null, nodes, text: title.toLowerCase() });
}

function addArticle(sections: Section[], article: Element, defaultTitle: string): void {
  if (sections.length === 0) sections.push({ id: "", title: defaultTitle, entries: [] });
  const entries = sections.at(-1)?.entries ?? [];
  const heading = article.querySelector("h2, h3");
  const method = heading?.querySelector(".method")?.textContent ?? null;
  const title = heading?.querySelector("code")?.textContent ?? textOf(heading);
  const nodes = [...article.childNodes].filter((node) => node !== heading);
  const summary = textOf(article.querySelector("p"));
  const text = `${method ?? ""} ${title} ${summary}`.toLowerCase();
  const all = sections.flatMap((section) => section.entries);
  const sameTitle = article.id === "" ? all.find((entry) => entry.title === title) : undefined;
  // The server explains a code in two sections if it has two meanings. Only the first has the anchor.
  if (sameTitle !== undefined) sameTitle.nodes = [...sameTitle.nodes, ...nodes];
  else entries.push({ id: article.id, title, method, nodes, text });
}

function textOf(element: Element | null): string {
  return element?.textContent?.trim() ?? "";
}
