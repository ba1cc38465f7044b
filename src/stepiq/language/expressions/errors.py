"""The errors of expressions: one on saving, one on evaluation."""

from stepiq.core.errors import Invalid


class ExpressionSyntaxError(Invalid):
    """The text is not an expression of this language."""

    code = "expression_syntax"

    def __init__(
        self, message: str, line: int, column: int, unknown_name: str | None = None
    ) -> None:
        super().__init__(message, line=line, column=column)
        self.line = line
        """Line inside the expression's own text, counted from 1."""
        self.column = column
        """Column inside that line in characters, counted from 1."""
        self.unknown_name = unknown_name
        """The name, if the text reads one that does not exist; at most 60 characters."""


class ExpressionError(Invalid):
    """The expression cannot be evaluated. Messages name the expression and its fields, never their values."""

    code = "expression_error"
    field: str | None = None
    """The field of the expression, if there are several, such as `set.total`."""
