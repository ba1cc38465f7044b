"""`/docs/steps`: the step types that are installed on this server, with their fields."""

from html import escape

from stepiq.language.definitions.step_types import TypePackage, packages, step_types
from stepiq.language.fields.description import needed_by, nodes_of
from stepiq.server.docs.html import inline, page, table

_HEAD = '<ul><li><a href="/docs">API</a></li><li><a href="/docs/errors">Errors</a></li></ul>'


def render() -> str:
    """The whole page."""
    content = "<h1>Step types</h1><p>The values of <code>type</code> in a step.</p>"
    links = ""
    for name in step_types():
        content += _section(name, packages()[name])
        links += f'<li><a href="#{escape(name)}">{escape(name)}</a></li>'
    return page("Step types", f'{_HEAD}<ul class="entries">{links}</ul>', content)


def _section(name: str, package: TypePackage) -> str:
    step_type = step_types()[name]
    required = needed_by(step_type.spec)
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "required" if field in required else "optional",
            inline(str(node.get("markdownDescription") or node.get("description") or "")),
        )
        for field, node in nodes_of(step_type.spec).items()
    ]
    origin = (
        "" if package.is_built_in else f"<p>From the package {escape(package.distribution)}.</p>"
    )
    return (
        f'<article id="{escape(name)}"><h2><code>{escape(name)}</code></h2><p>{inline(step_type.description)}</p>{origin}'
        + table(("field", "use", "means"), rows)
        + "</article>"
    )
