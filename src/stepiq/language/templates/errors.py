"""The errors of templates: one on saving, three on rendering.

TemplateError
├── TemplateSyntaxError   the text is not a template; found when a definition is saved
├── TemplateUnresolved    a value it names is missing or of the wrong kind
├── SecretMissing         a secret it names does not exist
└── TemplateLimit         rendering exceeds the limit of work or output
"""

from stepiq.core.errors import Invalid


class TemplateError(Invalid):
    """A template cannot be used. Messages name fields and positions, never values."""

    code = "template_error"


class TemplateSyntaxError(TemplateError):
    """The text is not a template of this language."""

    code = "template_syntax"

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message, line=line, column=column)
        self.line = line
        """Line inside the template's own text, counted from 1."""
        self.column = column
        """Column inside that line in characters, counted from 1."""


class TemplateUnresolved(TemplateError):
    """A value that the template needs is missing or of the wrong kind."""

    code = "template_unresolved"


class SecretMissing(TemplateError):
    """The template names a secret that does not exist."""

    code = "secret_missing"


class TemplateLimit(TemplateError):
    """Rendering exceeds the limit of work or output size."""

    code = "output_too_large"
