// As much of a browser as the pages behind links need: elements with text, events, an address, and a real fetch.
// Usage: node browser.js URL#TOKEN, with a list of acts as JSON on stdin. Prints what the page shows at the end.
"use strict";
const vm = require("node:vm");
const { readFileSync } = require("node:fs");

class Element {
  #value = "";
  constructor(hidden) { Object.assign(this, { hidden, textContent: "", disabled: false, listeners: {} }); }
  addEventListener(name, act) { (this.listeners[name] ??= []).push(act); }
  get value() { return this.#value; }
  set value(text) { this.#value = String(text).replace(/\r\n?/g, "\n"); }
  focus() {}
  append(...inner) { this.textContent += this.textContent && " | "; this.textContent += inner.map((each) => each.textContent).join(" | "); }
  replaceChildren(...inner) { this.textContent = inner.map((each) => each.textContent).join("\n"); }
  async fire(name) {
    for (const act of this.listeners[name] ?? []) await act({ currentTarget: this, preventDefault() {} });
  }
}

async function main([address]) {
  const url = new URL(address);
  const text = await (await fetch(url.origin + url.pathname)).text();
  const elements = {};
  for (const [tag, , id] of text.matchAll(/<(\w+)[^>]* id="([\w-]+)"[^>]*>/g)) {
    elements[id] = Object.assign(new Element(/ hidden/.test(tag)), { tag: tag.match(/<(\w+)/)[1] });
    elements[id].value = tag.match(/ value="(\w+)"/)?.[1] ?? "";
  }
  const [form, status, heading] = [new Element(true), new Element(false), new Element(false)];
  form.querySelectorAll = () => [elements.approve, elements.reject];
  const asked = [];
  const document = {
    title: "",
    getElementById: (id) => elements[id],
    createElement: () => new Element(false),
    querySelectorAll: (wanted) => Object.values(elements).filter((each) => each.tag === wanted),
    querySelector: (wanted) => ({ form, "[role=status]": status, h1: heading })[wanted],
  };
  const location = { hash: url.hash, pathname: url.pathname };
  const context = vm.createContext({
    document, location, console, Error, Object, JSON, Date, URLSearchParams,
    history: { replaceState: (_state, _title, path) => { location.hash = path.includes("#") ? path : ""; } },
    addEventListener() {},
    fetch: (path, options) => { asked.push(path); return fetch(new URL(path, url), options); },
  });
  vm.runInContext(text.match(/<script>([^]*)<\/script>/)[1], context);
  const settled = async () => {
    while (status.textContent === "Loading …" || status.textContent === "Sending …") await new Promise(setImmediate);
  };
  await settled();
  for (const [act, id, value] of JSON.parse(readFileSync(0, "utf8"))) {
    if (act === "write") { elements[id].value = value; await elements[id].fire("input"); }
    if (act === "click") { await elements[id].fire("click"); await settled(); }
  }
  const shown = Object.fromEntries(
    Object.entries(elements).filter(([, element]) => !element.hidden).map(([id, element]) => [id, element.textContent || element.value])
  );
  process.stdout.write(JSON.stringify({
    asked, shown, form: !form.hidden, status: status.textContent, heading: heading.textContent,
    links: Object.fromEntries(Object.entries(elements).filter(([, element]) => element.href).map(([id, element]) => [id, element.href])),
    title: document.title, hash: location.hash,
  }));
}

main(process.argv.slice(2));
