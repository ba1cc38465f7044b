"""The layout and style of the pages, and the subset of Markdown that descriptions use."""

import base64
import hashlib
import re
from html import escape

from stepiq.server.ui.pages import DIST


def _font(family: str, pattern: str) -> str:
    """The rule for a font of the web interface. Empty if the interface is not built."""
    return "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: 100 900; font-display: swap; '
        f'src: url(/assets/{file.name}) format("woff2"); }}\n'
        for file in (DIST / "assets").glob(pattern)
    )


# The colours and fonts of the web interface: ui/src/ui/theme/tokens.css.
STYLE = (
    f"""
{_font("Inter Variable", "inter-latin-wght-normal-*.woff2")}\
{_font("JetBrains Mono Variable", "jetbrains-mono-latin-wght-normal-*.woff2")}\
"""
    """
:root { color-scheme: light dark; --line: light-dark(#dedee2, #34343a); --soft: light-dark(#fafafa, #1d1d21);
  --text: light-dark(#27272a, #e6e6e9); --dim: light-dark(#5f5f69, #a3a3ad); --link: light-dark(#3f51d9, #97a1f6);
  --ground: light-dark(#fff, #17171a); font: 15px/1.55 "Inter Variable", system-ui, sans-serif; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--text); display: grid; grid-template-columns: 20rem minmax(0, 1fr); }
a { color: var(--link); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1.5rem 1rem; border-right: 1px solid var(--line);
  font-size: .875rem; }
nav strong { font-size: 1rem; } nav ul { list-style: none; margin: .25rem 0 1rem; padding: 0; }
nav a { display: flex; padding: .15rem .25rem; text-decoration: none; border-radius: 4px; overflow-wrap: anywhere; }
nav a:hover { background: var(--soft); } nav .method { min-width: 3.4rem; flex: none; padding-top: .2rem; }
main { max-width: 62rem; padding: 1.5rem 2rem 6rem; }
h1 { margin: 0 0 .5rem; } h2 { margin: 3rem 0 0; } h3 { margin: 0; overflow-wrap: anywhere; } h4 { margin: 1.25rem 0 .25rem; }
h3 .method { font-size: .875em; } .anchor { text-decoration: none; color: var(--dim); opacity: .6; } .anchor:hover { opacity: 1; }
article { border-top: 1px solid var(--line); padding: 1.5rem 0; }
article:target { border-left: 3px solid var(--link); padding-left: 1rem; }
code, pre { font: .875em/1.5 "JetBrains Mono Variable", ui-monospace, monospace; }
pre code { font-size: inherit; } pre .key { color: var(--link); } pre .comment { color: var(--dim); font-style: italic; }
header { grid-column: 1 / -1; display: flex; align-items: center; gap: 1rem; height: 3rem; padding: 0 1rem; border-bottom: 1px solid var(--line); }
header a { color: var(--text); text-decoration: none; } header strong { margin-right: auto; }
header input { font: inherit; font-size: .875rem; width: 14rem; max-width: 30vw; padding: .25rem .5rem; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: 6px; } header input:focus-visible { outline: 2px solid var(--link); }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem; overflow: auto; margin: .5rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
summary { cursor: pointer; margin: .75rem 0 .25rem; font-weight: 600; }
.method { display: inline-block; min-width: 3.8rem; color: var(--dim); font: 700 .75em/1.5 ui-monospace, monospace; }
.get { color: light-dark(#1a5fb4, #84b6f4); } .post { color: light-dark(#18794e, #6fd0a0); }
.put, .patch { color: light-dark(#8a5a00, #e5b567); } .delete { color: light-dark(#b3261e, #f29b94); }
.dim { color: var(--dim); }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .5rem; }
td:first-child { white-space: nowrap; }
@media (max-width: 60rem) { body { display: block; } main { padding: 1rem; }
  nav { position: static; height: auto; border: 0; border-bottom: 1px solid var(--line); padding: 1rem; display: flex; flex-wrap: wrap; gap: .25rem .75rem; }
  nav ul { display: contents; } nav ul.entries { display: none; } nav a { padding: .35rem .25rem; } nav strong { font-size: inherit; font-weight: 400; } }
"""
)

SCRIPT = """
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
  event.preventDefault();
  document.querySelector("input[type=search]").focus();
});
"""
"""The key `/` moves to the search. The pages work without it."""


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; font-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]+)`")


_KEY = re.compile(r"^([ ]*(?:- )?)([\w.-]+)(:(?:\s|$))")


def yaml(text: str) -> str:
    """YAML as HTML, with the colours of the editor for keys and for comments on lines of their own."""
    return "\n".join(map(_yaml_line, text.rstrip("\n").split("\n")))


def _yaml_line(line: str) -> str:
    if line.lstrip().startswith("#"):
        return f'<span class="comment">{escape(line)}</span>'
    if (key := _KEY.match(line)) is None:
        return escape(line)
    return f'{key[1]}<span class="key">{escape(key[2])}</span>{escape(line[key.end(2) :])}'


def inline(text: str) -> str:
    """A line of Markdown as HTML. Links become plain text, because their targets are files of the repository."""
    return _CODE.sub(r"<code>\1</code>", escape(_LINK.sub(r"\1", text)))


def paragraphs(text: str) -> str:
    """Text with paragraphs and lists as HTML."""
    return "".join(_block(block.strip()) for block in re.split(r"\n\s*\n", text) if block.strip())


def _block(block: str) -> str:
    if not block.startswith("- "):
        return f"<p>{inline(' '.join(block.split()))}</p>"
    items = re.split(r"(?:^|\n)- ", block)[1:]
    shown = [f"<li>{inline(' '.join(item.split()))}</li>" for item in items]
    return f"<ul>{''.join(shown)}</ul>"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table whose cells are HTML. Empty if there are no rows."""
    if not rows:
        return ""
    titles = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    lines = "".join("<tr><td>" + "</td><td>".join(row) + "</td></tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def page(title: str, navigation: str, content: str, *, wanted: str = "") -> str:
    """A whole page. `wanted` is the text of the search."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · stepIQ</title>
<style>{STYLE}</style>
<a class="skip" href="#content">Skip to content</a>
<header><strong><a href="/">stepIQ</a></strong><a href="/docs">API</a> <a href="/docs/README">Documentation</a>
<form action="/docs/search" role="search"><input type="search" name="q" value="{escape(wanted)}" required maxlength="200"
aria-label="Search the documentation" placeholder="Search"></form></header>
<script>{SCRIPT}</script>
<nav aria-label="Contents">{navigation}</nav>
<main id="content">{content}</main>
</html>
"""
