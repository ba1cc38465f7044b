"""What can go wrong with a template: one error when it is saved, three when it is rendered.

TemplateError
├── TemplateSyntaxError   the text is not a template; found when a definition is saved
├── TemplateUnresolved    a value it names is not there, or is of the wrong kind
├── SecretMissing         a secret it names does not exist
└── TemplateLimit         it would do more, or write more, than a step may
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
    """A value that the template needs is missing, or is not of the kind it needs."""

    code = "template_unresolved"


class SecretMissing(TemplateError):
    """The template names a secret that does not exist."""

    code = "secret_missing"


class TemplateLimit(TemplateError):
    """Rendering would take more work or write more text than one field may."""

    code = "output_too_large"
