"""CEL expressions over plain data. The public interface is `Expression`, its errors and `Meter`."""

from stepiq.language.expressions.errors import ExpressionError, ExpressionSyntaxError
from stepiq.language.expressions.expression import Expression
from stepiq.language.expressions.values import Meter

__all__ = ["Expression", "ExpressionError", "ExpressionSyntaxError", "Meter"]
