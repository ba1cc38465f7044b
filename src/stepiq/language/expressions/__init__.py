"""CEL expressions over plain data: the public face is `Expression` and the errors it raises."""

from stepiq.language.expressions.errors import ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.expression import Expression
from stepiq.language.expressions.values import Meter

__all__ = ["Expression", "ExpressionError", "ExpressionSyntaxError", "Meter"]
